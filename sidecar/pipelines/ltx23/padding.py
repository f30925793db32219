"""Pictures to a raster the model knows and back: mirrored at the right and at the bottom, never squeezed."""

from __future__ import annotations

import numpy as np

from interchange.model.media import Raster
from sidecar.pipelines.base import Picture


def padded(picture: Picture, raster: Raster) -> Picture:
    """Enlarge the canvas of a picture, filled with its mirror image.

    The mirror's axis is the last row or column, which is not doubled; a pad larger than the picture is mirrored
    to and fro. A mirror image is what the model continues most quietly: black would darken the edge.

    Args:
        picture: float32 [..., H, W, C].
        raster: The size wanted, at least the picture's.

    Returns:
        float32 [..., H', W', C], contiguous; its top left is the picture, bit for bit.

    Raises:
        ValueError: The raster is smaller than the picture.
    """
    *_, height, width, _ = picture.shape
    if raster.height_px < height or raster.width_px < width:
        raise ValueError(f"A picture of {width}x{height} does not fit into {raster}")
    rows = _mirrored(height, raster.height_px)
    columns = _mirrored(width, raster.width_px)
    return np.ascontiguousarray(picture[..., rows[:, None], columns[None, :], :])


def cropped(picture: Picture, raster: Raster) -> Picture:
    """Take what `padded` added off again.

    Args:
        picture: float32 [..., H, W, C].
        raster: The size before.

    Returns:
        float32 [..., H', W', C], contiguous, the caller's own.
    """
    return picture[..., : raster.height_px, : raster.width_px, :].copy()


def _mirrored(length: int, wanted: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """For each place on the longer axis [wanted] the place on the shorter one that it shows."""
    period = max(2 * (length - 1), 1)
    place = np.arange(wanted) % period
    return np.minimum(place, period - place) if length > 1 else np.zeros(wanted, dtype=np.intp)
