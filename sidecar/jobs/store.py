"""Durable jobs in SQLite: what can be done to them.

Synchronous, for one thread at a time: `sidecar.jobs.desk` gives it a thread of its own. Every change is one
transaction that is on disk when the method returns, raises the job's revision and writes an event. Several calls
may share one transaction, see `together`. What a worker reports is accepted only from the holder of the lease,
the boot that claimed the job.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from interchange.errors import (
    BridgeError,
    Reason,
    UnavailableError,
    UnsupportedError,
)
from interchange.model.caller import Caller
from interchange.model.engine import PlannedGeometry
from interchange.model.job import Job, JobState, Progress
from interchange.model.request import GenerationRequest
from interchange.model.take import Take
from sidecar.filesystem import FileSystem
from sidecar.jobs.clock import SYSTEM_CLOCK, Clock
from sidecar.jobs.events import LOST_AT_MOST, Kind
from sidecar.jobs.reader import JobReader
from sidecar.jobs.retry import TRIES, RetryPolicy
from sidecar.jobs.rows import Claim, Event
from sidecar.jobs.schema import open_database, savepoint, transaction, translated
from sidecar.jobs.states import check_transition
from sidecar.jobs.turns import QueueLimits, Turns
from sidecar.jobs.work import TakeDraft
from sidecar.serialise import dump

MAX_INTERRUPTIONS = 20
"""Times a job may be found in the middle of a sidecar that was killed, before it is taken for the cause."""


class JobStore(JobReader):
    """The job database.

    Args:
        path: Database file, on a local disk.
        owner: Names this boot of the sidecar; leases are its.
        clock: Wall time for the dates of jobs, monotonic time for waits.
        retry: Which failures are worth another try.
        filesystem: Where an older database is copied before it is brought forward.
    """

    def __init__(
        self,
        path: Path,
        *,
        owner: str,
        clock: Clock = SYSTEM_CLOCK,
        retry: RetryPolicy | None = None,
        filesystem: FileSystem | None = None,
    ) -> None:
        connection = open_database(path, filesystem=filesystem or FileSystem())
        super().__init__(connection, path, owner=owner)
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._turns = Turns(connection, clock=clock, longest_wait_s=self._retry.longest_wait_s)
        self._fresh: list[Event] = []
        self._shared = False

    def close(self) -> None:
        """Close the database; the last one also folds the WAL back into it."""
        with translated(self._path):
            self._connection.close()

    @contextmanager
    def together(self, *, durable: bool = True) -> Iterator[None]:
        """Let the calls inside share one transaction, and one wait for the disk.

        A call that fails inside is undone for itself. Where this ends with an error, nothing inside happened.

        Args:
            durable: Wait until it is on disk; else a power cut may take it back, a crash of ours not.
        """
        with self._transaction(durable=durable):
            self._shared = True
            try:
                yield
                self._check_shared()
            finally:
                self._shared = False

    def take_events(self) -> tuple[Event, ...]:
        """The changes since the last call, in order."""
        events, self._fresh = tuple(self._fresh), []
        return events

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
        limits: QueueLimits,
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
            limits: Most jobs that may wait.

        Raises:
            ConflictError: The id stands for another request.
            ExhaustedError: Too many jobs wait.
        """
        with self._transaction() as connection:
            if request_id:
                found = self.find_request(request_id, fingerprint=fingerprint, caller=caller)
                if found is not None:
                    return found
            self._turns.check_room(caller, limits)
            (reserved,) = connection.execute(
                "SELECT coalesce(max(version), 0) FROM job "
                "WHERE output_folder = ? AND shot = ? COLLATE NOCASE AND version IS NOT NULL",
                (request.output.directory, request.shot),
            ).fetchone()
            job_id = uuid.uuid4().hex
            self._rows.know(job_id, request, geometry)
            row = connection.execute(
                """
                INSERT INTO job (job_id, owner, share, request_id, fingerprint, state, revision, priority,
                    lane, attempts, request, geometry, progress, output_folder, shot, version, created)
                VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?) RETURNING *
                """,
                (
                    job_id, caller.name, caller.share, request_id or None, fingerprint,
                    JobState.QUEUED, priority, request.engine, dump(request), dump(geometry),
                    dump(Progress()), request.output.directory, request.shot,
                    max(reserved, version_floor) + 1, self._clock.now().isoformat(),
                ),
            ).fetchone()  # fmt: skip
            return self._noted(row, Kind.CHANGE)

    def claim(self, lane: str) -> Claim | None:
        """Take the lease of the next job of an engine; see `sidecar.jobs.turns`."""
        with self._transaction() as connection:
            for job_id in tuple(self._turns.due(lane)):
                self._change(job_id, not_before=None)
                self._turns.forget(job_id)
            sequence = self._turns.next(lane)
            if sequence is None:
                return None
            row = connection.execute(
                """
                UPDATE job SET state = ?, attempts = attempts + 1, lease_owner = ?,
                    revision = revision + 1, progress = ?, started = coalesce(started, ?)
                WHERE sequence = ? RETURNING *
                """,
                (
                    JobState.RUNNING, self._owner, dump(Progress()), self._clock.now().isoformat(),
                    sequence,
                ),
            ).fetchone()  # fmt: skip
            self._noted(row, Kind.CHANGE)
            return self._rows.claim(row)

    def wait_s(self, lane: str) -> float | None:
        """Seconds of the monotonic clock until a job that was put back is ready, None where none waits."""
        with translated(self._path):
            return self._turns.wait_s(lane)

    def record_progress(self, job_id: str, progress: Progress) -> Job:
        """Note how far a leased job is. Survives a crash of ours, but is not worth an fsync.

        A preview goes to those who watch now, and into no row: the database must not grow by pictures.
        """
        with self._transaction(durable=False):
            self._leased(job_id)
            kept = replace(progress, preview=b"")
            job = self._change(job_id, Kind.PROGRESS, progress=dump(kept))
            event = self._fresh.pop()
            self._fresh.append(replace(event, job=replace(job, progress=progress)))
            return job

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

    def fail_or_retry(self, job_id: str, error: BridgeError) -> Job:
        """Settle a leased job that failed: put it back where the rules give it another try, else end it.

        One that was to be cancelled is cancelled rather than tried again.
        """
        with self._transaction():
            row = self._leased(job_id)
            failures: dict[str, int] = json.loads(row["failures"])
            count = failures[error.reason] = failures.get(error.reason, 0) + 1
            wait_s = self._retry.wait_s(error.reason, count)
            if row["state"] == JobState.CANCELLING and error.reason in TRIES:
                return self._move(row, JobState.CANCELLED, version=None)
            if wait_s is None:
                return self._move(row, JobState.FAILED, error=dump(error), version=None)
            self._turns.hold(job_id, wait_s)
            until = self._clock.now() + timedelta(seconds=wait_s)
            return self._move(
                row, JobState.QUEUED, failures=json.dumps(failures), not_before=until.isoformat()
            )

    def stopped(self, job_id: str) -> Job:
        """End a leased job that was being cancelled; its file name is free again."""
        with self._transaction():
            return self._move(self._leased(job_id), JobState.CANCELLED, version=None)

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
                    return self._rows.job(row)

    def delete(self, job_id: str, *, caller: Caller) -> None:
        """Forget a job that has ended, and its events.

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
            self._events.forget(row["sequence"])
            connection.execute("DELETE FROM job WHERE job_id = ?", (job_id,))

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
                (self._owner, LOST_AT_MOST, job_id),
            ).fetchone()
            self._events.skip_lost()
            if take is not None:
                return self._move(row, JobState.SUCCEEDED, take=dump(take))
            if row["state"] == JobState.CANCELLING:
                return self._move(row, JobState.CANCELLED, version=None)
            if row["interruptions"] < MAX_INTERRUPTIONS:
                return self._move(row, JobState.QUEUED)
            error = UnavailableError(
                f"The sidecar was killed {MAX_INTERRUPTIONS} times while it worked on this job. Its log says "
                "more; try a shorter range, a smaller picture or another engine.",
                reason=Reason.WORKER_DIED,
            )
            return self._move(row, JobState.FAILED, error=dump(error), version=None)

    def _move(self, row: sqlite3.Row, state: JobState, **columns: object) -> Job:
        check_transition(row["job_id"], present=JobState(row["state"]), following=state)
        columns |= {"state": state, "lease_owner": row["lease_owner"]}
        if state.terminal:
            columns |= {"ended": self._clock.now().isoformat(), "lease_owner": None, "draft": None}
            columns |= {"not_before": None}
            self._turns.forget(row["job_id"])
        elif state is JobState.QUEUED:
            columns |= {"lease_owner": None, "progress": dump(Progress())}
        job = self._change(row["job_id"], Kind.END if state.terminal else Kind.CHANGE, **columns)
        if state.terminal:
            self._events.thin()
        return job

    def _change(self, job_id: str, kind: Kind = Kind.CHANGE, **columns: object) -> Job:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        row = self._connection.execute(
            f"UPDATE job SET {assignments}, revision = revision + 1 WHERE job_id = ? RETURNING *",  # noqa: S608 - our own names
            (*columns.values(), job_id),
        ).fetchone()
        return self._noted(row, kind)

    def _noted(self, row: sqlite3.Row, kind: Kind) -> Job:
        job = self._rows.job(row)
        self._fresh.append(Event(self._events.append(row, kind), job))
        return job

    def _leased(self, job_id: str) -> sqlite3.Row:
        row = self._row(job_id)
        if row["lease_owner"] != self._owner:
            raise UnsupportedError(
                f"Job {job_id} belongs to another run of the sidecar now.",
                reason=Reason.JOB_STATE,
                metadata={"job_id": job_id, "state": row["state"]},
            )
        return row

    @contextmanager
    def _transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        told = len(self._fresh)
        try:
            if self._shared:
                self._check_shared()
                with savepoint(self._connection, self._path) as connection:
                    yield connection
            else:
                with transaction(self._connection, self._path, durable=durable) as connection:
                    yield connection
        except BaseException:
            del self._fresh[told:]
            raise

    def _check_shared(self) -> None:
        """A full disk may have rolled all of it back; nothing more may be added to what is gone."""
        if not self._connection.in_transaction:
            raise UnavailableError(
                "The job database gave up a change halfway. Try again.",
                reason=Reason.STORAGE_UNAVAILABLE,
            )
