"""How a picture lies in a raster of another size, and the raster that gives it another aspect. Pure."""

from __future__ import annotations

from fractions import Fraction

from interchange.model.directive import Aspect, Box
from interchange.model.media import Raster
from interchange.timebase import round_half_up


def fitted_box(picture: Raster, raster: Raster) -> Box:
    """Where a picture lies when it is fitted into a raster: whole, in the middle, never squeezed.

    One that would grow by less than two pixels keeps its own size: resampling would cost more than it gains.

    Args:
        picture: The picture's own size.
        raster: What it goes into.

    Returns:
        In pixels of `raster`. Offsets of pictures that keep their size are even, so that no chroma moves.
    """
    wide, high = raster.width_px, raster.height_px
    if keeps_size(picture, raster):
        left, top = (wide - picture.width_px) // 2, (high - picture.height_px) // 2
        return Box(left - left % 2, top - top % 2, picture.width_px, picture.height_px)
    aspect = picture.pixel_aspect / raster.pixel_aspect
    across = picture.width_px * aspect
    scale = min(wide / across, Fraction(high, picture.height_px))
    width = min(wide, max(1, round_half_up(across * scale)))
    height = min(high, max(1, round_half_up(picture.height_px * scale)))
    return Box((wide - width) // 2, (high - height) // 2, width, height)


def keeps_size(picture: Raster, raster: Raster) -> bool:
    """Whether a picture goes into a raster as it is, pixel for pixel.

    Args:
        picture: The picture's own size.
        raster: What it goes into; one side may be up to a pixel larger, the other as large as it likes.
    """
    spare = (raster.width_px - picture.width_px, raster.height_px - picture.height_px)
    same_pixels = picture.pixel_aspect == raster.pixel_aspect
    return same_pixels and min(spare) in {0, 1}


def reframed_raster(picture: Raster, aspect: Aspect) -> Raster:
    """The smallest raster of an aspect that holds a picture's own pixels at their own size.

    Args:
        picture: The picture's own size.
        aspect: Width to height of the frame on screen.

    Returns:
        Both sides even; one is the picture's own, the other exceeds the aspect by less than two pixels. The
        picture's own raster, made even, where it has that aspect already.
    """
    wanted = Fraction(aspect.width, aspect.height) / picture.pixel_aspect
    width, height = _even(picture.width_px), _even(picture.height_px)
    if wanted * picture.height_px >= picture.width_px:
        width = max(width, _even(wanted * picture.height_px))
    else:
        height = max(height, _even(picture.width_px / wanted))
    return Raster(width, height, picture.pixel_aspect)


def _even(length: Fraction | int) -> int:
    return -(-length // 2) * 2
