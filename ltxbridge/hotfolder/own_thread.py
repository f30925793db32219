"""Calls that a vanished share may never answer, made where they can be left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from interchange.errors import BridgeError

Result = TypeVar("Result")


@dataclass(slots=True)
class _Call(Generic[Result]):
    work: Callable[[], Result]
    results: list[Result] = field(default_factory=list)
    error: Exception | None = None

    def __call__(self) -> None:
        try:
            self.results.append(self.work())
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            self.error = error


class OwnThread:
    """Makes one call at a time in a thread of its own, and waits for it only so long.

    A call that does not come back is left behind, and none is made until it has: a system call on a dead
    share cannot be broken off, but it needs neither hold up the rest nor pile up. The thread is a daemon, so
    that the process can end.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._left_behind: threading.Thread | None = None

    def call(
        self, work: Callable[[], Result], *, timeout_s: float, overdue: Callable[[], BridgeError]
    ) -> Result:
        """Make a call and give its result, or raise what it raised.

        Args:
            work: The call.
            timeout_s: How long to wait for it, in seconds.
            overdue: The error where it takes longer, or an earlier one still does.

        Raises:
            BridgeError: From `overdue`.
        """
        if self._left_behind is not None:
            if self._left_behind.is_alive():
                raise overdue()
            self._left_behind = None
        call = _Call(work)
        thread = threading.Thread(target=call, name=self._name, daemon=True)
        thread.start()
        thread.join(timeout_s)
        if thread.is_alive():
            self._left_behind = thread
            raise overdue()
        if call.error is not None:
            raise call.error
        return call.results[0]
