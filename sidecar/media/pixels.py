"""Between the decoder's and encoder's picture buffers and plain planes. No colour, no scaling.

Every supported pixel layout is in one table. What is not in it is refused by name rather than converted by
swscale, whose defaults assume BT.601 and whose 16-bit white is not 65535 (measured).
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from interchange.model.media import ColourTags
from sidecar.media.frames import Plane

_UNSPECIFIED = 2
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How a pixel format stores its components.

    Args:
        chroma: `420`, `422`, `444`, `rgb` or `gray`.
        bit_depth: Bits per component.
        packing: `planar`, `semi` (luma, then interleaved Cb and Cr) or `packed` (interleaved pixels).
        shift: Bits the value is shifted left in its word, as in p010.
        order: For `packed`, which stored components are G, B and R; for others unused.
        stored: Components per pixel stored in a `packed` format.
        has_alpha: Whether there is an alpha plane or component; it is not read.
        full_range: Whether the name itself says full range (`yuvj`).
    """

    chroma: str
    bit_depth: int
    packing: str = "planar"
    shift: int = 0
    order: tuple[int, int, int] = (0, 1, 2)
    stored: int = 3
    has_alpha: bool = False
    full_range: bool = False


def _layouts() -> dict[str, PixelLayout]:
    table: dict[str, PixelLayout] = {}
    for chroma in ("420", "422", "444"):
        table[f"yuv{chroma}p"] = PixelLayout(chroma, 8)
        table[f"yuvj{chroma}p"] = PixelLayout(chroma, 8, full_range=True)
        table[f"yuva{chroma}p"] = PixelLayout(chroma, 8, has_alpha=True)
        for depth in (9, 10, 12, 14, 16):
            table[f"yuv{chroma}p{depth}le"] = PixelLayout(chroma, depth)
            table[f"yuva{chroma}p{depth}le"] = PixelLayout(chroma, depth, has_alpha=True)
    for name, chroma in (("nv12", "420"), ("nv16", "422"), ("nv24", "444")):
        table[name] = PixelLayout(chroma, 8, packing="semi")
    for family, chroma in (("0", "420"), ("2", "422"), ("4", "444")):
        for depth in (10, 12, 16):
            table[f"p{family}{depth}le"] = PixelLayout(
                chroma, depth, packing="semi", shift=16 - depth
            )
    table["gbrp"] = PixelLayout("rgb", 8)
    table["gbrap"] = PixelLayout("rgb", 8, has_alpha=True)
    table["gray"] = PixelLayout("gray", 8)
    for depth in (9, 10, 12, 14, 16):
        table[f"gbrp{depth}le"] = PixelLayout("rgb", depth)
        table[f"gbrap{depth}le"] = PixelLayout("rgb", depth, has_alpha=True)
        table[f"gray{depth}le"] = PixelLayout("gray", depth)
    # (name, positions of G, B, R, stored components)
    packed = (
        ("rgb24", (1, 2, 0), 3),
        ("bgr24", (1, 0, 2), 3),
        ("rgba", (1, 2, 0), 4),
        ("bgra", (1, 0, 2), 4),
        ("argb", (2, 3, 1), 4),
        ("abgr", (2, 1, 3), 4),
        ("rgb0", (1, 2, 0), 4),
        ("bgr0", (1, 0, 2), 4),
        ("0rgb", (2, 3, 1), 4),
        ("0bgr", (2, 1, 3), 4),
    )
    for name, order, stored in packed:
        table[name] = PixelLayout("rgb", 8, "packed", 0, order, stored, has_alpha="a" in name)
    for name, order, stored in (
        ("rgb48le", (1, 2, 0), 3),
        ("bgr48le", (1, 0, 2), 3),
        ("rgba64le", (1, 2, 0), 4),
        ("bgra64le", (1, 0, 2), 4),
    ):
        table[name] = PixelLayout("rgb", 16, "packed", 0, order, stored, has_alpha="a" in name)
    return table


LAYOUTS = _layouts()
"""Pixel formats by FFmpeg's name."""


def read_tags(frame: av.VideoFrame, layout: PixelLayout) -> ColourTags:
    """Colour tags of a decoded frame as it states them; reserved codes count as unspecified.

    Args:
        frame: A decoded frame.
        layout: Its layout in `LAYOUTS`.
    """
    matrix = int(frame.colorspace)
    is_rgb = layout.chroma == "rgb"
    return ColourTags(
        primaries=int(frame.color_primaries) or _UNSPECIFIED,
        transfer=int(frame.color_trc) or _UNSPECIFIED,
        # 0 is R'G'B' itself; on luma and chroma planes it can only mean "not said", as ProRes does.
        matrix=matrix if is_rgb else matrix or _UNSPECIFIED,
        full_range=is_rgb or layout.full_range or int(frame.color_range) == _FULL_RANGE,
    )


def read_planes(frame: av.VideoFrame, layout: PixelLayout) -> tuple[Plane, ...]:
    """Take the planes out of a decoded frame.

    Args:
        frame: A decoded frame whose `format.name` is the key of `layout` in `LAYOUTS`.
        layout: How to read it.

    Returns:
        Y, Cb, Cr; or G, B, R; or Y alone. Arrays of their own that outlive the frame.
    """
    if layout.packing == "packed":
        pixels = _samples(frame.planes[0], layout, layout.stored)
        return tuple(_word(pixels[..., position], 0) for position in layout.order)
    luma = _word(_samples(frame.planes[0], layout, 1)[..., 0], layout.shift)
    if layout.chroma == "gray":
        return (luma,)
    if layout.packing == "semi":
        pair = _samples(frame.planes[1], layout, 2)
        return (luma, *(_word(pair[..., position], layout.shift) for position in (0, 1)))
    return (luma, *(_word(_samples(frame.planes[i], layout, 1)[..., 0], 0) for i in (1, 2)))


def write_planes(planes: tuple[Plane, ...], pixel_format: str, *, bit_depth: int) -> av.VideoFrame:
    """Make an encoder's frame from planes.

    Args:
        planes: As many as the planar `pixel_format` has, each of its plane's size.
        pixel_format: FFmpeg's name of a planar format.
        bit_depth: Its bits per component.
    """
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    kind = np.uint8 if bit_depth == 8 else np.uint16
    for plane, source in zip(frame.planes, planes, strict=True):
        words = np.frombuffer(memoryview(plane), dtype=kind).reshape(plane.height, -1)
        words[:, : plane.width] = source
    return frame


def _samples(
    plane: av.video.plane.VideoPlane, layout: PixelLayout, components: int
) -> NDArray[np.unsignedinteger]:
    """View a buffer as [H, W, components] words, without its padding."""
    wide = layout.bit_depth > 8
    kind: type[np.unsignedinteger] = np.uint16 if wide else np.uint8
    words_per_line = plane.line_size // (2 if wide else 1)
    words: NDArray[np.unsignedinteger] = np.frombuffer(
        memoryview(plane), dtype=kind, count=words_per_line * plane.height
    )
    lines = words.reshape(plane.height, words_per_line)[:, : plane.width * components]
    return lines.reshape(plane.height, plane.width, components)


def _word(samples: NDArray[np.unsignedinteger], shift: int) -> Plane:
    words = samples.astype(np.uint16)  # always a copy: the buffer goes back to the decoder
    return np.right_shift(words, np.uint16(shift)) if shift else words
