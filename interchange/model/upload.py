"""A file on its way to a sidecar that shares no folder with the one who asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

CHUNK_BYTES = 1024 * 1024
"""Most bytes in one chunk, either way."""

SPOOL = "spool"
"""Stands in a request for the sidecar's own folder for the caller's takes."""

UPLOAD_NAME = re.compile(r"uploads/([0-9a-f]{32})")
"""Stands in a request for the path of a file that was sent; so strict that none can act as a path itself."""


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

    @property
    def name(self) -> str:
        """`uploads/{id}`: how requests speak of it."""
        return f"uploads/{self.upload_id}"
