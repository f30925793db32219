"""Puts a picture into a raster of another size: whole, black around it, never squeezed."""

from __future__ import annotations

import cv2
import numpy as np

from interchange.conform import fitted_box
from interchange.model.directive import Box
from interchange.model.media import Raster
from sidecar.pipelines.base import Picture


def fitted(picture: Picture, raster: Raster) -> Picture:
    """Fit a picture with square pixels into a raster, as a source is fitted.

    Args:
        picture: float32 [H, W, 3], upright.
        raster: Of the result.
    """
    return placed(picture, still_box(picture, raster), raster)


def still_box(picture: Picture, raster: Raster) -> Box:
    """Where `fitted` puts a picture, in pixels of the raster."""
    height, width = picture.shape[:2]
    return fitted_box(Raster(width, height), raster)


def placed(picture: Picture, box: Box, raster: Raster) -> Picture:
    """Resize a picture into a box of a black raster.

    Args:
        picture: float32 [H, W, 3], upright.
        box: Where it goes, in pixels of the raster.
        raster: Of the result.

    Returns:
        float32 [raster height, raster width, 3].
    """
    canvas = np.zeros((raster.height_px, raster.width_px, 3), dtype=np.float32)
    canvas[box.y : box.y + box.height, box.x : box.x + box.width] = _resized(
        picture, box.width, box.height
    )
    return canvas


def _resized(picture: Picture, width: int, height: int) -> Picture:
    """Area-average when it shrinks, Lanczos when it grows; each direction by its own rule."""
    result = np.ascontiguousarray(picture)
    for size in ((width, result.shape[0]), (width, height)):
        if size == (result.shape[1], result.shape[0]):
            continue
        shrinks = size[0] < result.shape[1] or size[1] < result.shape[0]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
        result = np.asarray(cv2.resize(result, size, interpolation=method), dtype=np.float32)
    return result
