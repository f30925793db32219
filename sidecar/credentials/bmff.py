"""The top level of MOV and MP4 files, looked at before any parser sees them.

Reading credentials out of a file that says it carries 300 MB of them takes half a second and 600 MB of memory
(measured), so their size is checked first, from the box headers alone.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from interchange.errors import InvalidInputError, NotAllowedError, NotFoundError, Reason

QUICKTIME = "video/quicktime"
MP4 = "video/mp4"

_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # may hold a remote address
_FIRST_BOXES = frozenset({b"ftyp", b"wide", b"mdat", b"moov", b"free", b"skip", b"pnot"})
_MOST_MANIFEST_BYTES = 32 * 1024 * 1024
# A file has a handful of top-level boxes, a fragmented one two per fragment; past this the file counts as
# damaged and no parser gets to see it.
_MOST_BOXES = 100_000


class _Box(NamedTuple):
    """One box: its type, where its content begins (after the size), and where it ends."""

    kind: bytes
    payload: int
    end: int


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What the top level of a file says.

    Args:
        media_type: `video/quicktime` or `video/mp4`.
        has_credentials: Whether it has a box of C2PA's; a mere address of remote credentials is elsewhere.
        is_damaged: Whether the boxes do not fill the file.
    """

    media_type: str
    has_credentials: bool
    is_damaged: bool


def inspect_container(path: Path) -> ContainerFacts | None:
    """Read a file's top-level boxes, None where it is neither MOV nor MP4.

    Raises:
        NotFoundError: The file is not there.
        NotAllowedError: It cannot be read.
        InvalidInputError: It carries more than 32 MB of credentials.
    """
    with open_to_read(path) as file:
        size = file.seek(0, os.SEEK_END)
        first = _box_at(file, 0, size)
        if first is None or first.kind not in _FIRST_BOXES:
            return None
        file.seek(first.payload)
        is_quicktime = first.kind != b"ftyp" or file.read(4) == b"qt  "
        has_credentials, bulk_bytes, end = False, 0, 0
        for box in _boxes(file, size):
            end = box.end
            file.seek(box.payload)
            label = file.read(16) if box.kind == b"uuid" else b""
            has_credentials |= label == _C2PA_BOX
            if label in {_C2PA_BOX, _XMP_BOX}:
                bulk_bytes += box.end - box.payload
            if bulk_bytes > _MOST_MANIFEST_BYTES:
                raise _too_many_credentials(path)
    return ContainerFacts(
        media_type=QUICKTIME if is_quicktime else MP4,
        has_credentials=has_credentials,
        is_damaged=end != size,
    )


def read_manifest_file(path: Path) -> bytes | None:
    """The bytes of a `.c2pa` file, None where there is none.

    Raises:
        NotAllowedError: It cannot be read.
        InvalidInputError: It is longer than 32 MB.
    """
    try:
        with open_to_read(path) as file:
            manifest = file.read(_MOST_MANIFEST_BYTES + 1)
    except NotFoundError:
        return None
    if len(manifest) > _MOST_MANIFEST_BYTES:
        raise _too_many_credentials(path)
    return manifest


def open_to_read(path: Path) -> BinaryIO:
    """Open a plain file for reading.

    Raises:
        NotFoundError: There is no such file.
        NotAllowedError: It cannot be read, or is a folder.
    """
    # A pipe would block the open, and a device never ends.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as exc:
        raise NotFoundError(
            f"{path} is not there. Check the name and that its disk is mounted.",
            reason=Reason.FILE_NOT_FOUND,
            metadata={"path": str(path)},
        ) from exc
    except OSError as exc:
        raise NotAllowedError(
            f"{path} cannot be read: {exc.strerror}. Check its permissions.",
            metadata={"path": str(path)},
        ) from exc
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAllowedError(
            f"{path} is not a plain file. Name the movie itself.", metadata={"path": str(path)}
        )
    return os.fdopen(descriptor, "rb")


class WithManifest:
    """A file with a `.c2pa` laid behind its end as if it were embedded; nothing is copied or written.

    A box at the end moves no sample, and C2PA's own boxes are outside the file's hash, so that a manifest made
    for the bare file holds. Not an `io.RawIOBase`: the C2PA library would look for its `readinto`.
    """

    def __init__(self, file: BinaryIO, manifest: bytes) -> None:
        # Full box header, purpose, and the offset of the first Merkle box, which there is not.
        body = _C2PA_BOX + bytes(4) + b"manifest\0" + bytes(8) + manifest
        self._box = (len(body) + 8).to_bytes(4, "big") + b"uuid" + body
        self._file = file
        self._file_bytes = file.seek(0, os.SEEK_END)
        self._position = 0

    def tell(self) -> int:
        """Position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, as files do."""
        base = {
            os.SEEK_SET: 0,
            os.SEEK_CUR: self._position,
            os.SEEK_END: self._file_bytes + len(self._box),
        }[whence]
        self._position = base + offset
        return self._position

    def read(self, count: int) -> bytes:
        """Read up to `count` bytes."""
        if self._position < self._file_bytes:
            self._file.seek(self._position)
            chunk = self._file.read(min(count, self._file_bytes - self._position))
        else:
            start = self._position - self._file_bytes
            chunk = self._box[start : start + count]
        self._position += len(chunk)
        return chunk

    def write(self, content: bytes) -> int:
        """Refuse: sources are never written."""
        raise io.UnsupportedOperation(f"{len(content)} bytes for a file that is only read")

    def flush(self) -> None:
        """Nothing is ever pending."""


def _too_many_credentials(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"{path} carries more than {_MOST_MANIFEST_BYTES >> 20} MB of content credentials, which no real file "
        "does; they were not read. Get the file again from where it was made.",
        reason=Reason.CREDENTIALS_INVALID,
        metadata={"path": str(path)},
    )


def _boxes(file: BinaryIO, size: int) -> Iterator[_Box]:
    """Each whole box in order; stops at the first that does not fit into the file."""
    start = 0
    for _ in range(_MOST_BOXES):
        box = _box_at(file, start, size)
        if box is None:
            return
        yield box
        start = box.end


def _box_at(file: BinaryIO, start: int, size: int) -> _Box | None:
    file.seek(start)
    header = file.read(16)
    if len(header) < 8:
        return None
    length, kind, header_bytes = int.from_bytes(header[:4], "big"), header[4:8], 8
    if length == 1:
        length, header_bytes = int.from_bytes(header[8:16], "big"), 16
    elif length == 0:
        length = size - start
    box = _Box(kind, start + header_bytes, start + length)
    return box if length >= header_bytes and box.end <= size else None
