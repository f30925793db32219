"""Digests of files that are read again and again: taken once while a file's size and time stay."""

from __future__ import annotations

from pathlib import Path

from sidecar.filesystem import FileSystem


class RememberedDigests:
    """SHA-256 of files, remembered: one shot often gets many takes, and one LoRA many shots.

    Args:
        filesystem: Reads them.
    """

    def __init__(self, filesystem: FileSystem) -> None:
        self._filesystem = filesystem
        self._known: dict[tuple[Path, int, int, int], str] = {}

    def of(self, path: Path) -> str:
        """The digest of a file in lower-case hexadecimal.

        Raises:
            OSError: It is not there.
            BridgeError: It cannot be read.
        """
        facts = path.stat()
        key = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if key not in self._known:
            self._known[key] = self._filesystem.sha256(path)
        return self._known[key]
