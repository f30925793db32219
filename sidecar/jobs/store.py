"""Durable jobs in one SQLite table.

Synchronous, for one thread at a time: `JobService` gives it a thread of its own. Every change is one
transaction that is on disk when the method returns, and raises the job's revision. What a worker reports is
accepted only from the holder of the lease, the boot that claimed the job.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path

from interchange.errors import (
    BridgeError,
    ConflictError,
    ExhaustedError,
    NotFoundError,
    Reason,
    UnavailableError,
    UnsupportedError,
)
from interchange.model.caller import Caller, Role
from interchange.model.engine import PlannedGeometry
from interchange.model.job import Job, JobState, Progress
from interchange.model.request import GenerationRequest
from interchange.model.take import Take
from sidecar.jobs.clock import SYSTEM_CLOCK, Clock
from sidecar.jobs.rows import Claim, claim_of, job_of
from sidecar.jobs.schema import open_database, transaction, translated
from sidecar.jobs.states import check_transition
from sidecar.jobs.work import TakeDraft
from sidecar.serialise import dump

MAX_ATTEMPTS = 3
"""Times a job may kill its worker, the sidecar living on, before it is given up."""

MAX_INTERRUPTIONS = 20
"""Times a job may be found in the middle of a sidecar that was killed, before it is taken for the cause."""

# Progress is not fsynced, so a power cut may lose revisions that watchers have seen; jump past them.
_REVISIONS_LOST_AT_MOST = 10_000


class JobStore:
    """The job table.

    Args:
        path: Database file, on a local disk.
        owner: Names this boot of the sidecar; leases are its.
        clock: Wall time for the dates of jobs, monotonic time for waits.
    """

    def __init__(self, path: Path, *, owner: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = path
        self._owner = owner
        self._clock = clock
        self._connection = open_database(path)

    def close(self) -> None:
        """Close the database; the last one also folds the WAL back into it."""
        with translated(self._path):
            self._connection.close()

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
        return job_of(row)

    def create(
        self,
        request: GenerationRequest,
        geometry: PlannedGeometry,
        *,
        caller: Caller,
        request_id: str,
        fingerprint: str,
        priority: int,
        version_floor: int,
        queue_limit: int,
    ) -> Job:
        """Queue a job and reserve its file name; the same id with the same request is the same job.

        Args:
            request: What to make, paths resolved.
            geometry: What was planned.
            caller: Who asks; the job is theirs.
            request_id: Idempotency id; empty for none.
            fingerprint: Digest of the request as the caller sent it.
            priority: Higher runs first.
            version_floor: Highest version of the shot that is in the output folder already.
            queue_limit: Most jobs that may wait.

        Raises:
            ConflictError: The id stands for another request.
            ExhaustedError: Too many jobs wait.
        """
        with self._transaction() as connection:
            if request_id:
                found = self.find_request(request_id, fingerprint=fingerprint, caller=caller)
                if found is not None:
                    return found
            (waiting,) = connection.execute(
                "SELECT count(*) FROM job WHERE state = ?", (JobState.QUEUED,)
            ).fetchone()
            if waiting >= queue_limit:
                raise ExhaustedError(
                    f"{waiting} jobs wait already. Let some finish or cancel some, then try again.",
                    reason=Reason.QUEUE_FULL,
                    metadata={"queue_limit": str(queue_limit)},
                )
            (reserved,) = connection.execute(
                "SELECT coalesce(max(version), 0) FROM job "
                "WHERE output_folder = ? AND shot = ? COLLATE NOCASE AND version IS NOT NULL",
                (request.output.directory, request.shot),
            ).fetchone()
            row = connection.execute(
                """
                INSERT INTO job (job_id, request_id, fingerprint, state, revision, priority, lane,
                    attempts, request, geometry, progress, output_folder, shot, version, created,
                    owner, share)
                VALUES (?, ?, ?, ?, 1, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *
                """,
                (
                    uuid.uuid4().hex, request_id or None, fingerprint, JobState.QUEUED, priority,
                    request.engine, dump(request), dump(geometry), dump(Progress()),
                    request.output.directory, request.shot, max(reserved, version_floor) + 1,
                    self._clock.now().isoformat(), caller.name, caller.share,
                ),
            ).fetchone()  # fmt: skip
            return job_of(row)

    def get(self, job_id: str, *, caller: Caller) -> Job:
        """One job.

        Raises:
            NotFoundError: There is none with this id that the caller may see.
        """
        with translated(self._path):
            return job_of(self._seen(job_id, caller))

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
        return tuple(job_of(row) for row in rows[:size]), following

    def waiting_lanes(self) -> frozenset[str]:
        """Engines for which jobs wait."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT DISTINCT lane FROM job WHERE state = ?", (JobState.QUEUED,)
            ).fetchall()
        return frozenset(row["lane"] for row in rows)

    def claim(self, lane: str) -> Claim | None:
        """Take the lease of the next job of an engine: highest priority, then oldest."""
        with self._transaction() as connection:
            row = connection.execute(
                """
                UPDATE job SET state = ?, attempts = attempts + 1, lease_owner = ?,
                    revision = revision + 1, progress = ?, started = coalesce(started, ?)
                WHERE sequence = (
                    SELECT sequence FROM job WHERE lane = ? AND state = ?
                    ORDER BY priority DESC, sequence LIMIT 1
                ) RETURNING *
                """,
                (
                    JobState.RUNNING, self._owner, dump(Progress()), self._clock.now().isoformat(),
                    lane, JobState.QUEUED,
                ),
            ).fetchone()  # fmt: skip
        if row is None:
            return None
        return claim_of(row)

    def record_progress(self, job_id: str, progress: Progress) -> Job:
        """Note how far a leased job is. Survives a crash of ours, but is not worth an fsync."""
        with translated(self._path):
            self._connection.execute("PRAGMA synchronous=NORMAL")
        try:
            with self._transaction():
                self._leased(job_id)
                return self._change(job_id, progress=dump(progress))
        finally:
            with translated(self._path):
                self._connection.execute("PRAGMA synchronous=FULL")

    def record_draft(self, job_id: str, draft: TakeDraft | None) -> Job:
        """Note that a take is ready to be published, so that a crash from here on repeats nothing.

        None means that a noted draft turned out to be gone.
        """
        with self._transaction():
            self._leased(job_id)
            return self._change(job_id, draft=None if draft is None else dump(draft))

    def succeed(self, job_id: str, take: Take) -> Job:
        """End a leased job with its published take."""
        with self._transaction():
            row = self._leased(job_id)
            progress = dump(Progress("publishing", 1, 1, 1.0))
            return self._move(row, JobState.SUCCEEDED, take=dump(take), progress=progress)

    def fail(self, job_id: str, error: BridgeError) -> Job:
        """End a leased job with an error; its file name is free again."""
        with self._transaction():
            return self._move(
                self._leased(job_id), JobState.FAILED, error=dump(error), version=None
            )

    def stopped(self, job_id: str) -> Job:
        """End a leased job that was being cancelled; its file name is free again."""
        with self._transaction():
            return self._move(self._leased(job_id), JobState.CANCELLED, version=None)

    def worker_died(self, job_id: str, error: BridgeError) -> Job:
        """Settle a leased job whose worker died: queue it again, or give it up after three deaths."""
        with self._transaction():
            row = self._leased(job_id)
            hopeless = row["attempts"] - row["interruptions"] >= MAX_ATTEMPTS
            return self._after_death(row, error, hopeless=hopeless)

    def give_back(self, job_id: str) -> Job:
        """Return a leased job to the queue because the sidecar stops; the attempt does not count."""
        with self._transaction():
            row = self._leased(job_id)
            if row["state"] == JobState.CANCELLING:
                return self._move(row, JobState.CANCELLED, version=None)
            return self._move(row, JobState.QUEUED, attempts=row["attempts"] - 1)

    def request_cancel(self, job_id: str, *, caller: Caller) -> Job:
        """Cancel a queued job, ask a running one to stop, and leave any other as it is.

        Raises:
            NotFoundError: There is none with this id that the caller may see.
        """
        with self._transaction():
            row = self._seen(job_id, caller)
            match JobState(row["state"]):
                case JobState.QUEUED:
                    return self._move(row, JobState.CANCELLED, version=None)
                case JobState.RUNNING:
                    return self._move(row, JobState.CANCELLING)
                case _:
                    return job_of(row)

    def delete(self, job_id: str, *, caller: Caller) -> None:
        """Forget a job that has ended.

        Raises:
            NotFoundError: There is none with this id that the caller may see.
            UnsupportedError: It has not ended.
        """
        with self._transaction() as connection:
            row = self._seen(job_id, caller)
            if not JobState(row["state"]).terminal:
                raise UnsupportedError(
                    f"Job {job_id} is {row['state']}. Cancel it, then delete it.",
                    reason=Reason.JOB_STATE,
                    metadata={"job_id": job_id, "state": row["state"]},
                )
            connection.execute("DELETE FROM job WHERE job_id = ?", (job_id,))

    def orphans(self) -> tuple[Claim, ...]:
        """Jobs that another boot of the sidecar left in the middle."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT * FROM job WHERE state IN (?, ?) AND lease_owner IS NOT ? ORDER BY sequence",
                (JobState.RUNNING, JobState.CANCELLING, self._owner),
            ).fetchall()
        return tuple(claim_of(row) for row in rows)

    def adopt(self, job_id: str, take: Take | None) -> Job:
        """Settle an orphan.

        Args:
            job_id: One of `orphans`.
            take: Its take where it was found published, else None: then the job goes back to the
                queue, or is cancelled if that was asked. A sidecar that is killed says nothing about
                the job, so this does not count as an attempt that failed; only a job that is found like
                this twenty times is given up.
        """
        with self._transaction() as connection:
            row = connection.execute(
                """
                UPDATE job SET lease_owner = ?, revision = revision + ?,
                    interruptions = interruptions + 1
                WHERE job_id = ? RETURNING *
                """,
                (self._owner, _REVISIONS_LOST_AT_MOST, job_id),
            ).fetchone()
            if take is not None:
                return self._move(row, JobState.SUCCEEDED, take=dump(take))
            error = UnavailableError(
                f"The sidecar was killed {MAX_INTERRUPTIONS} times while it worked on this job. Its log says "
                "more; try a shorter range, a smaller picture or another engine.",
                reason=Reason.WORKER_DIED,
            )
            return self._after_death(row, error, hopeless=row["interruptions"] >= MAX_INTERRUPTIONS)

    def _after_death(self, row: sqlite3.Row, error: BridgeError, *, hopeless: bool) -> Job:
        if row["state"] == JobState.CANCELLING:
            return self._move(row, JobState.CANCELLED, version=None)
        if hopeless:
            return self._move(row, JobState.FAILED, error=dump(error), version=None)
        return self._move(row, JobState.QUEUED)

    def _move(self, row: sqlite3.Row, state: JobState, **columns: object) -> Job:
        check_transition(row["job_id"], present=JobState(row["state"]), following=state)
        columns |= {"state": state, "lease_owner": row["lease_owner"]}
        if state.terminal:
            columns |= {"ended": self._clock.now().isoformat(), "lease_owner": None, "draft": None}
        elif state is JobState.QUEUED:
            columns |= {"lease_owner": None, "progress": dump(Progress())}
        return self._change(row["job_id"], **columns)

    def _change(self, job_id: str, **columns: object) -> Job:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        row = self._connection.execute(
            f"UPDATE job SET {assignments}, revision = revision + 1 WHERE job_id = ? RETURNING *",  # noqa: S608 - our own names
            (*columns.values(), job_id),
        ).fetchone()
        return job_of(row)

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

    def _leased(self, job_id: str) -> sqlite3.Row:
        row = self._row(job_id)
        if row["lease_owner"] != self._owner:
            raise UnsupportedError(
                f"Job {job_id} belongs to another run of the sidecar now.",
                reason=Reason.JOB_STATE,
                metadata={"job_id": job_id, "state": row["state"]},
            )
        return row

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return transaction(self._connection, self._path)
