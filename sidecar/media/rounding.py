"""The one rounding rule from exact time to whole samples."""

from __future__ import annotations

from fractions import Fraction


def round_half_up(value: Fraction) -> int:
    """Round to the nearest whole number, a half upwards, so that neighbouring ranges share their edge."""
    return (value + Fraction(1, 2)).__floor__()
