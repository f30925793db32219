"""Restyle and reframe, neighbouring shots and presets: what the planner decides and says about them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.marked import HD, RATE, clip, engines, facts, limits, plan, segment, sequence

from interchange.conform import fitted_box, keeps_size, reframed_raster
from interchange.errors import InvalidInputError, NotFoundError, Reason, UnsupportedError
from interchange.geometry import plan_geometry
from interchange.model.directive import Aspect, Box
from interchange.model.media import BT709, ColourTags, Raster
from interchange.model.request import ReframeSpec, RestyleSpec
from interchange.plan import PlanOptions, describe_take, plan_segment
from interchange.timebase import TimeRange

A = clip("shot A", start=1000, length=100)
BEFORE = clip("before", start=900, length=100)
AFTER = clip("after", start=1100, length=30)
TALL = sequence(raster=Raster(1080, 1920))


def refused(mark, *media, kind=InvalidInputError, reason=Reason.DIRECTIVE_INVALID, **keywords):
    with pytest.raises(kind) as caught:
        plan(mark, *media, **keywords)
    assert caught.value.reason is reason
    return caught.value.message


# reframe


def test_reframe_stands_the_original_pixel_for_pixel_in_an_upright_picture():
    planned = plan(segment("LTX: reframe aspect=9:16", A))[0]
    request = planned.request
    assert request.spec == ReframeSpec(request.sources[0], Aspect(9, 16))
    assert request.raster == planned.geometry.deliver_raster == Raster(1920, 3414)
    assert fitted_box(HD, request.raster) == Box(0, 1166, 1920, 1080)
    assert not planned.copy_framing
    assert request.colour == BT709
    assert describe_take(planned).picture == "1920x3414 around the original's 1920x1080 at 0,1166"


@pytest.mark.parametrize(
    ("size", "aspect", "wanted"),
    [
        ((1920, 1080), (1, 1), (1920, 1920)),
        ((1920, 1080), (239, 100), (2582, 1080)),
        ((1080, 1920), (16, 9), (3414, 1920)),
        ((51, 33), (16, 9), (60, 34)),
        ((720, 576, Fraction(16, 15)), (16, 9), (960, 576)),
    ],
)
def test_reframed_picture_is_the_smallest_that_holds_the_original(size, aspect, wanted):
    assert reframed_raster(Raster(*size), Aspect(*aspect)) == Raster(*wanted, *size[2:])


@given(
    st.integers(16, 4000), st.integers(16, 4000), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from([Fraction(1), Fraction(16, 15), Fraction(2)]),
)  # fmt: skip
def test_reframed_picture_is_even_and_keeps_the_original_as_it_is(
    width, height, across, down, pixels
):
    own, aspect = Raster(width, height, pixels), Aspect(across, down)
    raster = reframed_raster(own, aspect)
    assert raster.width_px % 2 == raster.height_px % 2 == 0
    assert keeps_size(own, raster)
    box = fitted_box(own, raster)
    assert (box.width, box.height) == (width, height)
    assert box.x % 2 == box.y % 2 == 0
    assert 0 <= box.x <= raster.width_px - width
    assert 0 <= box.y <= raster.height_px - height
    # In the middle, to the pair of pixels; and the aspect asked for, to the pair of pixels.
    assert abs(2 * box.x + width - raster.width_px) <= 3
    assert abs(2 * box.y + height - raster.height_px) <= 3
    wanted = Fraction(across, down) / pixels
    assert (
        0 <= raster.width_px - wanted * height < 2
        or 0 <= raster.height_px - width / wanted < 2
        or (raster.width_px - width <= 1 and raster.height_px - height <= 1)
    )


def test_other_pictures_are_fitted_whole_and_in_the_middle():
    assert fitted_box(Raster(1920, 800), HD) == Box(0, 140, 1920, 800)
    assert fitted_box(Raster(3840, 2160), HD) == Box(0, 0, 1920, 1080)
    assert fitted_box(Raster(960, 540), HD) == Box(0, 0, 1920, 1080)
    assert fitted_box(Raster(1080, 1920), HD) == Box(656, 0, 608, 1080)
    assert fitted_box(Raster(720, 576, Fraction(16, 15)), HD) == Box(240, 0, 1440, 1080)
    assert fitted_box(Raster(1, 4000), Raster(100, 100)) == Box(49, 0, 1, 100)


def test_reframe_needs_an_aspect_that_the_shot_has_not_yet():
    assert "aspect=9:16" in refused(segment("LTX: reframe", A))
    message = refused(segment("LTX: reframe aspect=32:18", A))
    assert "'shot A' is 1920x1080, which is 32:18 already" in message
    odd = facts(raster=Raster(1919, 1079))
    assert refused(segment("LTX: reframe aspect=16:9", A), odd)
    wide = facts(raster=Raster(720, 576, Fraction(16, 15)))
    assert refused(segment("LTX: reframe aspect=4:3", A), wide)


def test_reframed_picture_above_the_engines_limit_says_both_numbers():
    message = refused(
        segment("LTX: reframe aspect=9:16", A),
        kind=UnsupportedError,
        reason=Reason.ENGINE_LIMIT,
        using=engines(limits("big"), max_pixels=4096 * 1600),
    )
    assert "at most 6,553,600 pixels, and 1920x3414 has 6,554,880" in message
    assert "aspect= nearer to the shot's own" in message
    assert "engine=big" in message


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (TALL, "The sequence is 1080x1920, so the take fills it, exactly over the original."),
        (sequence(), "fitted into it with bars; in a sequence of 9:16 it fills the frame."),
        (sequence(raster=None), "In a sequence of 9:16 it frames exactly over the original"),
    ],
)
def test_how_a_reframed_take_lies_in_the_sequence_is_said(place, says):
    notes = plan(segment("LTX: reframe aspect=9:16", A, sequence=place))[0].notes
    assert any(says in note for note in notes)
    assert any("transform and crop of 'shot A' are not carried over" in note for note in notes)


# restyle


def test_restyle_takes_matte_and_box_as_a_retake_does():
    planned = plan(
        segment("LTX: restyle matte=m.png box=0,0,1920,1080", A), path_of="/abs/{}".format
    )[0]
    request = planned.request
    assert request.spec == RestyleSpec(request.sources[0], "/abs/m.png", Box(0, 0, 1920, 1080))
    assert planned.copy_framing
    message = refused(segment("LTX: restyle box=1000,0,1000,10", A), reason=Reason.RANGE_INVALID)
    assert "reaches out of the picture of 1920x1080" in message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("restyle matte=m", "matte"),
        ("restyle box=0,0,8,8", "box"),
        ("reframe aspect=1:1", "aspect"),
    ],
)
def test_restyle_and_reframe_need_their_keys_at_both_doors(text, key):
    mark = segment(f"LTX: {text}", A)
    lacking = limits(keys=frozenset())
    message = refused(
        mark, kind=UnsupportedError, reason=Reason.ENGINE_LIMIT, using={"previz": lacking}
    )
    assert f"does nothing with {key}=" in message
    with pytest.raises(UnsupportedError, match=f"{key}="):
        plan_geometry(plan(mark)[0].request, lacking)


# neighbouring shots


def beside(text, *, using=None, media=None, **neighbours):
    """Plan a mark on shot A between its neighbours; files by the clip's name."""
    files = {
        "before": facts("/media/before.mov"),
        "after": facts("/media/after.mov"),
        **(media or {}),
    }

    def facts_of(link):
        found = files.get(link.name.removesuffix(".mov"), facts())
        if isinstance(found, Exception):
            raise found
        return found

    mark = segment(
        f"LTX: {text}", A, **{"previous": BEFORE, "following": AFTER, "at": 1050, **neighbours}
    )
    options = PlanOptions(output_directory="/out", engine="previz")
    return plan_segment(
        mark, facts_of=facts_of, engines=using or engines(context_frames=40), options=options
    )[0]


@pytest.mark.parametrize(
    "text",
    [
        "retake len=5",
        "regenerate",
        "extend len=9",
        "restyle",
        "reframe aspect=1:1",
        "generate len=9",
    ],
)
def test_neighbouring_shots_are_read_nearest_to_the_cut(text):
    planned = beside(f"{text} context=sequence")
    before, after = planned.request.references
    assert (before.path, before.record_range) == ("/media/before.mov", TimeRange(960, 1000, RATE))
    assert (after.path, after.record_range) == ("/media/after.mov", TimeRange(1100, 1130, RATE))
    assert before.source_frame(999) == 50 + 99
    assert after.source_frame(1100) == 50
    assert set(planned.request.files_read) >= {"/media/before.mov", "/media/after.mov"}
    note = "The take is made to look like 40 frames of 'before' before it and 30 frames of 'after' after it."
    assert note in planned.notes


def test_neighbours_are_read_only_where_the_mark_asks_for_them():
    assert beside("retake len=5").request.references == ()


def test_bridge_reads_its_neighbours_anyway():
    planned = beside("bridge len=10 context=sequence", at=1099)
    assert planned.request.references == ()
    assert any("A bridge sees the shots it joins" in note for note in planned.notes)


def test_neighbour_that_cannot_be_used_is_a_note_and_no_error():
    gone = NotFoundError("before.mov is not there.", reason=Reason.MEDIA_NOT_FOUND)
    planned = beside("retake len=5 context=sequence", media={"before": gone})
    assert [span.path for span in planned.request.references] == ["/media/after.mov"]
    assert any(
        "leaves out the shot before it. before.mov is not there." in note for note in planned.notes
    )
    pq = facts("/media/after.mov", colour=ColourTags(9, 16, 9))
    multicam = clip("before", start=900, length=100, obstacle="it is a multicam clip")
    planned = beside("retake len=5 context=sequence", media={"after": pq}, previous=multicam)
    assert planned.request.references == ()
    assert any("it is a multicam clip" in note for note in planned.notes)
    assert any("'after' is in another colour space" in note for note in planned.notes)
    off = clip("before", start=900, length=100, enabled=False)
    planned = beside("retake len=5 context=sequence", previous=off, following=None)
    assert any("'before' is switched off" in note for note in planned.notes)


def test_shot_without_neighbours_says_so():
    planned = beside("retake len=5 context=sequence", previous=None, following=None)
    assert planned.request.references == ()
    assert any("no shot beside it" in note for note in planned.notes)


def test_engine_that_takes_no_neighbours_refuses_them_at_both_doors():
    lacking = limits(keys=frozenset())
    with pytest.raises(UnsupportedError, match="context="):
        beside("retake len=5 context=sequence", using={"previz": lacking})
    with pytest.raises(UnsupportedError, match="context="):
        plan_geometry(beside("retake len=5 context=sequence").request, lacking)


# presets and repeatability


def test_preset_the_engine_does_not_have_names_the_nearest():
    using = engines(presets=frozenset({"soft-light", "two-stage", "dev"}))
    assert plan(segment("LTX: retake preset=dev", A), using=using)[0].request.preset == "dev"
    message = refused(segment("LTX: retake preset=soft-ligth", A), using=using)
    assert message == "Engine previz has no preset 'soft-ligth'. Did you mean soft-light?"
    message = refused(segment("LTX: retake preset=xyz", A), using=using)
    assert "It has dev, soft-light, two-stage." in message


def test_preset_of_an_engine_without_any_is_a_key_it_does_nothing_with():
    using = engines(keys=frozenset({"prompt"}))
    message = refused(
        segment("LTX: retake preset=dev", A),
        kind=UnsupportedError, reason=Reason.ENGINE_LIMIT, using=using,
    )  # fmt: skip
    assert "does nothing with preset=" in message


def test_engine_that_cannot_repeat_itself_says_so():
    planned = plan(segment("LTX: retake", A), using=engines(deterministic=False))[0]
    assert any("may differ a little from run to run" in note for note in planned.notes)
