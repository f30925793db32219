"""Every way of placing the model, as a table, and which card gets which. Pure, no torch; the reasons are ADR 0026."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sidecar.pipelines.ltx23.tiles import TileSize

GB: Final = 10**9


class Weights(StrEnum):
    """How the transformer's weights lie in memory."""

    COMPUTE = "as computed with"
    FP8 = "fp8, cast layer by layer"

    def bytes_for(self, compute_bytes: int) -> int:
        """Bytes of one weight."""
        return 1 if self is Weights.FP8 else compute_bytes


class TextHome(StrEnum):
    """What becomes of Gemma 3 after a prompt. For one, its layers come to a graphics card one after another."""

    KEPT = "kept in the machine's memory"
    RELEASED = "released after a prompt"


@dataclass(frozen=True, slots=True)
class Tier:
    """One way of placing the model.

    Args:
        name: As the log and the take's notes say it.
        device: Kind of device: `cuda`, `mps` or `cpu`.
        least_bytes: Memory of the device from which it is the first choice; 0 where it never is.
        weights: How the transformer is stored.
        streamed: The transformer lies in the machine's memory, its blocks come to the card one after another.
        pinned: Streamed blocks lie in page-locked memory: faster, and the machine cannot swap them out.
        all_resident: Everything but Gemma stays on the card; else the transformer does (unless it is streamed)
            with both VAEs, and leaves it for a prompt.
        text: What becomes of Gemma.
        tile: The most the video VAE sees at once, where the whole does not fit.
        compute_bytes: Bytes of a value that is computed with: 2 for bfloat16, 4 for float32.
        lower: Name of the tier to step down to; None for the last.
    """

    name: str
    device: str
    least_bytes: int
    weights: Weights
    streamed: bool
    pinned: bool
    all_resident: bool
    text: TextHome
    tile: TileSize
    compute_bytes: int
    lower: str | None


_LARGE_TILE: Final = TileSize(768, 768, 97, overlap_px=128)
_TILE: Final = TileSize(512, 512, 97)
_SHORT_TILE: Final = TileSize(512, 512, 65)  # beside a resident transformer
_SMALL_TILE: Final = TileSize(384, 384, 65)

TIERS: Final[Mapping[str, Tier]] = MappingProxyType(
    {
        tier.name: tier
        for tier in (
            Tier("64 GB", "cuda", 64 * GB, Weights.COMPUTE, streamed=False, pinned=False, all_resident=True,
                 text=TextHome.KEPT, tile=_LARGE_TILE, compute_bytes=2, lower="40 GB"),
            Tier("40 GB", "cuda", 40 * GB, Weights.COMPUTE, streamed=False, pinned=False, all_resident=False,
                 text=TextHome.KEPT, tile=_SHORT_TILE, compute_bytes=2, lower="24 GB"),
            Tier("24 GB", "cuda", 24 * GB, Weights.FP8, streamed=False, pinned=False, all_resident=False,
                 text=TextHome.RELEASED, tile=_SHORT_TILE, compute_bytes=2, lower="16 GB"),
            Tier("16 GB", "cuda", 16 * GB, Weights.FP8, streamed=True, pinned=True, all_resident=False,
                 text=TextHome.RELEASED, tile=_TILE, compute_bytes=2, lower="12 GB"),
            Tier("12 GB", "cuda", 0, Weights.FP8, streamed=True, pinned=False, all_resident=False,
                 text=TextHome.RELEASED, tile=_SMALL_TILE, compute_bytes=2, lower=None),
            Tier("Apple", "mps", 0, Weights.COMPUTE, streamed=False, pinned=False, all_resident=False,
                 text=TextHome.RELEASED, tile=_TILE, compute_bytes=2, lower=None),
            Tier("processor", "cpu", 0, Weights.COMPUTE, streamed=False, pinned=False, all_resident=True,
                 text=TextHome.KEPT, tile=_LARGE_TILE, compute_bytes=4, lower="processor, fp8"),
            Tier("processor, fp8", "cpu", 0, Weights.FP8, streamed=False, pinned=False, all_resident=False,
                 text=TextHome.RELEASED, tile=_SMALL_TILE, compute_bytes=4, lower=None),
        )
    }
)  # fmt: skip
"""Every tier by its name; the thresholds are decimal, so that a card sold as 24 GB reaches its own."""


def choose_tier(device: str, device_bytes: int) -> Tier:
    """The first choice for a device.

    Args:
        device: `cuda`, `mps` or `cpu`.
        device_bytes: Its memory, or the part of it we may take.
    """
    fitting = [tier for tier in TIERS.values() if tier.device == device]
    return next((tier for tier in fitting if device_bytes >= tier.least_bytes), fitting[-1])


def lower_tier(tier: Tier) -> Tier | None:
    """The next one down, None below the last."""
    return None if tier.lower is None else TIERS[tier.lower]
