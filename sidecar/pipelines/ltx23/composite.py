"""Parts of pictures: which are made, what the model sees around what is kept, and how both are put together.

Where a mask is 0 the delivered pixel is the source's own, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from interchange.model.directive import Box
from interchange.model.media import Raster
from sidecar.pipelines.base import Picture, SourcePictures
from sidecar.pipelines.ltx23.opening import PictureMask

_EDGE_SHARE: Final = 0.02
"""Width of a soft edge, as a share of the picture's longer side."""
_LARGEST_OFFSET: Final = 0.25
"""Colour that is carried from a kept edge outwards, at most: more is another thing, not another colour."""

_PictureAt = Callable[[int], Picture]


def part_of_picture(matte: SourcePictures | None, box: Box | None, raster: Raster) -> PictureMask:
    """Make a matte's white, or a box, or where there are both, what is white within the box.

    Args:
        matte: White where the picture is made; by record frame.
        box: In pixels of the raster.
        raster: Of the picture.
    """
    inside = np.ones((raster.height_px, raster.width_px), np.float32)
    if box is not None:
        inside = _box_mask(box, raster)

    def mask(record_frame: int) -> NDArray[np.float32]:
        if matte is None:
            return inside
        white = np.clip(matte.picture(record_frame).mean(axis=2), 0.0, 1.0)
        # Codecs leave black a little above nothing; below one part in a hundred nobody has drawn anything.
        masked: NDArray[np.float32] = np.where(white < 0.01, 0.0, white * inside).astype(np.float32)
        return masked

    return mask


def beyond_box(box: Box, raster: Raster) -> PictureMask:
    """Make what is around a box."""
    around = np.float32(1.0) - _box_mask(box, raster)
    return lambda _record_frame: around


def soft_share(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of the made picture shows: the mask, with an edge that rises within it; 0 wherever it is 0.

    Args:
        mask: float32 [H, W].

    Returns:
        float32 [H, W, 1]. The picture's own border is no edge.
    """
    made = np.pad((mask > 0.0).astype(np.uint8), 1, mode="edge")
    distance = cv2.distanceTransform(made, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    width = max(1.0, _EDGE_SHARE * max(mask.shape))
    ramp = np.clip(distance / np.float32(width), 0.0, 1.0)
    share: NDArray[np.float32] = np.minimum(mask, ramp)[..., None].astype(np.float32)
    return share


def composited(made: Picture, own: Picture, mask: NDArray[np.float32]) -> Picture:
    """The made picture within the mask, softly; the source's own pixels where the mask is 0."""
    share = soft_share(mask)
    blended: Picture = np.where(share > 0.0, own + (made - own) * share, own).astype(np.float32)
    return blended


def surrounded(made: Picture, own: Picture, box: Box) -> Picture:
    """The source's own pixels in the box, what was made around them, and no step of colour between.

    There is no picture of the source to blend with out there: the difference along the edge is carried outwards
    instead, smoothed and fading.

    Args:
        made: The whole picture as the model sees it, the box included.
        own: The source's.
        box: Where its own pixels are.
    """
    height, width, _ = made.shape
    rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
    reach = max(1.0, 2.0 * _EDGE_SHARE * max(height, width))
    difference = np.clip(
        own[rows, columns] - made[rows, columns], -_LARGEST_OFFSET, _LARGEST_OFFSET
    )
    smooth = cv2.blur(difference, (int(reach) | 1, int(reach) | 1), borderType=cv2.BORDER_REPLICATE)
    carried = cv2.copyMakeBorder(
        np.asarray(smooth, np.float32),
        box.y, height - box.y - box.height, box.x, width - box.x - box.width,
        cv2.BORDER_REPLICATE,
    )  # fmt: skip
    outside = np.ones((height, width), np.uint8)
    outside[rows, columns] = 0
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    fading = np.clip(1.0 - distance / np.float32(reach), 0.0, 1.0)[..., None]
    result: Picture = (made + carried * fading).astype(np.float32)
    result[rows, columns] = own[rows, columns]
    return result


def filled_around(picture: _PictureAt, box: Box) -> _PictureAt:
    """Mirror a picture's own pixels outwards: the model sees no black that it would go on painting."""

    def filled(record_frame: int) -> Picture:
        whole = picture(record_frame)
        height, width, _ = whole.shape
        own = whole[box.y : box.y + box.height, box.x : box.x + box.width]
        around = (
            (box.y, height - box.y - box.height),
            (box.x, width - box.x - box.width),
            (0, 0),
        )
        return np.pad(own, around, mode="symmetric")

    return filled


def outlines(picture: _PictureAt) -> _PictureAt:
    """White edges on black: what an IC-LoRA for outlines was trained to follow."""

    def drawn(record_frame: int) -> Picture:
        codes = (np.clip(picture(record_frame), 0.0, 1.0) * 255.0).astype(np.uint8)
        edges = cv2.Canny(cv2.cvtColor(codes, cv2.COLOR_RGB2GRAY), 100, 200)
        return np.repeat(edges[..., None].astype(np.float32) / 255.0, 3, axis=2)

    return drawn


def _box_mask(box: Box, raster: Raster) -> NDArray[np.float32]:
    mask = np.zeros((raster.height_px, raster.width_px), np.float32)
    mask[box.y : box.y + box.height, box.x : box.x + box.width] = 1.0
    return mask
