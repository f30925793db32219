"""A cut-out laid over a picture: one mover as a whole, along one path, whichever side shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.animatic.alignment import Affine
from sidecar.pipelines.animatic.fields import Field, as_field, fill, resize
from sidecar.pipelines.animatic.flow import WorkingSize
from sidecar.pipelines.animatic.movers import Box
from sidecar.pipelines.base import Picture

_WAYWARDNESS: Final = 1.0  # how far, in lengths of the whole way, a tangent may depart from it
_OPAQUE: Final = 0.8  # cover from which a pixel's colour is the mover's own
_EDGE_PX: Final = 1.5  # working pixels over which a mover's edge is soft
_MARGIN_PX: Final = 3  # working pixels kept around a cut-out, so that its soft edge is whole


@dataclass(frozen=True, slots=True)
class Cutout:
    """A part of a picture with its matte.

    Args:
        left: Column of its left edge in the picture.
        top: Row of its top edge.
        colour: [h, w, 4] R'G'B' times cover, and cover.
        known: [h, w] 1 where the picture shows the mover or shows that it is not there; 0 where something
            else is in front.
    """

    left: int
    top: int
    colour: NDArray[np.float32]
    known: Field

    @classmethod
    def of(cls, picture: Picture, cover: Field, known: Field, *, box: Box) -> Cutout:
        """Cut a part out of a picture.

        Args:
            picture: [H, W, 3].
            cover: [h, w] on the working grid.
            known: [h, w] likewise.
            box: What encloses the cover, on the working grid.
        """
        height, width = picture.shape[:2]
        grown = box.grown(_MARGIN_PX, within=(cover.shape[0], cover.shape[1]))
        scale_x, scale_y = width / cover.shape[1], height / cover.shape[0]
        left, right = int(grown.left * scale_x), min(width, int(np.ceil(grown.right * scale_x)))
        top, bottom = int(grown.top * scale_y), min(height, int(np.ceil(grown.bottom * scale_y)))
        alpha = resize(cover, height=height, width=width)[top:bottom, left:right]
        part = picture[top:bottom, left:right]
        # At its soft edge a mover is mixed with what was behind it; its own colour comes from inside.
        inside = as_field(alpha > _OPAQUE)
        own = fill(part * inside[..., None], inside)
        # Where it is half there over more than an edge's width, what is seen is all there is to go by.
        side = 2 * max(1, round(_EDGE_PX * scale_x)) + 1
        beside = cv2.dilate(inside, np.ones((side, side), np.uint8)) - inside
        own = np.where(beside[..., None] > 0, own, part)
        colour = np.dstack((own * alpha[..., None], alpha)).astype(np.float32)
        seen = resize(known, height=height, width=width)[top:bottom, left:right]
        return cls(left, top, colour, np.ascontiguousarray(seen))

    def placed(
        self, motion: Affine, *, left: int, top: int, size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], Field]:
        """Colour and what is known of it, in a part of another picture.

        Args:
            motion: From that picture to this one, in picture pixels.
            left: Column where that part begins.
            top: Row where that part begins.
            size: Its width and height.
        """
        shifted = motion.copy()
        shifted[:, 2] += motion[:, :2] @ np.array([left, top]) - np.array([self.left, self.top])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        colour = cv2.warpAffine(self.colour, shifted, size, flags=flags)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        known = cv2.warpAffine(self.known, shifted, size, flags=flags, borderValue=1.0)
        return as_field(colour), as_field(known)


@dataclass(frozen=True, slots=True)
class Passage:
    """The way of one mover over a gap.

    Args:
        first: As cut out before the gap.
        second: As cut out after it.
        motion: From the first picture to the second, in picture pixels.
        centre: [2] its middle in the first picture.
        leaving: [2] how far it would go over the whole gap at the speed it leaves with.
        arriving: [2] likewise at the speed it arrives with.
    """

    first: Cutout
    second: Cutout
    motion: Affine
    centre: NDArray[np.float64]
    leaving: NDArray[np.float64]
    arriving: NDArray[np.float64]

    def lay_over(self, picture: Picture, moment: float) -> None:
        """Lay the mover over a picture at a moment between 0 and 1, in place."""
        from_first = self._moved(moment)
        to_first = np.asarray(cv2.invertAffineTransform(from_first), np.float64)
        to_second = _joined(self.motion, to_first)
        height, width = picture.shape[:2]
        left, top, right, bottom = self._reach(from_first, to_second, width=width, height=height)
        if left >= right or top >= bottom:
            return
        size = (right - left, bottom - top)
        one, one_known = self.first.placed(to_first, left=left, top=top, size=size)
        other, other_known = self.second.placed(to_second, left=left, top=top, size=size)
        share = moment * moment * (3 - 2 * moment)
        weight_1 = one_known * np.float32(1 - share) + np.float32(1e-6)
        weight_2 = other_known * np.float32(share) + np.float32(1e-6)
        total = weight_1 + weight_2
        mixed = (one * weight_1[..., None] + other * weight_2[..., None]) / total[..., None]
        region = picture[top:bottom, left:right]
        region *= 1 - np.clip(mixed[..., 3:], 0, 1)
        region += mixed[..., :3]

    def _moved(self, moment: float) -> Affine:
        """From the first picture to the one at a moment: a cubic path; turn and growth are steady."""
        t, t2, t3 = moment, moment**2, moment**3
        way = self.motion[:, :2] @ self.centre + self.motion[:, 2] - self.centre
        travelled = (
            (3 * t2 - 2 * t3) * way
            + (t3 - 2 * t2 + t) * _tempered(self.leaving, way)
            + (t3 - t2) * _tempered(self.arriving, way)
        )
        linear = np.eye(2) * (1 - t) + self.motion[:, :2] * t
        shift = self.centre + travelled - linear @ self.centre
        return np.column_stack((linear, shift))

    def _reach(
        self, from_first: Affine, to_second: Affine, *, width: int, height: int
    ) -> tuple[int, int, int, int]:
        """What encloses both cut-outs in the picture: left, top, right, bottom."""
        from_second = np.asarray(cv2.invertAffineTransform(to_second), np.float64)
        corners = np.concatenate(
            [
                _corners(cutout) @ motion[:, :2].T + motion[:, 2]
                for cutout, motion in ((self.first, from_first), (self.second, from_second))
            ]
        )
        low = np.floor(corners.min(axis=0)).astype(int) - 2
        high = np.ceil(corners.max(axis=0)).astype(int) + 3
        return max(0, low[0]), max(0, low[1]), min(width, high[0]), min(height, high[1])


def in_picture_pixels(motion: Affine, size: WorkingSize) -> Affine:
    """A motion on the working grid, told in pixels of the picture."""
    scale = np.array([size.scale_x, size.scale_y])
    offset = (scale - 1) / 2
    linear = scale[:, None] * motion[:, :2] / scale[None, :]
    return np.column_stack((linear, scale * motion[:, 2] + offset - linear @ offset))


def _tempered(tangent: NDArray[np.float64], way: NDArray[np.float64]) -> NDArray[np.float64]:
    departure = tangent - way
    length = float(np.linalg.norm(departure))
    most = _WAYWARDNESS * float(np.linalg.norm(way)) + 4.0
    tempered: NDArray[np.float64] = way + departure * min(1.0, most / (length + 1e-6))
    return tempered


def _joined(after: Affine, before: Affine) -> Affine:
    linear = after[:, :2] @ before[:, :2]
    return np.column_stack((linear, after[:, :2] @ before[:, 2] + after[:, 2]))


def _corners(cutout: Cutout) -> NDArray[np.float64]:
    height, width = cutout.known.shape
    left, top = cutout.left, cutout.top
    return np.array(
        [(left, top), (left + width, top), (left, top + height), (left + width, top + height)],
        np.float64,
    )
