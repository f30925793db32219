"""Changes to watchers as they happen: nobody who reads slowly holds anybody up, or anything in memory.

A subscription keeps a few changes. A reader that falls further behind is not told any more but reads what it
missed from the store, where every change is, and comes back when it has caught up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sidecar.jobs.rows import Event

_MOST_KEPT = 64


class Subscription:
    """What one watcher has not read yet.

    Args:
        behind: Whether there are changes already that it must read from the store first.
    """

    def __init__(self, *, behind: bool) -> None:
        self.behind = behind
        self._kept: list[Event] = []
        self._arrived = asyncio.Event()

    def offer(self, event: Event) -> None:
        """Take a change; never waits."""
        if self.behind:
            return
        if len(self._kept) == _MOST_KEPT:
            self.fall_behind()
            return
        self._kept.append(event)
        self._arrived.set()

    def fall_behind(self) -> None:
        """Keep nothing more; the reader goes on from the store."""
        self._kept.clear()
        self.behind = True
        self._arrived.set()

    def catch_up(self) -> None:
        """Keep changes again, from now on; called before the store is read, so that none falls between."""
        self.behind = False

    async def next(self) -> list[Event]:
        """Changes in order, at least one, as soon as there is one; none where it has fallen behind."""
        while not self._kept and not self.behind:
            self._arrived.clear()
            await self._arrived.wait()
        events, self._kept = self._kept, []
        return events


class Feed:
    """Who watches what. Belongs to one event loop."""

    def __init__(self) -> None:
        self._of_job: dict[str, set[Subscription]] = {}
        self._of_all: set[Subscription] = set()

    def offer(self, event: Event) -> None:
        """Pass a change on; never waits."""
        for subscription in self._of_job.get(event.job.job_id, ()):
            subscription.offer(event)
        for subscription in self._of_all:
            subscription.offer(event)

    @contextmanager
    def subscribe(self, job_id: str, *, behind: bool) -> Iterator[Subscription]:
        """Watch a job for the duration."""
        subscription = Subscription(behind=behind)
        watchers = self._of_job.setdefault(job_id, set())
        watchers.add(subscription)
        try:
            yield subscription
        finally:
            watchers.discard(subscription)
            if not watchers:
                self._of_job.pop(job_id, None)

    @contextmanager
    def subscribe_all(self, *, behind: bool) -> Iterator[Subscription]:
        """Watch every job for the duration."""
        subscription = Subscription(behind=behind)
        self._of_all.add(subscription)
        try:
            yield subscription
        finally:
            self._of_all.discard(subscription)
