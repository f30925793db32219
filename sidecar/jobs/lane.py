"""One engine's queue at work: claim, make, publish, settle; again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from interchange.errors import (
    BridgeError,
    InternalError,
    NotFoundError,
    StoppedError,
)
from interchange.model.job import Job, Progress
from interchange.model.take import Take
from sidecar.filesystem import FileSystem
from sidecar.jobs.admission import check_disk, check_places
from sidecar.jobs.clock import SYSTEM_CLOCK, Clock
from sidecar.jobs.desk import Desk
from sidecar.jobs.publisher import publish, sweep
from sidecar.jobs.retry import TRIES
from sidecar.jobs.rows import Claim
from sidecar.jobs.store import JobStore
from sidecar.jobs.work import TakeDraft
from sidecar.worker.supervisor import WorkerSupervisor

_LOG = logging.getLogger(__name__)

_PROGRESS_INTERVAL_S = 0.25
_RETRY_S = 1.0
_PUBLISHING = Progress("publishing", 0, 1, 0.99)

Settlement = Callable[[JobStore], Job]


class Lane:
    """Runs the jobs of one engine, one at a time.

    Args:
        engine: Its name.
        desk: The job store.
        worker: Its process.
        filesystem: Where takes are published.
        clock: For waits.
    """

    def __init__(
        self,
        engine: str,
        *,
        desk: Desk,
        worker: WorkerSupervisor,
        filesystem: FileSystem,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.worker = worker
        self._engine = engine
        self._desk = desk
        self._filesystem = filesystem
        self._clock = clock
        self._wake = asyncio.Event()
        self._draining = False
        self._cancelled: set[str] = set()
        self._draft: TakeDraft | None = None

    def wake(self) -> None:
        """Look at the queue; something may have arrived."""
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        """Stop a job of this lane that was moved to cancelling."""
        self._cancelled.add(job_id)
        self.worker.cancel(job_id)

    def drain(self) -> None:
        """Claim nothing more; `run` returns after the present job."""
        self._draining = True
        self._wake.set()

    async def run(self) -> None:
        """Work until drained or cancelled; then the present job goes back to the queue."""
        while not self._draining:
            self._wake.clear()
            try:
                claim = await self._desk.change(lambda store: store.claim(self._engine))
                if claim is None:
                    await self._idle(await self._desk.ask(lambda store: store.wait_s(self._engine)))
                    continue
            except BridgeError as error:
                _LOG.warning("lane %s waits: %s", self._engine, error)
                await self._clock.sleep(_RETRY_S)
                continue
            await self._work(claim)

    async def _idle(self, wait_s: float | None) -> None:
        """Wait for a job to arrive, or for one that was put back to be ready."""
        if wait_s is None:
            await self._wake.wait()
            return
        woken = asyncio.ensure_future(self._wake.wait())
        ready = asyncio.ensure_future(self._clock.sleep(wait_s))
        try:
            await asyncio.wait({woken, ready}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            ready.cancel()

    async def _work(self, claim: Claim) -> None:
        job_id = claim.job.job_id
        self._draft = claim.draft
        _LOG.info("job %s: attempt %d on %s", job_id, claim.order.attempt, self._engine)
        try:
            settlement = await self._attempt(claim)
            await self._sweep(claim, keep=self._draft)
            job = await self._desk.settle(settlement)
            if job.state.terminal and self._draft is not None:
                await self._sweep(claim)
        except asyncio.CancelledError:
            await self.worker.close()
            await self._sweep(claim, keep=self._draft)
            with suppress(BridgeError):  # else the next start finds it as an orphan
                await self._desk.change(lambda store: store.give_back(job_id))
            raise
        except Exception:  # noqa: BLE001 - see below
            # The lease is gone, the row unreadable, or a fault of ours; nothing more can be said about this job,
            # and a lane that ended here would leave all others waiting for ever.
            _LOG.exception("job %s could not be settled", job_id)
        else:
            _LOG.info("job %s: %s", job_id, job.state)
        finally:
            self._cancelled.discard(job_id)

    async def _sweep(self, claim: Claim, *, keep: TakeDraft | None = None) -> None:
        await asyncio.to_thread(
            sweep,
            claim.order.folder,
            claim.job.job_id,
            filesystem=self._filesystem,
            keep=keep,
        )

    async def _attempt(self, claim: Claim) -> Settlement:
        job_id = claim.job.job_id
        try:
            take = await self._make(claim)
        except StoppedError as error:
            self._draft = None
            if job_id in self._cancelled:
                return lambda store: store.stopped(job_id)
            return _failed(
                job_id, InternalError(f"The engine stopped without being asked: {error}")
            )
        except BridgeError as error:
            failure = error
            if failure.reason not in TRIES:
                self._draft = None
            return lambda store: store.fail_or_retry(job_id, failure)
        except Exception as error:  # noqa: BLE001 - one job's fault must not end the lane
            _LOG.exception("job %s failed unexpectedly", job_id)
            fault = InternalError(
                "The sidecar failed in a way it should not; its log has the details.",
                metadata={"exception": type(error).__name__},
            )
            self._draft = None
            return _failed(job_id, fault)
        self._draft = None
        return lambda store: store.succeed(job_id, take)

    async def _make(self, claim: Claim) -> Take:
        # A run that was stopped between making a take and noting it left files under the same names.
        await self._sweep(claim, keep=claim.draft)
        if claim.draft is not None:
            try:
                return await self._publish(claim.draft)
            except NotFoundError:
                _LOG.info("job %s: its finished take is gone; making it again", claim.job.job_id)
                self._draft = None
        await asyncio.to_thread(self._check_start, claim)
        job_id = claim.job.job_id
        # Nothing is awaited between this and the worker's taking the job up, so that no cancel falls between.
        if job_id in self._cancelled:
            raise StoppedError("Stopped before it began.")
        draft = self._draft = await self._run_worker(claim)
        await self._desk.settle(lambda store: store.record_draft(job_id, draft))
        with suppress(BridgeError):  # progress is not worth a failure
            await self._desk.note(lambda store: store.record_progress(job_id, _PUBLISHING))
        return await self._publish(draft)

    def _check_start(self, claim: Claim) -> None:
        check_places(claim.job.request)
        check_disk(claim.job.request, filesystem=self._filesystem)

    async def _run_worker(self, claim: Claim) -> TakeDraft:
        pen = _ProgressPen(claim.job.job_id, self._desk)
        writing = asyncio.create_task(pen.write())
        try:
            return await self.worker.run(claim.order, on_progress=pen.note)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _publish(self, draft: TakeDraft) -> Take:
        return await asyncio.to_thread(publish, draft, filesystem=self._filesystem)


def _failed(job_id: str, error: BridgeError) -> Settlement:
    return lambda store: store.fail(job_id, error)


class _ProgressPen:
    """Writes the newest progress down, at most four times a second."""

    def __init__(self, job_id: str, desk: Desk) -> None:
        self._job_id = job_id
        self._desk = desk
        self._newest = Progress()
        self._noted = asyncio.Event()

    def note(self, progress: Progress) -> None:
        # A preview that nobody was shown yet goes along with the step after it.
        self._newest = replace(progress, preview=progress.preview or self._newest.preview)
        self._noted.set()

    async def write(self) -> None:
        while True:
            await self._noted.wait()
            self._noted.clear()
            progress, self._newest = self._newest, replace(self._newest, preview=b"")
            try:
                await self._desk.note(partial(self._record, progress))
            except BridgeError as error:
                _LOG.warning("job %s: progress not written down: %s", self._job_id, error)
            await asyncio.sleep(_PROGRESS_INTERVAL_S)

    def _record(self, progress: Progress, store: JobStore) -> Job:
        return store.record_progress(self._job_id, progress)
