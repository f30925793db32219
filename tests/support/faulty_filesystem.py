"""A file system whose Nth call of a named operation fails, as a full disk or a pulled share would."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from sidecar.filesystem import FileSystem

OPERATIONS = (
    "make_folder", "open_new", "write", "close", "fsync_file", "fsync_folder", "replace",
    "publish_new", "rename", "remove_tree", "unlink", "free_bytes", "sha256", "open_to_append", "set_modified", "remove_folder",
)  # fmt: skip


class FaultyFileSystem(FileSystem):
    """Fails one call, or every call from one on.

    Args:
        operation: One of `OPERATIONS`.
        number: Which call of it fails, from 1.
        errno: The operating system's error number.
        sticky: Later calls of the operation fail too, until `heal`.
        only: Count only paths that contain this text.
    """

    def __init__(
        self, operation: str, *, errno: int, number: int = 1, sticky: bool = False, only: str = ""
    ) -> None:
        assert operation in OPERATIONS, operation
        self.operation = operation
        self.number = number
        self.errno = errno
        self.sticky = sticky
        self.only = only
        self.calls: Counter[str] = Counter()
        self.failed = 0

    def heal(self) -> None:
        """Let everything succeed from here on."""
        self.number = 0
        self.sticky = False

    def before(self, operation: str, path: Path) -> None:
        if self.only not in str(path):
            return
        self.calls[operation] += 1
        if operation != self.operation or not self.number:
            return
        count = self.calls[operation]
        if count == self.number or (self.sticky and count > self.number):
            self.failed += 1
            raise OSError(self.errno, os.strerror(self.errno), str(path))
