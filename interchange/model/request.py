"""One self-contained, exact request: the same value runs local, remote or replayed.

All ranges are in record frames (the sequence's timecode count at the sequence's rate) unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from interchange.model.directive import (
    Aspect,
    AudioPolicy,
    Box,
    Edge,
    JobKind,
    Quality,
    StartFrom,
)
from interchange.model.media import ColourTags, Raster
from interchange.timebase import FrameRate, TimeRange

LONGEST_PROMPT = 16_384
"""Characters a prompt may have; every door and the queue go by it."""


MOST_REFERENCES = 4
"""Neighbouring shots one request may name: more than two on each side tell nothing new about a look."""


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """The frames of one media file, laid along the record time line.

    The source frame shown at record frame r is floor(first_frame + (r - record_range.start) * step), counted
    from the file's first picture. Rates that differ and constant speeds are in `step`, exactly.

    Args:
        path: Absolute path.
        media_rate: The file's own frame rate.
        record_range: Record frames for which the file has a picture and that may be read: the clip, its
            handles and the engine's context.
        first_frame: Source position at the start of `record_range`, in source frames.
        step: Source frames that pass in one record frame.
        colour: The file's colour, nothing unspecified.
        size_bytes: File size when planned, so that a changed file is noticed.
        modified_ns: Modification time when planned.
    """

    path: str
    media_rate: FrameRate
    record_range: TimeRange
    first_frame: Fraction
    step: Fraction
    colour: ColourTags
    size_bytes: int
    modified_ns: int

    def source_frame(self, record_frame: int) -> int:
        """The source frame (from the file's first picture) shown at a record frame.

        Outside `record_range` the nearest frame inside is held.
        """
        last = self.record_range.end - 1
        held = min(max(record_frame, self.record_range.start), last)
        return (self.first_frame + (held - self.record_range.start) * self.step).__floor__()


@dataclass(frozen=True, slots=True)
class RetakeSpec:
    """Make the window of a shot again; everything else stays."""

    source: SourceSpan
    audio: AudioPolicy = AudioPolicy.KEEP
    matte: str | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class RegenerateSpec:
    """Make a whole shot again."""

    source: SourceSpan
    audio: AudioPolicy = AudioPolicy.KEEP
    start_from: StartFrom = StartFrom.FIRST
    strength: float | None = None


@dataclass(frozen=True, slots=True)
class BridgeSpec:
    """Join two shots: from the outgoing one's tail to the incoming one's head.

    Args:
        outgoing: Its `record_range` ends at or after the first bridged frame.
        incoming: Its `record_range` starts at or before the first frame after the bridge.
        cut: Record frame from which the incoming shot is the one on screen.
    """

    outgoing: SourceSpan
    incoming: SourceSpan
    cut: int


@dataclass(frozen=True, slots=True)
class ExtendSpec:
    """Carry a shot on past its head or tail."""

    source: SourceSpan
    edge: Edge = Edge.TAIL
    audio: AudioPolicy = AudioPolicy.KEEP


@dataclass(frozen=True, slots=True)
class GenerateSpec:
    """Make a shot out of nothing but words, a still or a sound."""

    image: str | None = None
    audio_file: str | None = None


@dataclass(frozen=True, slots=True)
class RestyleSpec:
    """Give a whole shot another look: its movement and composition stay.

    Args:
        matte: File that is white where the look changes; None for the whole picture.
        box: The same as a box, in pixels of the delivered picture.
    """

    source: SourceSpan
    matte: str | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class ReframeSpec:
    """Give a whole shot another frame: its own pixels stay in the middle, what is missing is made.

    Args:
        aspect: Width to height of the new frame; the request's raster has it.
    """

    source: SourceSpan
    aspect: Aspect


JobSpec = (
    RetakeSpec | RegenerateSpec | BridgeSpec | ExtendSpec | GenerateSpec | RestyleSpec | ReframeSpec
)

_KIND_OF_SPEC: dict[type[JobSpec], JobKind] = {
    RetakeSpec: JobKind.RETAKE,
    RegenerateSpec: JobKind.REGENERATE,
    BridgeSpec: JobKind.BRIDGE,
    ExtendSpec: JobKind.EXTEND,
    GenerateSpec: JobKind.GENERATE,
    RestyleSpec: JobKind.RESTYLE,
    ReframeSpec: JobKind.REFRAME,
}


class Codec(StrEnum):
    """Delivery codecs; all in QuickTime, except that `h264` may be read by anything."""

    PRORES_422_HQ = "prores422hq"
    PRORES_4444 = "prores4444"
    DNXHR_HQX = "dnxhrhqx"
    H264 = "h264"


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """Where the take goes and as what.

    Args:
        directory: Absolute folder; the file's name is the shot's with the next free version.
        codec: Delivery codec.
        slate: Whether an engine that burns in a slate does so.
    """

    directory: str
    codec: Codec = Codec.PRORES_422_HQ
    slate: bool = True


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Everything that decides what a take looks like.

    Args:
        shot: Shot name, safe as a file name.
        sequence_name: The sequence it is for.
        frame_rate: The sequence's rate, hence the take's.
        record_range: The frames to cover.
        head_handle_frames: Extra frames in the file before `record_range`.
        tail_handle_frames: Extra frames after it.
        keep_handles: Handles are the source's own frames (retake); else the engine makes them.
        raster: Delivered picture size.
        colour: Delivered colour, nothing unspecified.
        start_frame: Timecode of the file's first picture in frames since 00:00:00:00.
        drop_frame: How that timecode counts.
        reel: Reel name to write.
        spec: The job's kind and what only that kind needs.
        engine: Engine name.
        seed: Seed of this take.
        references: Shots beside this one that it should look like; never delivered. Their `record_range` is
            where they are in the sequence.
    """

    shot: str
    sequence_name: str
    frame_rate: FrameRate
    record_range: TimeRange
    head_handle_frames: int
    tail_handle_frames: int
    keep_handles: bool
    raster: Raster
    colour: ColourTags
    start_frame: int
    drop_frame: bool
    reel: str
    spec: JobSpec
    engine: str
    seed: int
    output: OutputSpec
    prompt: str = ""
    negative_prompt: str = ""
    preset: str = ""
    quality: Quality = Quality.FINAL
    references: tuple[SourceSpan, ...] = ()

    @property
    def kind(self) -> JobKind:
        """The job kind the spec stands for."""
        return _KIND_OF_SPEC[type(self.spec)]

    @property
    def file_range(self) -> TimeRange:
        """Record frames in the file: the covered range with its handles."""
        return self.record_range.padded(self.head_handle_frames, self.tail_handle_frames)

    @property
    def made_range(self) -> TimeRange:
        """Record frames an engine fills: the file's, without handles that are kept."""
        return self.record_range if self.keep_handles else self.file_range

    @property
    def media_range(self) -> TimeRange:
        """All frames in the file in its own timecode count, from its start timecode on."""
        return TimeRange.of_length(self.start_frame, self.file_range.length, self.frame_rate)

    @property
    def sources(self) -> tuple[SourceSpan, ...]:
        """The spans the job reads, outgoing before incoming."""
        match self.spec:
            case BridgeSpec(outgoing=outgoing, incoming=incoming):
                return (outgoing, incoming)
            case GenerateSpec():
                return ()
            case RetakeSpec() | RegenerateSpec() | ExtendSpec() | RestyleSpec() | ReframeSpec():
                return (self.spec.source,)

    @property
    def keeps_pictures(self) -> bool:
        """Whether only sound is made, and every picture of the take is the source's own."""
        match self.spec:
            case RetakeSpec(audio=audio) | RegenerateSpec(audio=audio) | ExtendSpec(audio=audio):
                return audio is AudioPolicy.ONLY
            case BridgeSpec() | GenerateSpec() | RestyleSpec() | ReframeSpec():
                return False

    @property
    def files_read(self) -> tuple[str, ...]:
        """Absolute paths of all files the job reads, once each: sources, references, still, sound and matte."""
        named: tuple[str | None, ...] = ()
        match self.spec:
            case GenerateSpec(image=image, audio_file=audio_file):
                named = (image, audio_file)
            case RetakeSpec(matte=matte) | RestyleSpec(matte=matte):
                named = (matte,)
            case RegenerateSpec() | BridgeSpec() | ExtendSpec() | ReframeSpec():
                pass
        paths = [span.path for span in (*self.sources, *self.references)]
        return tuple(dict.fromkeys(paths + [path for path in named if path]))
