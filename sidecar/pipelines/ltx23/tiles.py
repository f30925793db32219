"""How a canvas is cut into overlapping tiles and put together again: pure numbers, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.ltx23.limits import SPATIAL_PX, TEMPORAL_FRAMES


@dataclass(frozen=True, slots=True)
class TileSize:
    """The most pictures and pixels that the video VAE sees at once.

    A canvas smaller than a tile along an axis is not cut along it.

    Args:
        height_px: Rows, a multiple of 32.
        width_px: Columns, a multiple of 32.
        frames: Pictures, 8 k + 1.
        overlap_px: Shared by neighbours across and down, a multiple of 32 and at most half a tile.
        overlap_frames: Shared by neighbours in time, a multiple of 8 and at most half a tile. The decoder looks
            both ways in time: what it cannot see past a tile's end it guesses.
    """

    height_px: int
    width_px: int
    frames: int
    overlap_px: int = 64
    overlap_frames: int = 24

    def __post_init__(self) -> None:
        sides = (self.height_px, self.width_px, self.overlap_px)
        if (
            any(side <= 0 or side % SPATIAL_PX for side in sides)
            or (self.frames - 1) % TEMPORAL_FRAMES
            or self.overlap_frames % TEMPORAL_FRAMES
            or self.overlap_frames <= 0
            or 2 * self.overlap_px > min(self.height_px, self.width_px)
            or 2 * self.overlap_frames > self.frames - 1
        ):
            raise ValueError(f"{self} is not on the latent grid, or overlaps by more than half")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one axis, half-open, in latents."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Latents in it."""
        return self.end - self.start

    @property
    def slice(self) -> slice:
        """For indexing the axis."""
        return slice(self.start, self.end)

    def scaled(self, factor: int) -> Span:
        """The same stretch in units of which a latent has `factor`."""
        return Span(self.start * factor, self.end * factor)


def spans(length: int, *, size: int, overlap: int) -> tuple[Span, ...]:
    """Cut an axis into equal overlapping spans; the last one ends where the axis ends.

    Equal, because a thin last tile would be decoded with hardly any surroundings, and because kernels tuned
    for one shape then serve all tiles.

    Args:
        length: Latents of the axis.
        size: Latents of a span, more than `overlap`.
        overlap: Latents that neighbours share at least.
    """
    if length <= size:
        return (Span(0, length),)
    strides = -(-(length - size) // (size - overlap))
    starts = (round(index * (length - size) / strides) for index in range(strides + 1))
    return tuple(Span(start, start + size) for start in starts)


def weights(parts: tuple[Span, ...]) -> tuple[NDArray[np.float32], ...]:
    """How much each span counts at each of its places: ramps over the overlaps, 1 together everywhere.

    Where only one span lies its weight is exactly 1, so that a canvas in one tile passes through unchanged.

    Args:
        parts: Spans in rising order, in the units of the result.

    Returns:
        One array [length] per span.
    """
    ramps = [np.ones(part.length) for part in parts]
    for (before, after), (first, second) in zip(pairwise(parts), pairwise(ramps), strict=True):
        shared = before.end - after.start
        rising = (np.arange(shared) + 0.5) / shared
        first[-shared:] *= rising[::-1]
        second[:shared] *= rising
    total = np.zeros(parts[-1].end)
    for part, ramp in zip(parts, ramps, strict=True):
        total[part.slice] += ramp
    return tuple(
        (ramp / total[part.slice]).astype(np.float32)
        for part, ramp in zip(parts, ramps, strict=True)
    )
