"""A copy of the job database from before it is brought forward, so that the old version can be taken back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from interchange.errors import ExhaustedError, Reason
from sidecar.filesystem import FileSystem

_PAGES_A_STEP = 1024


def back_up(
    connection: sqlite3.Connection, path: Path, *, version: int, filesystem: FileSystem
) -> Path:
    """Copy the database beside itself, whole and on disk, under the number of its schema.

    Args:
        connection: The open database; nobody else writes it.
        path: Its file.
        version: Its schema.
        filesystem: Where the copy is written.

    Returns:
        The copy, `jobs.sqlite3.v2.backup`; an older one of that name is replaced by a whole new one.

    Raises:
        ExhaustedError: There is no space for the copy and the change; nothing was touched.
        NotAllowedError: The folder cannot be written.
    """
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    needed = 3 * pages * page_bytes  # the copy, and the change in the log and in the file
    free = filesystem.free_bytes(path.parent)
    if free < needed:
        raise ExhaustedError(
            f"This version keeps jobs in another form, and the disk with {path.parent} has no space to keep "
            f"a copy of the old one: {free >> 20} MB are free, {(needed >> 20) + 1} MB are needed. Free some "
            "and start again; the jobs are as they were.",
            reason=Reason.DISK_FULL,
            metadata={"path": str(path), "free_bytes": str(free), "needed_bytes": str(needed)},
        )
    backup = path.with_name(f"{path.name}.v{version}.backup")
    part = backup.with_name(f".{backup.name}.part")
    filesystem.unlink(part, missing_ok=True)
    filesystem.open_new(part, private=True).close()
    copy = sqlite3.connect(part)
    try:
        connection.backup(copy, pages=_PAGES_A_STEP)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole in itself
    finally:
        copy.close()
    filesystem.fsync_file(part)
    filesystem.replace(part, backup)
    filesystem.fsync_folder(path.parent)
    return backup
