"""A file on its way to a sidecar that shares no folder with the one who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Upload:
    """What has arrived of a file.

    Args:
        upload_id: Made by the server, 32 hexadecimal digits.
        owner: Who sends it.
        file_name: Last part of its path where it came from; for people, never a path here.
        size_bytes: Of the whole file.
        sha256: Of the whole file.
        committed_bytes: On the sidecar's disk.
        complete: Whether all of it is there and the digest is right.
        expires: When it is swept away, unless a job uses it.
        modified_ns: Modification time of the sidecar's copy, nanoseconds since the epoch.
    """

    upload_id: str
    owner: str
    file_name: str
    size_bytes: int
    sha256: str
    committed_bytes: int
    complete: bool
    expires: datetime
    modified_ns: int
