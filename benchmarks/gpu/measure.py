"""One line of the table: what was done, how long it took, how much memory it filled, and whether that is good."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

GB = 10**9


@dataclass(frozen=True)
class Row:
    """One line.

    Args:
        what: What was done.
        seconds: Wall time; None where it says nothing.
        tflop: Work in 10^12 operations; None where it is not counted.
        rate: Operations a second of a large product in the same run; None on a processor.
        peak_bytes: Most device memory that was reserved; 0 on a processor.
        goal: What was asked for; empty for none.
        met: Whether it was reached; None where it cannot be told.
        note: A few words.
    """

    what: str
    seconds: float | None = None
    tflop: float | None = None
    rate: float | None = None
    peak_bytes: int = 0
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def limit_s(self) -> float | None:
        """How long the work takes at the rate of a large product; None where either is unknown."""
        if not self.tflop or not self.rate:
            return None
        return self.tflop * 1e12 / self.rate

    @property
    def utilisation(self) -> float | None:
        """Share of that rate that was reached."""
        return None if not self.limit_s or not self.seconds else self.limit_s / self.seconds

    def document(self) -> dict[str, Any]:
        """For the result file."""
        return asdict(self)


def within_limit(row: Row, factor: float) -> Row:
    """The row with the goal that it takes at most so many times its limit."""
    met = None if not row.limit_s or not row.seconds else row.seconds <= factor * row.limit_s
    return Row(**{**row.document(), "goal": f"at most {factor:g} x the limit", "met": met})


def skipped(what: str, why: str) -> Row:
    """A row for what was not done."""
    return Row(what, note=f"skipped: {why}")


def failed(what: str, error: Exception) -> Row:
    """A row for what did not work; a table with holes is of more use than none."""
    text = " ".join(str(error).split())[:200]
    return Row(what, met=False, note=f"failed: {type(error).__name__}: {text}")


@dataclass(frozen=True)
class Timing:
    """Seconds (the median of all rounds) and the most memory reserved in any."""

    seconds: float
    peak_bytes: int


def timed(
    work: Callable[[], object], *, device: torch.device, rounds: int = 1, warm_ups: int = 0
) -> Timing:
    """Do some work and look at the clock and the memory; what it returns is let go."""
    for _ in range(warm_ups):
        work()
    forget(device)
    spans = []
    for _ in range(rounds):
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        spans.append(time.perf_counter() - start)
    return Timing(statistics.median(spans), peak_bytes(device))


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_bytes(device: torch.device) -> int:
    """Most memory reserved since `forget`; 0 where it is not counted."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0


def forget(device: torch.device) -> None:
    """Give back what is unused, and begin to count anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def finite(*tensors: torch.Tensor) -> bool:
    """Whether no value is infinite or not a number."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
