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
from sidecar.filesystem import FileSystem
from sidecar.jobs.backup import back_up

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
        # Made anew, since a request id is unique for each owner now and not for all of them together.
        """
        CREATE TABLE job_of_owner (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            job_id TEXT NOT NULL UNIQUE,
            owner TEXT NOT NULL,
            share TEXT NOT NULL,
            request_id TEXT,
            fingerprint TEXT NOT NULL,
            state TEXT NOT NULL,
            revision INTEGER NOT NULL,
            priority INTEGER NOT NULL,
            lane TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            interruptions INTEGER NOT NULL DEFAULT 0,
            failures TEXT NOT NULL DEFAULT '{}',
            not_before TEXT,
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
        """
        INSERT INTO job_of_owner (sequence, job_id, owner, share, request_id, fingerprint, state, revision,
            priority, lane, attempts, interruptions, failures, lease_owner, request, geometry, progress, draft,
            take, error, output_folder, shot, version, created, started, ended)
        SELECT sequence, job_id, 'local', 'local/cli', request_id, fingerprint, state, revision,
            priority, lane, attempts, interruptions,
            '{"WORKER_DIED":' || max(0, attempts - interruptions - (lease_owner IS NOT NULL)) || '}',
            lease_owner, request, geometry, progress, draft,
            take, error, output_folder, shot, version, created, started, ended
        FROM job
        """,
        "DROP TABLE job",
        "ALTER TABLE job_of_owner RENAME TO job",
        "CREATE UNIQUE INDEX job_request ON job (owner, request_id) WHERE request_id IS NOT NULL",
        """
        CREATE INDEX job_ready ON job (lane, priority, share, sequence)
        WHERE state = 'queued' AND not_before IS NULL
        """,
        "CREATE INDEX job_held ON job (lane) WHERE not_before IS NOT NULL",
        "CREATE INDEX job_waiting ON job (share) WHERE state = 'queued'",
        "CREATE INDEX job_leased ON job (sequence) WHERE lease_owner IS NOT NULL",
        """
        CREATE UNIQUE INDEX job_output ON job (output_folder, shot COLLATE NOCASE, version)
        WHERE version IS NOT NULL
        """,
        # What never changes, and what only the last snapshot has, stays in the job.
        """
        CREATE TABLE event (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            job INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            state TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            progress TEXT NOT NULL,
            started TEXT,
            not_before TEXT
        ) STRICT
        """,
        "CREATE UNIQUE INDEX event_job ON event (job, revision)",
        "CREATE INDEX event_end ON event (sequence) WHERE kind = 2",
        """
        INSERT INTO event (job, kind, revision, state, attempts, progress, started)
        SELECT sequence, CASE WHEN state IN ('succeeded', 'failed', 'cancelled') THEN 2 ELSE 1 END,
            revision, state, attempts, progress, started
        FROM job ORDER BY sequence
        """,
        # When each share of a lane last had its turn.
        """
        CREATE TABLE turn (
            lane TEXT NOT NULL,
            share TEXT NOT NULL,
            served INTEGER NOT NULL,
            PRIMARY KEY (lane, share)
        ) STRICT, WITHOUT ROWID
        """,
    ),
)
"""Statements that lead from schema version n to n + 1; only ever appended to."""


def open_database(path: Path, *, filesystem: FileSystem) -> sqlite3.Connection:
    """Open the job database, make it if need be, and bring it to the present schema.

    An older one is copied first, see `sidecar.jobs.backup`.

    Args:
        path: The file, on a local disk: WAL needs shared memory that network shares do not have.
        filesystem: Where the copy is written.

    Raises:
        ConflictError: A newer ltxbridge made it.
        ExhaustedError: There is no space to keep a copy of an older one.
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
            _migrate(connection, path, filesystem)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(
    connection: sqlite3.Connection, path: Path, *, durable: bool = True
) -> Iterator[sqlite3.Connection]:
    """One immediate transaction: all of it happened at the end, or none of it.

    Args:
        connection: The job database.
        path: Its file.
        durable: It is on disk at the end; else only a power cut can take it back.
    """
    with translated(path):
        if not durable:
            connection.execute("PRAGMA synchronous=NORMAL")
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have rolled back by itself
                    connection.execute("ROLLBACK")
                raise
        finally:
            if not durable:
                connection.execute("PRAGMA synchronous=FULL")


@contextmanager
def savepoint(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """A part of a transaction: it counts or it did not happen, the rest either way."""
    with translated(path):
        connection.execute("SAVEPOINT part")
        try:
            yield connection
            connection.execute("RELEASE part")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK TO part")
                connection.execute("RELEASE part")
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


def _migrate(connection: sqlite3.Connection, path: Path, filesystem: FileSystem) -> None:
    version = _version(connection)
    if version > len(_MIGRATIONS):
        raise ConflictError(
            f"{path} was made by a newer ltxbridge. Install that version again, or choose "
            "another state folder.",
            reason=Reason.ALREADY_RUNNING,
        )
    if version == len(_MIGRATIONS):
        return
    if version:
        backup = back_up(connection, path, version=version, filesystem=filesystem)
        _LOG.info("the job database is brought forward; %s has it as it was", backup)
    with transaction(connection, path):
        connection.execute("CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL) STRICT")
        if not version:
            connection.execute("INSERT INTO schema VALUES (0)")
        for statements in _MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute("UPDATE schema SET version = ?", (len(_MIGRATIONS),))


def _version(connection: sqlite3.Connection) -> int:
    """The schema a database has, 0 where it is new."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema'").fetchone()
    if known is None:
        return 0
    row = connection.execute("SELECT version FROM schema").fetchone()
    return 0 if row is None else int(row["version"])
