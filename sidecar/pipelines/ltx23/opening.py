"""Which tokens of a canvas are made: frames, and parts of the picture, rounded out to whole latents. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from interchange.timebase import TimeRange
from sidecar.pipelines.ltx23.canvas import Canvas
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.limits import LIMITS

_SIZE_MULTIPLE_PX: Final = LIMITS.size_multiple_px

PictureMask = Callable[[int], NDArray[np.float32]]
"""What is made of the picture at a record frame: float32 [H, W], 0 keeps, more is made, at the request's raster."""

TokenMask = Callable[[LatentGrid], NDArray[np.float32]]
"""What is made of a canvas: float32 [f, h, w], 1 makes a latent, 0 keeps it."""


def opened_tokens(canvas: Canvas, opened: TimeRange, mask: PictureMask | None = None) -> TokenMask:
    """Open the latents that hold frames of a range, and of those the ones with a pixel that is made.

    Args:
        canvas: The canvas.
        opened: Record frames to make.
        mask: Which part of each picture; None for all of it.

    Returns:
        A latent is open where any of its pixels, over all its frames in `opened`, is made. What is padded to
        the right of the picture and below it counts as its edge does.
    """

    def tokens(grid: LatentGrid) -> NDArray[np.float32]:
        found = np.zeros((grid.frames, grid.height, grid.width), np.float32)
        for latent in range(canvas.latent_count):
            held = canvas.pictures_of(latent).intersect(opened)
            if held is None:
                continue
            if mask is None:
                found[latent] = 1.0
                continue
            for record_frame in held.frames:
                found[latent] += _cells(mask(record_frame), grid)
        return np.asarray(found > 0.0, np.float32)

    return tokens


def _cells(made: NDArray[np.float32], grid: LatentGrid) -> NDArray[np.float32]:
    """1 where a latent has a pixel that is made: [h, w] of made [H, W].

    The picture was padded to a multiple of 64 pixels, which a grid covers with latents of 32 or, at half the
    size, of 64 pixels.
    """
    height, width = made.shape
    whole_height = -(-height // _SIZE_MULTIPLE_PX) * _SIZE_MULTIPLE_PX
    whole_width = -(-width // _SIZE_MULTIPLE_PX) * _SIZE_MULTIPLE_PX
    padding = ((0, whole_height - height), (0, whole_width - width))
    whole = np.pad(made > 0.0, padding, mode="edge")
    cell = whole_height // grid.height
    blocks = whole.reshape(grid.height, cell, grid.width, cell)
    return np.asarray(blocks.any(axis=(1, 3)), np.float32)
