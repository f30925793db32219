"""The real job service in simulated time, with an engine whose every attempt is decided beforehand.

Everything is real but the clock, the thread of the store and the worker's process: admission, store, turns, lanes,
retries, publishing, recovery and streams.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from support import broken_engines
from support.job_cases import make_service, make_take, media_request
from support.virtual_time import InlineDesk, VirtualLoop, WallClock

from interchange.errors import (
    BridgeError,
    InvalidInputError,
    Reason,
    StoppedError,
    UnavailableError,
)
from interchange.model.job import EngineState, Progress
from interchange.model.request import GenerationRequest
from sidecar.jobs import service as service_module
from sidecar.jobs.retry import RetryPolicy
from sidecar.jobs.service import JobService
from sidecar.jobs.work import TakeDraft, WorkOrder

ENGINE = "steady"
STEP_S = 1.0
STEPS = 3
SILENCE_S = 10.0
CANCEL_GRACE_S = 30.0
POLICY = RetryPolicy(first_s=5.0, longest_s=300.0, jitter=0.25, random=lambda: 0.5)

DEEDS = ("finishes", "dies", "hangs", "fails for now", "fails for good", "is deaf")
"""What an attempt does; `is deaf` finishes too, but does not hear a cancel."""


@dataclass
class Attempt:
    """One time the engine had a job.

    Args:
        job_id: The job.
        number: Which attempt.
        deed: What it did.
        began: When, in seconds of the monotonic clock.
        boot: In which life of the sidecar.
        ended: When it ended, None while it runs.
        failed: Whether it came to fail; a crash or a stop may have cut it off before.
    """

    job_id: str
    number: int
    deed: str
    began: float
    boot: int
    ended: float | None = None
    failed: bool = False


@dataclass
class World:
    """A state folder, its sidecar, and all that happened.

    Args:
        root: Folder of everything.
        scripts: What the attempts at a shot do, in order; after the last one they finish.
        attempts: All there were.
        on_start: Called when an attempt begins; may assert.
        broken: What they found.
        boot: Counts the sidecar's lives.
    """

    root: Path
    wall: WallClock = field(default_factory=WallClock)
    scripts: dict[str, list[str]] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    on_start: list[Callable[[WorkOrder], None]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    boot: int = 0
    graves: list[tuple[VirtualLoop, JobService]] = field(default_factory=list)

    def start(self) -> None:
        """A new life of the sidecar, in a loop of its own that carries on the time."""
        self.boot += 1
        self.loop = VirtualLoop(self.wall.loop.now if self.wall.loop else 0.0)
        self.wall.loop = self.loop
        with _inline_desk():
            self.service = make_service(
                self.root,
                limits={ENGINE: broken_engines.ALL_LIMITS[ENGINE]},
                clock=self.wall.clock(),
                retry=POLICY,
            )
        for lane in self.service._lanes.values():
            lane.worker = SimulatedWorker(self)  # type: ignore[assignment]
        self.run(self.service.start())

    def run(self, coroutine: Any) -> Any:
        """Run something in the sidecar's loop until it is done."""
        return self.loop.run_until_complete(coroutine)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))

    def crash(self) -> None:
        """As SIGKILL: nothing of this life runs any more, and the system lets go of its locks."""
        store = self.service._desk._store
        assert store is not None
        store._connection.close()
        assert self.service._lock is not None
        self.service._lock.release()
        self.graves.append((self.loop, self.service))  # kept, so that nothing in it wakes up
        for attempt in self.attempts:
            attempt.ended = self.loop.now if attempt.ended is None else attempt.ended
        self._forget_untold()

    def stop(self, grace_s: float) -> None:
        """As SIGTERM."""
        self.run(self.service.drain(grace_s=grace_s))
        self._forget_untold()
        self.loop.close()

    def _forget_untold(self) -> None:
        """A failure in the very moment in which a life ends was not written down; the next life knows nothing."""
        for attempt in self.attempts:
            if attempt.boot == self.boot and attempt.ended == self.loop.now:
                attempt.failed = False

    def bury(self) -> None:
        """At the end: forget the crashed lives without a word."""
        for loop, service in self.graves:
            service._desk._store = None
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait(tasks))
            loop.close()

    def request(self, shot: str) -> GenerationRequest:
        """A request for a shot whose attempts are scripted."""
        return replace(media_request(self.root, engine=ENGINE), shot=shot)


@contextmanager
def _inline_desk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service_module, "Desk", InlineDesk)
        yield


class SimulatedWorker:
    """Stands where `WorkerSupervisor` stands."""

    state = EngineState.READY
    model_identity = "simulated 1"
    memory_bytes = 0
    device = None
    starts = 1

    def __init__(self, world: World) -> None:
        self._world = world
        self._job_id: str | None = None
        self._stop = asyncio.Event()

    def cancel(self, job_id: str) -> None:
        if job_id == self._job_id:
            self._stop.set()

    async def close(self) -> None:
        """Nothing to end."""

    async def run(self, order: WorkOrder, *, on_progress: Callable[[Progress], None]) -> TakeDraft:
        world = self._world
        try:
            assert self._job_id is None, "two jobs at once on one engine"
            assert all(a.ended is not None for a in world.attempts), "the attempt before still runs"
            for noted in world.on_start:
                noted(order)
        except AssertionError as broken:  # the lane would take it for a fault of the job's
            world.broken.append(f"{broken} at {order.request.shot}, attempt {order.attempt}")
        self._job_id = order.job_id
        self._stop.clear()
        count = Counter(attempt.job_id for attempt in world.attempts)[order.job_id]
        script = world.scripts[order.request.shot]
        deed = script[count] if count < len(script) else "finishes"
        attempt = Attempt(order.job_id, order.attempt, deed, world.loop.now, world.boot)
        world.attempts.append(attempt)
        try:
            return await self._do(deed, order, on_progress)
        except StoppedError:
            raise
        except BridgeError:
            attempt.failed = True
            raise
        finally:
            self._job_id = None
            if attempt.ended is None:
                attempt.ended = world.loop.now

    async def _do(
        self, deed: str, order: WorkOrder, on_progress: Callable[[Progress], None]
    ) -> TakeDraft:
        order.folder.mkdir(exist_ok=True)
        order.part("unsigned").write_bytes(b"half")
        for step in range(STEPS):
            on_progress(Progress("generating", step, STEPS, step / STEPS))
            await asyncio.sleep(STEP_S)
            if self._stop.is_set() and deed != "is deaf":
                order.part("unsigned").unlink()
                raise StoppedError("Stopped.")
            if step == 1 and (error := _failure(deed)) is not None:
                if deed == "hangs":
                    await asyncio.sleep(SILENCE_S)
                raise error
        if self._stop.is_set():
            await asyncio.sleep(CANCEL_GRACE_S)
            raise StoppedError("Stopped; the engine had to be killed.")
        return _draft(order)


def _failure(deed: str) -> BridgeError | None:
    match deed:
        case "dies" | "hangs":
            return UnavailableError("The engine's process died.", reason=Reason.WORKER_DIED)
        case "fails for now":
            return UnavailableError("The share is away.", reason=Reason.STORAGE_UNAVAILABLE)
        case "fails for good":
            return InvalidInputError("The source is damaged.", reason=Reason.MEDIA_DAMAGED)
    return None


def _draft(order: WorkOrder) -> TakeDraft:
    content = f"{order.job_id} {order.attempt}".encode()
    order.part("mov").write_bytes(content)
    order.part("c2pa").write_bytes(content)
    order.part("unsigned").unlink()
    digest = hashlib.sha256(content).hexdigest()
    take = make_take(order.take_name, folder=str(order.folder), sha256=digest)
    return TakeDraft(str(order.part("mov")), str(order.part("c2pa")), digest, take)
