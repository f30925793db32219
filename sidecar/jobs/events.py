"""Every change of every job, in order, on disk: what late and slow watchers read.

Each is written in the transaction that made it, so there is none without its change and no change without it.

What is kept: the change a job ended with until the job is deleted, and every other change of state as long; the
progress of the newest 1,000 jobs that have ended, and of every job that has not. The rule counts jobs and asks
no clock, so a clock that jumps cannot thin too much. A deletion is no change: it takes the job's events with
it, and streams leave out what they had not sent of them.
"""

from __future__ import annotations

import sqlite3
from enum import IntEnum

KEPT_PROGRESS_JOBS = 1000
"""So many ended jobs can be replayed with their progress."""

# A power cut may lose progress that watchers have seen, for it is not fsynced; numbers jump past it.
LOST_AT_MOST = 10_000

_COLUMNS = """
    event.sequence AS event_sequence, event.revision, event.state, event.attempts, event.progress,
    event.started, event.not_before, job.job_id, job.request_id, job.priority, job.owner, job.request,
    job.geometry, job.created,
    CASE event.kind WHEN 2 THEN job.take END AS take,
    CASE event.kind WHEN 2 THEN job.error END AS error,
    CASE event.kind WHEN 2 THEN job.ended END AS ended
"""


class Kind(IntEnum):
    """What an event is worth."""

    PROGRESS = 0
    CHANGE = 1
    END = 2


class EventLog:
    """The event table.

    Args:
        connection: The job database; transactions are the caller's.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, row: sqlite3.Row, kind: Kind) -> int:
        """Write down what a job's row has become.

        Returns:
            The change's sequence.
        """
        cursor = self._connection.execute(
            "INSERT INTO event (job, kind, revision, state, attempts, progress, started, not_before) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row["sequence"], kind, row["revision"], row["state"], row["attempts"], row["progress"],
                row["started"], row["not_before"],
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None  # noqa: S101 - an insert has one
        return cursor.lastrowid

    def of_job(self, job_id: str, *, after_revision: int, limit: int) -> list[sqlite3.Row]:
        """Changes of one job, in order."""
        return self._connection.execute(
            f"SELECT {_COLUMNS} FROM job JOIN event ON event.job = job.sequence "  # noqa: S608 - our own names
            "WHERE job.job_id = ? AND event.revision > ? ORDER BY event.revision LIMIT ?",
            (job_id, after_revision, limit),
        ).fetchall()

    def after(self, sequence: int, *, limit: int) -> list[sqlite3.Row]:
        """Changes of all jobs, in order."""
        return self._connection.execute(
            f"SELECT {_COLUMNS} FROM event JOIN job ON job.sequence = event.job "  # noqa: S608 - our own names
            "WHERE event.sequence > ? ORDER BY event.sequence LIMIT ?",
            (sequence, limit),
        ).fetchall()

    def last(self) -> int:
        """Sequence of the newest change there ever was, 0 where there was none."""
        row = self._connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'event'"
        ).fetchone()
        return 0 if row is None else int(row["seq"])

    def skip_lost(self) -> None:
        """Jump past sequences that a power cut may have taken back after somebody saw them."""
        self._connection.execute(
            "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'event'", (LOST_AT_MOST,)
        )

    def thin(self) -> None:
        """Drop the progress of the job that ended `KEPT_PROGRESS_JOBS` ends ago; called at every end."""
        self._connection.execute(
            "DELETE FROM event WHERE kind = 0 AND job = (SELECT job FROM event WHERE kind = 2 "
            "ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            (KEPT_PROGRESS_JOBS,),
        )

    def forget(self, job: int) -> None:
        """Drop everything about a job that is being deleted."""
        self._connection.execute("DELETE FROM event WHERE job = ?", (job,))
