"""Time as the queue sees it, in one value, so that a test can be the one who turns the hands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """The three things the queue asks of time.

    Args:
        now: Wall time, UTC. For people, and across restarts; it may jump by a day at any moment.
        monotonic: Seconds that only ever rise, from any start. Every wait inside one run is measured in it.
        sleep: Waits for so many seconds of the monotonic kind.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


SYSTEM_CLOCK = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, sleep=asyncio.sleep)
"""The machine's own."""
