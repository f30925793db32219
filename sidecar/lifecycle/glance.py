"""The job table, looked at without being able to change it: only one process may write it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from interchange.errors import InternalError, UnavailableError
from interchange.model.take import Take
from sidecar.lifecycle.quota import COUNTED_FOLDERS, folder_bytes, take_bytes
from sidecar.serialise import load


def query(state_dir: Path, statement: str) -> Sequence[tuple[Any, ...]]:
    """Ask the job table of a state folder.

    Raises:
        sqlite3.Error: It is not there, damaged or locked.
    """
    path = quote(str((state_dir / "jobs.sqlite3").absolute()))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2.0)) as connection:
        connection.execute("PRAGMA query_only=ON")
        return connection.execute(statement).fetchall()


def used_bytes(state_dir: Path) -> int:
    """What takes, uploads, spool and caches use now, whether or not a sidecar runs.

    Raises:
        UnavailableError: The job table is there and cannot be read.
    """
    folders = [state_dir / name for name in COUNTED_FOLDERS]
    counted = folder_bytes(*folders)
    if not (state_dir / "jobs.sqlite3").exists():
        return counted
    try:
        rows = query(state_dir, "SELECT take FROM job WHERE take IS NOT NULL")
        takes = [load(Take, text) for (text,) in rows]
    except (sqlite3.Error, InternalError) as error:
        raise UnavailableError(
            f"The job table in {state_dir} cannot be read ({error}), so nobody knows what its takes use. "
            "`ltxbridge support` collects what helps to find out why."
        ) from error
    return counted + sum(take_bytes(take, beside=folders) for take in takes)
