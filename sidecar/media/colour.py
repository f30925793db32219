"""Own colour arithmetic: code values to R'G'B' and back by the tags, and between layouts without R'G'B'.

swscale is not used: its defaults are BT.601, its 16-bit white is 65280 and its float white 0.9962 (measured).
Here nominal white is exactly 1.0 and nominal black exactly 0.0, and a flat patch comes back to its own code.

Chroma is taken to be sited left (H.264's and ProRes's default): a chroma sample sits on every other luma
column, and for 4:2:0 between two luma rows. It is interpolated linearly, and reduced with the [1 2 1]
filter across and the mean of two down.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from interchange.errors import Reason, UnsupportedError
from interchange.model.media import ColourTags
from sidecar.media.frames import NativeFrame, Plane
from sidecar.media.layout import relay_chroma, shift_depth
from sidecar.pipelines.base import Picture

# H.273 matrix coefficients -> (Kr, Kb).
_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
}
_IDENTITY = 0

Float = NDArray[np.float32]


def to_rgb(frame: NativeFrame) -> Picture:
    """Convert native planes to R'G'B' by the frame's own tags.

    Args:
        frame: Decoded planes.

    Returns:
        float32 [H, W, 3]; nominal black 0.0, nominal white 1.0, super-whites kept.

    Raises:
        UnsupportedError: The matrix is one we do not know.
    """
    depth, full = frame.bit_depth, frame.colour.full_range
    height, width = frame.planes[0].shape
    picture = np.empty((height, width, 3), dtype=np.float32)
    first = _normal_luma(frame.planes[0], depth, full_range=full)
    if frame.chroma == "gray":
        picture[...] = first[..., None]
        return picture
    if frame.chroma == "rgb" or frame.colour.matrix == _IDENTITY:
        # Stored as G, B, R; with matrix 0 the planes are not luma and chroma but these.
        picture[..., 1] = first
        picture[..., 2] = _normal_luma(frame.planes[1], depth, full_range=full)
        picture[..., 0] = _normal_luma(frame.planes[2], depth, full_range=full)
        return picture
    kr, kb = _weights(frame.colour)
    kg = 1.0 - kr - kb
    cb, cr = (
        _full_chroma(_normal_chroma(plane, depth, full_range=full), frame.chroma, (height, width))
        for plane in frame.planes[1:3]
    )
    red = cv2.scaleAdd(cr, 2 * (1 - kr), first)
    blue = cv2.scaleAdd(cb, 2 * (1 - kb), first)
    green = cv2.scaleAdd(cr, -2 * (1 - kr) * kr / kg, first)
    green = cv2.scaleAdd(cb, -2 * (1 - kb) * kb / kg, green)
    cv2.merge((red, green, blue), picture)
    return picture


def from_rgb(picture: Picture, *, chroma: str, bit_depth: int, colour: ColourTags) -> NativeFrame:
    """Convert R'G'B' to code values.

    Args:
        picture: float32 [H, W, 3]; 0.0 is nominal black, 1.0 nominal white.
        chroma: `420`, `422`, `444` or `rgb`.
        bit_depth: Bits per component of the result.
        colour: Tags of the result; `matrix` and `full_range` decide the arithmetic.

    Returns:
        Planes rounded to the nearest code; limited range keeps clear of the codes reserved for sync.

    Raises:
        UnsupportedError: The matrix is one we do not know.
    """
    red, green, blue = (
        np.asarray(part, dtype=np.float32)
        for part in cv2.split(np.ascontiguousarray(picture, dtype=np.float32))
    )
    full = colour.full_range
    if chroma == "rgb":
        planes = tuple(_luma_codes(part, bit_depth, full_range=full) for part in (green, blue, red))
        return NativeFrame(planes, chroma, bit_depth, colour)
    kr, kb = _weights(colour)
    outer = cv2.addWeighted(red, kr, blue, kb, 0.0)
    luma = np.asarray(cv2.scaleAdd(green, 1.0 - kr - kb, outer), dtype=np.float32)
    # Differences first, then the filter: exactly neutral stays exactly neutral.
    cb = _reduced_chroma(blue - luma, chroma)
    cr = _reduced_chroma(red - luma, chroma)
    return NativeFrame(
        (
            _luma_codes(luma, bit_depth, full_range=full),
            _chroma_codes(cb, 0.5 / (1 - kb), bit_depth, full_range=full),
            _chroma_codes(cr, 0.5 / (1 - kr), bit_depth, full_range=full),
        ),
        chroma,
        bit_depth,
        colour,
    )


def to_layout(
    frame: NativeFrame, *, chroma: str, bit_depth: int, colour: ColourTags
) -> NativeFrame:
    """Bring a kept frame into the delivery layout, changing as little as possible.

    The same layout and matrix give the very same planes. Where only depth or subsampling differ, luma is
    shifted, never recomputed: more bits are exact, 8-bit 4:2:0 to 10-bit 4:2:2 is exact in chroma too
    (a quarter of a code is what two more bits hold). Only another matrix or range goes through R'G'B'.

    Args:
        frame: As decoded.
        chroma: Wanted subsampling.
        bit_depth: Wanted bits per component.
        colour: Wanted tags.
    """
    source = frame.colour
    same_arithmetic = source.full_range == colour.full_range and (
        frame.chroma == "gray" or _same_matrix(source.matrix, colour.matrix)
    )
    if frame.chroma == "rgb" or chroma == "rgb" or not same_arithmetic or colour.full_range:
        if frame.chroma == chroma and frame.bit_depth == bit_depth and same_arithmetic:
            return frame
        return from_rgb(to_rgb(frame), chroma=chroma, bit_depth=bit_depth, colour=colour)
    luma = shift_depth(frame.planes[0], frame.bit_depth, bit_depth)
    if frame.chroma == "gray":
        height, width = luma.shape
        rows = (height + 1) // 2 if chroma == "420" else height
        columns = width if chroma == "444" else (width + 1) // 2
        neutral = np.full((rows, columns), 1 << (bit_depth - 1), dtype=np.uint16)
        return NativeFrame((luma, neutral, neutral), chroma, bit_depth, colour)
    parts = tuple(
        relay_chroma(
            plane,
            layouts=(frame.chroma, chroma),
            depths=(frame.bit_depth, bit_depth),
            luma_shape=(luma.shape[0], luma.shape[1]),
        )
        for plane in frame.planes[1:3]
    )
    return NativeFrame((luma, *parts), chroma, bit_depth, colour)


def _weights(colour: ColourTags) -> tuple[float, float]:
    weights = _LUMA_WEIGHTS.get(colour.matrix)
    if weights is None:
        raise UnsupportedError(
            f"The picture's colour matrix (H.273 code {colour.matrix}) is not one we can read. Transcode "
            "it in your NLE to BT.709 or BT.2020 and relink the clip.",
            reason=Reason.MEDIA_UNSUPPORTED,
            metadata={"matrix": str(colour.matrix)},
        )
    return weights


def _same_matrix(one: int, other: int) -> bool:
    return one == other or _LUMA_WEIGHTS.get(one, one) == _LUMA_WEIGHTS.get(other, other)


def _normal_luma(plane: Plane, depth: int, *, full_range: bool) -> Float:
    values = plane.astype(np.float32)
    if full_range:
        values /= np.float32((1 << depth) - 1)
        return values
    unit = 1 << (depth - 8)
    values -= np.float32(16 * unit)
    # Divided, not multiplied by the inverse: white must be 1.0 to the last bit.
    values /= np.float32(219 * unit)
    return values


def _normal_chroma(plane: Plane, depth: int, *, full_range: bool) -> Float:
    values = plane.astype(np.float32)
    values -= np.float32(1 << (depth - 1))
    values /= np.float32((1 << depth) - 1 if full_range else 224 << (depth - 8))
    return values


def _luma_codes(values: Float, depth: int, *, full_range: bool) -> Plane:
    top = (1 << depth) - 1
    if full_range:
        return _codes(values, float(top), 0.0, (0, top))
    unit = 1 << (depth - 8)
    return _codes(values, 219.0 * unit, 16.0 * unit, (unit, top - unit))


def _chroma_codes(values: Float, scale: float, depth: int, *, full_range: bool) -> Plane:
    top = (1 << depth) - 1
    unit = 1 << (depth - 8)
    middle = float(1 << (depth - 1))
    if full_range:
        return _codes(values, scale * top, middle, (0, top))
    return _codes(values, scale * 224.0 * unit, middle, (unit, top - unit))


def _codes(values: Float, scale: float, offset: float, limits: tuple[int, int]) -> Plane:
    scaled = values * np.float32(scale)
    scaled += np.float32(offset)
    np.rint(scaled, out=scaled)
    np.clip(scaled, limits[0], limits[1], out=scaled)
    return scaled.astype(np.uint16)


def _full_chroma(part: Float, chroma: str, shape: tuple[int, int]) -> Float:
    """Interpolate chroma to luma's size."""
    if chroma == "420":
        part = _doubled_rows(part, shape[0])
    return _doubled_columns(part, shape[1]) if chroma in {"420", "422"} else part


def _doubled_rows(part: Float, height: int) -> Float:
    """Rows sited between two luma rows: three quarters of the near one and a quarter of the far one."""
    above = np.concatenate((part[:1], part[:-1]))
    below = np.concatenate((part[1:], part[-1:]))
    rows = np.empty((2 * part.shape[0], part.shape[1]), dtype=np.float32)
    rows[0::2] = cv2.addWeighted(part, 0.75, above, 0.25, 0.0)
    rows[1::2] = cv2.addWeighted(part, 0.75, below, 0.25, 0.0)
    return rows[:height]


def _doubled_columns(part: Float, width: int) -> Float:
    """Columns sited on every other luma column: those, and the mean of two between them."""
    columns = np.empty((part.shape[0], 2 * part.shape[1]), dtype=np.float32)
    columns[:, 0::2] = part
    columns[:, 1:-1:2] = (part[:, :-1] + part[:, 1:]) * np.float32(0.5)
    columns[:, -1] = part[:, -1]
    return np.ascontiguousarray(columns[:, :width])


def _reduced_chroma(part: Float, chroma: str) -> Float:
    if chroma == "444":
        return part
    kernel = np.array([[0.25, 0.5, 0.25]], dtype=np.float32)
    columns = cv2.filter2D(part, -1, kernel, borderType=cv2.BORDER_REPLICATE)[:, 0::2]
    if chroma == "422":
        return np.asarray(columns, dtype=np.float32)
    if columns.shape[0] % 2:
        columns = np.concatenate((columns, columns[-1:]))
    return np.asarray((columns[0::2] + columns[1::2]) * np.float32(0.5), dtype=np.float32)
