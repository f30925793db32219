"""Latest snapshots to watchers: nobody who reads slowly holds anybody up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from interchange.model.job import Job


class Subscription:
    """One watcher's view of one job; holds the newest snapshot only."""

    def __init__(self) -> None:
        self._latest: Job | None = None
        self._arrived = asyncio.Event()

    def offer(self, job: Job) -> None:
        """Replace the snapshot by a newer one."""
        if self._latest is None or job.revision > self._latest.revision:
            self._latest = job
            self._arrived.set()

    async def newest(self, *, after_revision: int) -> Job:
        """Wait for a snapshot newer than a revision."""
        while self._latest is None or self._latest.revision <= after_revision:
            self._arrived.clear()
            await self._arrived.wait()
        return self._latest


class Feed:
    """Who watches what. Belongs to one event loop."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, set[Subscription]] = {}

    def offer(self, job: Job) -> None:
        """Pass a snapshot on; never waits."""
        for subscription in self._subscriptions.get(job.job_id, ()):
            subscription.offer(job)

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[Subscription]:
        """Watch a job for the duration."""
        subscription = Subscription()
        watchers = self._subscriptions.setdefault(job_id, set())
        watchers.add(subscription)
        try:
            yield subscription
        finally:
            watchers.discard(subscription)
            if not watchers:
                self._subscriptions.pop(job_id, None)
