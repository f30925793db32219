"""What holds for every plan, at every rate, mixed rates and speeds; the oracle counts in exact seconds."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.marked import clip, engines, facts, limits, plan, segment, sequence
from support.strategies import rates, speeds

from interchange.errors import InvalidInputError, Reason
from interchange.model.directive import Edge
from interchange.plan import PlanOptions
from interchange.timebase import format_timecode, frames_in_a_day, parse_timecode

ENGINES = st.sampled_from(
    [
        limits(),
        limits(context_frames=0),
        limits(context_frames=17, frame_grid=(8, 1), size_multiple_px=32),
        limits(frame_grid=(4, 3)),
    ]
)


def shown_frame(use, media, record_frame):
    """The picture of the file on screen at a record frame, from first principles."""
    past = use.record_range.rate.seconds(record_frame - use.record_range.start)
    position = (use.source_offset + past * use.speed) * media.frame_rate.fraction
    return math.floor(position) if use.speed > 0 else math.ceil(position) - 1


@st.composite
def shots(draw, *, start=1000, rate=None, inside=True):
    """A clip and its file, at any two rates and any speed, the cut on or off the file's frames."""
    rate = rate or draw(rates)
    media_rate = draw(rates)
    length = draw(st.integers(1, 60))
    use = clip(
        draw(st.sampled_from(["shot A", "B001.mov"])),
        start=start,
        length=length,
        rate=rate,
        speed=draw(speeds),
        source_offset=media_rate.seconds(draw(st.integers(0, 200)))
        + draw(st.sampled_from([Fraction(0), Fraction(1, 7919)])),
        local_start=Fraction(draw(st.integers(-100, 10**5)), draw(st.sampled_from([1, 7, 24]))),
    )
    file = facts(rate=media_rate, count=draw(st.integers(1, 600)))
    shown = [shown_frame(use, file, frame) for frame in use.record_range.frames]
    if inside:
        assume(min(shown) >= 0 and max(shown) < file.frame_count)
    return use, file


@st.composite
def options(draw):
    handles = st.integers(0, 20)
    return PlanOptions(
        output_directory="/out",
        engine="previz",
        handle_frames=draw(handles),
        generated_handle_frames=draw(handles),
    )


def check_span(span, use, file):
    """Every frame of a span is the one on screen, and none other could be added to what the file has."""
    for frame in span.record_range.frames:
        assert span.source_frame(frame) == shown_frame(use, file, frame)
        assert 0 <= span.source_frame(frame) < file.frame_count


def check_timecode(planned, use=None):
    request = planned.request
    rate = request.frame_rate
    day = frames_in_a_day(rate, drop_frame=request.drop_frame)
    assert 0 <= request.start_frame < day
    label = format_timecode(request.start_frame, rate, drop_frame=request.drop_frame)
    assert parse_timecode(label, rate) == (request.start_frame, request.drop_frame)
    first = request.file_range.start
    own = use and use.local_start + rate.seconds(first - use.record_range.start)
    if use and 0 <= own < rate.seconds(day):
        assert 0 <= own - rate.seconds(request.start_frame) < rate.frame_duration
    else:
        assert request.start_frame == first % day


@given(st.data(), shots(), options(), ENGINES)
def test_retake(data, shot, choices, engine):
    use, file = shot
    start = data.draw(st.sampled_from(use.record_range.frames))
    length = data.draw(st.integers(1, use.record_range.end - start))
    drop_frame = use.record_range.rate.drop_frame_capable and data.draw(st.booleans())
    mark = segment(
        "LTX: retake", use, at=start, marked=length,
        sequence=sequence(rate=use.record_range.rate, drop_frame=drop_frame),
    )  # fmt: skip
    (planned,) = plan(mark, file, options=choices, using={"previz": engine})
    request, span = planned.request, planned.request.sources[0]
    check_span(span, use, file)
    check_timecode(planned, use)
    assert (request.record_range.start, request.record_range.length) == (start, length)
    # Kept handles are all real pictures, and there are no more to be had.
    assert span.record_range.covers(request.file_range)
    before, after = request.file_range.start - 1, request.file_range.end
    for handles, outside in (
        (request.head_handle_frames, before),
        (request.tail_handle_frames, after),
    ):
        assert 0 <= handles <= choices.handle_frames
        if handles < choices.handle_frames:
            assert not 0 <= shown_frame(use, file, outside) < file.frame_count
    assert planned.geometry.generate_range.covers(request.record_range)
    assert planned.geometry.deliver_range == request.file_range


@given(shots(), options(), ENGINES)
def test_regenerate(shot, choices, engine):
    use, file = shot
    mark = segment("LTX: regenerate", use, sequence=sequence(rate=use.record_range.rate))
    (planned,) = plan(mark, file, options=choices, using={"previz": engine})
    request, span = planned.request, planned.request.sources[0]
    check_span(span, use, file)
    check_timecode(planned, use)
    assert request.record_range == use.record_range
    assert span.record_range.covers(use.record_range)
    assert planned.geometry.generate_range.covers(request.file_range)


@given(shots(), st.integers(1, 80), st.sampled_from(Edge), options(), ENGINES)
def test_extend(shot, length, edge, choices, engine):
    use, file = shot
    rate = use.record_range.rate
    mark = segment(f"LTX: extend len={length} edge={edge}", use, sequence=sequence(rate=rate))
    (planned,) = plan(mark, file, options=choices, using={"previz": engine})
    window, span = planned.request.record_range, planned.request.sources[0]
    check_span(span, use, file)
    check_timecode(planned, use)
    assert window.length == length
    if edge is Edge.TAIL:
        assert window.start == use.record_range.end
        assert window.start - 1 in span.record_range
    else:
        assert window.end == use.record_range.start
        assert window.end in span.record_range
    # A frame of the window is outside the span only where the file has no picture for it; that is said.
    held = [frame for frame in window.frames if frame not in span.record_range]
    assert all(not 0 <= shown_frame(use, file, frame) < file.frame_count for frame in held)
    said = [note for note in planned.notes if "has no picture for" in note]
    assert bool(said) == bool(held)
    assert all(f"for {len(held)} of {length} frames" in note for note in said)


@st.composite
def neighbours(draw, *, gap):
    rate = draw(rates)
    left, left_file = draw(shots(start=1000, rate=rate))
    right, right_file = draw(shots(start=left.record_range.end + gap, rate=rate))
    return left, left_file, right, right_file


@given(st.data(), neighbours(gap=0), options(), ENGINES)
def test_bridge_on_a_cut(data, pair, choices, engine):
    left, left_file, right, right_file = pair
    most = min(2 * left.record_range.length + 1, 2 * right.record_range.length)
    length = data.draw(st.integers(1, most))
    mark = segment(
        f"LTX: bridge len={length}", left, at=left.record_range.end - 1, following=right,
        sequence=sequence(rate=left.record_range.rate),
    )  # fmt: skip
    (planned,) = plan(mark, left_file, right_file, options=choices, using={"previz": engine})
    window, spec = planned.request.record_range, planned.request.spec
    check_timecode(planned)
    assert spec.cut == right.record_range.start
    on_left, on_right = spec.cut - window.start, window.end - spec.cut
    assert on_left + on_right == length
    assert on_right - on_left in {0, 1}
    assert on_left <= left.record_range.length
    assert on_right <= right.record_range.length
    check_span(spec.outgoing, left, left_file)
    check_span(spec.incoming, right, right_file)
    # Both sides of both seams have a picture: the last one before the bridge where there is one.
    assert spec.outgoing.record_range.end == spec.cut == spec.incoming.record_range.start
    assert spec.outgoing.record_range.covers(
        window.intersect(left.record_range) or spec.outgoing.record_range
    )
    assert spec.incoming.record_range.covers(
        window.intersect(right.record_range) or spec.incoming.record_range
    )


@given(st.data(), st.integers(1, 40).flatmap(lambda gap: neighbours(gap=gap)), options(), ENGINES)
def test_bridge_over_a_gap(data, pair, choices, engine):
    left, left_file, right, right_file = pair
    place = sequence(rate=left.record_range.rate)
    on_left = data.draw(st.booleans())
    mark = (
        segment("LTX: bridge", left, at=left.record_range.end - 1, following=right, sequence=place)
        if on_left
        else segment("LTX: bridge", right, previous=left, sequence=place)
    )
    if not on_left:
        assume(right.record_range.length > 1)
    (planned,) = plan(mark, left_file, right_file, options=choices, using={"previz": engine})
    window, spec = planned.request.record_range, planned.request.spec
    assert (window.start, window.end) == (left.record_range.end, right.record_range.start)
    assert spec.cut == window.start + window.length // 2
    check_span(spec.outgoing, left, left_file)
    check_span(spec.incoming, right, right_file)
    assert window.start - 1 in spec.outgoing.record_range
    assert window.end in spec.incoming.record_range
    assert window.start <= spec.outgoing.record_range.end <= spec.cut
    assert spec.cut <= spec.incoming.record_range.start <= window.end


@given(shots(inside=False))
def test_clip_is_refused_exactly_if_the_file_lacks_one_of_its_frames(shot):
    use, file = shot
    mark = segment("LTX: regenerate", use, sequence=sequence(rate=use.record_range.rate))
    shown = [shown_frame(use, file, frame) for frame in use.record_range.frames]
    lacking = [frame for frame in shown if not 0 <= frame < file.frame_count]
    if not lacking:
        assert plan(mark, file)
        return
    with pytest.raises(InvalidInputError) as caught:
        plan(mark, file)
    assert caught.value.reason is Reason.RANGE_PAST_MEDIA
    metadata = caught.value.metadata
    said = int(metadata["frames_before"]) + int(metadata["frames_after"])
    assert said == len(lacking)


@given(rates, st.integers(2, 300))
def test_clip_reversed_whole_shows_its_frames_from_last_to_first(rate, count):
    """Played backwards from its end, as FCPXML's time maps put it, frame n of the file comes n-th to last."""
    use = clip(length=count, rate=rate, speed=Fraction(-1), source_offset=rate.seconds(count))
    mark = segment("LTX: regenerate", use, sequence=sequence(rate=rate))
    span = plan(mark, facts(rate=rate, count=count))[0].request.sources[0]
    assert [span.source_frame(frame) for frame in use.record_range.frames] == list(range(count))[
        ::-1
    ]


@given(shots(), st.integers(1, 16))
def test_planning_twice_gives_the_same(shot, takes):
    use, file = shot
    mark = segment(f"LTX: retake takes={takes}", use, sequence=sequence(rate=use.record_range.rate))
    assert plan(mark, file, using=engines()) == plan(mark, file, using=engines())
