"""Which device computes, how much memory it has for us and how fast it multiplies."""

from __future__ import annotations

import time
from typing import Final

import torch

from interchange.errors import InvalidInputError
from interchange.model.engine import Device

_SIDE: Final = 8192
"""Of the matrices the rate is measured with: large enough that starting the kernel does not count."""
_WARM_UPS: Final = 3
_ROUNDS: Final = 10

_PROCESSOR_FULL: Final = (
    "DefaultCPUAllocator: can't allocate memory",
    "can't start new thread",  # for its stack
)


def pick_device(asked: str | None = None) -> torch.device:
    """The device to compute on.

    Args:
        asked: `cuda`, `cuda:1`, `mps` or `cpu`; None for the best there is.

    Raises:
        InvalidInputError: This machine has no such device.
    """
    if asked is None:
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise InvalidInputError(
            f"{asked!r} is no device; there are cuda:0, mps and cpu."
        ) from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise InvalidInputError(
            f"This machine has no {asked}, or torch was installed without it; `cpu` is always there."
        )
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def memory_bytes(device: torch.device, *, most_bytes: int = 0) -> int:
    """What we may take of a device's memory; 0 where that is the machine's and unknown.

    Args:
        device: The device.
        most_bytes: A limit from the settings, 0 for none.
    """
    there = 0
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
    elif device.type == "mps":
        there = int(torch.mps.recommended_max_memory())
    limits = [limit for limit in (there, most_bytes) if limit]
    return min(limits, default=0)


def description(device: torch.device) -> Device:
    """For the credentials and the log."""
    if device.type != "cuda":
        return Device(device.type)
    return Device(f"{device} {torch.cuda.get_device_name(device)}", memory_bytes(device))


def matmul_rate(device: torch.device) -> float | None:
    """Floating-point operations a second in a large bfloat16 product: what a model could reach at best.

    Args:
        device: The device.

    Returns:
        The rate, None where it is no CUDA device: there it says nothing about a model.
    """
    if device.type != "cuda":
        return None
    numbers = torch.Generator(device).manual_seed(0)  # zeros would need less power, and run faster
    left, right = (
        torch.randn((_SIDE, _SIDE), dtype=torch.bfloat16, device=device, generator=numbers)
        for _ in range(2)
    )
    for _ in range(_WARM_UPS):
        left @ right
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(_ROUNDS):
        left @ right
    torch.cuda.synchronize(device)
    return _ROUNDS * 2.0 * _SIDE**3 / (time.perf_counter() - start)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, the device's or this machine's.

    Args:
        error: torch has a class for what a card says, and none for its own allocator on the processor.
    """
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _PROCESSOR_FULL)
    )
