"""The picture behind a mover: filled from other pictures that show what it hides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from sidecar.pipelines.animatic.fields import (
    Field,
    VectorField,
    as_field,
    blur,
    fill,
    grid,
    remap,
    resize,
)
from sidecar.pipelines.base import Picture

_SOFT_PX: Final = 1.5  # working pixels over which the filled part goes over into the picture
_FALLBACK: Final = 1e-3  # weight of what merely surrounds a pixel that no picture shows


@dataclass(frozen=True, slots=True)
class Behind:
    """Another picture that shows the ground.

    Args:
        picture: [H, W, 3].
        way: [h, w, 2] the ground's way into it, in working pixels.
        hidden: [h, w] 0..1 where it is hidden in that picture, on that picture's working grid.
        weight: How much it counts.
    """

    picture: Picture
    way: VectorField
    hidden: Field
    weight: float


def without_movers(picture: Picture, hole: Field, sources: list[Behind]) -> Picture:
    """Fill the hidden part of a picture from others, and what none of them shows from its surroundings.

    Args:
        picture: [H, W, 3].
        hole: [h, w] 0 or 1, what is to be filled, on the working grid.
        sources: Where to take it from.
    """
    height, width = picture.shape[:2]
    scale_x, scale_y = width / hole.shape[1], height / hole.shape[0]
    soft = resize(np.maximum(hole, blur(hole, _SOFT_PX)), height=height, width=width)
    rows, columns = np.flatnonzero(soft.any(axis=1)), np.flatnonzero(soft.any(axis=0))
    if not rows.size:
        return picture
    margin = 8 + round(0.01 * width)
    top, bottom = max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + margin)
    left, right = max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + margin)
    part = np.s_[top:bottom, left:right]
    cover = np.ascontiguousarray(soft[part])
    weight = np.where(cover > 0, 0, _FALLBACK * 10).astype(np.float32)
    total = picture[part] * weight[..., None]
    for source in sources:
        at = grid(bottom - top, right - left) + np.array([left, top], np.float32)
        way = resize(source.way, height=height, width=width)[part]
        at = as_field(at + way * np.array([scale_x, scale_y], np.float32))
        shown = remap(
            source.picture, at, interpolation=cv2.INTER_CUBIC, border=cv2.BORDER_REPLICATE
        )
        on_grid = as_field(at / np.array([scale_x, scale_y], np.float32))
        seen = 1 - remap(
            source.hidden, on_grid, interpolation=cv2.INTER_LINEAR, border=cv2.BORDER_REPLICATE
        )
        inside = (at[..., 0] >= 0) & (at[..., 0] <= width - 1)
        inside &= (at[..., 1] >= 0) & (at[..., 1] <= height - 1)
        counts = as_field(np.where(inside, np.square(seen), 0) * source.weight)
        total += shown * counts[..., None]
        weight += counts
    around = fill(picture[part] * (cover <= 0)[..., None], as_field(cover <= 0))
    filled = (total + around * np.float32(_FALLBACK)) / (weight + np.float32(_FALLBACK))[..., None]
    cleaned = picture.copy()
    cleaned[part] += (filled - picture[part]) * cover[..., None]
    return cleaned
