"""Which format reads a file."""

from __future__ import annotations

from pathlib import Path

from interchange.errors import Reason, UnsupportedError
from interchange.formats.base import TimelineFormat
from interchange.formats.fcpxml.bundle import FcpxmlFormat

_FORMATS: dict[str, type[TimelineFormat]] = {".fcpxml": FcpxmlFormat, ".fcpxmld": FcpxmlFormat}

SUFFIXES = tuple(_FORMATS)
"""File name endings that are read."""


def format_for(path: Path) -> TimelineFormat:
    """Choose the format by the file's ending.

    Raises:
        UnsupportedError: No format has this ending.
    """
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise UnsupportedError(
            f"{path.name} is no timeline that is understood; {' and '.join(SUFFIXES)} are. In Final Cut Pro "
            "use File > Export XML, in Resolve File > Export > Timeline > FCPXML.",
            reason=Reason.FORMAT_UNSUPPORTED,
        )
    return form()
