"""A finished take's file as it is handed out: the very bytes that were published, or an error."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from pathlib import Path
from typing import Self

from interchange.errors import InvalidInputError, NotFoundError, Reason
from interchange.model.take import Take
from interchange.model.upload import CHUNK_BYTES

_LARGEST_MANIFEST_BYTES = 64 * 1024 * 1024


class TakeFile:
    """Reads one file, in order, from an offset on. Belongs to one thread at a time.

    Args:
        path: The file.
        size_bytes: What it must measure; None where only the file itself can say.
        sha256: What its digest must be; None likewise.
    """

    def __init__(self, path: Path, *, size_bytes: int | None, sha256: str | None) -> None:
        self._path = path
        self._expected_size = size_bytes
        self._expected_sha256 = sha256
        self._digest = hashlib.sha256()
        self._file: io.FileIO | None = None
        self.size_bytes = 0
        self.sha256 = ""

    @classmethod
    def of_media(cls, take: Take) -> Self:
        """The take's media."""
        return cls(Path(take.path), size_bytes=take.size_bytes, sha256=take.sha256)

    @classmethod
    def of_manifest(cls, take: Take) -> Self:
        """The manifest beside it, whose digest nobody noted; it is small, and signed itself."""
        return cls(Path(take.manifest_path), size_bytes=None, sha256=None)

    def open(self, offset_bytes: int) -> None:
        """Open it, and take the digest of what is left out.

        Raises:
            NotFoundError: It is gone (MEDIA_NOT_FOUND).
            InvalidInputError: It is another file now (MEDIA_CHANGED), or the offset is past its end
                (RANGE_INVALID).
        """
        self._file = self._opened()
        status = os.fstat(self._file.fileno())
        self.size_bytes = status.st_size
        if not stat.S_ISREG(status.st_mode) or self._path.resolve() != self._path:
            raise self._changed()
        if self._expected_size is not None and status.st_size != self._expected_size:
            raise self._changed()
        if offset_bytes > self.size_bytes:
            raise InvalidInputError(
                f"The file has {self.size_bytes} bytes; there is nothing at {offset_bytes}.",
                reason=Reason.RANGE_INVALID,
                metadata={"size_bytes": str(self.size_bytes)},
            )
        if self._expected_sha256 is None:
            if self.size_bytes > _LARGEST_MANIFEST_BYTES:
                raise self._changed()
            self._expected_sha256 = hashlib.file_digest(self._file, "sha256").hexdigest()
            self._file.seek(0)
        self.sha256 = self._expected_sha256
        left = offset_bytes
        while left and (block := self._file.read(min(left, CHUNK_BYTES))):
            self._digest.update(block)
            left -= len(block)

    def read(self) -> bytes:
        """The next chunk; empty at the end.

        Raises:
            InvalidInputError: What was read is not what was made (MEDIA_CHANGED).
        """
        if self._file is None:
            return b""
        chunk = self._file.read(CHUNK_BYTES)
        self._digest.update(chunk)
        if not chunk and self._digest.hexdigest() != self.sha256:
            raise self._changed()
        return chunk

    def close(self) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> io.FileIO:
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        # Without O_NONBLOCK a pipe put in its place would hold the thread for ever.
        flags |= getattr(os, "O_NONBLOCK", 0)
        try:
            return io.FileIO(os.open(self._path, flags), "rb")
        except FileNotFoundError as error:
            raise NotFoundError(
                "The take is not there any more; make it again.", reason=Reason.MEDIA_NOT_FOUND
            ) from error
        except OSError as error:  # a link, or a folder, or somebody else's
            raise self._changed() from error

    def _changed(self) -> InvalidInputError:
        return InvalidInputError(
            "The take was changed after it was made; make it again.", reason=Reason.MEDIA_CHANGED
        )
