"""One run at a time in a folder that several may deliver into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from interchange.errors import BridgeError, ConflictError, NotAllowedError
from sidecar.filesystem import FileSystem
from sidecar.jobs.lock import FolderLock


@contextmanager
def alone_in(
    folder: Path,
    *,
    lock_name: str,
    filesystem: FileSystem,
    wait: Callable[[ConflictError], None],
) -> Iterator[None]:
    """Wait until no other run holds a folder, and hold it for the duration.

    Args:
        folder: Which one.
        lock_name: The lock file in it; it is removed afterwards.
        filesystem: The facade all writing goes through.
        wait: Called while another run holds it; pauses, or raises the error it is given.

    Raises:
        ConflictError: As `wait` says.
    """
    lock: FolderLock | None = None
    while lock is None:
        try:
            lock = FolderLock(folder, name=lock_name, holder="run")
        except ConflictError as error:
            wait(error)
        except NotAllowedError:
            break  # a volume without locks; a folder that is not ours says so at the first write
        else:
            if not lock.stands:  # its last holder removed it just now
                lock.release()
                lock = None
    try:
        yield
    finally:
        if lock is not None:
            # Removed while held, so that nobody can hold what has no name; Windows refuses, and it stays.
            with suppress(BridgeError):
                filesystem.unlink(lock.path, missing_ok=True)
            lock.release()
