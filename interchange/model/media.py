"""Facts about a media file, as probed; the planner needs no decoder."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from interchange.timebase import FrameRate


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture's size in pixels and the shape of a pixel.

    Args:
        width_px: Pixels across, after any rotation the file asks for.
        height_px: Pixels down, likewise.
        pixel_aspect: Width of a pixel over its height.
    """

    width_px: int
    height_px: int
    pixel_aspect: Fraction = Fraction(1)

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px}"


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Colour facts as ITU-T H.273 code points; 2 is "unspecified".

    Args:
        primaries: 1 = BT.709, 9 = BT.2020, 12 = P3 D65.
        transfer: 1 = BT.709, 16 = PQ, 18 = HLG.
        matrix: 1 = BT.709, 5/6 = BT.601, 9 = BT.2020 non-constant.
        full_range: Whether code values run over the full range.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False

    @property
    def high_dynamic_range(self) -> bool:
        """Whether the transfer is PQ or HLG: such pictures may not stand unconverted beside any other."""
        return self.transfer in {16, 18}

    def resolved(self, raster: Raster) -> ColourTags:
        """Fill what is unspecified by the usual rule: BT.709 from 720 lines up, BT.601 below.

        The rule is a guess of last resort; `plan` says when it was used.
        """
        high_definition = raster.height_px >= 720 or raster.width_px >= 1280
        fallback = 1 if high_definition else 6
        return ColourTags(
            primaries=fallback if self.primaries in {0, 2} else self.primaries,
            transfer=1 if self.transfer in {0, 2} else self.transfer,
            matrix=fallback if self.matrix in {0, 2} else self.matrix,
            full_range=self.full_range,
        )


BT709 = ColourTags(primaries=1, transfer=1, matrix=1, full_range=False)


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio stream of a file."""

    index: int
    channels: int
    sample_rate_hz: int
    codec: str


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a probe found out about one media file.

    Args:
        path: Absolute, resolved path.
        frame_rate: Exact constant frame rate.
        frame_count: Pictures that can be presented, after the edit list.
        raster: Upright picture size.
        start_frame: The file's start timecode in frames since 00:00:00:00, None where it has none.
        drop_frame: Whether that timecode is drop-frame.
        reel: Reel name, empty where there is none.
        colour: Colour tags as the file states them.
        bit_depth: Bits per component.
        chroma: `420`, `422`, `444`, `rgb` or `gray`.
        has_alpha: Whether the pixels carry an alpha channel.
        rotation: Clockwise degrees a player turns the picture: 0, 90, 180 or 270.
        codec: The video codec's name.
        audio: Audio streams in file order.
        size_bytes: File size.
        modified_ns: Modification time, to notice that a file changed after planning.
    """

    path: str
    frame_rate: FrameRate
    frame_count: int
    raster: Raster
    start_frame: int | None
    drop_frame: bool
    reel: str
    colour: ColourTags
    bit_depth: int
    chroma: str
    has_alpha: bool
    rotation: int
    codec: str
    audio: tuple[AudioTrack, ...]
    size_bytes: int
    modified_ns: int
