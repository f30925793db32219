"""Everything a door can ask about jobs; the transport in front of it only translates."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from interchange.errors import BridgeError, InvalidInputError, NotFoundError, Reason
from interchange.geometry import plan_geometry
from interchange.model.caller import Caller
from interchange.model.engine import EngineLimits, PlannedGeometry
from interchange.model.job import EngineStatus, Job, JobState, Progress
from interchange.model.request import GenerationRequest
from interchange.model.take import Take
from sidecar.filesystem import FileSystem
from sidecar.jobs.admission import Admission, Places, PlanGeometry
from sidecar.jobs.clock import SYSTEM_CLOCK, Clock
from sidecar.jobs.desk import Desk
from sidecar.jobs.lane import Lane
from sidecar.jobs.lock import FolderLock
from sidecar.jobs.publisher import publish, published, sweep, withdraw
from sidecar.jobs.retry import RetryPolicy
from sidecar.jobs.rows import Claim
from sidecar.jobs.store import JobStore
from sidecar.jobs.turns import QueueLimits
from sidecar.jobs.watch import watch_all, watch_job
from sidecar.jobs.work import highest_version_in
from sidecar.lifecycle.quota import Quota, expected_bytes
from sidecar.serialise import fingerprint
from sidecar.worker.supervisor import WorkerSpec, WorkerSupervisor, WorkerTiming

_LOG = logging.getLogger(__name__)

DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 1000
_LONGEST_REQUEST_ID = 128


class JobService:
    """Durable, idempotent jobs.

    Belongs to one event loop. `start` before anything else, `drain` last.

    Args:
        state_folder: Where the job database is: a local folder of this user's own.
        paths: What the paths in requests mean.
        limits: What each engine can do, by name; one lane and one worker for each. Asked anew for every request.
        default_engine: The one marked as default in `engines`.
        worker: What runs in the workers.
        timing: How patient the supervisors are.
        filesystem: For publishing.
        plan: Plans the geometry.
        queue: Most jobs that may wait.
        quota: How much disk everything may take; none where not given.
        clock: Time, for the dates of jobs and for waits.
        retry: Which failures are worth another try; the usual rules where not given.
    """

    def __init__(
        self,
        *,
        state_folder: Path,
        paths: Places,
        limits: Mapping[str, EngineLimits],
        default_engine: str,
        worker: WorkerSpec,
        timing: WorkerTiming | None = None,
        filesystem: FileSystem | None = None,
        plan: PlanGeometry = plan_geometry,
        queue: QueueLimits = QueueLimits(),  # noqa: B008 - frozen
        quota: Quota | None = None,
        clock: Clock = SYSTEM_CLOCK,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._state_folder = state_folder
        self._limits = limits
        self._default_engine = default_engine
        self._filesystem = filesystem or FileSystem()
        self._queue = queue
        self._quota = quota or Quota()
        self._admission = Admission(paths, self._limits, plan, quota=self._quota)
        boot = uuid.uuid4().hex
        self._desk = Desk(
            partial(
                JobStore,
                state_folder / "jobs.sqlite3",
                owner=boot,
                clock=clock,
                retry=retry,
                filesystem=self._filesystem,
            ),
            clock=clock,
        )
        self._lanes = {
            engine: Lane(
                engine,
                desk=self._desk,
                worker=WorkerSupervisor(engine, spec=worker, timing=timing or WorkerTiming()),
                filesystem=self._filesystem,
                clock=clock,
            )
            for engine in self._limits
        }
        # Of its own, so that submits do not wait behind whoever reads or hashes a big file.
        self._admitting = ThreadPoolExecutor(max_workers=2, thread_name_prefix="admission")
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._lock: FolderLock | None = None

    async def start(self) -> None:
        """Take over the state folder, settle what another boot left, and begin to work.

        Raises:
            ConflictError: Another sidecar uses the folder.
            NotAllowedError: The folder or database cannot be written.
        """
        await asyncio.to_thread(self._filesystem.make_folder, self._state_folder, private=True)
        self._lock = FolderLock(self._state_folder)
        try:
            await self._desk.open()
            for orphan in await self._desk.ask(JobStore.orphans):
                await self._recover(orphan)
            await self._refuse_stranded()
        except BaseException:
            await self._close()
            raise
        self._tasks = tuple(asyncio.create_task(lane.run()) for lane in self._lanes.values())

    async def drain(self, *, grace_s: float = 20.0) -> None:
        """Stop: running jobs may finish within the grace, else they go back to the queue."""
        for lane in self._lanes.values():
            lane.drain()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                _LOG.error("a lane had failed", exc_info=outcome)
        self._tasks = ()
        await asyncio.gather(*(lane.worker.close() for lane in self._lanes.values()))
        await self._close()

    async def create(
        self,
        request: GenerationRequest,
        *,
        caller: Caller,
        request_id: str = "",
        priority: int = 0,
        validate_only: bool = False,
    ) -> Job:
        """Queue a job, or only check and plan it.

        Args:
            request: What to make.
            caller: Who asks.
            request_id: Idempotency id; the same one with the same request gives the same job.
            priority: Higher runs first; equal ones run in order of creation.
            validate_only: Queue nothing; the job comes back without an id.

        Raises:
            BridgeError: As `Admission.admit` and `JobStore.create`.
        """
        _check_request_id(request_id)
        digest = fingerprint(request)
        try:
            admitted, geometry, floor = await self._in_admission(request, caller)
        except BridgeError:
            if request_id and not validate_only:
                # A repeated call gets its job also after its sources were moved.
                found = await self._desk.ask(
                    lambda store: store.find_request(request_id, fingerprint=digest, caller=caller)
                )
                if found is not None:
                    return found
            raise
        if validate_only:
            return Job(
                job_id="",
                request_id=request_id,
                state=JobState.QUEUED,
                revision=0,
                priority=priority,
                request=admitted,
                geometry=geometry,
                progress=Progress(),
                take=None,
                error=None,
                attempts=0,
                created=None,
                started=None,
                ended=None,
                owner=caller.name,
            )
        job = await self._desk.change(
            lambda store: store.create(
                admitted,
                geometry,
                caller=caller,
                request_id=request_id,
                fingerprint=digest,
                priority=priority,
                version_floor=floor,
                limits=self._queue,
            )
        )
        self._quota.note(expected_bytes(job.request))
        self._lanes[admitted.engine].wake()
        return job

    async def get(self, job_id: str, *, caller: Caller) -> Job:
        """One job's snapshot.

        Raises:
            NotFoundError: There is none with this id that the caller may see.
        """
        return await self._desk.ask(lambda store: store.get(job_id, caller=caller))

    async def list(
        self,
        *,
        caller: Caller,
        states: Collection[JobState] = (),
        page_size: int = 0,
        page_token: str = "",
    ) -> tuple[tuple[Job, ...], str]:
        """A page of the jobs the caller may see, newest first.

        Args:
            caller: Who asks.
            states: Only these; empty for all.
            page_size: Most jobs; 0 means 100, at most 1000.
            page_token: From the previous page.

        Returns:
            The jobs, and the next page's token, empty at the end.

        Raises:
            InvalidInputError: The token or size is none.
        """
        if page_size < 0:
            raise InvalidInputError("A page cannot have less than no jobs.")
        if page_token and not (page_token.isascii() and page_token.isdigit()):
            raise InvalidInputError("This page token is none of ours. Start with an empty one.")
        before = int(page_token[:18]) if page_token else None
        size = min(page_size or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)
        jobs, following = await self._desk.ask(
            lambda store: store.page(states=states, caller=caller, before=before, size=size)
        )
        return jobs, "" if following is None else str(following)

    def watch(
        self, job_id: str, *, caller: Caller, after_revision: int = 0, replay: bool = False
    ) -> AsyncIterator[Job]:
        """Every snapshot of a job with rising revision, however late or slow the reader; ends with the job.

        Args:
            job_id: The job.
            caller: Who asks.
            after_revision: Everything after this revision; 0 starts with the present snapshot.
            replay: With after_revision 0: start with the first snapshot that is kept.

        Raises:
            NotFoundError: There is none with this id that the caller may see.
        """
        return watch_job(
            self._desk, job_id, caller=caller, after_revision=after_revision, replay=replay
        )

    def watch_all(
        self, *, caller: Caller, after_sequence: int | None = None
    ) -> AsyncIterator[tuple[int, Job | None]]:
        """Every change of every job the caller may see, in order, without end.

        Args:
            caller: Who asks.
            after_sequence: Everything after this change that is kept; None only what happens from now on.

        Yields:
            First where the stream starts, without a job; then each change and the job as it was after it.
        """
        return watch_all(self._desk, caller=caller, after_sequence=after_sequence)

    async def cancel(self, job_id: str, *, caller: Caller) -> Job:
        """Ask a job to stop; one that has ended is returned as it is.

        Raises:
            NotFoundError: There is none with this id that the caller may see.
        """
        job = await self._desk.change(lambda store: store.request_cancel(job_id, caller=caller))
        lane = self._lanes.get(job.request.engine)
        if job.state is JobState.CANCELLING and lane is not None:
            lane.cancel(job_id)
        return job

    async def delete(self, job_id: str, *, caller: Caller) -> None:
        """Forget a job that has ended; its media stay.

        Raises:
            NotFoundError: There is none with this id that the caller may see.
            UnsupportedError: It has not ended.
        """
        await self._desk.change(lambda store: store.delete(job_id, caller=caller))

    def worker_starts(self) -> Mapping[str, int]:
        """Times each engine's worker was started."""
        return {name: lane.worker.starts for name, lane in self._lanes.items()}

    async def engines(self) -> tuple[EngineStatus, ...]:
        """The engines and how their workers are."""
        return tuple(self._engine(name) for name in self._limits)

    def _engine(self, name: str) -> EngineStatus:
        worker = self._lanes[name].worker
        return EngineStatus(
            limits=self._limits[name],
            model_identity=worker.model_identity,
            state=worker.state,
            device=worker.device.name if worker.device else "",
            device_memory_bytes=worker.device.memory_bytes if worker.device else 0,
            worker_memory_bytes=worker.memory_bytes,
            is_default=name == self._default_engine,
        )

    async def _in_admission(
        self, request: GenerationRequest, caller: Caller
    ) -> tuple[GenerationRequest, PlannedGeometry, int]:
        """What `Admission.admit` makes of a request, and the highest version of its shot on disk."""

        def admit() -> tuple[GenerationRequest, PlannedGeometry, int]:
            admitted, geometry = self._admission.admit(request, caller=caller)
            folder = Path(admitted.output.directory)
            return admitted, geometry, highest_version_in(folder, admitted.shot)

        return await asyncio.get_running_loop().run_in_executor(self._admitting, admit)

    async def _recover(self, orphan: Claim) -> None:
        job_id = orphan.job.job_id
        take = await asyncio.to_thread(self._finish, orphan)
        await asyncio.to_thread(sweep, orphan.order.folder, job_id, filesystem=self._filesystem)
        job = await self._desk.change(lambda store: store.adopt(job_id, take))
        _LOG.info("job %s was left by another boot; now %s", job_id, job.state)

    async def _refuse_stranded(self) -> None:
        """End jobs whose engine this sidecar no longer has; nobody would ever claim them."""
        for engine in await self._desk.ask(JobStore.waiting_lanes) - self._lanes.keys():
            error = NotFoundError(
                f"The engine {engine} is not installed any more. Install it or use another one.",
                reason=Reason.ENGINE_NOT_FOUND,
                metadata={"engine": engine},
            )
            while claim := await self._desk.change(partial(JobStore.claim, lane=engine)):
                await self._desk.change(
                    partial(JobStore.fail, job_id=claim.job.job_id, error=error)
                )

    def _finish(self, orphan: Claim) -> Take | None:
        """Finish what a crash interrupted between verifying a take and noting that it is published."""
        if orphan.draft is None:
            return None
        try:
            if orphan.job.state is JobState.RUNNING or published(
                orphan.draft, filesystem=self._filesystem
            ):
                return publish(orphan.draft, filesystem=self._filesystem)
        except BridgeError as error:
            _LOG.warning("job %s: its take is not published: %s", orphan.job.job_id, error)
        withdraw(orphan.draft, filesystem=self._filesystem)
        return None

    async def _close(self) -> None:
        await self._desk.close()
        self._admitting.shutdown(wait=False)
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _check_request_id(request_id: str) -> None:
    if len(request_id) > _LONGEST_REQUEST_ID or not request_id.isprintable():
        raise InvalidInputError(
            f"A request id is a UUID, or any printable text of up to {_LONGEST_REQUEST_ID} characters."
        )
