from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.marked import OPTIONS, RATE, clip, engines, facts, limits, plan, segment

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.geometry import check_keys, plan_geometry
from interchange.model.directive import AudioPolicy, Box, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType
from interchange.model.media import ColourTags, Raster
from interchange.timebase import TimeRange

A = clip("shot A", start=1000, length=100)
LTX_GRID = {"frame_grid": (8, 1), "size_multiple_px": 32}


def request_of(text, **keywords):
    return plan(segment(text, A, **keywords))[0].request


def refused(request, engine, *others):
    with pytest.raises(UnsupportedError) as caught:
        plan_geometry(request, engine, engines={each.engine: each for each in others})
    assert caught.value.reason is Reason.ENGINE_LIMIT
    assert caught.value.metadata["engine"] == engine.engine
    return caught.value.message


def test_engine_that_makes_anything_needs_no_padding():
    request = request_of("LTX: retake len=20")
    geometry = plan_geometry(request, limits())
    assert geometry.generate_range == request.record_range
    assert geometry.deliver_range == request.file_range
    assert geometry.generate_raster == geometry.deliver_raster == request.raster
    assert geometry.notes == ()


@pytest.mark.parametrize(
    ("colour", "said"),
    [
        (ColourTags(1, 1, 1), ""),
        (ColourTags(6, 6, 6), ""),
        (ColourTags(9, 16, 9), "BT.2020 PQ"),
        (ColourTags(9, 18, 9), "BT.2020 HLG"),
        (ColourTags(9, 14, 9), "BT.2020"),
        (ColourTags(12, 1, 1), "P3"),
    ],
)
def test_colour_that_a_trained_engine_has_never_seen_is_told(colour, said):
    request = replace(request_of("LTX: retake len=20"), colour=colour)
    trained = limits(source_type=DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA)
    notes = plan_geometry(request, trained).notes
    assert len(notes) == bool(said)
    assert not said or f"this is {said}: its code values go in and come out as they are" in notes[0]
    assert plan_geometry(request, limits()).notes == (), "algorithms treat all colour alike"


def test_kept_handles_are_not_made():
    request = request_of("LTX: retake len=20")
    assert request.file_range.length > 20
    assert plan_geometry(request, limits(**LTX_GRID)).generate_range.length == 24


def test_generated_handles_are_made():
    options = replace(OPTIONS, generated_handle_frames=10)
    request = plan(segment("LTX: regenerate", A), options=options)[0].request
    geometry = plan_geometry(request, limits(**LTX_GRID))
    assert geometry.generate_range == TimeRange(990, 1111, RATE)
    assert geometry.deliver_range == TimeRange(990, 1110, RATE)


def test_extra_frames_of_a_head_extension_lie_before_it():
    request = request_of("LTX: extend edge=head len=20")
    assert plan_geometry(request, limits(**LTX_GRID)).generate_range == TimeRange(975, 1000, RATE)


def test_planned_spans_hold_the_context_of_all_that_is_made():
    planned = plan(
        segment("LTX: retake len=20", A, at=1030), using=engines(context_frames=3, **LTX_GRID)
    )[0]
    made = planned.geometry.generate_range
    assert made == TimeRange(1030, 1054, RATE)
    assert planned.request.sources[0].record_range.covers(made.padded(3, 3))
    assert planned.notes == (
        (
            "previz makes 24 frames (00:00:41:05 - 00:00:42:04) to fill 20 (00:00:41:05 - 00:00:42:00); "
            "the 4 extra after them are not delivered."
        ),
        "previz works at 1920x1088; the padding is cropped back to 1920x1080.",
    )


def test_picture_is_padded_to_the_engines_multiple_and_it_is_said():
    geometry = plan_geometry(request_of("LTX: retake"), limits(**LTX_GRID))
    assert geometry.generate_raster == Raster(1920, 1088)
    assert geometry.deliver_raster == Raster(1920, 1080)
    assert any("works at 1920x1088" in note for note in geometry.notes)


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([1, 2, 16, 32, 64]))
def test_padded_picture_is_the_smallest_on_the_multiple(width, height, multiple):
    request = replace(request_of("LTX: retake"), raster=Raster(width, height))
    padded = plan_geometry(request, limits(size_multiple_px=multiple)).generate_raster
    for real, made in ((width, padded.width_px), (height, padded.height_px)):
        assert made % multiple == 0
        assert real <= made < real + multiple


@pytest.mark.parametrize(("text", "most"), [("retake", 88), ("regenerate", 89)])
def test_too_many_frames_says_how_many_fit(text, most):
    """Kept frames that lead in hold the single frame of the grid; without them it is among those made."""
    request = request_of(f"LTX: {text}")
    message = refused(request, limits(max_frames=95, **LTX_GRID))
    assert f"at most {most} frames" in message
    assert "needs 100" in message
    assert f"Shorten it by {100 - most} frames" in message
    shorter = replace(request, record_range=TimeRange.of_length(1000, most, RATE))
    assert plan_geometry(shorter, limits(max_frames=95, **LTX_GRID)).generate_range.length == most


def test_too_many_frames_counts_generated_handles_and_names_another_engine():
    options = replace(OPTIONS, generated_handle_frames=10)
    request = plan(segment("LTX: regenerate", A), options=options)[0].request
    message = refused(
        request, limits(max_frames=110), limits("long"), limits("short", max_frames=9)
    )
    assert "needs 120 with its 20 handle frames" in message
    assert "Or write engine=long, which can." in message


def test_too_large_a_picture_says_the_limit():
    request = request_of("LTX: retake")
    message = refused(request, limits(max_pixels=1920 * 1080, size_multiple_px=32), limits("big"))
    assert "at most 2,073,600 pixels, and 1920x1088 has 2,088,960" in message
    assert "smaller media" in message
    assert "engine=big" in message
    assert plan_geometry(request, limits(max_pixels=1920 * 1080))


def test_kind_the_engine_lacks_is_refused():
    request = request_of("LTX: extend len=5")
    some = limits(kinds=frozenset({JobKind.RETAKE, JobKind.BRIDGE}))
    message = refused(request, some)
    assert "cannot extend; it can bridge, retake" in message
    assert "engine=" not in message
    assert "cannot extend; it can nothing" in refused(request, limits(kinds=frozenset()))


@pytest.mark.parametrize(
    ("text", "lacking", "say"),
    [
        ("LTX: retake quality=draft", {"qualities": frozenset({Quality.FINAL})}, "no draft quality"),
        ("LTX: extend len=5 audio=new", {"audio": frozenset({AudioPolicy.KEEP})}, "audio=new"),
        ("LTX: regenerate from=text", {"start_from": frozenset({StartFrom.FIRST})}, "it can do from=first"),
        ("LTX: retake prompt=x", {"keys": frozenset()}, "prompt="),
        ("LTX: retake negative=x", {"keys": frozenset()}, "negative="),
        ("LTX: retake preset=x", {"keys": frozenset()}, "preset="),
        ("LTX: retake matte=x", {"keys": frozenset()}, "matte="),
        ("LTX: retake box=0,0,9,9", {"keys": frozenset()}, "box="),
        ("LTX: regenerate from=clip strength=0", {"keys": frozenset()}, "strength="),
        ("LTX: generate len=5 image=x", {"keys": frozenset()}, "image="),
        ("LTX: generate len=5 audio_file=x", {"keys": frozenset()}, "audio_file="),
    ],
)  # fmt: skip
def test_request_the_engine_cannot_meet_is_refused_by_the_sidecar_too(text, lacking, say):
    request = request_of(text)
    message = refused(request, limits(**lacking), limits("able"))
    assert say in message
    assert "Or write engine=able, which can." in message
    assert plan_geometry(request, limits())


@pytest.mark.parametrize("verb", ["retake", "restyle"])
@pytest.mark.parametrize("box", [(1919, 0, 2, 1), (0, 1079, 1, 2), (-1, 0, 2, 2), (0, 0, 0, 1)])
def test_box_out_of_the_picture_is_refused_by_the_sidecar_too(verb, box):
    request = request_of(f"LTX: {verb} box=0,0,9,9")
    outside = replace(request, spec=replace(request.spec, box=Box(*box)))
    with pytest.raises(
        InvalidInputError, match="reaches out of the picture of 1920x1080"
    ) as caught:
        plan_geometry(outside, limits())
    assert caught.value.reason is Reason.RANGE_INVALID


def test_keys_of_value_limits_need_no_ability_of_their_own():
    request = request_of("LTX: regenerate from=clip audio=new quality=draft")
    assert plan_geometry(request, limits(keys=frozenset()))


def test_keys_are_checked_as_a_whole():
    with pytest.raises(UnsupportedError, match="box=, matte="):
        check_keys(
            frozenset({"matte", "box", "prompt"}),
            limits=limits(keys=frozenset({"prompt"})),
            engines={},
        )


def test_larger_file_than_the_media_can_be_planned_for_every_kind():
    for text in ("retake", "regenerate", "extend len=9", "generate len=9"):
        assert plan_geometry(plan(segment(f"LTX: {text}", A), facts())[0].request, limits())
