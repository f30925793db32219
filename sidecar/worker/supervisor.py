"""Keeps one worker process per engine: starts it, feeds it, watches its pulse, survives its death."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from interchange.errors import InternalError, Reason, StoppedError, UnavailableError
from interchange.model.engine import Device
from interchange.model.job import LONGEST_PREVIEW_BYTES, EngineState, Progress
from sidecar.jobs.work import TakeDraft, WorkOrder
from sidecar.logs import log_line_of_child
from sidecar.pipelines.resources import EVERYTHING, EngineResources
from sidecar.worker.messages import (
    LONGEST_LINE_BYTES,
    Advanced,
    Failed,
    Finished,
    FromWorker,
    Heartbeat,
    Hello,
    Ready,
    Start,
    Stop,
    read_from_worker,
    to_line,
)

_LOG = logging.getLogger(__name__)

_LOG_CHUNK_BYTES = 1 << 16
_NOT_NEEDED = "is no longer needed"


@dataclass(frozen=True, slots=True)
class WorkerTiming:
    """How patient the supervisor is, in seconds of wall-clock time.

    Args:
        heartbeat_s: Between two signs of life.
        silence_s: Without one, the worker counts as hung and is killed.
        cancel_grace_s: After a cancel, for the engine to stop by itself before it is killed.
    """

    heartbeat_s: float = 1.0
    silence_s: float = 10.0
    cancel_grace_s: float = 30.0


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What runs in a worker, by import strings, since it is another process.

    Args:
        state_folder: Where the signing identity is.
        product_version: For the credentials.
        engines: Factory of engines, called with a name and `EngineFolders`.
        stages: Factory of stage tools; see `sidecar.jobs.stages`.
        memory_bytes: Most address space a worker may take, 0 for no limit.
        resources: What its engine may take.
    """

    state_folder: Path
    product_version: str
    engines: str = "sidecar.pipelines.registry:create_engine"
    stages: str = "sidecar.jobs.stages:open_stages"
    memory_bytes: int = 0
    resources: EngineResources = EVERYTHING


@dataclass(frozen=True, slots=True)
class _Gone:
    """The worker's last word: why it is no more."""

    error: UnavailableError


class WorkerSupervisor:
    """One engine's worker. Belongs to one event loop; runs one job at a time.

    Args:
        engine: Engine name.
        spec: What runs in the worker.
        timing: How patient to be.

    Attributes:
        starts: Times a process was started; each after the first followed a death.
    """

    def __init__(self, engine: str, *, spec: WorkerSpec, timing: WorkerTiming) -> None:
        self._engine = engine
        self._spec = spec
        self._timing = timing
        self.starts = 0
        self._process: _Process | None = None
        self._job_id: str | None = None
        self._stop = asyncio.Event()

    @property
    def state(self) -> EngineState:
        """Whether the worker is up."""
        if self._process is None:
            return EngineState.IDLE
        if self._process.gone:
            return EngineState.DOWN
        return EngineState.READY if self._process.ready else EngineState.LOADING

    @property
    def model_identity(self) -> str:
        """The loaded engine's identity, empty before."""
        return self._process.model_identity if self._process else ""

    @property
    def device(self) -> Device | None:
        """What the loaded engine computes on, None before."""
        return self._process.device if self._process else None

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the worker, 0 where it is not up."""
        return 0 if self._process is None or self._process.gone else self._process.memory_bytes

    @property
    def process_id(self) -> int | None:
        """The worker's process, None where it is not up."""
        return None if self._process is None or self._process.gone else self._process.pid

    async def run(self, order: WorkOrder, *, on_progress: Callable[[Progress], None]) -> TakeDraft:
        """Have the worker make a take.

        Args:
            order: What to make.
            on_progress: Called in the event loop's thread; must not block.

        Raises:
            UnavailableError: The worker died, reason WORKER_DIED; the next job gets a new one.
            StoppedError: It was cancelled.
            BridgeError: Whatever the job failed with.
        """
        self._job_id = order.job_id
        self._stop.clear()
        try:
            process = await self._up()
            process.send(Start(order))
            return await self._follow(process, order, on_progress)
        finally:
            self._job_id = None

    def cancel(self, job_id: str) -> None:
        """Ask the worker to stop a job; after the grace it is killed."""
        if job_id == self._job_id:
            self._stop.set()

    async def close(self) -> None:
        """End the worker at once."""
        if self._process is not None:
            await self._process.end()
            self._process = None

    async def _up(self) -> _Process:
        if self._process is None or self._process.gone:
            if self._process is not None:
                await self._process.end()
            self.starts += 1
            self._process = await _Process.start(self._engine, self._spec, self._timing)
        return self._process

    async def _follow(
        self, process: _Process, order: WorkOrder, on_progress: Callable[[Progress], None]
    ) -> TakeDraft:
        stopping = asyncio.create_task(self._stop_in_time(process, order.job_id))
        lied = False
        try:
            while True:
                message = await process.messages.get()
                if not isinstance(message, _Gone) and not _answers(message, order):
                    # It decodes what strangers made, and what it names is renamed and read by this process.
                    process.kill("answered what it was not asked")
                    lied = True
                match message:
                    case Advanced(progress=progress):
                        on_progress(progress)
                    case Finished(draft=draft) if not lied:
                        return draft
                    case Failed(error=error) if not lied:
                        raise error
                    case _Gone(error=death):
                        if self._stop.is_set():
                            raise StoppedError("Stopped; the engine had to be killed.") from death
                        raise death
        finally:
            stopping.cancel()
            with suppress(asyncio.CancelledError):
                await stopping

    async def _stop_in_time(self, process: _Process, job_id: str) -> None:
        await self._stop.wait()
        process.send(Stop(job_id))
        await asyncio.sleep(self._timing.cancel_grace_s)
        process.kill(f"did not stop within {self._timing.cancel_grace_s:g} s of a cancel")


def _answers(message: Advanced | Finished | Failed, order: WorkOrder) -> bool:
    """Whether a message is about this order, shows no more than it may, and drafts the files that were ordered."""
    if isinstance(message, Advanced) and len(message.progress.preview) > LONGEST_PREVIEW_BYTES:
        return False
    if not isinstance(message, Finished):
        return message.job_id == order.job_id
    draft, take = message.draft, message.draft.take
    named = (draft.media_part, draft.manifest_part, take.path, take.manifest_path)
    files = (order.part("mov"), order.part("c2pa"), order.media, order.manifest)
    return message.job_id == order.job_id and named == tuple(map(str, files))


class _Process:
    """One life of a worker process, and the tasks that listen to it."""

    def __init__(
        self, engine: str, process: asyncio.subprocess.Process, timing: WorkerTiming
    ) -> None:
        self.messages: asyncio.Queue[Advanced | Finished | Failed | _Gone] = asyncio.Queue()
        self.ready = False
        self.model_identity = ""
        self.device: Device | None = None
        self.memory_bytes = 0
        self.gone = False
        self.pid = process.pid
        self._engine = engine
        self._process = process
        self._timing = timing
        self._heard = True
        self._killed_because = ""
        self._log = logging.getLogger(f"{__name__}.{engine}")
        self._tasks = (
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._copy_log()),
            asyncio.create_task(self._watch_pulse()),
        )

    @classmethod
    async def start(cls, engine: str, spec: WorkerSpec, timing: WorkerTiming) -> _Process:
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: the folder somebody happens to stand in must not be able to replace our modules.
                *(sys.executable, "-P", "-m", "sidecar.worker.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE_BYTES,
            )
        except OSError as error:
            raise UnavailableError(
                f"The engine's process could not be started: {error}.", reason=Reason.WORKER_DIED
            ) from error
        worker = cls(engine, process, timing)
        worker.send(
            Hello(
                engine=engine,
                engines=spec.engines,
                stages=spec.stages,
                state_folder=str(spec.state_folder),
                product_version=spec.product_version,
                heartbeat_s=timing.heartbeat_s,
                memory_bytes=spec.memory_bytes,
                resources=spec.resources,
            )
        )
        _LOG.info("worker for %s started, process %d", engine, process.pid)
        return worker

    def send(self, message: Hello | Start | Stop) -> None:
        # Never awaits the drain: commands are few and small, and a hung reader is the pulse's business.
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(to_line(message))

    def kill(self, because: str) -> None:
        if self._process.returncode is None:
            self._killed_because = self._killed_because or because
            with suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> None:
        self.kill(_NOT_NEEDED)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was opened as a pipe
        try:
            while line := await stdout.readline():
                self._heard = True
                self._take_in(read_from_worker(line))
        except (InternalError, ValueError, OSError):
            _LOG.exception("worker for %s talks nonsense", self._engine)
            self.kill("sent something unreadable")
        exit_code = await self._process.wait()
        self.gone = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        self.messages.put_nowait(_Gone(self._death(exit_code)))

    def _take_in(self, message: FromWorker) -> None:
        match message:
            case Heartbeat(memory_bytes=memory_bytes):
                self.memory_bytes = memory_bytes
            case Ready(model_identity=model_identity, device=device):
                self.ready = True
                self.model_identity, self.device = model_identity, device
            case _:
                self.messages.put_nowait(message)

    async def _copy_log(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101 - it was opened as a pipe
        rest = b""
        while chunk := await stderr.read(_LOG_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_LOG_CHUNK_BYTES:]
            for line in lines:
                log_line_of_child(line, self._log)
        log_line_of_child(rest, self._log)

    async def _watch_pulse(self) -> None:
        # Counts our own ticks, not the clock: while this process or the machine sleeps, nobody is late.
        missed = 0
        while not self.gone:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._exited(), self._timing.heartbeat_s)
            missed = 0 if self._heard else missed + 1
            self._heard = False
            if missed * self._timing.heartbeat_s >= self._timing.silence_s:
                self.kill(f"gave no sign of life for {self._timing.silence_s:g} s")

    async def _exited(self) -> None:
        await self._process.wait()

    def _death(self, exit_code: int) -> UnavailableError:
        if self._killed_because:
            how = self._killed_because
        elif sys.platform != "win32" and exit_code == -signal.SIGKILL:
            how = "was killed (signal 9), by a person or by the system, which does that when memory runs out"
        elif exit_code < 0:
            how = f"crashed with signal {-exit_code}"
        else:
            how = f"ended by itself with code {exit_code}"
        level = logging.INFO if how == _NOT_NEEDED else logging.WARNING
        _LOG.log(level, "worker for %s %s", self._engine, how)
        return UnavailableError(
            f"The {self._engine} engine's process {how}. The sidecar's log says more; try a shorter "
            "range, a smaller picture or another engine.",
            reason=Reason.WORKER_DIED,
            metadata={"engine": self._engine, "exit_code": str(exit_code)},
        )
