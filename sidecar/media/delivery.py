"""The delivery codecs: how each is driven, and what of a picture's size and colour it can carry."""

from __future__ import annotations

from dataclasses import dataclass

from interchange.errors import Reason, UnsupportedError
from interchange.model.media import ColourTags, Raster
from interchange.model.request import Codec

_UNSPECIFIED = 2
_BT709_MATRIX = 1
# FFmpeg sizes a picture's memory in 31 bits, at 8 bytes a pixel with this margin at both edges.
_MOST_PIXELS = (1 << 31) // 8
_MARGIN_PX = 128

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
        even: Whether width and height must be even.
        least_px: Smallest width and height.
        most_px: Largest width and height, as the encoder takes and the decoder reads them.
    """

    encoder: str
    decoder: str
    pixel_format: str
    chroma: str
    bit_depth: int
    read_bit_depth: int
    options: tuple[tuple[str, str], ...]
    even: tuple[bool, bool]
    least_px: tuple[int, int]
    most_px: tuple[int, int]


DELIVERY_LAYOUTS = {
    Codec.PRORES_422_HQ: DeliveryLayout(
        encoder="prores",
        decoder="prores",
        pixel_format="yuv422p10le",
        chroma="422",
        bit_depth=10,
        read_bit_depth=10,
        options=(("profile", "3"),),
        even=(True, False),
        least_px=(2, 1),
        most_px=(65534, 65535),
    ),
    Codec.PRORES_4444: DeliveryLayout(
        encoder="prores",
        decoder="prores",
        pixel_format="yuv444p10le",
        chroma="444",
        bit_depth=10,
        read_bit_depth=12,
        options=(("profile", "4"),),
        even=(True, False),  # the encoder's rule, although nothing is subsampled
        least_px=(2, 1),
        most_px=(65534, 65535),
    ),
    Codec.DNXHR_HQX: DeliveryLayout(
        encoder="dnxhd",
        decoder="dnxhd",
        pixel_format="yuv422p10le",
        chroma="422",
        bit_depth=10,
        read_bit_depth=10,
        options=(("profile", "dnxhr_hqx"),),
        even=(False, False),
        least_px=(256, 120),
        most_px=(65535, 8192),
    ),
    # For review and for anything that cannot read the others: plays everywhere, visually lossless.
    Codec.H264: DeliveryLayout(
        encoder="libx264",
        decoder="h264",
        pixel_format="yuv420p",
        chroma="420",
        bit_depth=8,
        read_bit_depth=8,
        options=(("preset", "medium"), ("crf", "12")),
        even=(True, True),
        least_px=(2, 2),
        most_px=(16384, 16384),
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
    what = _unfit(raster, colour, codec)
    if not what:
        return
    fitting = next((other for other in Codec if not _unfit(raster, colour, other)), None)
    if fitting is not None:
        advice = f"Choose --codec {fitting}."
    else:
        advice = "No other codec can; change the size of the pictures in your NLE to one that fits."
    raise UnsupportedError(
        f"{codec} cannot hold {what}. {advice}",
        reason=Reason.TARGET_UNSUPPORTED,
        metadata={"codec": str(codec), "raster": str(raster)},
    )


def _unfit(raster: Raster, colour: ColourTags, codec: Codec) -> str:
    """What of a take a codec cannot hold, to end "cannot hold"; empty where it holds it all."""
    layout = DELIVERY_LAYOUTS[codec]
    size = (raster.width_px, raster.height_px)
    pictures = f"pictures of {raster}"
    sides = zip(("width", "height"), size, layout.even, strict=True)
    odd = [name for name, pixels, even in sides if even and pixels % 2]
    if odd:
        return f"{pictures}; it needs an even {' and '.join(odd)}"
    if size[0] < layout.least_px[0] or size[1] < layout.least_px[1]:
        return f"{pictures}; it starts at {Raster(*layout.least_px)}"
    if size[0] > layout.most_px[0] or size[1] > layout.most_px[1]:
        return f"{pictures}; it ends at {Raster(*layout.most_px)}"
    if (size[0] + _MARGIN_PX) * (size[1] + _MARGIN_PX) >= _MOST_PIXELS:
        return f"{pictures}; these are too many pixels"
    if codec is Codec.DNXHR_HQX and colour.matrix != _BT709_MATRIX:
        # FFmpeg's encoder writes BT.709 into every DNxHR header, whatever the container says.
        return "this colour; the encoder labels every picture BT.709"
    return ""
