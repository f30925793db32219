"""What can be asked about jobs; what can be done to them is `sidecar.jobs.store`."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path

from interchange.errors import ConflictError, NotFoundError, Reason
from interchange.model.caller import Caller, Role
from interchange.model.job import Job, JobState
from sidecar.jobs.events import EventLog
from sidecar.jobs.rows import Claim, Event, RowReader
from sidecar.jobs.schema import translated

# Rows of other callers that one look at the events may pass over.
_PASSED_OVER = 512


class JobReader:
    """Reads the job database.

    Args:
        connection: To the database; one thread at a time.
        path: Its file, for messages.
        owner: Names this boot of the sidecar.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, owner: str) -> None:
        self._connection = connection
        self._path = path
        self._owner = owner
        self._rows = RowReader()
        self._events = EventLog(connection)

    def find_request(self, request_id: str, *, fingerprint: str, caller: Caller) -> Job | None:
        """The job an idempotency id of a caller's stands for, None where it is new.

        Raises:
            ConflictError: The id stands for another request.
        """
        with translated(self._path):
            row = self._connection.execute(
                "SELECT * FROM job WHERE owner = ? AND request_id = ?", (caller.name, request_id)
            ).fetchone()
        if row is None:
            return None
        if row["fingerprint"] != fingerprint:
            raise ConflictError(
                "This request id was used for another request. Send a new id with a changed request.",
                reason=Reason.REQUEST_ID_REUSED,
                metadata={"request_id": request_id, "job_id": row["job_id"]},
            )
        return self._rows.job(row)

    def get(self, job_id: str, *, caller: Caller) -> Job:
        """One job.

        Raises:
            NotFoundError: There is none with this id that the caller may see.
        """
        with translated(self._path):
            return self._rows.job(self._seen(job_id, caller))

    def page(
        self, *, states: Collection[JobState], caller: Caller, before: int | None, size: int
    ) -> tuple[tuple[Job, ...], int | None]:
        """Jobs, newest first.

        Args:
            states: Only these; empty for all.
            caller: Only what this one may see.
            before: Where the previous page ended, None for the first.
            size: Most jobs to return.

        Returns:
            The jobs, and where the next page starts, None at the end.
        """
        wanted = tuple(states) or tuple(JobState)
        owner = None if caller.role is Role.OPERATOR else caller.name
        marks = ",".join("?" * len(wanted))
        with translated(self._path):
            rows = self._connection.execute(
                f"SELECT * FROM job WHERE state IN ({marks}) AND (? IS NULL OR sequence < ?) "  # noqa: S608 - only marks
                "AND (? IS NULL OR owner = ?) ORDER BY sequence DESC LIMIT ?",
                (*wanted, before, before, owner, owner, size + 1),
            ).fetchall()
        following = rows[size - 1]["sequence"] if len(rows) > size else None
        return tuple(self._rows.job(row) for row in rows[:size]), following

    def events_of(
        self, job_id: str, *, caller: Caller, after_revision: int, limit: int
    ) -> tuple[Event, ...]:
        """Changes of one job that are kept, in order.

        Args:
            job_id: The job.
            caller: Who asks.
            after_revision: Only later ones.
            limit: Most to return.

        Raises:
            NotFoundError: There is no such job that the caller may see, or not any more.
        """
        with translated(self._path):
            self._seen(job_id, caller)
            rows = self._events.of_job(job_id, after_revision=after_revision, limit=limit)
        return tuple(Event(row["event_sequence"], self._rows.job(row)) for row in rows)

    def events_after(
        self, sequence: int, *, caller: Caller, limit: int
    ) -> tuple[tuple[Event, ...], int, bool]:
        """Changes of all jobs the caller may see that are kept, in order.

        Args:
            sequence: Only later ones.
            caller: Who asks.
            limit: Most to return.

        Returns:
            The changes, the sequence up to which they are all, and whether there are more after it.
        """
        with translated(self._path):
            rows = self._events.after(sequence, limit=_PASSED_OVER)
        found: list[Event] = []
        for row in rows:
            if len(found) == limit:
                return tuple(found), sequence, True
            sequence = row["event_sequence"]
            if caller.may_touch(row["owner"]):
                found.append(Event(sequence, self._rows.job(row)))
        return tuple(found), sequence, len(rows) == _PASSED_OVER

    def last_sequence(self) -> int:
        """Sequence of the newest change there ever was, 0 where there was none."""
        with translated(self._path):
            return self._events.last()

    def waiting_lanes(self) -> frozenset[str]:
        """Engines for which jobs wait."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT DISTINCT lane FROM job WHERE state = 'queued'"
            ).fetchall()
        return frozenset(row["lane"] for row in rows)

    def orphans(self) -> tuple[Claim, ...]:
        """Jobs that another boot of the sidecar left in the middle."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT * FROM job WHERE lease_owner IS NOT NULL AND lease_owner <> ? "
                "ORDER BY sequence",
                (self._owner,),
            ).fetchall()
        return tuple(self._rows.claim(row) for row in rows)

    def _row(self, job_id: str) -> sqlite3.Row:
        return self._seen(job_id, None)

    def _seen(self, job_id: str, caller: Caller | None) -> sqlite3.Row:
        row: sqlite3.Row | None = self._connection.execute(
            "SELECT * FROM job WHERE job_id = ?", (job_id,)
        ).fetchone()
        # Somebody else's job and none at all look the same: ids tell nothing.
        if row is None or not (caller is None or caller.may_touch(row["owner"])):
            raise NotFoundError(
                f"There is no job {job_id[:64]}. `ltxbridge jobs list` shows those there are.",
                reason=Reason.JOB_NOT_FOUND,
                metadata={"job_id": job_id[:64]},
            )
        return row
