"""Values out of a manifest, which anybody may have written: of the right type, short, and only visible signs.

A manifest's strings may hold terminal escapes, right-to-left overrides, NULs or 100 kB of text (all accepted by
the C2PA library). What comes out here is safe to print and to log; HTML still has to escape it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

TEXT_LIMIT = 200
LIST_LIMIT = 256
_NUMBER_LIMIT = 2**63


def safe_text(value: object, *, limit: int = TEXT_LIMIT) -> str:
    """A string's visible characters on one line, cut to `limit`; empty for anything else."""
    if not isinstance(value, str):
        return ""
    # Normalising can grow a text eighteenfold and control signs are dropped, so cut before and after.
    spaced = " ".join(value[: 8 * limit].split())
    # Control, format (bidi overrides, zero-width), surrogates, private use, unassigned; line separators.
    shown = "".join(
        sign
        for sign in spaced
        if unicodedata.category(sign)[0] != "C" and sign not in "\u2028\u2029"
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def whole_number(value: object) -> int | None:
    """A whole number of at most 64 bits, None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _NUMBER_LIMIT:
        return value
    return None


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> Sequence[Any]:
    """The first entries of a JSON list, none for anything else."""
    return value[:LIST_LIMIT] if isinstance(value, list) else ()
