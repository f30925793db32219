"""How many streams of media are open at once, of all callers together and of each; and how long one is unread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import grpc

from interchange.errors import UnavailableError
from interchange.model.caller import Caller
from sidecar.rpc.errors import abort

_LOG = logging.getLogger(__name__)

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class Slots:
    """Streams that hold a decoder, a file or a thread. Whoever holds all of theirs waits for themselves alone.

    Args:
        most: Of all callers together.
        most_each: Of one caller; less, so that nobody keeps the others out.
    """

    def __init__(self, most: int, *, most_each: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._most_each = most_each
        self._each: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def taken(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for a slot and hold it."""
        mine = self._each.get(caller.name)
        if mine is None:
            mine = self._each[caller.name] = asyncio.Semaphore(self._most_each)
        async with mine, self._all:
            yield


class Unread:
    """Ends calls whose answers are not taken.

    Keep-alive pings notice a client that hangs only while they can be sent: once its socket's buffer is full,
    which on a unix socket nothing times out, they wait behind the answers. A client that means it answers them.
    """

    def __init__(self) -> None:
        self._saying: set[asyncio.Future[None]] = set()

    @contextmanager
    def within(self, limit_s: float, context: Context) -> Iterator[None]:
        """End this call where the answer that is yielded inside is not taken in time.

        Args:
            limit_s: In seconds.
            context: The call's.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in one

        def let_go() -> None:
            task.cancel()
            # Reaches the client when it reads again, after what it has not read; nobody here waits for that.
            saying = asyncio.ensure_future(_say_let_go(context))
            self._saying.add(saying)
            saying.add_done_callback(self._saying.discard)

        ending = asyncio.get_running_loop().call_later(limit_s, let_go)
        try:
            yield
        finally:
            ending.cancel()


async def _say_let_go(context: Context) -> None:
    try:
        await abort(
            context,
            UnavailableError(
                "The answers were not read for too long. Call again from the last one seen."
            ),
        )
    except Exception as error:  # noqa: BLE001 - the connection is gone: gRPC's own, unnamed ways to say so
        _LOG.debug("a reader was let go without a word: %s", type(error).__name__)
