"""One stream into one upload: appends, flushes now and then, checks the digest at the end."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from interchange.errors import BridgeError, ExhaustedError, InvalidInputError, Reason
from interchange.model.upload import CHUNK_BYTES, Upload
from sidecar.filesystem import FileSystem

_FLUSH_BYTES = 32 * 1024 * 1024


class UploadWriter:
    """Appends to an upload's partial file. Belongs to one thread at a time.

    Args:
        part: The partial file; what is in it already is kept.
        final: Its name once it is whole and right.
        upload: What was announced.
        filesystem: For everything written.
        modified_ns: Modification time of the whole file.
    """

    def __init__(
        self,
        part: Path,
        *,
        final: Path,
        upload: Upload,
        filesystem: FileSystem,
        modified_ns: int,
    ) -> None:
        self.upload = upload
        self.committed_bytes = upload.committed_bytes
        self._part = part
        self._final = final
        self._filesystem = filesystem
        self._modified_ns = modified_ns
        self._digest = hashlib.sha256()
        self._received = 0
        self._file: BinaryIO | None = None

    def open(self) -> None:
        """Open the file, and take the digest of what it holds.

        Raises:
            InvalidInputError: It does not hold what was committed (RANGE_INVALID).
            ExhaustedError: The disk is full.
        """
        self._file = self._filesystem.open_to_append(self._part, private=True)
        self._filesystem.fsync_file(self._part)  # an earlier stream may have ended with a kill
        with self._part.open("rb") as held:
            while block := held.read(CHUNK_BYTES):
                self._digest.update(block)
                self._received += len(block)
        if self._received != self.committed_bytes:
            raise misplaced(self.committed_bytes, self._received)

    def append(self, offset_bytes: int, chunk: bytes) -> None:
        """Take the next chunk.

        Raises:
            InvalidInputError: It starts somewhere else (RANGE_INVALID), or ends past the announced size.
            ExhaustedError: The disk is full; what arrived before is kept.
        """
        if offset_bytes != self._received:
            raise misplaced(offset_bytes, self._received)
        if self._received + len(chunk) > self.upload.size_bytes:
            raise InvalidInputError(
                f"More than the announced {self.upload.size_bytes} bytes of {self.upload.file_name} came. "
                "It grew while it was sent; announce it again.",
                reason=Reason.UPLOAD_CORRUPT,
            )
        if self._file is None:
            raise AssertionError
        try:
            self._file.write(chunk)
            self._digest.update(chunk)
            self._received += len(chunk)
            if self._received - self.committed_bytes >= _FLUSH_BYTES:
                self._flush(self._file)
        except ExhaustedError as error:
            raise _disk_full() from error

    def close(self) -> None:
        """Flush what was received; where it is all, check it and give it its final name.

        Raises:
            InvalidInputError: The digest is another (UPLOAD_CORRUPT); what arrived was dropped.
            ExhaustedError: The disk is full.
        """
        if self._file is None:
            return
        try:
            self._flush(self._file)
        except ExhaustedError as error:
            raise _disk_full() from error
        finally:
            file, self._file = self._file, None
            with suppress(BridgeError):  # what could not be flushed has been told
                file.close()
        if self._received != self.upload.size_bytes:
            return
        if self._digest.hexdigest() != self.upload.sha256:
            self._filesystem.unlink(self._part)
            raise InvalidInputError(
                f"What arrived of {self.upload.file_name} is not what was announced. It was changed while it "
                "was sent, or its disk is failing. Send it again.",
                reason=Reason.UPLOAD_CORRUPT,
                metadata={"upload_id": self.upload.upload_id},
            )
        self._filesystem.set_modified(self._part, self._modified_ns)
        self._filesystem.replace(self._part, self._final)
        self._filesystem.fsync_folder(self._final.parent)

    def _flush(self, file: BinaryIO) -> None:
        file.flush()
        self._filesystem.fsync_file(self._part)
        self.committed_bytes = self._received


def misplaced(offset_bytes: int, committed_bytes: int) -> InvalidInputError:
    """The refusal of a chunk that does not start where the last one ended."""
    return InvalidInputError(
        f"The upload goes on at byte {committed_bytes}, not {offset_bytes}. Ask how much has arrived first.",
        reason=Reason.RANGE_INVALID,
        metadata={"committed_bytes": str(committed_bytes)},
    )


def _disk_full() -> ExhaustedError:
    return ExhaustedError(
        "The sidecar's disk is full. What arrived is kept; send the rest when its operator has made room.",
        reason=Reason.DISK_FULL,
    )
