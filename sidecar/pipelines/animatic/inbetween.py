"""Pictures between two moments: both sides travel along each pixel's path and meet; not a dissolve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.animatic.fields import (
    Field,
    VectorField,
    as_field,
    blur,
    fill,
    grid,
    median,
    resize,
    splat,
)
from sidecar.pipelines.animatic.flow import Correspondence
from sidecar.pipelines.animatic.motion import Paths, Velocity, plan_paths
from sidecar.pipelines.animatic.plate import Plate
from sidecar.pipelines.base import Picture

_GHOST_LEVEL: Final = 0.06
"""Difference between the two sides, in R'G'B', from which a blend of them shows as a double."""

_BORDER_SHARE: Final = 0.03
"""Width of the strip, in picture widths, over which one side gives way to the other at its border."""


@dataclass(frozen=True, slots=True)
class Inbetween:
    """Everything needed for the pictures between two others.

    Args:
        first: Picture at moment 0.
        second: Picture at moment 1, on the same grid.
        from_first: Paths of the first picture's pixels.
        from_second: Paths of the second picture's pixels, told from moment 0 as well.
        first_cover: [h, w] how strongly the first picture's pixels cover others where they land.
        second_cover: Likewise the second's.
    """

    first: Plate
    second: Plate
    from_first: Paths
    from_second: Paths
    first_cover: Field
    second_cover: Field

    @classmethod
    def plan(
        cls,
        first: Plate,
        second: Plate,
        *,
        match: Correspondence,
        leaving: Velocity | None,
        arriving: Velocity | None,
        interval: int,
    ) -> Inbetween:
        """Plan the paths between two pictures `interval` frames apart."""
        return cls(
            first,
            second,
            plan_paths(
                match.forward, leaving=leaving, arriving=arriving, interval=interval, at_end=False
            ),
            plan_paths(
                -match.backward, leaving=leaving, arriving=arriving, interval=interval, at_end=True
            ),
            match.forward_cover,
            match.backward_cover,
        )

    def picture(self, moment: float) -> Picture:
        """Make the picture at a moment between 0 and 1."""
        to_first, to_second, share = self._where_from(moment)
        one = self.first.warped(to_first)
        other = self.second.warped(to_second)
        height, width = one.shape[:2]
        share_full = resize(share, height=height, width=width)
        return _blend(one, other, share_full)

    def _where_from(self, moment: float) -> tuple[VectorField, VectorField, Field]:
        """For each pixel at `moment`: the way to its place in either picture, and the second's share."""
        first_way = self.from_first.travelled(moment)
        second_way = self.from_second.travelled(moment) - self.from_second.way
        both_1 = np.dstack((-first_way, self.from_first.way - first_way))
        both_2 = np.dstack((-second_way - self.from_second.way, -second_way))
        sum_1, weight_1 = splat(both_1, first_way, self.first_cover)
        sum_2, weight_2 = splat(both_2, second_way, self.second_cover)
        near_1, near_2 = np.float32(1 - moment), np.float32(moment)
        weight = near_1 * weight_1 + near_2 * weight_2
        ways = fill(near_1 * sum_1 + near_2 * sum_2, weight)
        ways = blur(median(ways), 0.5)
        seen_1 = near_1 * (blur(weight_1, 0.7) + 1e-4) * self._inside(ways[..., :2])
        seen_2 = near_2 * (blur(weight_2, 0.7) + 1e-4) * self._inside(ways[..., 2:])
        share = as_field(seen_2 / (seen_1 + seen_2 + 1e-30))
        return ways[..., :2], ways[..., 2:], share

    def _inside(self, way: VectorField) -> Field:
        """1 well inside, falling smoothly towards the border and on past it.

        A step would show as a seam, at the border and in a corner that neither side knows.
        """
        height, width = way.shape[:2]
        at = grid(height, width) + way
        margin_x = np.minimum(at[..., 0], width - 1 - at[..., 0])
        margin_y = np.minimum(at[..., 1], height - 1 - at[..., 1])
        depth = np.minimum(margin_x, margin_y) / (_BORDER_SHARE * width)
        return as_field(1 / (1 + np.exp(np.clip(4 - 8 * depth, -30, 30))))


def _blend(one: Picture, other: Picture, share: NDArray[np.float32]) -> Picture:
    """Mix by share; where the sides differ the nearer one takes over quickly, so that nothing doubles."""
    height, width = share.shape
    shrink = max(1, width // 480)
    small_height, small_width = max(1, height // shrink), max(1, width // shrink)
    apart = as_field(cv2.absdiff(one, other))
    most = np.maximum(np.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])
    small = cv2.resize(most, (small_width, small_height), interpolation=cv2.INTER_AREA)
    double = np.clip(blur(as_field(small), 1.5) / _GHOST_LEVEL - 0.5, 0, 1)
    double = resize(double, height=height, width=width)
    steep = np.clip(share * 4 - 1.5, 0, 1)
    steep = steep * steep * (3 - 2 * steep)
    mix = share + (steep - share) * double
    mixed = other - one
    mixed *= mix[..., None]
    mixed += one
    return mixed
