"""What engines may take of the machine: given by the settings, carried to the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEFAULT_CACHE_BYTES: Final = 10 * 10**9


@dataclass(frozen=True, slots=True)
class EngineResources:
    """What engines may take.

    Args:
        device: What they compute on, as torch names it: `cuda:1`, `mps`, `cpu`; empty for the best there is.
        gpu_memory_bytes: Most they may plan with of its memory; 0 for all of it.
        cache_bytes: Most that what they keep on disk to save work may take; 0 keeps nothing.
    """

    device: str = ""
    gpu_memory_bytes: int = 0
    cache_bytes: int = DEFAULT_CACHE_BYTES


EVERYTHING: Final = EngineResources()
"""What the settings say where nobody set anything."""
