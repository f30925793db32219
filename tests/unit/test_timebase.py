from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import DROP_FRAME_RATES, EDITORIAL_RATES, rates

from interchange.errors import InvalidInputError, Reason
from interchange.timebase import (
    FrameRate,
    TimeRange,
    format_timecode,
    frames_in_a_day,
    parse_timecode,
)

NTSC = FrameRate(30000, 1001)
PAL = FrameRate(25)
frames = st.integers(-(10**9), 10**9)


def labels_by_counting(rate, minutes):
    """Drop-frame labels as SMPTE 12M words them: count on, and leave out the first ones of a minute."""
    dropped = rate.nominal // 15
    digits = 3 if rate.nominal > 100 else 2
    for minute, second, frame in product(minutes, range(60), range(rate.nominal)):
        if second or frame >= dropped or minute % 10 == 0:
            yield f"{minute // 60:02}:{minute % 60:02}:{second:02};{frame:0{digits}}"


@pytest.mark.parametrize("rate", DROP_FRAME_RATES, ids=str)
def test_drop_frame_counts_every_frame_of_ten_minutes(rate):
    for frame, label in enumerate(labels_by_counting(rate, range(10))):
        assert format_timecode(frame, rate, drop_frame=True) == label
        assert parse_timecode(label, rate) == (frame, True)


@pytest.mark.parametrize("rate", DROP_FRAME_RATES, ids=str)
def test_drop_frame_is_right_round_every_minute_of_a_day(rate):
    dropped, frame = rate.nominal // 15, 0
    for minute in range(24 * 60):
        first = 0 if minute % 10 == 0 else dropped
        label = f"{minute // 60:02}:{minute % 60:02}:00;{first:0{3 if rate.nominal > 100 else 2}}"
        assert format_timecode(frame, rate, drop_frame=True) == label
        assert parse_timecode(label, rate) == (frame, True)
        frame += 60 * rate.nominal - first
        before = format_timecode(frame - 1, rate, drop_frame=True)
        assert before.startswith(f"{minute // 60:02}:{minute % 60:02}:59;{rate.nominal - 1}")
    assert frame == frames_in_a_day(rate, drop_frame=True)


@pytest.mark.parametrize(
    ("rate", "frame", "label"),
    [
        ("29.97", 1799, "00:00:59;29"),
        ("29.97", 1800, "00:01:00;02"),
        ("29.97", 17981, "00:09:59;29"),
        ("29.97", 17982, "00:10:00;00"),
        ("29.97", 107892, "01:00:00;00"),
        ("29.97", 2589407, "23:59:59;29"),
        ("59.94", 3600, "00:01:00;04"),
        ("59.94", 215784, "01:00:00;00"),
        ("119.88", 7200, "00:01:00;008"),
        ("119.88", 431568, "01:00:00;000"),
    ],
)
def test_known_drop_frame_values(rate, frame, label):
    assert format_timecode(frame, FrameRate.parse(rate), drop_frame=True) == label
    assert parse_timecode(label, FrameRate.parse(rate)) == (frame, True)


@pytest.mark.parametrize(
    ("rate", "frame", "label"),
    [
        ("23.976", 86400, "01:00:00:00"),
        ("24", 86399, "00:59:59:23"),
        ("25", 90000, "01:00:00:00"),
        ("29.97", 1800, "00:01:00:00"),
        ("50", 49, "00:00:00:49"),
        ("100", 99, "00:00:00:99"),
        ("119.88", 119, "00:00:00:119"),
        ("120", 120, "00:00:01:000"),
    ],
)
def test_known_non_drop_values(rate, frame, label):
    assert format_timecode(frame, FrameRate.parse(rate)) == label
    assert parse_timecode(label, FrameRate.parse(rate)) == (frame, False)


@given(rates, frames, st.booleans())
def test_timecode_names_each_frame_of_a_day_once(rate, frame, drop_frame):
    drop_frame = drop_frame and rate.drop_frame_capable
    label = format_timecode(frame, rate, drop_frame=drop_frame)
    day = frames_in_a_day(rate, drop_frame=drop_frame)
    assert parse_timecode(label, rate) == (frame % day, drop_frame)
    assert format_timecode(frame + day, rate, drop_frame=drop_frame) == label


@given(st.sampled_from(DROP_FRAME_RATES), st.integers(0, 10**7))
def test_drop_frame_stays_with_the_clock(rate, frame):
    """Off by no more than two frames at 29.97, and by the 86 ms that drop-frame gains in a day."""
    frame %= frames_in_a_day(rate, drop_frame=True)
    hours, minutes, seconds, count = (
        int(part)
        for part in format_timecode(frame, rate, drop_frame=True).replace(";", ":").split(":")
    )
    shown = hours * 3600 + minutes * 60 + seconds + Fraction(count, rate.nominal)
    assert abs(shown - rate.seconds(frame)) < Fraction(2 * 1001, 30000) + Fraction(864, 10000)


def test_drop_frame_day_has_no_leap():
    assert frames_in_a_day(NTSC, drop_frame=True) == 2_589_408
    assert frames_in_a_day(NTSC) == 2_592_000
    assert frames_in_a_day(PAL) == 2_160_000


@pytest.mark.parametrize("mark", [";", ",", "."])
def test_drop_frame_marks_of_other_programs_are_read(mark):
    assert parse_timecode(f" 00:01:00{mark}02 ", NTSC) == (1800, True)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("", PAL), ("1:00:00:00", PAL), ("01:00:00", PAL), ("01:60:00:00", PAL), ("01:00:60:00", PAL),
        ("01:00:00:25", PAL), ("01:00:00:1", PAL), ("-1:00:00:00", PAL), ("01:00:00;00", PAL),
        ("00:01:00;00", NTSC), ("00:01:00;01", NTSC), ("00:59:00;00", NTSC), ("00:00:00;30", NTSC),
        ("00:01:00;003", FrameRate(60000, 1001)),
    ],
)  # fmt: skip
def test_what_is_no_timecode_is_refused(text, rate):
    with pytest.raises(InvalidInputError):
        parse_timecode(text, rate)


@pytest.mark.parametrize("rate", [r for r in EDITORIAL_RATES if r not in DROP_FRAME_RATES], ids=str)
def test_drop_frame_exists_at_no_other_rate(rate):
    with pytest.raises(InvalidInputError, match="does not exist"):
        format_timecode(0, rate, drop_frame=True)
    with pytest.raises(InvalidInputError):
        frames_in_a_day(rate, drop_frame=True)


def test_drop_frame_rates_are_those_three():
    assert [str(rate) for rate in DROP_FRAME_RATES] == ["29.97", "59.94", "119.88"]


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("23.976", Fraction(24000, 1001)), ("23.98", Fraction(24000, 1001)), ("29.97", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)), ("119.88", Fraction(120000, 1001)), ("47.95", Fraction(48000, 1001)),
        ("25", Fraction(25)), (" 24000/1001 ", Fraction(24000, 1001)), ("50/2", Fraction(25)), ("12.5", Fraction(25, 2)),
    ],
)  # fmt: skip
def test_rate_names_are_exact(text, exact):
    assert FrameRate.parse(text).fraction == exact


@pytest.mark.parametrize("text", ["", "fast", "25/0", "0", "-25", "nan", "inf"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InvalidInputError):
        FrameRate.parse(text)


@pytest.mark.parametrize("text", ["23.976", "24", "29.97", "59.94", "119.88", "120"])
def test_rate_is_shown_by_its_usual_name(text):
    assert str(FrameRate.parse(text)) == text


def test_unusual_rate_is_shown_as_a_fraction():
    assert str(FrameRate(25, 2)) == "25/2"


def test_rates_are_compared_and_reduced_exactly():
    assert FrameRate(50, 2) == FrameRate(25) == FrameRate.of(25)
    assert hash(FrameRate(50, 2)) == hash(FrameRate(25))
    assert FrameRate.parse("23.976") < FrameRate(24) <= FrameRate(24)
    assert FrameRate.parse("29.97").nominal == 30
    with pytest.raises(InvalidInputError):
        FrameRate.from_frame_duration(Fraction(0))


@given(rates, frames)
def test_frames_and_seconds_are_each_others_inverse(rate, frame):
    seconds = rate.seconds(frame)
    assert rate.exact_frame(seconds) == rate.frame_at(seconds) == frame
    just_before = seconds - Fraction(1, 10**12)
    assert rate.frame_at(just_before) == frame - 1
    assert rate.exact_frame(just_before) is None
    assert FrameRate.from_frame_duration(rate.frame_duration) == rate


@given(rates, frames, st.integers(0, 1000), frames, st.integers(0, 1000))
def test_ranges_agree_with_sets_of_frames(rate, start, length, other_start, other_length):
    other_start = start + other_start % 3000 - 1500
    first = TimeRange.of_length(start, length, rate)
    second = TimeRange.of_length(other_start, other_length, rate)
    both = set(first.frames) & set(second.frames)
    common = first.intersect(second)
    assert set(common.frames if common else ()) == both
    if first.length and second.length:
        assert first.overlaps(second) == bool(both)
        assert first.covers(second) == (both == set(second.frames))
    assert first.length == length
    assert (start in first) == bool(length)
    assert start + length not in first
    assert first.padded(2, 3) == TimeRange(start - 2, start + length + 3, rate)
    assert first.start_seconds + first.duration_seconds == rate.seconds(first.end)


def test_range_cannot_end_before_it_starts():
    with pytest.raises(InvalidInputError) as caught:
        TimeRange(5, 4, PAL)
    assert caught.value.reason is Reason.RANGE_INVALID


def test_ranges_of_different_rates_are_never_compared():
    with pytest.raises(InvalidInputError):
        TimeRange(0, 1, PAL).covers(TimeRange(0, 1, NTSC))
    with pytest.raises(InvalidInputError):
        TimeRange(0, 1, PAL).intersect(TimeRange(0, 1, NTSC))


def test_range_is_shown_half_open():
    assert str(TimeRange(1, 3, NTSC)) == "[1, 3) @29.97"
