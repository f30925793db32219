"""The rate a QuickTime timecode track counts at, which FFmpeg does not pass on.

59.94 material often carries 29.97 timecode: `01:00:00;15` is then picture 30 of its second, not 15.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from interchange.errors import InvalidInputError
from interchange.timebase import FrameRate

_PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_ENTRY = struct.Struct(
    ">4s6xH4xIII"
)  # format, data reference, flags, ticks a second, ticks a frame
_MOST_BOXES = 4096  # of a hostile file


def timecode_rate(path: Path) -> FrameRate | None:
    """The rate of the first timecode track of a QuickTime file; None where there is none.

    Args:
        path: A file the demuxer has already accepted as QuickTime or MP4.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            for _, position in zip(
                range(_MOST_BOXES), _descriptions(file, 0, size, _PATH), strict=False
            ):
                file.seek(position + 12)  # past version, flags, count and the entry's size
                entry = file.read(_ENTRY.size)
                if len(entry) == _ENTRY.size and entry.startswith(b"tmcd"):
                    *_, scale, duration = _ENTRY.unpack(entry)
                    return FrameRate(scale, duration)
    except (OSError, struct.error, InvalidInputError):
        return None
    return None


def _descriptions(file: BinaryIO, start: int, end: int, path: tuple[bytes, ...]) -> Iterator[int]:
    """Where the content of each box at the end of a path of boxes starts."""
    position = start
    while position + 8 <= end:
        file.seek(position)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            (size,), header = struct.unpack(">Q", file.read(8)), 16
        size = end - position if size == 0 else size
        if size < header or position + size > end:
            return
        if kind == path[0] and len(path) > 1:
            yield from _descriptions(file, position + header, position + size, path[1:])
        elif kind == path[0]:
            yield position + header
        position += size
