"""Between pixel layouts in whole code values: depth and chroma subsampling, with one rounding at most.

Chroma is sited left; see `sidecar.media.colour` for what that means.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidecar.media.frames import Plane

_Wide = NDArray[np.uint16] | NDArray[np.uint32]


def shift_depth(plane: Plane, depth: int, wanted: int) -> Plane:
    """Change the depth of limited-range codes, whose scales are powers of two apart.

    Args:
        plane: Codes at `depth` bits.
        depth: Bits they have.
        wanted: Bits they get; more is exact, fewer rounds to nearest.
    """
    if depth == wanted:
        return plane
    if depth < wanted:
        return np.left_shift(plane, np.uint16(wanted - depth))
    return _rounded_shift(plane.astype(np.uint32), depth - wanted, wanted)


def relay_chroma(
    plane: Plane,
    *,
    layouts: tuple[str, str],
    depths: tuple[int, int],
    luma_shape: tuple[int, int],
) -> Plane:
    """Change a chroma plane's subsampling and depth with integer weights and one rounding.

    Args:
        plane: Limited-range codes.
        layouts: (is, wanted), each `420`, `422` or `444`.
        depths: (is, wanted) bits per component.
        luma_shape: (height, width) of the luma plane, which may be odd.
    """
    chroma, wanted = layouts
    depth, wanted_depth = depths
    if chroma == wanted:
        return shift_depth(plane, depth, wanted_depth)
    # Weights add up to 8 at most: 12-bit codes fit into 16 bits with them.
    values: _Wide = plane if depth <= 12 else plane.astype(np.uint32)
    weight_bits = 0
    if chroma == "420":
        values = _doubled_rows(values)[: luma_shape[0]]
        weight_bits += 2
    if wanted == "444":
        values = _doubled_columns(values)[:, : luma_shape[1]]
        weight_bits += 1
    elif chroma == "444":
        values = _halved_columns(values)
        weight_bits += 2
    if wanted == "420":
        values = _halved_rows(values)
        weight_bits += 1
    shift = depth + weight_bits - wanted_depth
    if shift <= 0:
        return np.left_shift(values, -shift).astype(np.uint16)
    return _rounded_shift(values.astype(np.uint32), shift, wanted_depth)


def _rounded_shift(values: NDArray[np.uint32], shift: int, depth: int) -> Plane:
    rounded = np.right_shift(values + np.uint32((1 << shift) >> 1), np.uint32(shift))
    codes: Plane = np.minimum(rounded, np.uint32((1 << depth) - 1)).astype(np.uint16)
    return codes


def _doubled_rows(values: _Wide) -> _Wide:
    """Four times the rows sited between luma rows, at those: 3 of the near one, 1 of the far one."""
    rows = np.empty((2 * values.shape[0], values.shape[1]), dtype=values.dtype)
    three = np.multiply(values, 3, dtype=values.dtype)
    even, odd = rows[0::2], rows[1::2]
    np.add(three[1:], values[:-1], out=even[1:])
    np.add(three[0], values[0], out=even[0])
    np.add(three[:-1], values[1:], out=odd[:-1])
    np.add(three[-1], values[-1], out=odd[-1])
    return rows


def _doubled_columns(values: _Wide) -> _Wide:
    """Twice the columns sited on every other luma column, at each of them."""
    columns = np.empty((values.shape[0], 2 * values.shape[1]), dtype=values.dtype)
    np.add(values, values, out=columns[:, 0::2])
    np.add(values[:, :-1], values[:, 1:], out=columns[:, 1:-1:2])
    np.add(values[:, -1], values[:, -1], out=columns[:, -1])
    return columns


def _halved_columns(values: _Wide) -> _Wide:
    """Four times every other column, filtered [1 2 1]."""
    padded = np.pad(values, ((0, 0), (1, 1)), mode="edge")
    summed = np.add(padded[:, :-2], padded[:, 2:], dtype=values.dtype)
    summed = np.add(summed, np.multiply(values, 2, dtype=values.dtype), dtype=values.dtype)
    every_other: _Wide = summed[:, 0::2]
    return every_other


def _halved_rows(values: _Wide) -> _Wide:
    """Twice the mean of each two rows."""
    whole = np.pad(values, ((0, values.shape[0] % 2), (0, 0)), mode="edge")
    pairs: _Wide = np.add(whole[0::2], whole[1::2], dtype=values.dtype)
    return pairs
