"""Dense fields on the working grid: splatting them forward in time, filling their holes, following them.

All fields live on a grid of working pixels (at most `WORKING_WIDTH_PX` across), whatever the picture's size;
displacements are counted in working pixels and scaled when a picture is warped.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""float32 [h, w]: one value per working pixel."""

VectorField = NDArray[np.float32]
"""float32 [h, w, N]: N values per working pixel; a flow has N=2, x then y."""

_FILL_PULL: Final = 0.02  # how much weight a pixel needs to hold out against its surroundings


def grid(height: int, width: int) -> VectorField:
    """Coordinates of each pixel: float32 [height, width, 2], x then y."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.dstack((xs, ys))


def as_field(values: Any) -> NDArray[np.float32]:
    """Make float32 of what NumPy's and OpenCV's stubs take for something wider."""
    field: NDArray[np.float32] = np.asarray(values, np.float32)
    return field


def sample(field: NDArray[np.float32], at: VectorField) -> NDArray[np.float32]:
    """Read a field at positions, linearly; past the edge the edge's value holds.

    Args:
        field: [h, w] or [h, w, N].
        at: [h', w', 2] positions in the field's pixels.
    """
    return remap(field, at, interpolation=cv2.INTER_LINEAR, border=cv2.BORDER_REPLICATE)


def remap(
    field: NDArray[np.float32], at: VectorField, *, interpolation: int, border: int
) -> NDArray[np.float32]:
    """Read a field or picture at positions, with OpenCV's constants for how."""
    # OpenCV's stub forbids the None that OpenCV itself asks for with two-channel positions.
    read: Any = cv2.remap
    return as_field(read(field, at, None, interpolation, borderMode=border))


def resize(field: NDArray[np.float32], *, height: int, width: int) -> NDArray[np.float32]:
    """Bring a field to another grid, linearly; values are not scaled."""
    return as_field(cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR))


def blur(field: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Smooth a field by a Gaussian of `sigma` pixels."""
    return as_field(cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def median(field: VectorField) -> VectorField:
    """Replace each value by the middle one of 5 x 5: specks and blurred seams go, edges stay."""
    channels = [
        cv2.medianBlur(np.ascontiguousarray(field[..., i]), 5) for i in range(field.shape[2])
    ]
    return as_field(np.dstack(channels))


def splat(
    values: VectorField, displacement: VectorField, weight: Field
) -> tuple[VectorField, Field]:
    """Move each pixel's values along its displacement and add them up where they land.

    Args:
        values: [h, w, N] values to carry.
        displacement: [h, w, 2] where each pixel goes.
        weight: [h, w] how much each pixel counts.

    Returns:
        Weighted sums [h, w, N] and the sum of weights [h, w]; both 0 where nothing lands.
    """
    height, width = weight.shape
    at = grid(height, width) + displacement
    left_top = np.floor(at).astype(np.intp)  # what bincount would convert to, each time
    fraction = at - left_top.astype(np.float32)
    channels = [np.ascontiguousarray(values[..., i]).ravel() for i in range(values.shape[2])]
    sums = np.zeros((len(channels) + 1, height * width), np.float64)
    for down in (0, 1):
        for right in (0, 1):
            x = left_top[..., 0] + right
            y = left_top[..., 1] + down
            share_x = fraction[..., 0] if right else 1 - fraction[..., 0]
            share_y = fraction[..., 1] if down else 1 - fraction[..., 1]
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            share = np.where(inside, share_x * share_y * weight, 0).ravel()
            index = np.where(inside, y * width + x, 0).ravel()
            for i, channel in enumerate(channels):
                sums[i] += np.bincount(index, share * channel, height * width)
            sums[-1] += np.bincount(index, share, height * width)
    sums_32 = sums.astype(np.float32)
    total = np.moveaxis(sums_32[:-1].reshape(len(channels), height, width), 0, -1)
    return np.ascontiguousarray(total), sums_32[-1].reshape(height, width)


def fill(weighted: VectorField, weight: Field) -> VectorField:
    """Divide weighted sums by their weights; pixels with little weight take on their surroundings.

    Args:
        weighted: [h, w, N] sums of weight times value.
        weight: [h, w] sums of weight.

    Returns:
        [h, w, N], without holes: coarser and coarser surroundings fill them. All zero where there is no
        weight anywhere.
    """
    height, width = weight.shape
    if height <= 2 or width <= 2:
        total = max(float(weight.sum()), 1e-6)
        mean = weighted.reshape(-1, weighted.shape[2]).sum(axis=0) / np.float32(total)
        around = np.broadcast_to(mean, weighted.shape).astype(np.float32)
    else:
        coarse = fill(_vectors(cv2.pyrDown(weighted)), as_field(cv2.pyrDown(weight)))
        around = _vectors(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    held = weight[..., None]
    filled: VectorField = (weighted + _FILL_PULL * around) / (held + _FILL_PULL)
    return filled


def _vectors(array: Any) -> VectorField:
    """cv2 drops the last axis where it has one channel; put it back."""
    result = as_field(array)
    return result if result.ndim == 3 else result[..., None]
