"""Where things stand: exact times, rates, retimes, lanes; and what cannot be a target, with the reason."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fcpxml_builder import Clip, Document, Gap, Mark, Raw, Storyline, seconds

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.formats.fcpxml import read_fcpxml
from interchange.formats.fcpxml.times import conform_scale, parse_time, write_time
from interchange.model.segment import Segment
from interchange.timebase import FrameRate, TimeRange

RATES = [
    FrameRate(24000, 1001), FrameRate(24), FrameRate(25), FrameRate(30000, 1001), FrameRate(30),
    FrameRate(50), FrameRate(60000, 1001), FrameRate(120000, 1001),
]  # fmt: skip
RETAKE = Mark(5, "LTX: retake len=8")


def only(document: Document) -> Segment:
    """The one segment of a document that must have no problem."""
    reading = read_fcpxml(document.xml())
    assert reading.problems == ()
    (segment,) = reading.segments
    return segment


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("offsets", [True, False])
def test_marker_and_clip_stand_on_exact_frames(rate: FrameRate, offsets: bool) -> None:
    start = 3600 * rate.nominal
    document = Document(
        rate,
        [Clip(50), Gap(7), Clip(40, source_in=11, name="B", marks=(RETAKE,)), Clip(30, name="C")],
        start=start,
        asset_start=86_400,
        offsets=offsets,
    )
    segment = only(document)
    assert segment.mark_range == TimeRange(start + 62, start + 63, rate)
    assert not segment.mark_has_length
    assert segment.sequence.record_range == TimeRange(start, start + 127, rate)
    assert segment.clip is not None
    assert segment.clip.record_range == TimeRange(start + 57, start + 97, rate)
    assert segment.clip.source_offset == rate.seconds(11)
    assert segment.clip.local_start == rate.seconds(86_411)
    assert segment.clip.speed == 1
    assert segment.clip.obstacle is None
    assert segment.previous is not None
    assert segment.following is not None
    assert (segment.previous.name, segment.following.name) == ("A", "C")


def test_drop_frame_is_read_and_counted_in_frames() -> None:
    rate = FrameRate(30000, 1001)
    segment = only(Document(rate, [Clip(50, marks=(RETAKE,))], start=107_892, drop_frame=True))
    assert segment.sequence.drop_frame
    assert segment.mark_range.start == 107_897


@pytest.mark.parametrize("version", [f"1.{minor}" for minor in range(8, 15)])
def test_every_version_names_its_media(version: str) -> None:
    segment = only(Document(FrameRate(25), [Clip(50, marks=(RETAKE,))], version=version))
    assert segment.clip is not None
    assert segment.clip.media is not None
    assert segment.clip.media.url == "file:///media/A.mov"


@pytest.mark.parametrize("version", ["1.7", "1.15", "2.0", "", "one"])
def test_unknown_version_is_refused_with_the_known_ones(version: str) -> None:
    with pytest.raises(UnsupportedError, match=r"1\.8 to 1\.14") as caught:
        read_fcpxml(Document(FrameRate(25), [Clip(5)], version=version).xml())
    assert caught.value.reason is Reason.FORMAT_UNSUPPORTED


@pytest.mark.parametrize("raw", [b"<xmeml version='4'/>", b"<html/>"])
def test_another_format_is_refused(raw: bytes) -> None:
    with pytest.raises(UnsupportedError, match="FCPXML"):
        read_fcpxml(raw)


def test_document_without_resources_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="resources"):
        read_fcpxml(b"<fcpxml version='1.10'/>")


def test_bad_time_in_a_marked_sequence_is_a_problem_not_an_end() -> None:
    raw = Document(FrameRate(25), [Clip(50, marks=(RETAKE,))]).xml()
    broken = raw.replace(b'tcStart="0s"', b'tcStart="1/0s"')
    reading = read_fcpxml(broken)
    assert reading.sequences == ()
    (problem,) = reading.problems
    assert problem.error.reason is Reason.DOCUMENT_MALFORMED


def test_final_cuts_own_formats_name_their_rate() -> None:
    raw = Document(FrameRate(25), [Clip(50, marks=(RETAKE,))]).xml()
    named = raw.replace(b'id="r1" frameDuration="1/25s"', b'id="r1" name="FFVideoFormat1080p25"')
    assert read_fcpxml(named).segments[0].sequence.frame_rate == FrameRate(25)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b' frameDuration="1/25s"', b"", "frame rate"),
        (b'lane="1"', b'lane="one"', "whole number"),
        (b'duration="2s" format', b'duration="two" format', "not a time"),
    ],
)
def test_sequence_that_cannot_be_placed_reports_its_marks(old: bytes, new: bytes, why: str) -> None:
    connected = Clip(9, lane=1)
    raw = Document(FrameRate(25), [Clip(50, marks=(RETAKE,), connected=(connected,))]).xml()
    assert old in raw
    reading = read_fcpxml(raw.replace(old, new))
    (problem,) = reading.problems
    assert why in str(problem.error)
    assert reading.segments == ()


def test_connected_clip_is_placed_in_its_hosts_own_time() -> None:
    rate = FrameRate(30000, 1001)
    connected = Clip(
        20, source_in=9, name="C", lane=1, at=13, marks=(Mark(3, "LTX: retake len=4"),)
    )
    segment = only(
        Document(rate, [Clip(10), Clip(60, source_in=500, connected=(connected,))], asset_start=777)
    )
    assert segment.clip is not None
    assert segment.clip.lane == 1
    assert segment.clip.record_range == TimeRange(23, 43, rate)
    assert segment.mark_range.start == 26
    assert segment.previous is None
    assert segment.following is None


def test_secondary_storyline_has_neighbours_of_its_own() -> None:
    rate = FrameRate(24000, 1001)
    storyline = Storyline(
        lane=2,
        at=4,
        items=(Clip(10, name="X"), Gap(5), Clip(10, name="Y", marks=(RETAKE,)), Clip(9, name="Z")),
    )
    segment = only(Document(rate, [Clip(100, source_in=33, connected=(storyline,))]))
    assert segment.clip is not None
    assert segment.clip.lane == 2
    assert segment.clip.record_range == TimeRange(19, 29, rate)
    assert segment.previous is not None
    assert segment.following is not None
    assert (segment.previous.name, segment.following.name) == ("X", "Z")


def test_transitions_are_seen_at_the_edges_they_cover() -> None:
    rate = FrameRate(25)
    transition = Raw(
        f'<transition name="X" offset="{seconds(45, rate)}" duration="{seconds(10, rate)}"/>'
    )
    document = Document(rate, [Clip(50, marks=(RETAKE,)), transition, Clip(50, name="B")])
    segment = only(document)
    assert segment.clip is not None
    assert segment.following is not None
    assert (segment.clip.head_transition, segment.clip.tail_transition) == (False, True)
    assert (segment.following.head_transition, segment.following.tail_transition) == (True, False)
    assert segment.following.record_range.start == 50


def test_constant_retime_gives_speed_and_source_position() -> None:
    rate = FrameRate(24)
    retime = (
        '<timeMap><timept time="0s" value="0s" interp="smooth2"/>'
        '<timept time="100s" value="250s" interp="smooth2"/></timeMap>'
    )
    segment = only(Document(rate, [Clip(48, source_in=24, inside=retime, marks=(RETAKE,))]))
    assert segment.clip is not None
    assert segment.clip.obstacle is None
    assert segment.clip.speed == Fraction(5, 2)
    assert segment.clip.source_offset == Fraction(5, 2)
    assert segment.clip.local_start == 1


def test_retime_counts_in_the_medias_own_timecode() -> None:
    """As Final Cut Pro writes it: `value` starts at the asset's start, not at zero."""
    rate = FrameRate(25)
    retime = '<timeMap><timept time="50s" value="40s"/><timept time="70s" value="50s"/></timeMap>'
    document = Document(
        rate, [Clip(25, source_in=500, inside=retime, marks=(RETAKE,))], asset_start=1000
    )
    segment = only(document)
    assert segment.clip is not None
    assert segment.clip.speed == Fraction(1, 2)
    assert segment.clip.source_offset == 5


def test_one_frame_per_frame_conform_scales_the_clips_own_time() -> None:
    """25 in 24, as in a real document: start and markers count in the media's time."""
    rate = FrameRate(24)
    conform = '<conform-rate srcFrameRate="25"/>'
    document = Document(rate, [Clip(54, name="LTX: retake", inside=conform)])
    # One frame of 25 after the clip's start is one frame of 24 on the timeline.
    marker = b'<marker start="1/25s" duration="1/25s" value="LTX: extend len=4"/></asset-clip>'
    reading = read_fcpxml(document.xml().replace(b"</asset-clip>", marker))
    segment, second = reading.segments
    assert second.mark_range.start == 1
    assert second.notes == ()
    assert segment.clip is not None
    assert segment.clip.speed == Fraction(24, 25)
    assert segment.clip.obstacle is None


def test_real_time_conform_keeps_speed_one() -> None:
    conform = '<conform-rate scaleEnabled="0" srcFrameRate="29.97"/>'
    segment = only(Document(FrameRate(24), [Clip(54, inside=conform, marks=(RETAKE,))]))
    assert segment.clip is not None
    assert segment.clip.speed == 1


@pytest.mark.parametrize(
    ("sequence", "source", "scale", "certain"),
    [
        ("24", "25", Fraction(24, 25), True),
        ("23.976", "25", Fraction(24000, 25025), True),
        ("24", "23.976", Fraction(1001, 1000), True),
        ("30", "23.976", Fraction(1001, 1000), True),
        ("50", "23.976", Fraction(1001, 1000), True),
        ("60", "23.976", Fraction(1001, 1000), True),
        ("59.94", "23.976", Fraction(1001, 1000), False),
        ("25", "50", Fraction(1), False),
    ],
)
def test_conform_scale_is_what_real_documents_show(
    sequence: str, source: str, scale: Fraction, certain: bool
) -> None:
    assert conform_scale(FrameRate.parse(sequence), FrameRate.parse(source)) == (scale, certain)


VARIABLE = '<timeMap><timept time="0s" value="0s"/><timept time="1s" value="1s"/><timept time="2s" value="9s"/></timeMap>'
FREEZE = '<timeMap><timept time="0s" value="3s"/><timept time="9s" value="3s"/></timeMap>'
UNSURE = '<conform-rate srcFrameRate="50"/>'


@pytest.mark.parametrize(
    ("clip", "why"),
    [
        (Clip(50, inside=VARIABLE, marks=(RETAKE,)), "speed varies"),
        (Clip(50, inside=FREEZE, marks=(RETAKE,)), "freeze"),
        (Clip(50, inside=UNSURE, marks=(RETAKE,)), "conforms"),
        (Clip(50, asset="r404", marks=(RETAKE,)), "not listed"),
        (Clip(50, asset="r1", marks=(RETAKE,)), "generator"),
        (Clip(50, asset="r9", marks=(RETAKE,)), "still"),
        (Clip(50, asset="r8", marks=(RETAKE,)), "no picture"),
        (Clip(50, attributes='srcEnable="audio"', marks=(RETAKE,)), "sound"),
    ],
)
def test_what_cannot_be_a_target_says_why(clip: Clip, why: str) -> None:
    more = (
        '<asset id="r9" name="still" start="0s" duration="0s" hasVideo="1" format="r1"/>'
        '<asset id="r8" name="sound" start="0s" duration="9s" hasVideo="0" hasAudio="1"/>'
    )
    segment = only(Document(FrameRate(25), [clip], more=more))
    assert segment.clip is not None
    assert segment.clip.obstacle is not None
    assert why in segment.clip.obstacle


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("mc-clip", "multicam"), ("ref-clip", "compound"), ("sync-clip", "synchronized"),
        ("title", "title"), ("audio", "picture"), ("caption", "caption"),
    ],
)  # fmt: skip
def test_other_kinds_of_clips_are_no_targets(tag: str, why: str) -> None:
    rate = FrameRate(25)
    mark = RETAKE.xml(0, rate)
    raw = Raw(f'<{tag} ref="r2" name="X" offset="0s" duration="2s">{mark}</{tag}>')
    segment = only(Document(rate, [raw]))
    assert segment.clip is not None
    assert segment.clip.obstacle is not None
    assert why in segment.clip.obstacle


def test_clip_with_a_video_inside_is_followed_to_its_media() -> None:
    rate = FrameRate(25)
    mark = RETAKE.xml(250, rate)
    inside = '<video ref="r2" offset="2s" start="40s" duration="100s"><audio ref="r2" lane="-1" offset="40s" duration="9s"/></video>'
    clip = Raw(f'<clip name="X" offset="0s" start="10s" duration="4s">{inside}{mark}</clip>')
    segment = only(Document(rate, [clip], asset_start=750))
    assert segment.clip is not None
    assert segment.clip.obstacle is None
    # Own time 10 s is the video's own 48 s, 18 s after the file's first frame at 30 s.
    assert segment.clip.source_offset == 18


def test_only_the_active_pick_of_an_audition_counts() -> None:
    rate = FrameRate(25)
    picks = "".join(
        f'<asset-clip ref="r2" name="{name}" start="0s" duration="{length}s">'
        f"{RETAKE.xml(0, rate)}</asset-clip>"
        for name, length in (("used", 2), ("unused", 3))
    )
    reading = read_fcpxml(
        Document(
            rate, [Raw(f'<audition offset="0s">{picks}</audition>'), Clip(50)], offsets=False
        ).xml()
    )
    (segment,) = reading.segments
    assert segment.clip is not None
    assert segment.clip.name == "used"
    assert segment.following is not None
    assert segment.following.record_range.start == 50
    (problem,) = reading.problems
    assert "unused pick" in str(problem.error)


def test_edges_off_the_frame_grid_are_said() -> None:
    rate = FrameRate(25)
    clip = Raw(
        f'<asset-clip ref="r2" name="X" offset="1/50s" start="7s" duration="2s">{RETAKE.xml(175, rate)}</asset-clip>'
    )
    segment = only(Document(rate, [clip]))
    assert segment.clip is not None
    assert segment.clip.record_range == TimeRange(1, 51, rate)
    assert segment.clip.local_start == 7 + Fraction(1, 50)
    assert any("whole frames" in note for note in segment.notes)


@given(st.integers(-(10**12), 10**12), st.integers(1, 2**31 - 1))
def test_times_read_back_exactly(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert parse_time(write_time(exact)) == exact


@pytest.mark.parametrize(
    "text", ["", "s", "1/0s", "1e9s", "1//2s", "1/-2s", "nan", "5", "1" * 40 + "s"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_time(text)


def test_times_finer_than_the_format_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="frame grid"):
        write_time(Fraction(1, 2**31))


@given(
    st.sampled_from(RATES),
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 90), st.integers(0, 200)), min_size=1, max_size=7
    ),
    st.integers(0, 100_000),
    st.booleans(),
    st.data(),
)
def test_any_storyline_is_read_where_it_was_written(
    rate: FrameRate,
    items: list[tuple[bool, int, int]],
    start: int,
    offsets: bool,
    data: st.DataObject,
) -> None:
    marked = data.draw(st.integers(0, len(items) - 1))
    at = data.draw(st.integers(0, items[marked][1] - 1))
    spine = [
        Gap(length, marks=(Mark(at, "LTX: bridge"),) if place == marked else ())
        if gap
        else Clip(
            length, source_in, marks=(Mark(at, "LTX: bridge len=4"),) if place == marked else ()
        )
        for place, (gap, length, source_in) in enumerate(items)
    ]
    segment = only(Document(rate, spine, start=start, offsets=offsets))
    before = start + sum(length for _, length, _ in items[:marked])
    whole = TimeRange.of_length(before, items[marked][1], rate)
    assert segment.mark_range.start == before + at
    if items[marked][0]:
        assert segment.gap_range == whole
        assert segment.clip is None
    else:
        assert segment.clip is not None
        assert segment.clip.record_range == whole
        assert segment.clip.source_offset == rate.seconds(items[marked][2])


def test_sequence_of_an_absurd_frame_rate_is_a_problem() -> None:
    raw = Document(FrameRate(25), [Clip(50, marks=(RETAKE,))]).xml()
    duration = raw.split(b"frameDuration=")[1].split(b" ")[0]
    (problem,) = read_fcpxml(raw.replace(duration, b'"1/1000000000s"')).problems
    assert "frames a second" in problem.error.message
