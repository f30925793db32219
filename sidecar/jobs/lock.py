"""One process per folder, held by the operating system, so that a crash releases it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from interchange.errors import ConflictError, NotAllowedError, Reason


class FolderLock:
    """Holds a folder for this process until `release`.

    Args:
        folder: What is held.
        name: The lock file in it.
        holder: What holds it, in messages.

    Raises:
        ConflictError: Another process holds it.
        NotAllowedError: The lock file cannot be opened.
    """

    def __init__(
        self, folder: Path, *, name: str = "sidecar.lock", holder: str = "sidecar"
    ) -> None:
        path = folder / name
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise NotAllowedError(
                f"{path} cannot be opened: {error.strerror}. Choose a folder that is yours.",
                reason=Reason.OUTPUT_NOT_WRITABLE,
                metadata={"path": str(path)},
            ) from error
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise ConflictError(
                f"Another {holder} works with {folder}. Stop it, or give this one a folder of its own.",
                reason=Reason.ALREADY_RUNNING,
                metadata={"path": str(folder)},
            ) from error

    def release(self) -> None:
        """Let the folder go."""
        os.close(self._descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
