"""The job database: how it is opened, its tables, and how an older one is brought forward.

One connection in one process writes it. SQLite before 3.51.3 can corrupt a WAL database when several
connections write and checkpoint at once (sqlite.org/changes.html); with one writer that cannot happen.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interchange.errors import (
    BridgeError,
    ConflictError,
    ExhaustedError,
    InternalError,
    NotAllowedError,
    Reason,
    UnavailableError,
)

_LOG = logging.getLogger(__name__)

_BUSY_TIMEOUT_S = 10.0
_WAL_RESET_FIXED = (3, 51, 3)

_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE job (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            job_id TEXT NOT NULL UNIQUE,
            request_id TEXT UNIQUE,
            fingerprint TEXT NOT NULL,
            state TEXT NOT NULL,
            revision INTEGER NOT NULL,
            priority INTEGER NOT NULL,
            lane TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            lease_owner TEXT,
            request TEXT NOT NULL,
            geometry TEXT NOT NULL,
            progress TEXT NOT NULL,
            draft TEXT,
            take TEXT,
            error TEXT,
            output_folder TEXT NOT NULL,
            shot TEXT NOT NULL,
            version INTEGER,
            created TEXT NOT NULL,
            started TEXT,
            ended TEXT
        ) STRICT
        """,
        "CREATE INDEX job_ready ON job (state, lane, priority DESC, sequence)",
        # A reserved version; a job that ends without a take gives its number back.
        """
        CREATE UNIQUE INDEX job_output ON job (output_folder, shot COLLATE NOCASE, version)
        WHERE version IS NOT NULL
        """,
    ),
    ("ALTER TABLE job ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0",),
    (
        "ALTER TABLE job ADD COLUMN owner TEXT NOT NULL DEFAULT 'local'",
        "ALTER TABLE job ADD COLUMN share TEXT NOT NULL DEFAULT 'local/cli'",
    ),
)
"""Statements that lead from schema version n to n + 1; only ever appended to."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the job database, make it if need be, and bring it to the present schema.

    Args:
        path: The file, on a local disk: WAL needs shared memory that network shares do not have.

    Raises:
        ConflictError: A newer ltxbridge made it.
        NotAllowedError: It cannot be opened or written.
    """
    if sqlite3.sqlite_version_info < _WAL_RESET_FIXED:
        _LOG.warning(
            "SQLite %s has the WAL-reset fault (fixed in 3.51.3); never open the job database from "
            "another program while the sidecar runs.",
            sqlite3.sqlite_version,
        )
    with translated(path):
        connection = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
    try:
        with translated(path):
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """One immediate transaction: all of it is on disk at the end, or none of it happened."""
    with translated(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk may have rolled back by itself
                connection.execute("ROLLBACK")
            raise


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        ExhaustedError: The disk is full.
        UnavailableError: Somebody else keeps the database locked.
        NotAllowedError: It cannot be opened, read or written.
        InternalError: Anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, path) from error


def _translation(error: sqlite3.Error, path: Path) -> BridgeError:
    cause = getattr(error, "sqlite_errorname", "")
    metadata = {"path": str(path), "cause": cause}
    if cause.startswith("SQLITE_FULL"):
        return ExhaustedError(
            f"The disk with {path.parent} is full; jobs wait there. Free some space.",
            reason=Reason.DISK_FULL,
            metadata=metadata,
        )
    if cause.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return UnavailableError(
            f"Another program keeps {path} locked. Close it and try again.",
            reason=Reason.SIDECAR_UNREACHABLE,
            metadata=metadata,
        )
    if cause.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_PERM")):
        return NotAllowedError(
            f"The job database {path} cannot be written ({error}). Check that its folder is on a "
            "healthy local disk and belongs to you, or choose another state folder.",
            reason=Reason.OUTPUT_NOT_WRITABLE,
            metadata=metadata,
        )
    return InternalError(
        f"The job database {path} failed: {error}. If it is damaged, move it away; takes on disk are "
        "not affected.",
        metadata=metadata,
    )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection, path):
        connection.execute("CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL) STRICT")
        row = connection.execute("SELECT version FROM schema").fetchone()
        version = 0 if row is None else int(row["version"])
        if version > len(_MIGRATIONS):
            raise ConflictError(
                f"{path} was made by a newer ltxbridge. Install that version again, or choose "
                "another state folder.",
                reason=Reason.ALREADY_RUNNING,
            )
        if row is None:
            connection.execute("INSERT INTO schema VALUES (0)")
        for statements in _MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute("UPDATE schema SET version = ?", (len(_MIGRATIONS),))
