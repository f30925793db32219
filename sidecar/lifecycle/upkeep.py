"""What the sidecar counts in the background: the disk, and the jobs for its metrics."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from interchange.errors import BridgeError
from interchange.model.caller import LOCAL_CALLER, Caller
from interchange.model.job import EngineStatus, Job, JobState
from sidecar.lifecycle.quota import Quota, folder_bytes, job_bytes
from sidecar.metrics.meters import Meters
from sidecar.metrics.page import MetricsPage
from sidecar.setting_values import ListenAddress

_LOG = logging.getLogger(__name__)

RECOUNT_S = 600.0
_ENGINES_S = 10.0
# Small: the job store answers nobody else while it reads a page.
_PAGE_SIZE = 50


class Jobs(Protocol):
    """What is asked of `sidecar.jobs.service.JobService`."""

    async def list(
        self,
        *,
        caller: Caller,
        states: Collection[JobState] = (),
        page_size: int = 0,
        page_token: str = "",
    ) -> tuple[tuple[Job, ...], str]:
        """A page of jobs, and the next page's token."""
        ...

    def watch_all(
        self, *, after_sequence: int | None, caller: Caller
    ) -> AsyncIterator[tuple[int, Job | None]]:
        """Every change of every job."""
        ...

    async def engines(self) -> tuple[EngineStatus, ...]:
        """The engines and how their workers are."""
        ...

    def worker_starts(self) -> Mapping[str, int]:
        """Times each engine's worker was started."""
        ...


class Upkeep:
    """Keeps the counts. Belongs to one event loop.

    Args:
        jobs: The job service.
        quota: Told the disk's total now and then.
        folders: Counted whole: uploads, spool, caches.
        meters: Told of jobs and engines; None for no metrics.
        recount_s: Between two counts of the disk, in seconds.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        quota: Quota,
        folders: Sequence[Path],
        meters: Meters | None,
        recount_s: float = RECOUNT_S,
    ) -> None:
        self._jobs = jobs
        self._quota = quota
        self._folders = tuple(folders)
        self.meters = meters
        self._recount_s = recount_s
        self._states: dict[str, JobState] = {}

    async def run(self) -> None:
        """Count until cancelled. What cannot be counted now is counted next time; no job ever waits for it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recount_again_and_again())
            if self.meters is not None:
                tasks.create_task(self._follow_jobs(self.meters))
                tasks.create_task(self._follow_engines(self.meters))

    async def recount(self) -> int:
        """Count the disk once.

        Returns:
            Bytes that are used or promised.
        """
        mark = self._quota.mark()
        counted = await asyncio.to_thread(folder_bytes, *self._folders)
        token = ""
        while True:
            jobs, token = await self._jobs.list(
                caller=LOCAL_CALLER, page_size=_PAGE_SIZE, page_token=token
            )
            counted += await asyncio.to_thread(job_bytes, jobs, beside=self._folders)
            if not token:
                return self._quota.settle(counted, since=mark)

    async def _recount_again_and_again(self) -> None:
        while True:
            try:
                used = await self.recount()
                _LOG.debug("%d bytes of disk are in use", used)
            except BridgeError as error:
                _LOG.warning("The disk could not be counted: %s", error.reason)
            await asyncio.sleep(self._recount_s)

    async def _follow_jobs(self, meters: Meters) -> None:
        while True:
            try:
                await self._begin(meters)
                watching = self._jobs.watch_all(after_sequence=None, caller=LOCAL_CALLER)
                async for _, job in watching:
                    if job is not None:
                        self._note(job, meters)
            except BridgeError as error:
                _LOG.warning("Jobs are not metered for a moment: %s", error.reason)
            await asyncio.sleep(_ENGINES_S)

    async def _begin(self, meters: Meters) -> None:
        waiting = tuple(state for state in JobState if not state.terminal)
        self._states.clear()
        token = ""
        while True:
            jobs, token = await self._jobs.list(
                caller=LOCAL_CALLER, states=waiting, page_size=_PAGE_SIZE, page_token=token
            )
            self._states.update((job.job_id, job.state) for job in jobs)
            if not token:
                break
        meters.jobs_waiting(Counter(self._states.values()))

    def _note(self, job: Job, meters: Meters) -> None:
        if not job.state.terminal:
            self._states[job.job_id] = job.state
        else:
            self._states.pop(job.job_id, None)
            meters.job_ended(job)
        meters.jobs_waiting(Counter(self._states.values()))

    async def _follow_engines(self, meters: Meters) -> None:
        while True:
            statuses = {status.limits.engine: status for status in await self._jobs.engines()}
            meters.engines(statuses, self._jobs.worker_starts())
            await asyncio.sleep(_ENGINES_S)


@asynccontextmanager
async def kept_up(upkeep: Upkeep, *, page: ListenAddress | None) -> AsyncIterator[None]:
    """Count in the background for the duration, and show the metrics.

    Args:
        upkeep: What counts.
        page: Where to show them; None for nowhere.

    Raises:
        ConflictError: The address of the metrics is taken.
    """
    shown = None
    if page is not None and upkeep.meters is not None:
        shown = MetricsPage(page, upkeep.meters.page)
        _LOG.info("Metrics on http://%s/metrics", shown.address)
    counting = asyncio.create_task(upkeep.run())
    try:
        yield
    finally:
        counting.cancel()
        for outcome in await asyncio.gather(counting, return_exceptions=True):
            if isinstance(outcome, Exception):
                _LOG.error("counting in the background had failed", exc_info=outcome)
        if shown is not None:
            await asyncio.to_thread(shown.close)
