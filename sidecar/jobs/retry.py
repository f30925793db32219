"""Which failures are worth another try, how many, and after how long.

Only causes that pass by themselves are in the table. Everything else fails its job at once with its reason: a
person must do something, and telling them later is no kindness.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from interchange.errors import Reason

TRIES: Mapping[Reason, int] = MappingProxyType(
    {
        # Its worker died: memory that ran out, a driver that was reset. Three in a row, and the job is taken
        # for the cause.
        Reason.WORKER_DIED: 3,
        # A share that is away comes back: after about half an hour of trying, a person should look.
        Reason.STORAGE_UNAVAILABLE: 12,
        # Not DISK_FULL: no disk empties itself, and a queue that waits in silence hides it until Monday. Not
        # MEMORY_FULL: an engine that can do with less memory steps down by itself, once, before it says so; after
        # that the same job at the same size needs the same memory.
    }
)
"""Tries in all, by cause; a cause that is not here is final."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The rule: the n-th failure of one cause waits first_s * 2^(n - 1), at most longest_s, and some jitter.

    Args:
        first_s: Wait after the first failure, in seconds.
        longest_s: No wait is longer, jitter apart, in seconds.
        jitter: Largest share of a wait that is added at random, so that jobs do not come back all at once.
        random: Gives numbers from 0 to below 1.
    """

    first_s: float = 5.0
    longest_s: float = 300.0
    jitter: float = 0.25
    random: Callable[[], float] = field(default_factory=lambda: random.Random().random)  # noqa: S311 - spreads waits

    def wait_s(self, reason: Reason, failures: int) -> float | None:
        """How long to wait before the next try, in seconds.

        Args:
            reason: What failed.
            failures: How often it has failed for this reason, this time included.

        Returns:
            None where there is no next try.
        """
        if failures >= TRIES.get(reason, 0):
            return None
        wait_s = min(self.first_s * 2.0 ** (failures - 1), self.longest_s)
        return wait_s * (1 + self.jitter * self.random())

    @property
    def longest_wait_s(self) -> float:
        """No wait is longer than this, in seconds."""
        return self.longest_s * (1 + self.jitter)
