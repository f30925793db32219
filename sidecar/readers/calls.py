"""What can be asked of a reader, as values for `sidecar.serialise`, and what the answers are made of.

Paths are absolute, and were resolved and allowed by whoever asks; a reader follows no link.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from interchange.errors import BridgeError
from interchange.formats.base import LaneChange
from interchange.model.take import Placement
from interchange.timebase import round_half_up


@dataclass(frozen=True, slots=True)
class ReadTimeline:
    """Parse the document beside the call. Answer: a `Reading`.

    Args:
        name: Its file name; the ending tells the format.
    """

    name: str


@dataclass(frozen=True, slots=True)
class RefusedTakes:
    """Find the takes that cannot be put into the document beside the call. Answer: `Refusals`.

    Args:
        name: The document's file name.
        placements: All that are meant to go in together.
    """

    name: str
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class PlaceTakes:
    """Patch the document beside the call and let the gate check it. Answer: `Changes`.

    Args:
        name: The document's file name.
        placements: What goes in.
    """

    name: str
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class ProbeMedia:
    """Find out what a movie is. Answer: `MediaFacts`."""

    path: str


@dataclass(frozen=True, slots=True)
class MediaOpens:
    """Whether a media file is all there, as far as opening it tells. Answer: `Verdict`."""

    path: str


@dataclass(frozen=True, slots=True)
class StillPicture:
    """Decode one frame of a movie. Answer: a `Verdict`, and a PNG beside it.

    Args:
        path: The movie.
        frame_index: Counted from the file's first picture.
        max_width_px: Wider pictures are reduced to this.
    """

    path: str
    frame_index: int
    max_width_px: int


@dataclass(frozen=True, slots=True)
class StillImage:
    """Read a still image. Answer: a `StillLayout`, and its pixels beside it.

    Args:
        path: A PNG, TIFF or JPEG.
        long_side_px: Larger ones are reduced to this.
    """

    path: str
    long_side_px: int


@dataclass(frozen=True, slots=True)
class OneFrame:
    """Decode one frame; the file stays open for the next. Answer: `FrameLayout`, and the planes beside it.

    Args:
        path: The movie.
        size_bytes: Its size; another one is another file.
        modified_ns: When it was changed last, likewise.
        number: Counted from the file's first picture.
        width_px: As the pictures are stored, before any rotation.
        height_px: Likewise.
    """

    path: str
    size_bytes: int
    modified_ns: int
    number: int
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class SoundRange:
    """Decode a range of sound. Answer: `SoundLayout`, and float32 samples beside it.

    Args:
        path: The movie.
        size_bytes: Its size; another one is another file.
        modified_ns: When it was changed last, likewise.
        start: Seconds from the file's first picture.
        duration: Seconds.
    """

    path: str
    size_bytes: int
    modified_ns: int
    start: Fraction
    duration: Fraction


@dataclass(frozen=True, slots=True)
class FileDigest:
    """Read a file from end to end and parse nothing. Answer: its `Digest`."""

    path: str


@dataclass(frozen=True, slots=True)
class VerifyCredentials:
    """Check a file's credentials. Answer: a `CredentialReport`.

    Args:
        path: A MOV or MP4.
        identity_folder: Where this installation's identity lies; None recognises nobody.
    """

    path: str
    identity_folder: str | None


Call = (
    ReadTimeline
    | RefusedTakes
    | PlaceTakes
    | ProbeMedia
    | MediaOpens
    | StillPicture
    | StillImage
    | OneFrame
    | SoundRange
    | FileDigest
    | VerifyCredentials
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A yes or no."""

    holds: bool


@dataclass(frozen=True, slots=True)
class StillLayout:
    """How the pixels beside an answer are laid out: uint8 [height, width, 3], R'G'B'."""

    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """How the planes beside an answer are laid out, one after the other, in uint16 of this machine's order.

    Args:
        chroma: As in `sidecar.media.frames.NativeFrame`.
        bit_depth: Bits per component.
    """

    chroma: str
    bit_depth: int

    def shapes(self, width_px: int, height_px: int) -> tuple[tuple[int, int], ...]:
        """Lines and columns of each plane, none where there is no such layout."""
        whole = (height_px, width_px)
        half_width = -(-width_px // 2)
        match self.chroma:
            case "444" | "rgb":
                return (whole,) * 3
            case "422":
                return whole, (height_px, half_width), (height_px, half_width)
            case "420":
                return whole, *[(-(-height_px // 2), half_width)] * 2
            case "gray":
                return (whole,)
            case _:
                return ()

    def size_bytes(self, width_px: int, height_px: int) -> int:
        """Bytes of all planes together; 0 where there is no such layout."""
        shapes = self.shapes(width_px, height_px)
        return sum(2 * lines * columns for lines, columns in shapes)


@dataclass(frozen=True, slots=True)
class SoundLayout:
    """How the samples beside an answer are laid out: channels side by side.

    Args:
        channels: 0 where the file has no sound.
        sample_rate_hz: Samples a second.
    """

    channels: int
    sample_rate_hz: int

    def size_bytes(self, start: Fraction, duration: Fraction) -> int:
        """Bytes of all samples in a range of seconds."""
        rate = self.sample_rate_hz
        count = round_half_up((start + duration) * rate) - round_half_up(start * rate)
        return 4 * self.channels * count


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 of a file, in lower-case hexadecimal."""

    sha256: str


@dataclass(frozen=True, slots=True)
class RefusedTake:
    """One take that cannot be placed.

    Args:
        index: Its place among the placements.
        error: Why.
    """

    index: int
    error: BridgeError


@dataclass(frozen=True, slots=True)
class Refusals:
    """The takes that cannot be placed."""

    takes: tuple[RefusedTake, ...]


@dataclass(frozen=True, slots=True)
class ChangedBytes:
    """One byte range of a document that is replaced.

    Args:
        start: First byte of the original.
        end: The byte after the last.
        length: Bytes that come instead, from what lies beside the answer.
    """

    start: int
    end: int
    length: int


@dataclass(frozen=True, slots=True)
class Changes:
    """How a document is patched; the new bytes of all ranges lie beside the answer, in this order.

    Args:
        ranges: What is replaced.
        lane_changes: Originals that were raised.
        notes: For the report.
    """

    ranges: tuple[ChangedBytes, ...]
    lane_changes: tuple[LaneChange, ...]
    notes: tuple[str, ...]
