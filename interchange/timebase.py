"""Exact time: rational frame rates, whole frames, half-open ranges, SMPTE timecode with own drop-frame routine.

No float enters or leaves this module. opentime 0.18 cannot make 23.976 or 119.88 timecode and `timecode` 1.5
gets 29.97 wrong (measured), hence own arithmetic (ADR-0004).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering

from interchange.errors import InvalidInputError, Reason

_TIMECODE = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d)([:;.,])(\d{2,3})")
_NTSC_NAMES = {
    "23.976": 24, "23.98": 24, "29.97": 30, "47.95": 48, "47.952": 48,
    "59.94": 60, "119.88": 120,
}  # fmt: skip


@total_ordering
@dataclass(frozen=True, slots=True)
class FrameRate:
    """Frames per second as an exact fraction, for example 24000/1001.

    Args:
        numerator: Frames.
        denominator: Seconds in which those frames pass.
    """

    numerator: int
    denominator: int = 1

    def __post_init__(self) -> None:
        if self.numerator <= 0 or self.denominator <= 0:
            raise InvalidInputError(
                f"A frame rate must be above zero, not {self.numerator}/{self.denominator}."
            )
        exact = Fraction(self.numerator, self.denominator)
        object.__setattr__(self, "numerator", exact.numerator)
        object.__setattr__(self, "denominator", exact.denominator)

    @classmethod
    def of(cls, value: Fraction | int) -> FrameRate:
        """Make a rate from an exact number of frames per second."""
        exact = Fraction(value)
        return cls(exact.numerator, exact.denominator)

    @classmethod
    def from_frame_duration(cls, seconds: Fraction) -> FrameRate:
        """Make a rate from the exact duration of one frame in seconds."""
        if seconds <= 0:
            raise InvalidInputError(f"A frame must last longer than zero seconds, not {seconds}.")
        return cls(seconds.denominator, seconds.numerator)

    @classmethod
    def parse(cls, text: str) -> FrameRate:
        """Read `24000/1001`, `25` or an NTSC name such as `23.976`, which means 24000/1001 exactly.

        Raises:
            InvalidInputError: The text names no rate.
        """
        text = text.strip()
        if text in _NTSC_NAMES:
            return cls(_NTSC_NAMES[text] * 1000, 1001)
        try:
            exact = Fraction(text)
            return cls(exact.numerator, exact.denominator)
        except (ValueError, ZeroDivisionError) as error:
            raise InvalidInputError(
                f"{text!r} is not a frame rate; write it like 25, 23.976 or 24000/1001."
            ) from error

    @property
    def fraction(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.numerator, self.denominator)

    @property
    def frame_duration(self) -> Fraction:
        """Seconds one frame lasts."""
        return Fraction(self.denominator, self.numerator)

    @property
    def nominal(self) -> int:
        """Frames a timecode second counts: 24 for 24000/1001, 30 for 30000/1001."""
        return -(-self.numerator // self.denominator)

    @property
    def drop_frame_capable(self) -> bool:
        """Whether SMPTE drop-frame counting exists for this rate (29.97 and its multiples)."""
        return self.denominator == 1001 and self.numerator % 30000 == 0

    def seconds(self, frames: int) -> Fraction:
        """Exact duration of a number of frames in seconds."""
        return frames * self.frame_duration

    def frame_at(self, seconds: Fraction) -> int:
        """The frame on screen at a time: the last whose start is not after it."""
        return (seconds * self.fraction).__floor__()

    def exact_frame(self, seconds: Fraction) -> int | None:
        """The frame that starts exactly at a time, or None where the time is off the frame grid."""
        frames = seconds * self.fraction
        return frames.numerator if frames.denominator == 1 else None

    def __lt__(self, other: FrameRate) -> bool:
        return self.fraction < other.fraction

    def __str__(self) -> str:
        if self.denominator == 1:
            return str(self.numerator)
        if self.denominator == 1001:
            return f"{self.numerator / 1001:.3f}".rstrip("0").rstrip(".")
        return f"{self.numerator}/{self.denominator}"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Half-open range of whole frames at one rate; whoever passes it says in which time frame.

    Args:
        start: First frame in the range.
        end: First frame after it; never before `start`.
        rate: Frame rate both are counted at.
    """

    start: int
    end: int
    rate: FrameRate

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise InvalidInputError(
                f"A range cannot end ({self.end}) before it starts ({self.start}).",
                reason=Reason.RANGE_INVALID,
            )

    @classmethod
    def of_length(cls, start: int, length: int, rate: FrameRate) -> TimeRange:
        """Make the range of `length` frames from `start`."""
        return cls(start, start + length, rate)

    @property
    def length(self) -> int:
        """Number of frames."""
        return self.end - self.start

    @property
    def frames(self) -> range:
        """The frame numbers in order."""
        return range(self.start, self.end)

    @property
    def start_seconds(self) -> Fraction:
        """Exact start in seconds from frame 0."""
        return self.rate.seconds(self.start)

    @property
    def duration_seconds(self) -> Fraction:
        """Exact duration in seconds."""
        return self.rate.seconds(self.length)

    def __contains__(self, frame: int) -> bool:
        return self.start <= frame < self.end

    def covers(self, other: TimeRange) -> bool:
        """Whether every frame of `other` is in this range."""
        self._same_rate(other)
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: TimeRange) -> bool:
        """Whether the ranges share a frame."""
        self._same_rate(other)
        return self.start < other.end and other.start < self.end

    def intersect(self, other: TimeRange) -> TimeRange | None:
        """The frames in both, or None."""
        if not self.overlaps(other):
            return None
        return TimeRange(max(self.start, other.start), min(self.end, other.end), self.rate)

    def padded(self, head: int, tail: int) -> TimeRange:
        """The range with frames added before and after."""
        return TimeRange(self.start - head, self.end + tail, self.rate)

    def _same_rate(self, other: TimeRange) -> None:
        if self.rate != other.rate:
            raise InvalidInputError(f"Ranges at {self.rate} and {other.rate} cannot be compared.")

    def __str__(self) -> str:
        return f"[{self.start}, {self.end}) @{self.rate}"


def round_half_up(value: Fraction) -> int:
    """Round to the nearest whole number, a half upwards, so that neighbouring ranges share their edge."""
    return math.floor(value + Fraction(1, 2))


def _dropped_per_minute(rate: FrameRate) -> int:
    if not rate.drop_frame_capable:
        raise InvalidInputError(f"Drop-frame timecode does not exist at {rate} frames per second.")
    return rate.nominal // 15


def frames_in_a_day(rate: FrameRate, *, drop_frame: bool = False) -> int:
    """How many frames timecode counts before it wraps at 24 hours.

    Raises:
        InvalidInputError: Drop-frame was asked for at a rate that has none.
    """
    dropped = 1296 * _dropped_per_minute(rate) if drop_frame else 0  # 9 of every 10 minutes
    return 86400 * rate.nominal - dropped


def format_timecode(frame: int, rate: FrameRate, *, drop_frame: bool = False) -> str:
    """Write a frame number as SMPTE timecode, `;` before the frames where it is drop-frame.

    Args:
        frame: Frames since 00:00:00:00; wraps at 24 hours, as timecode does.
        rate: Frame rate.
        drop_frame: Count labels the drop-frame way.

    Returns:
        `HH:MM:SS:FF`; three frame digits from 100 frames a second up.

    Raises:
        InvalidInputError: Drop-frame was asked for at a rate that has none.
    """
    base = rate.nominal
    label = frame % frames_in_a_day(rate, drop_frame=drop_frame)
    if drop_frame:
        drop = _dropped_per_minute(rate)
        per_ten_minutes = 600 * base - 9 * drop
        per_minute = 60 * base - drop
        tens, rest = divmod(label, per_ten_minutes)
        minutes_past = 0 if rest < 60 * base else 1 + (rest - 60 * base) // per_minute
        label += drop * (9 * tens + minutes_past)
    seconds, frames = divmod(label, base)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    digits = 3 if base > 100 else 2
    mark = ";" if drop_frame else ":"
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{frames:0{digits}}"


def parse_timecode(text: str, rate: FrameRate) -> tuple[int, bool]:
    """Read SMPTE timecode.

    Args:
        text: `HH:MM:SS:FF`; `;`, `,` or `.` before the frames means drop-frame.
        rate: Frame rate.

    Returns:
        Frames since 00:00:00:00, and whether it was drop-frame.

    Raises:
        InvalidInputError: Not timecode, a frame number the rate does not have, or a dropped label.
    """
    match = _TIMECODE.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(f"{text!r} is not timecode; write it like 01:00:00:00.")
    hours, minutes, seconds, frames = (int(match[i]) for i in (1, 2, 3, 5))
    drop_frame = match[4] != ":"
    base = rate.nominal
    if frames >= base:
        raise InvalidInputError(f"{text} has frame {frames}, but {rate} counts 0 to {base - 1}.")
    frame = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if drop_frame:
        drop = _dropped_per_minute(rate)
        if seconds == 0 and frames < drop and minutes % 10:
            raise InvalidInputError(f"{text} is a label that drop-frame timecode leaves out.")
        total_minutes = hours * 60 + minutes
        frame -= drop * (total_minutes - total_minutes // 10)
    return frame, drop_frame
