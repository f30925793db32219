"""The delivery codecs: how each is driven, and what of a picture's size and colour it can carry."""

from __future__ import annotations

from dataclasses import dataclass

from interchange.errors import Reason, UnsupportedError
from interchange.model.media import ColourTags, Raster
from interchange.model.request import Codec

_UNSPECIFIED = 2
_BT709_MATRIX = 1
_DNXHR_LEAST_PX = (256, 120)

# Code points FFmpeg's ProRes encoder can write into a frame header; any other becomes "unknown" there.
_PRORES_PRIMARIES = frozenset({1, 5, 6, 9, 11, 12})
_PRORES_TRANSFERS = frozenset({1, 16, 18})
_PRORES_MATRICES = frozenset({1, 6, 9})
# The same curve as BT.709 under other names: BT.601, xvYCC within range, BT.2020 at 10 and 12 bits.
_BT709_CURVES = frozenset({6, 11, 14, 15})
_H264_PRIMARIES = frozenset(range(1, 13))


@dataclass(frozen=True, slots=True)
class DeliveryLayout:
    """How a delivery codec is driven.

    Args:
        encoder: FFmpeg's encoder.
        decoder: The codec's name when read back.
        pixel_format: FFmpeg's planar pixel format.
        chroma: Its subsampling.
        bit_depth: Its bits per component.
        read_bit_depth: Bits its decoder gives back, which pads ProRes 4444 to 12.
        options: Encoder options.
    """

    encoder: str
    decoder: str
    pixel_format: str
    chroma: str
    bit_depth: int
    read_bit_depth: int
    options: tuple[tuple[str, str], ...]


DELIVERY_LAYOUTS = {
    Codec.PRORES_422_HQ: DeliveryLayout(
        "prores", "prores", "yuv422p10le", "422", 10, 10, (("profile", "3"),)
    ),
    Codec.PRORES_4444: DeliveryLayout(
        "prores", "prores", "yuv444p10le", "444", 10, 12, (("profile", "4"),)
    ),
    Codec.DNXHR_HQX: DeliveryLayout(
        "dnxhd", "dnxhd", "yuv422p10le", "422", 10, 10, (("profile", "dnxhr_hqx"),)
    ),
    # For review and for anything that cannot read the others: plays everywhere, visually lossless.
    Codec.H264: DeliveryLayout(
        "libx264", "h264", "yuv420p", "420", 8, 8, (("preset", "medium"), ("crf", "12"))
    ),
}


def sayable_colour(colour: ColourTags, codec: Codec) -> ColourTags:
    """The tags a codec carries for a colour: the same ones, or others that mean the same, or "unspecified".

    Takes are limited range whatever the source was. A matrix the codec cannot name is replaced by one it
    can, and the writer converts the pictures to it.

    Args:
        colour: The take's colour, nothing unspecified.
        codec: Delivery codec.
    """
    primaries, transfer, matrix = colour.primaries, colour.transfer, colour.matrix
    if codec in {Codec.PRORES_422_HQ, Codec.PRORES_4444}:
        transfer = 1 if transfer in _BT709_CURVES else transfer
        matrix = 6 if matrix == 5 else matrix  # two names of one matrix
        primaries = primaries if primaries in _PRORES_PRIMARIES else _UNSPECIFIED
        transfer = transfer if transfer in _PRORES_TRANSFERS else _UNSPECIFIED
        matrix = matrix if matrix in _PRORES_MATRICES else _BT709_MATRIX
    elif codec is Codec.H264:
        primaries = primaries if primaries in _H264_PRIMARIES else _UNSPECIFIED
    return ColourTags(primaries, transfer, matrix)


def refuse_unfit(raster: Raster, colour: ColourTags, codec: Codec) -> None:
    """Refuse what a codec cannot hold.

    Args:
        raster: Picture size.
        colour: The take's colour.
        codec: Delivery codec.

    Raises:
        UnsupportedError: It cannot (TARGET_UNSUPPORTED).
    """
    what = ""
    if codec is Codec.H264 and (raster.width_px % 2 or raster.height_px % 2):
        what = f"pictures of {raster}; it needs an even width and height"
    if codec is Codec.DNXHR_HQX:
        if raster.width_px < _DNXHR_LEAST_PX[0] or raster.height_px < _DNXHR_LEAST_PX[1]:
            what = f"pictures of {raster}; it starts at {_DNXHR_LEAST_PX[0]}x{_DNXHR_LEAST_PX[1]}"
        elif colour.matrix != _BT709_MATRIX:
            # FFmpeg's encoder writes BT.709 into every DNxHR header, whatever the container says.
            what = "this colour; the encoder labels every picture BT.709"
    if what:
        raise UnsupportedError(
            f"{codec} cannot hold {what}. Choose --codec prores422hq.",
            reason=Reason.TARGET_UNSUPPORTED,
            metadata={"codec": str(codec), "raster": str(raster)},
        )
