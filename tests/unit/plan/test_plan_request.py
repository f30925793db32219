"""What else goes into a request: timecode, seeds, colour, notes, names, engine settings."""

from dataclasses import replace
from fractions import Fraction

import pytest
from support.marked import (
    OPTIONS,
    RATE,
    UNTAGGED,
    clip,
    engines,
    facts,
    limits,
    plan,
    segment,
    sequence,
)

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.directive import AudioPolicy, Box, JobKind, Quality, StartFrom
from interchange.model.media import BT709, ColourTags, Raster
from interchange.model.request import Codec, RetakeSpec
from interchange.plan import PlanOptions
from interchange.timebase import FrameRate, TimeRange, format_timecode

A = clip("shot A", start=1000, length=100)
B = clip("shot B", start=1100, length=40)
NTSC = FrameRate.parse("29.97")


def test_take_of_a_clip_counts_in_the_clips_own_time():
    """Keyframes copied from the original count in it, and it is the source timecode in most documents."""
    ten_hours = clip(local_start=Fraction(36000))
    request = plan(segment("LTX: retake", ten_hours, at=1010, marked=20))[0].request
    assert format_timecode(request.start_frame, RATE) == "09:59:59:23"
    assert request.start_frame + 12 == RATE.frame_at(Fraction(36000)) + 10


def test_own_time_off_the_grid_is_rounded_down():
    off = clip(local_start=Fraction(2) + Fraction(1, 100))
    assert plan(segment("LTX: regenerate", off))[0].request.start_frame == 50


@pytest.mark.parametrize("local_start", [Fraction(-1, 25), Fraction(24 * 3600)])
def test_own_time_that_is_no_timecode_gives_way_to_the_record_timecode(local_start):
    odd = clip(local_start=local_start)
    assert plan(segment("LTX: regenerate", odd))[0].request.start_frame == 1000


def test_bridge_and_generate_take_the_record_timecode():
    assert (
        plan(segment("LTX: bridge len=10", A, at=1090, following=B))[0].request.start_frame == 1095
    )
    assert plan(segment("LTX: generate len=10", at=77))[0].request.start_frame == 77


def test_record_timecode_before_midnight_wraps():
    options = replace(OPTIONS, generated_handle_frames=5)
    request = plan(segment("LTX: generate len=10", at=2), options=options)[0].request
    assert format_timecode(request.start_frame, RATE) == "23:59:59:22"


def test_drop_frame_is_the_sequences():
    place = sequence(rate=NTSC, drop_frame=True)
    mark = segment("LTX: generate len=10", at=1800, sequence=place)
    request = plan(mark)[0].request
    assert request.drop_frame
    assert format_timecode(request.start_frame, NTSC, drop_frame=True) == "00:01:00;02"


def test_seeds_count_up_from_the_one_given():
    takes = plan(segment("LTX: retake seed=7 takes=3", A))
    assert [take.request.seed for take in takes] == [7, 8, 9]
    assert [take.take_number for take in takes] == [1, 2, 3]
    assert len({replace(take.request, seed=0) for take in takes}) == 1


def test_largest_seed_wraps():
    takes = plan(segment(f"LTX: retake seed={2**63 - 1} takes=2", A))
    assert [take.request.seed for take in takes] == [2**63 - 1, 0]


def test_seed_of_a_mark_is_its_own_and_always_the_same():
    seeds = {
        plan(segment("LTX: retake", A, segment_id=name))[0].request.seed for name in ("a", "b", "a")
    }
    # The first 31 bits of SHA-256("a") and of SHA-256("b").
    assert seeds == {0xCA978112 & 0x7FFFFFFF, 0x3E23E816}


def test_options_and_directive_go_into_the_request():
    options = PlanOptions(
        output_directory="/takes",
        engine="other",
        codec=Codec.H264,
        slate=False,
        quality=Quality.DRAFT,
    )
    text = 'LTX: retake prompt="a b" negative=c preset=soft audio=new matte=m.png box=0,0,1920,1080'
    using = engines(limits("other"))
    request = plan(segment(text, A), options=options, using=using, path_of="/abs/{}".format)[
        0
    ].request
    assert (request.prompt, request.negative_prompt, request.preset) == ("a b", "c", "soft")
    assert (request.engine, request.quality) == ("other", Quality.DRAFT)
    assert (request.output.directory, request.output.codec, request.output.slate) == (
        "/takes", Codec.H264, False,
    )  # fmt: skip
    assert isinstance(request.spec, RetakeSpec)
    assert (request.spec.audio, request.spec.matte) == (AudioPolicy.NEW, "/abs/m.png")
    assert request.spec.box == Box(0, 0, 1920, 1080)


def test_what_the_mark_says_beats_the_options():
    using = engines(limits("other"))
    request = plan(segment("LTX: retake engine=other quality=draft", A), using=using)[0].request
    assert (request.engine, request.quality) == ("other", Quality.DRAFT)


def test_box_out_of_the_picture_is_refused():
    with pytest.raises(InvalidInputError, match="reaches out of the picture of 1920x1080"):
        plan(segment("LTX: retake box=1000,0,1000,10", A))


def test_strength_needs_a_clip_to_start_from():
    with pytest.raises(InvalidInputError, match="from=clip") as caught:
        plan(segment("LTX: regenerate strength=0.5", A))
    assert caught.value.reason is Reason.DIRECTIVE_INVALID
    spec = plan(segment("LTX: regenerate strength=0.5 from=clip", A))[0].request.spec
    assert (spec.strength, spec.start_from) == (0.5, StartFrom.CLIP)


def test_key_the_engine_does_nothing_with_is_refused_and_another_engine_named():
    using = engines(limits("fancy"), limits("chart", test_only=True), keys=frozenset({"prompt"}))
    with pytest.raises(UnsupportedError) as caught:
        plan(segment("LTX: retake box=0,0,8,8 preset=x", A), using=using)
    assert caught.value.reason is Reason.ENGINE_LIMIT
    assert "previz does nothing with box=, preset=" in caught.value.message
    assert "engine=fancy" in caught.value.message
    assert "chart" not in caught.value.message


def test_keys_every_engine_honours_need_no_ability():
    using = engines(keys=frozenset())
    mark = segment("LTX: retake len=5 takes=2 seed=1 engine=previz clips=name:x", A)
    assert len(plan(mark, using=using)) == 2


# media


def test_untagged_colour_is_resolved_and_said():
    hd = plan(segment("LTX: retake", A), facts(colour=UNTAGGED))[0]
    assert hd.request.colour == hd.request.spec.source.colour == BT709
    assert any("taken as BT.709" in note for note in hd.notes)
    sd = plan(segment("LTX: retake", A), facts(colour=UNTAGGED, raster=Raster(720, 576)))[0]
    assert sd.request.colour.matrix == 6
    assert any("taken as BT.601" in note for note in sd.notes)


def test_full_range_media_make_video_range_takes():
    full = ColourTags(1, 1, 1, full_range=True)
    planned = plan(segment("LTX: retake", A), facts(colour=full))[0]
    assert planned.request.colour == BT709
    assert planned.request.spec.source.colour == full
    assert any("full-range" in note for note in planned.notes)


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"has_alpha": True}, "alpha channel"), ({"rotation": 90}, "turned by 90 degrees")],
)
def test_what_a_take_cannot_carry_is_said(changes, word):
    planned = plan(segment("LTX: retake", A), facts(**changes))[0]
    assert any(word in note for note in planned.notes)


def test_other_rates_and_speeds_are_said():
    slow = clip(speed=Fraction(1, 2))
    planned = plan(segment("LTX: regenerate", slow), facts(rate=NTSC, count=500))[0]
    assert any("runs at 29.97, the sequence at 25" in note for note in planned.notes)
    assert any("plays at 50%" in note for note in planned.notes)


def test_switched_off_clip_is_said():
    planned = plan(segment("LTX: retake", clip(enabled=False)))[0]
    assert any("switched off" in note for note in planned.notes)


def test_plain_media_need_no_notes_and_reading_notes_are_kept():
    assert plan(segment("LTX: retake", A))[0].notes == ()
    assert plan(segment("LTX: retake", A, notes=("Snapped.",)))[0].notes == ("Snapped.",)


@pytest.mark.parametrize(
    ("count", "source_in", "say"),
    [
        (149, 50, "uses 1 frame past the last picture of a.mov"),
        (200, -3, "3 frames before the first picture"),
        (50, -3, "3 frames before the first and 47 frames past the last"),
    ],
)
def test_clip_past_its_media_says_by_how_much(count, source_in, say):
    with pytest.raises(InvalidInputError) as caught:
        plan(segment("LTX: retake len=5", clip(source_in=source_in)), facts(count=count))
    assert caught.value.reason is Reason.RANGE_PAST_MEDIA
    assert say in caught.value.message
    assert "relink" in caught.value.message


def test_span_remembers_which_file_was_planned():
    span = plan(segment("LTX: retake", A), facts(size_bytes=77, modified_ns=88))[0].request.sources[
        0
    ]
    assert (span.path, span.size_bytes, span.modified_ns) == ("/media/a.mov", 77, 88)


def test_spans_hold_the_context_the_engine_wants():
    wide = engines(context_frames=20)
    retake = plan(segment("LTX: retake", A, at=1030, marked=10), using=wide)[0].request
    assert retake.sources[0].record_range == TimeRange(1010, 1060, RATE)
    bridge = plan(segment("LTX: bridge len=10", A, at=1090, following=B), using=wide)[0].request
    outgoing, incoming = bridge.sources
    assert outgoing.record_range == TimeRange(1075, 1100, RATE)
    assert incoming.record_range == TimeRange(1100, 1125, RATE)


def test_seam_frame_is_there_even_for_an_engine_without_context():
    none = engines(context_frames=0)
    bridge = plan(segment("LTX: bridge len=1", A, at=1090, following=B), using=none)[0].request
    assert [span.record_range.length for span in bridge.sources] == [1, 2]
    extend = plan(segment("LTX: extend len=10", A), facts(count=150), using=none)[0].request
    assert extend.sources[0].record_range == TimeRange(1099, 1100, RATE)


def test_bridge_over_a_gap_reads_on_into_the_handles():
    late = clip("shot B", start=1120, length=40)
    planned = plan(segment("LTX: bridge", A, at=1099, following=late), facts(count=155), facts())[0]
    outgoing, incoming = planned.request.sources
    assert outgoing.record_range == TimeRange(1095, 1105, RATE)
    assert incoming.record_range == TimeRange(1110, 1125, RATE)
    assert any("'shot A' has no picture for 5 of 10" in note for note in planned.notes)
    assert not any("'shot B' has no picture" in note for note in planned.notes)


def test_takes_that_will_look_alike_are_said_to():
    def notes(verb, **changes):
        mark = segment(f"LTX: {verb} takes=3", A)
        return [note for take in plan(mark, using=engines(**changes)) for note in take.notes]

    assert any("look alike" in note for note in notes("retake"))
    seeded = {"seeded_kinds": frozenset({JobKind.REGENERATE})}
    assert not any("look alike" in note for note in notes("regenerate", **seeded))


def test_request_names_every_file_it_reads():
    retake = plan(segment("LTX: retake matte=m.mov", A), path_of=lambda text: f"/roots/{text}")[0]
    assert retake.request.files_read == ("/media/a.mov", "/roots/m.mov")
    still = plan(
        segment("LTX: generate len=4 image=i.png", at=1000), path_of=lambda text: f"/roots/{text}"
    )[0]
    assert still.request.files_read == ("/roots/i.png",)
