"""The one way text reaches the terminal: what names and documents hold must not be able to command it."""

from __future__ import annotations

import unicodedata

import click

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_COMMANDING = frozenset({"Cc", "Cs", "Zl", "Zp"})


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print text of several lines; escapes, controls and bidirectional overrides in it become visible.

    A link in a timeline may decode to a terminal's escape sequence, and a file may be called so.

    Args:
        text: What to print; JSON of ours is ASCII and passes unchanged.
        err: Print to standard error.
        nl: End with a line break.
    """
    click.echo("\n".join(map(harmless, str(text).split("\n"))), err=err, nl=nl)


def harmless(line: str) -> str:
    """One line with everything that would do more than be read written as an escape."""
    return "".join(
        sign.encode("unicode_escape", "backslashreplace").decode("ascii")
        if unicodedata.category(sign) in _COMMANDING or sign in _BIDI_CONTROLS
        else sign
        for sign in line
    )
