"""Files on their way in: kept beside what they are to become, resumable after a kill at any moment.

One folder an upload. `upload.json` says what was announced and is there first; `media.part` grows; once all of
it is there and its digest is right, it is renamed, and the rename is what makes the upload complete. Whatever
else a crash leaves is swept. Nothing is held in memory but what a stream in progress has not flushed yet.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath

from interchange.errors import (
    BridgeError,
    ExhaustedError,
    InvalidInputError,
    NotFoundError,
    Reason,
)
from interchange.model.caller import Caller
from interchange.model.upload import UPLOAD_NAME, Upload
from sidecar.filesystem import FileSystem
from sidecar.lifecycle.quota import Quota
from sidecar.transfers.writer import UploadWriter, misplaced

MODIFIED_NS = 10**18
"""Modification time of every complete upload. It is named by its content: the same file sent again, after the
first copy was swept, is the same source, and the same request for it is the same job."""

# FFmpeg looks at the suffix where the content does not say enough (raw streams, stills in a row).
_MEDIA_SUFFIXES = re.compile(
    r"\.(mov|mp4|m4v|mxf|mkv|webm|avi|m?ts|m2ts|mpe?g|wav|bwf|aiff?|flac|mp3|m4a|aac"
    r"|png|jpe?g|tiff?|exr|dpx|bmp|webp)"
)
_RECORD = "upload.json"
_PART = "media.part"


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How much may be sent.

    Args:
        size_bytes: Largest file.
        count: Most uploads of one owner.
        unfinished: Most of them that have not arrived whole: announcing costs the sender nothing.
        idle: How long one is kept after it was last written, announced or asked for by a request.
    """

    size_bytes: int = 1 << 40
    count: int = 1000
    unfinished: int = 100
    idle: timedelta = timedelta(days=3)


class UploadStore:
    """All uploads of a state folder; safe to use from several threads.

    One writer an upload at a time: the caller sees to that.

    Args:
        folder: Where they are; made where it is not there.
        filesystem: For everything written.
        quota: How much disk everything may take.
        limits: How much may be sent.
        now: Clock, UTC.
    """

    def __init__(
        self,
        folder: Path,
        *,
        filesystem: FileSystem,
        quota: Quota | None = None,
        limits: UploadLimits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder.resolve()
        self._filesystem = filesystem
        self._quota = quota or Quota()
        self._limits = limits or UploadLimits()
        self._now = now
        self._lock = threading.Lock()
        self._writers: dict[str, UploadWriter] = {}

    def create(self, *, caller: Caller, file_name: str, size_bytes: int, sha256: str) -> Upload:
        """Announce a file, or find the upload that was announced before.

        Args:
            caller: Whose it is.
            file_name: Last part of its path; only its suffix is used, where that is a medium's.
            size_bytes: Of the whole file.
            sha256: Of the whole file.

        Raises:
            InvalidInputError: It is empty, or larger than is taken.
            ExhaustedError: The owner has too many already, or the disk or the quota is full.
        """
        if not 0 < size_bytes <= self._limits.size_bytes:
            raise InvalidInputError(
                f"{file_name} has {size_bytes} bytes; files from 1 to {self._limits.size_bytes} are taken.",
                metadata={"size_bytes": str(size_bytes)},
            )
        upload_id = _id_of(caller.name, sha256, size_bytes)
        with self._lock:
            if self._read(upload_id) is not None:
                self._touch(upload_id)
                return self._existing(upload_id)
            self._check_room(caller, size_bytes)
            self._quota.check(size_bytes)
            record = {
                "owner": caller.name,
                "file_name": file_name,
                "size_bytes": size_bytes,
                "sha256": sha256,
            }
            place = self._folder / upload_id
            self._filesystem.make_folder(self._folder, private=True)
            self._filesystem.make_folder(place, private=True)
            self._filesystem.write_atomic(
                place / _RECORD, json.dumps(record).encode(), private=True
            )
            self._touch(upload_id)
            self._filesystem.fsync_folder(self._folder)
            self._quota.note(size_bytes)
            return self._existing(upload_id)

    def get(self, upload_id: str, *, caller: Caller) -> Upload:
        """What has arrived of an upload.

        Raises:
            NotFoundError: The caller has none of this id.
        """
        with self._lock:
            return self._visible(upload_id, caller)

    def open_writer(self, upload_id: str, *, caller: Caller, offset_bytes: int) -> UploadWriter:
        """Go on with an upload. Reads again what is there already, for the digest.

        Args:
            upload_id: Which.
            caller: Its owner.
            offset_bytes: Where the caller means to go on: what is committed.

        Raises:
            NotFoundError: The caller has none of this id.
            InvalidInputError: That is not where to go on (RANGE_INVALID), or it is complete.
        """
        with self._lock:
            upload = self._visible(upload_id, caller)
            if upload.complete or offset_bytes != upload.committed_bytes:
                raise misplaced(offset_bytes, upload.committed_bytes)
            self._touch(upload_id)
            place = self._folder / upload_id
            writer = UploadWriter(
                place / _PART,
                final=place / _final_name(upload.file_name),
                upload=upload,
                filesystem=self._filesystem,
                modified_ns=MODIFIED_NS,
            )
            self._writers[upload_id] = writer
        try:
            writer.open()
        except BaseException:
            self.close_writer(writer)
            raise
        return writer

    def close_writer(self, writer: UploadWriter) -> Upload:
        """End a stream: what was received is flushed, and checked if it is all.

        Raises:
            InvalidInputError: All of it is there, but its digest is another (UPLOAD_CORRUPT); it was dropped.
            ExhaustedError: The disk is full.
        """
        upload_id = writer.upload.upload_id
        try:
            writer.close()
        finally:
            with self._lock:
                self._writers.pop(upload_id, None)
        with self._lock:
            self._touch(upload_id)
            return self._existing(upload_id)

    def delete(self, upload_id: str, *, caller: Caller) -> None:
        """Forget an upload and its bytes.

        Raises:
            NotFoundError: The caller has none of this id.
        """
        with self._lock:
            self._visible(upload_id, caller)
            self._remove(self._folder / upload_id)

    def stored_file(self, upload_id: str, *, caller: Caller) -> Path:
        """The path of a complete upload of the caller's own, for a request; it is kept on for that.

        Raises:
            NotFoundError: The caller has none of this id, or it has not arrived whole (UPLOAD_NOT_FOUND).
        """
        with self._lock:
            found = self._read(upload_id)
            if found is None or found.owner != caller.name or not found.complete:
                raise _not_found(upload_id)
            self._touch(upload_id)
            return self._folder / upload_id / _final_name(found.file_name)

    def sweep(self, in_use: Collection[Path] = ()) -> int:
        """Remove what crashes left, and uploads that nobody has touched for long.

        Args:
            in_use: Files that jobs read which have not ended; their uploads are kept.

        Returns:
            How many were removed.
        """
        used = {path.parent for path in in_use}
        removed = 0
        with self._lock:
            for place in self._places():
                found = self._read(place.name)
                expired = found is None or found.expires <= self._now()
                if expired and place not in used and place.name not in self._writers:
                    with suppress(BridgeError):  # tried again at the next sweep
                        self._remove(place)
                        removed += 1
        return removed

    def _check_room(self, caller: Caller, size_bytes: int) -> None:
        uploads = [self._read(place.name) for place in self._places()]
        mine = [upload for upload in uploads if upload is not None and upload.owner == caller.name]
        for found, limit, what in (
            (len(mine), self._limits.count, "uploads"),
            (
                sum(not upload.complete for upload in mine),
                self._limits.unfinished,
                "unfinished uploads",
            ),
        ):
            if found >= limit:
                raise ExhaustedError(
                    f"{caller.name} has {found} {what} here already. Delete some, or wait until they expire.",
                    reason=Reason.QUOTA_FULL,
                    metadata={"limit": str(limit)},
                )
        free = self._filesystem.free_bytes(self._folder)
        if free < size_bytes:
            raise ExhaustedError(
                f"The sidecar's disk has {free >> 20} MB free; the file needs {size_bytes >> 20} MB. "
                "Ask its operator to make room.",
                reason=Reason.DISK_FULL,
                metadata={"free_bytes": str(free), "needed_bytes": str(size_bytes)},
            )

    def _places(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            yield from sorted(
                entry
                for entry in self._folder.iterdir()
                if UPLOAD_NAME.fullmatch(f"uploads/{entry.name}")
            )

    def _visible(self, upload_id: str, caller: Caller) -> Upload:
        found = self._read(upload_id)
        if found is None or not caller.may_touch(found.owner):
            raise _not_found(upload_id)
        return found

    def _existing(self, upload_id: str) -> Upload:
        found = self._read(upload_id)
        if found is None:
            raise _not_found(upload_id)
        return found

    def _read(self, upload_id: str) -> Upload | None:
        """What the disk says; None where there is no such upload, or a crash left only pieces."""
        place = self._folder / upload_id
        try:
            record = json.loads((place / _RECORD).read_bytes())
            file_name, size = str(record["file_name"]), int(record["size_bytes"])
            owner, sha256 = str(record["owner"]), str(record["sha256"])
            touched = (place / _RECORD).stat().st_mtime
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        if upload_id != _id_of(owner, sha256, size):
            return None
        complete = (place / _final_name(file_name)).is_file()
        return Upload(
            upload_id=upload_id,
            owner=owner,
            file_name=file_name,
            size_bytes=size,
            sha256=sha256,
            committed_bytes=size if complete else self._committed(upload_id),
            complete=complete,
            expires=datetime.fromtimestamp(touched, UTC) + self._limits.idle,
            modified_ns=MODIFIED_NS if complete else 0,
        )

    def _committed(self, upload_id: str) -> int:
        if upload_id in self._writers:
            return self._writers[upload_id].committed_bytes
        try:
            return (self._folder / upload_id / _PART).stat().st_size
        except FileNotFoundError:
            return 0

    def _touch(self, upload_id: str) -> None:
        self._filesystem.set_modified(
            self._folder / upload_id / _RECORD, int(self._now().timestamp()) * 10**9
        )

    def _remove(self, place: Path) -> None:
        # The record first: without it the rest is debris to every later start.
        for path in (place / _RECORD, *place.iterdir()):
            self._filesystem.unlink(path, missing_ok=True)
        self._filesystem.remove_folder(place)


def _id_of(owner: str, sha256: str, size_bytes: int) -> str:
    return hashlib.sha256(f"{owner}\0{sha256}\0{size_bytes}".encode()).hexdigest()[:32]


def _final_name(file_name: str) -> str:
    suffix = PurePath(file_name).suffix.lower()
    return f"media{suffix}" if _MEDIA_SUFFIXES.fullmatch(suffix) else "media"


def _not_found(upload_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no upload {upload_id}, or it has not arrived whole. Send the file again.",
        reason=Reason.UPLOAD_NOT_FOUND,
        metadata={"upload_id": upload_id},
    )
