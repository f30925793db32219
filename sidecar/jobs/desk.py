"""The job store as the event loop sees it: one thread behind it, and every change passed on to watchers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from interchange.errors import ExhaustedError, NotAllowedError, UnavailableError
from interchange.model.job import Job
from sidecar.jobs.feed import Feed
from sidecar.jobs.store import JobStore

_LOG = logging.getLogger(__name__)

_RETRY_S = 1.0

T = TypeVar("T")


class Desk:
    """Runs store calls one at a time in their own thread.

    Args:
        open_store: Opens the store; called in that thread.
    """

    def __init__(self, open_store: Callable[[], JobStore]) -> None:
        self.feed = Feed()
        self._open_store = open_store
        self._store: JobStore | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="job-store")

    async def open(self) -> None:
        """Open the store.

        Raises:
            NotAllowedError: It cannot be.
        """
        self._store = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._open_store
        )

    async def ask(self, call: Callable[[JobStore], T]) -> T:
        """Read something."""
        store = self._store
        if store is None:
            raise UnavailableError("The sidecar is starting or stopping. Try again.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, store)

    async def change(self, call: Callable[[JobStore], Job]) -> Job:
        """Change a job, and tell its watchers."""
        job = await self.ask(call)
        self.feed.offer(job)
        return job

    async def settle(self, call: Callable[[JobStore], Job]) -> Job:
        """Change a job however long the disk under the store stays full or locked."""
        while True:
            try:
                return await self.change(call)
            except (ExhaustedError, UnavailableError, NotAllowedError) as error:
                _LOG.warning("an outcome waits to be written down: %s", error)
                await asyncio.sleep(_RETRY_S)

    async def close(self) -> None:
        """Finish what was asked and close the store."""
        store, self._store = self._store, None
        loop = asyncio.get_running_loop()
        if store is not None:
            await loop.run_in_executor(self._thread, store.close)
        self._thread.shutdown(wait=False)
