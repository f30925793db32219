"""FCPXML's times: rational seconds, `1001/24000s` or `5s`, not always reduced."""

from __future__ import annotations

import re
from fractions import Fraction

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.timebase import FrameRate

_TIME = re.compile(r"\s*(-?\d{1,19})(?:/(\d{1,12})|\.(\d{1,12}))?s\s*")
_MAX_NUMERATOR = 2**63 - 1
_MAX_DENOMINATOR = 2**31 - 1
"""The format's own limits, as its DTD states them."""

_NEARLY_EQUAL = (Fraction(19, 20), Fraction(21, 20))


def parse_time(text: str) -> Fraction:
    """Read a time.

    Returns:
        Exact seconds.

    Raises:
        InvalidInputError: Not a time.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise InvalidInputError(
            f"{text[:60]!r} is not a time; FCPXML writes times like 1001/24000s.",
            reason=Reason.DOCUMENT_MALFORMED,
        )
    if match[3]:
        return Fraction(f"{match[1]}.{match[3]}")
    denominator = int(match[2]) if match[2] else 1
    if denominator == 0:
        raise InvalidInputError(
            f"{text!r} divides by zero; it is not a time.", reason=Reason.DOCUMENT_MALFORMED
        )
    return Fraction(int(match[1]), denominator)


def write_time(seconds: Fraction) -> str:
    """Write exact seconds.

    Raises:
        UnsupportedError: Finer than the format can hold.
    """
    numerator, denominator = seconds.numerator, seconds.denominator
    if denominator > _MAX_DENOMINATOR or abs(numerator) > _MAX_NUMERATOR:
        raise UnsupportedError(
            f"The exact time {seconds} s is finer than FCPXML can hold. Snap the clip under the take to "
            "the frame grid and try again.",
            reason=Reason.TARGET_UNSUPPORTED,
        )
    return f"{numerator}s" if denominator == 1 else f"{numerator}/{denominator}s"


def conform_scale(sequence: FrameRate, source: FrameRate) -> tuple[Fraction, bool]:
    """How a rate-conformed clip (`conform-rate` with `scaleEnabled="1"`) runs.

    Such a clip's own time is the media's, which passes faster or slower than the sequence's. Measured on the
    corpus, where anchored items and markers lie on frames only with these factors: nearly equal rates are
    played frame for frame (25 in 24), and NTSC media in a sequence of a whole rate run at their nominal
    rate (23.976 in 30, 50 and 60 at 24).

    Args:
        sequence: Rate of the timeline the clip stands in.
        source: Rate of the media.

    Returns:
        Seconds of the clip's own time that pass in a second of the timeline, and whether that is certain.
    """
    ratio = sequence.fraction / source.fraction
    if _NEARLY_EQUAL[0] <= ratio <= _NEARLY_EQUAL[1]:
        return ratio, True
    if source.denominator == 1001 and sequence.denominator == 1:
        return Fraction(1001, 1000), True
    if source == FrameRate(24000, 1001) and sequence.denominator == 1001:
        # What a 59.94 sequence in the corpus shows; too odd to cut frames by.
        return Fraction(1001, 1000), False
    return Fraction(1), False
