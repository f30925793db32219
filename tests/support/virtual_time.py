"""An event loop whose time passes only when nothing is left to do: a day of waiting takes no time.

One thread, no executor: what would run beside the loop runs inside it. The same calls give the same order of
events, so a failing run can be repeated.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sidecar.jobs.clock import Clock
from sidecar.jobs.desk import Desk

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class _Jumping(selectors.SelectSelector):
    """Instead of waiting, moves the loop's time to when it would have been woken."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        assert ready or timeout is not None, "a deadlock: nothing will ever happen again"
        if not ready and timeout:
            self._loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop.

    Args:
        now: Seconds on its clock.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Seconds since some start."""
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # noqa: ARG002
        """Run it here and now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            future.set_exception(error)
        return future


class WallClock:
    """Wall time that goes with a loop's, and can be turned while it does."""

    def __init__(self) -> None:
        self.turned = timedelta()
        self.loop: VirtualLoop | None = None

    def now(self) -> datetime:
        assert self.loop is not None
        return EPOCH + timedelta(seconds=self.loop.now) + self.turned

    def clock(self) -> Clock:
        """What the queue gets."""

        def monotonic() -> float:
            assert self.loop is not None
            return self.loop.now

        return Clock(now=self.now, monotonic=monotonic, sleep=asyncio.sleep)


class InlineDesk(Desk):
    """The job store without its thread: one call after the other, each with its turn of the loop."""

    async def open(self) -> None:
        self._store = self._open_store()

    async def close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    async def _send(self, call: Callable[..., Any], kind: Any) -> Any:
        await asyncio.sleep(0)
        store = self._store
        if store is None:
            return await super()._send(call, kind)  # which says why
        try:
            return call(store)
        finally:
            for event in store.take_events():
                self.feed.offer(event)
