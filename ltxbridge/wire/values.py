"""Rates, ranges, fractions, rasters and colours."""

from __future__ import annotations

from fractions import Fraction

from interchange.errors import Reason
from interchange.model.directive import Aspect, Box
from interchange.model.media import ColourTags, Raster
from interchange.timebase import FrameRate, TimeRange
from ltxbridge.v1 import request_pb2, time_pb2
from ltxbridge.wire.fields import at_least, invalid, require

_MAX_SIDE_PX = 65_536


def rate_to_proto(rate: FrameRate) -> time_pb2.FrameRate:
    """Write a frame rate."""
    return time_pb2.FrameRate(numerator=rate.numerator, denominator=rate.denominator)


def rate_from_proto(message: time_pb2.FrameRate, *, at: str) -> FrameRate:
    """Read a frame rate.

    Raises:
        InvalidInputError: Zero or below.
    """
    return FrameRate(
        at_least(message.numerator, 1, at=f"{at}.numerator"),
        at_least(message.denominator, 1, at=f"{at}.denominator"),
    )


def range_to_proto(time_range: TimeRange) -> time_pb2.TimeRange:
    """Write a half-open range."""
    return time_pb2.TimeRange(
        start_frame=time_range.start,
        length_frames=time_range.length,
        rate=rate_to_proto(time_range.rate),
    )


def range_from_proto(message: time_pb2.TimeRange, *, at: str) -> TimeRange:
    """Read a half-open range.

    Raises:
        InvalidInputError: No rate, or a length below zero (RANGE_INVALID).
    """
    require(message, "rate", at=at)
    if message.length_frames < 0:
        raise invalid(
            f"{at}.length_frames",
            f"must not be below zero ({message.length_frames})",
            reason=Reason.RANGE_INVALID,
        )
    rate = rate_from_proto(message.rate, at=f"{at}.rate")
    return TimeRange.of_length(message.start_frame, message.length_frames, rate)


def filled_range_from_proto(message: time_pb2.TimeRange, *, at: str) -> TimeRange:
    """Read a half-open range that has at least one frame.

    Raises:
        InvalidInputError: As `range_from_proto`, or no frame.
    """
    time_range = range_from_proto(message, at=at)
    if time_range.length == 0:
        raise invalid(f"{at}.length_frames", "must be above zero", reason=Reason.RANGE_INVALID)
    return time_range


def fraction_to_proto(value: Fraction) -> time_pb2.Rational:
    """Write an exact number."""
    return time_pb2.Rational(numerator=value.numerator, denominator=value.denominator)


def fraction_from_proto(message: time_pb2.Rational, *, at: str) -> Fraction:
    """Read an exact number.

    Raises:
        InvalidInputError: The denominator is zero or below.
    """
    return Fraction(message.numerator, at_least(message.denominator, 1, at=f"{at}.denominator"))


def raster_to_proto(raster: Raster) -> request_pb2.Raster:
    """Write a picture size; square pixels stay unset."""
    message = request_pb2.Raster(width_px=raster.width_px, height_px=raster.height_px)
    if raster.pixel_aspect != 1:
        message.pixel_aspect.CopyFrom(fraction_to_proto(raster.pixel_aspect))
    return message


def raster_from_proto(message: request_pb2.Raster, *, at: str) -> Raster:
    """Read a picture size.

    Raises:
        InvalidInputError: A side outside 1..65536, or a pixel aspect of zero or below.
    """
    for name, side in (("width_px", message.width_px), ("height_px", message.height_px)):
        if not 1 <= side <= _MAX_SIDE_PX:
            raise invalid(f"{at}.{name}", f"must be between 1 and {_MAX_SIDE_PX}, not {side}")
    if not message.HasField("pixel_aspect"):
        return Raster(message.width_px, message.height_px)
    aspect = fraction_from_proto(message.pixel_aspect, at=f"{at}.pixel_aspect")
    if aspect <= 0:
        raise invalid(f"{at}.pixel_aspect.numerator", "must be above zero")
    return Raster(message.width_px, message.height_px, aspect)


def colour_to_proto(colour: ColourTags) -> request_pb2.ColourTags:
    """Write colour tags."""
    return request_pb2.ColourTags(
        primaries=colour.primaries,
        transfer=colour.transfer,
        matrix=colour.matrix,
        full_range=colour.full_range,
    )


def colour_from_proto(message: request_pb2.ColourTags, *, at: str) -> ColourTags:
    """Read colour tags.

    Raises:
        InvalidInputError: A number that is no H.273 code point.
    """
    points = {
        "primaries": message.primaries,
        "transfer": message.transfer,
        "matrix": message.matrix,
    }
    for name, point in points.items():
        if not 0 <= point <= 255:
            raise invalid(f"{at}.{name}", f"must be between 0 and 255, not {point}")
    return ColourTags(**points, full_range=message.full_range)


def box_to_proto(box: Box) -> request_pb2.Box:
    """Write a part of the picture."""
    return request_pb2.Box(x_px=box.x, y_px=box.y, width_px=box.width, height_px=box.height)


def aspect_to_proto(aspect: Aspect) -> request_pb2.Aspect:
    """Write width to height."""
    return request_pb2.Aspect(width=aspect.width, height=aspect.height)


def aspect_from_proto(message: request_pb2.Aspect, *, at: str) -> Aspect:
    """Read width to height.

    Raises:
        InvalidInputError: A side of zero or below.
    """
    return Aspect(
        width=at_least(message.width, 1, at=f"{at}.width"),
        height=at_least(message.height, 1, at=f"{at}.height"),
    )


def box_from_proto(message: request_pb2.Box, *, at: str) -> Box:
    """Read a part of the picture.

    Raises:
        InvalidInputError: It starts outside the picture or has no area.
    """
    return Box(
        x=at_least(message.x_px, 0, at=f"{at}.x_px"),
        y=at_least(message.y_px, 0, at=f"{at}.y_px"),
        width=at_least(message.width_px, 1, at=f"{at}.width_px"),
        height=at_least(message.height_px, 1, at=f"{at}.height_px"),
    )
