"""A marked place on a timeline, as a format's reader found it. Record time unless a field says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from interchange.errors import BridgeError
from interchange.model.directive import Directive
from interchange.model.media import Raster
from interchange.timebase import FrameRate, TimeRange


@dataclass(frozen=True, slots=True)
class SequenceFacts:
    """The sequence a segment lives in.

    Args:
        sequence_id: Names the sequence inside its document; opaque outside the format.
        record_range: Its whole extent; starts at the sequence's start timecode.
        drop_frame: How its timecode is counted.
        raster: Picture size, None where the document does not say.
    """

    sequence_id: str
    name: str
    frame_rate: FrameRate
    drop_frame: bool
    record_range: TimeRange
    raster: Raster | None


@dataclass(frozen=True, slots=True)
class MediaLink:
    """The link to a media file as the document states it.

    Args:
        url: The reference exactly as written: a `file:` URL or a path.
        name: The asset's name.
        start: The time the document gives the file's first frame, in seconds.
        duration: The file's length in seconds, None where not stated.
    """

    url: str
    name: str
    start: Fraction
    duration: Fraction | None


@dataclass(frozen=True, slots=True)
class ClipUse:
    """One clip as it stands on the timeline.

    Args:
        element_id: Names the clip inside its document; opaque outside the format.
        name: The clip's name.
        record_range: Where it stands, in record frames.
        lane: 0 for the main storyline or lowest track, higher is above.
        enabled: Whether it is switched on.
        media: Its media, None for what has none.
        source_offset: Seconds from the media's first frame to the picture at record in; at a negative speed,
            to the end of that picture, where backward play sets out.
        speed: Seconds of media that pass in a second of timeline: 1 normal, negative backwards.
        local_start: The clip's own time at record in, in seconds; keyframes count in it.
        obstacle: Why it cannot be a target (multicam, compound, variable speed), None where it can.
        head_transition: Whether a transition lies over its head; a bridge cannot go there.
        tail_transition: Whether a transition lies over its tail.
    """

    element_id: str
    name: str
    record_range: TimeRange
    lane: int
    enabled: bool
    media: MediaLink | None
    source_offset: Fraction
    speed: Fraction
    local_start: Fraction
    obstacle: str | None = None
    head_transition: bool = False
    tail_transition: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A marked place and what stands around it.

    Args:
        segment_id: Stable within the document's content; goes into the request id.
        directive: What was asked.
        where: How the mark was made, in words: `marker`, `keyword range`, `clip name`, `note`.
        mark_range: The mark, in record frames: one frame for a marker; the whole clip or sequence where its
            name or note is the mark.
        mark_has_length: Whether `mark_range` has a length the editor chose.
        clip: The clip the mark stands on, None on a gap or on the sequence itself.
        gap_range: The gap the mark stands in, in record frames.
        previous: The clip before (on the same lane; a gap may lie between).
        following: The clip after, likewise.
        notes: What was snapped or assumed in reading the mark, one sentence each, for `plan`.
    """

    segment_id: str
    sequence: SequenceFacts
    directive: Directive
    where: str
    mark_range: TimeRange
    mark_has_length: bool
    clip: ClipUse | None
    gap_range: TimeRange | None = None
    previous: ClipUse | None = None
    following: ClipUse | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A mark that cannot be met; it stops nothing else.

    Args:
        segment_id: Empty where the mark could not even be parsed.
        where: Clip or sequence and record timecode, for the report.
        text: The directive as written.
        error: Why, and what to do.
    """

    segment_id: str
    where: str
    text: str
    error: BridgeError


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything a reader found in one document."""

    sequences: tuple[SequenceFacts, ...]
    segments: tuple[Segment, ...]
    problems: tuple[Problem, ...]
