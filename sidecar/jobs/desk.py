"""The job store as the event loop sees it: one thread behind it, and every change passed on to watchers.

Calls that arrive while the thread is busy share the next transaction: sixteen clients who submit at once wait
for one fsync, not for sixteen.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from queue import SimpleQueue
from typing import Any, TypeVar

from interchange.errors import BridgeError, ExhaustedError, NotAllowedError, UnavailableError
from interchange.model.job import Job
from sidecar.jobs.clock import SYSTEM_CLOCK, Clock
from sidecar.jobs.feed import Feed
from sidecar.jobs.rows import Event
from sidecar.jobs.store import JobStore

_LOG = logging.getLogger(__name__)

_RETRY_S = 1.0
_MOST_TOGETHER = 64

T = TypeVar("T")


class _Kind(IntEnum):
    READ = 0
    NOTE = 1
    CHANGE = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Errand:
    """A call for the store, and who waits for its outcome."""

    call: Callable[[JobStore], Any]
    kind: _Kind
    answer: asyncio.Future[Any]


_Outcome = tuple[_Errand, object, BaseException | None]


class Desk:
    """Runs store calls one after the other in their own thread.

    Args:
        open_store: Opens the store; called in that thread.
        clock: For the waits of `settle`.
    """

    def __init__(self, open_store: Callable[[], JobStore], *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.feed = Feed()
        self._open_store = open_store
        self._clock = clock
        self._store: JobStore | None = None
        self._errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Open the store.

        Raises:
            BridgeError: It cannot be.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[JobStore] = loop.create_future()
        self._thread = threading.Thread(
            target=self._work, args=(loop, opened), name="job-store", daemon=True
        )
        self._thread.start()
        self._store = await opened

    async def ask(self, call: Callable[[JobStore], T]) -> T:
        """Read something."""
        return await self._send(call, _Kind.READ)

    async def change(self, call: Callable[[JobStore], T]) -> T:
        """Change something; it is on disk when this returns, and watchers are told."""
        return await self._send(call, _Kind.CHANGE)

    async def note(self, call: Callable[[JobStore], T]) -> T:
        """Change something whose loss in a power cut does no harm; watchers are told."""
        return await self._send(call, _Kind.NOTE)

    async def settle(self, call: Callable[[JobStore], Job]) -> Job:
        """Change a job however long the disk under the store stays full or locked."""
        while True:
            try:
                return await self.change(call)
            except (ExhaustedError, UnavailableError, NotAllowedError) as error:
                _LOG.warning("an outcome waits to be written down: %s", error)
                await self._clock.sleep(_RETRY_S)

    async def close(self) -> None:
        """Finish what was asked and close the store."""
        store, self._store = self._store, None
        if store is not None:
            closed = asyncio.get_running_loop().create_future()
            self._errands.put(_Errand(JobStore.close, _Kind.READ, closed))
            self._errands.put(None)
            await closed

    async def _send(self, call: Callable[[JobStore], T], kind: _Kind) -> T:
        if self._store is None:
            raise UnavailableError("The sidecar is starting or stopping. Try again.")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._errands.put(_Errand(call, kind, answer))
        return await answer

    def _work(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Future[JobStore]) -> None:
        try:
            store = self._open_store()
        except BaseException as error:  # noqa: BLE001 - whoever opens it is told
            loop.call_soon_threadsafe(_answer, opened, None, error)
            return
        loop.call_soon_threadsafe(_answer, opened, store, None)
        stopped = False
        while not stopped:
            errands, stopped = self._waiting()
            outcomes = _run(store, errands)
            loop.call_soon_threadsafe(self._deliver, store.take_events(), outcomes)

    def _waiting(self) -> tuple[list[_Errand], bool]:
        """Everything that waits, in order, and whether it is the last; blocks until there is something."""
        errands: list[_Errand] = []
        while len(errands) < _MOST_TOGETHER and not (errands and self._errands.empty()):
            errand = self._errands.get()
            if errand is None:
                return errands, True
            errands.append(errand)
        return errands, False

    def _deliver(self, events: Sequence[Event], outcomes: Sequence[_Outcome]) -> None:
        for event in events:
            self.feed.offer(event)
        for errand, result, error in outcomes:
            _answer(errand.answer, result, error)


def _answer(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():  # whoever asked has gone
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _run(store: JobStore, errands: Sequence[_Errand]) -> list[_Outcome]:
    errands = [errand for errand in errands if not errand.answer.cancelled()]
    kinds = {errand.kind for errand in errands}
    if len(errands) < 2 or kinds == {_Kind.READ}:
        return [_run_one(store, errand) for errand in errands]
    begun = False
    try:
        with store.together(durable=_Kind.CHANGE in kinds):
            begun = True
            return [_run_one(store, errand) for errand in errands]
    except BridgeError as error:
        if begun:  # nothing of it happened; each for itself, so that each gets its own answer
            return [_run_one(store, errand) for errand in errands]
        return [
            _run_one(store, errand) if errand.kind is _Kind.READ else (errand, None, error)
            for errand in errands
        ]


def _run_one(store: JobStore, errand: _Errand) -> _Outcome:
    try:
        return errand, errand.call(store), None
    except BaseException as error:  # noqa: BLE001 - handed to whoever asked
        return errand, None, error
