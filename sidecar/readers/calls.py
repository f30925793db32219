"""What can be asked of a reader, as values for `sidecar.serialise`, and what the answers are made of.

Paths are absolute, and were resolved and allowed by whoever asks; a reader follows no link.
"""

from __future__ import annotations

from dataclasses import dataclass

from interchange.errors import BridgeError
from interchange.formats.base import LaneChange
from interchange.model.take import Placement


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
    | VerifyCredentials
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A yes or no."""

    holds: bool


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
