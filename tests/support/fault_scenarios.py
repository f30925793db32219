"""A sidecar whose disk fails once, or from one moment on: what it says, and whether it goes on after.

Called through `support.zygote`. Time runs twenty times faster, so that waiting for a disk takes no time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from support import broken_engines
from support.faulty_database import DatabaseFault
from support.faulty_filesystem import FaultyFileSystem
from support.job_cases import As, ended, hidden, make_service, media_request, visible
from support.spare_workers import keep_spare_workers

from interchange.errors import BridgeError
from interchange.model.job import Job
from sidecar.filesystem import FileSystem
from sidecar.jobs.clock import Clock
from sidecar.jobs.runner import Stages
from sidecar.jobs.service import JobService
from sidecar.worker.supervisor import WorkerSpec

_HASTE = 20
_WORKER_FAULTS: list[_ToldFileSystem] = []
_WAITING_S = 0.3
_PATIENCE_S = 20

T = TypeVar("T")


class _ToldFileSystem(FaultyFileSystem):
    """Fails in another process, and writes down there what was called and what failed."""

    def __init__(self, root: Path, **fault: Any) -> None:
        super().__init__(**fault)
        self._record = root / "worker-calls"

    def before(self, operation: str, path: Path) -> None:
        failed = self.failed
        try:
            super().before(operation, path)
        finally:
            with self._record.open("a") as file:
                file.write(f"{operation} {self.failed - failed}\n")

    def told(self) -> list[list[str]]:
        """Each call's operation, and how often it failed: 0 or 1."""
        return [line.split() for line in self._record.read_text().splitlines()]


def fast_clock() -> Clock:
    """A clock twenty times as fast as the machine's."""
    return Clock(
        now=lambda: datetime.now(UTC),
        monotonic=lambda: time.monotonic() * _HASTE,
        sleep=lambda seconds: asyncio.sleep(seconds / _HASTE),
    )


def open_stages(*, state_folder: Path, product_version: str) -> Stages:  # noqa: ARG001 - the seam
    """Tiny stages over the file system that fails in the worker, if one does."""
    return broken_engines.tiny_stages(_WORKER_FAULTS[0] if _WORKER_FAULTS else FileSystem())


def suffer(
    root: str,
    server: dict[str, Any] | None = None,
    worker: dict[str, Any] | None = None,
    database: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run one job over failing storage, heal it, run the job again and another one.

    Args:
        root: Where; the state folder may be there already.
        server: Arguments of the server's `FaultyFileSystem`.
        worker: Arguments of its workers' one.
        database: Arguments of the `DatabaseFault`.

    Returns:
        What went wrong by reason, whether the job waited for the storage, and what there is in the end.
    """
    filesystem = FaultyFileSystem(**server or {"operation": "unlink", "errno": 0, "number": 0})
    fault = DatabaseFault(**database or {})
    fault.install()
    if worker is not None:
        _WORKER_FAULTS.append(_ToldFileSystem(Path(root), **worker))
    keep_spare_workers(1)

    def heal() -> None:
        filesystem.heal()
        fault.heal()

    story = asyncio.run(_Sufferer(Path(root), filesystem, heal).live())
    with sqlite3.connect(Path(root) / "state" / "jobs.sqlite3") as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    told = [call for faults in _WORKER_FAULTS for call in faults.told()]
    return story | {
        "integrity": integrity,
        "hits": filesystem.failed + fault.failed + sum(int(failed) for _, failed in told),
        "worker_calls": Counter(operation for operation, _ in told),
        "calls": dict(filesystem.calls),
        "statements": fault.statements[: fault.until_healed],
        "visible": visible(Path(root)),
        "hidden": hidden(Path(root)),
    }


class _Sufferer:
    def __init__(self, root: Path, filesystem: FaultyFileSystem, heal: Callable[[], None]) -> None:
        self._root = root
        self._filesystem = filesystem
        self._heal = heal
        self._reasons: list[str] = []
        self._waited = False

    async def live(self) -> dict[str, Any]:
        service = await self._try(self._started)
        local = As(service)
        first = await self._try(lambda: local.create(self._request(1), request_id="first"))
        first = await self._ended(local, first)
        if first.error is not None:
            self._reasons.append(first.error.reason)
        self._heal()
        again = await ended(local, await local.create(self._request(1), request_id="again"))
        other = await ended(local, await local.create(self._request(2), request_id="other"))
        await service.drain(grace_s=5)
        jobs = [first, again, other]
        return {
            "reasons": [str(reason) for reason in self._reasons],
            "waited": self._waited,
            "states": [job.state.value for job in jobs],
            "paths": [Path(job.take.path).name for job in jobs if job.take],
        }

    async def _started(self) -> JobService:
        service = make_service(
            self._root,
            limits={"steady": broken_engines.ALL_LIMITS["steady"]},
            filesystem=self._filesystem,
            clock=fast_clock(),
            worker=WorkerSpec(
                self._root / "state",
                "1.2.3",
                engines="support.broken_engines:create_engine",
                stages="support.fault_scenarios:open_stages",
            ),
        )
        await service.start()
        return service

    async def _try(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it; where the storage fails, note how, heal it and do it again. Anything untyped ends the test."""
        try:
            return await act()
        except BridgeError as error:
            self._reasons.append(error.reason)
            self._heal()
            return await act()

    async def _ended(self, service: As, job: Job) -> Job:
        """See a job to its end; where it waits for the storage, heal that."""
        ending = asyncio.create_task(self._last(service, job))
        done, _ = await asyncio.wait({ending}, timeout=_WAITING_S)
        if not done:
            self._waited = True
            self._heal()
        return await asyncio.wait_for(ending, _PATIENCE_S)

    async def _last(self, service: As, job: Job) -> Job:
        """As `ended`; a watch that the storage breaks is begun again, as clients do."""
        while True:
            try:
                return await ended(service, job)
            except BridgeError as error:
                self._reasons.append(error.reason)
                await asyncio.sleep(0.05)

    def _request(self, seed: int) -> Any:
        return media_request(self._root, seed=seed)
