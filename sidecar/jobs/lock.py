"""One process per folder, held by the operating system, so that a crash releases it."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from interchange.errors import ConflictError, NotAllowedError, Reason

# `flock` says EWOULDBLOCK, `msvcrt.locking` EACCES or EDEADLK.
_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


class FolderLock:
    """Holds a folder for this process until `release`.

    Args:
        folder: What is held.
        name: The lock file in it.
        holder: What holds it, in messages.
        lock: Locks an open file without waiting; None takes this platform's way.

    Attributes:
        path: The lock file.

    Raises:
        ConflictError: Another process holds it.
        NotAllowedError: The lock file cannot be opened, or its volume knows no locks.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "sidecar.lock",
        holder: str = "sidecar",
        lock: Callable[[int], None] | None = None,
    ) -> None:
        path = self.path = folder / name
        try:
            self._descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600
            )
        except OSError as error:
            raise NotAllowedError(
                f"{path} cannot be opened: {error.strerror}. Choose a folder that is yours.",
                reason=Reason.OUTPUT_NOT_WRITABLE,
                metadata={"path": str(path)},
            ) from error
        try:
            (lock or file_lock())(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            if error.errno not in _HELD:
                raise NotAllowedError(
                    f"{path} cannot be locked: {error.strerror}. Choose a folder on a volume that knows locks.",
                    reason=Reason.OUTPUT_NOT_WRITABLE,
                    metadata={"path": str(path)},
                ) from error
            raise ConflictError(
                f"Another {holder} works with {folder}. Stop it, or give this one a folder of its own.",
                reason=Reason.ALREADY_RUNNING,
                metadata={"path": str(folder)},
            ) from error

    @property
    def stands(self) -> bool:
        """Whether the lock file still is the one that is held: an earlier holder may have removed it."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let the folder go."""
        os.close(self._descriptor)


def file_lock(
    *,
    platform: str = sys.platform,
    load: Callable[[str], ModuleType] = importlib.import_module,
) -> Callable[[int], None]:
    """A platform's way to lock an open file until it is closed; it raises `OSError` where another has it.

    Args:
        platform: As `sys.platform`.
        load: Imports the module it takes; each is there on its own system only.
    """
    if platform == "win32":
        msvcrt = load("msvcrt")
        # One byte at the start, which is where a file that was just opened stands.
        return lambda descriptor: msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    fcntl = load("fcntl")
    return lambda descriptor: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
