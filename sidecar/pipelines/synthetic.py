"""Jobs and moving pictures made in memory, for checking an engine without a file or a decoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

import numpy as np

from interchange.model.directive import Aspect, AudioPolicy, Box, Edge, JobKind, Quality
from interchange.model.engine import PlannedGeometry
from interchange.model.media import BT709, Raster
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    JobSpec,
    OutputSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.timebase import FrameRate, TimeRange
from sidecar.pipelines.base import EngineJob, Picture, Sound

RATE: Final = FrameRate(24)
WINDOW_START: Final = 86_400
"""Record frame at which every synthetic window starts: one hour."""

SMALL_RASTER: Final = Raster(64, 36)

_SOUND_RATE_HZ: Final = 48_000


@dataclass(frozen=True, slots=True)
class SyntheticPictures:
    """A `SourcePictures` that draws a drifting pattern and notes what it was asked for.

    Strict: a frame number that is no int is refused, as is any frame of `forbidden_range`.

    Args:
        record_range: Frames it has; outside, the nearest is held.
        raster: Picture size.
        gain: The pattern spans 0..1 and is multiplied by this.
        offset: Added after that.
        forbidden_range: Record frames nobody may ask for.
        asked: Record frames asked for so far, in order.
    """

    record_range: TimeRange
    raster: Raster
    gain: float = 1.0
    offset: float = 0.0
    forbidden_range: TimeRange | None = None
    asked: list[int] = field(default_factory=list)

    @property
    def picture_box(self) -> Box:
        """The whole raster."""
        return Box(0, 0, self.raster.width_px, self.raster.height_px)

    def picture(self, record_frame: int) -> Picture:
        """Draw the picture of a record frame.

        Raises:
            TypeError: `record_frame` is no int.
            AssertionError: It lies in `forbidden_range`.
        """
        if type(record_frame) is not int:
            raise TypeError(f"a record frame is an int, not {record_frame!r}")
        if self.forbidden_range is not None and record_frame in self.forbidden_range:
            raise AssertionError(f"frame {record_frame} was read, but may not be looked at")
        self.asked.append(record_frame)
        shown = min(max(record_frame, self.record_range.start), self.record_range.end - 1)
        drift = float(shown - WINDOW_START)
        across = np.arange(self.raster.width_px, dtype=np.float32)[None, :, None] - 1.5 * drift
        down = np.arange(self.raster.height_px, dtype=np.float32)[:, None, None] - 0.5 * drift
        phase = np.array([0.0, 0.7, 1.9], np.float32)
        waves = np.sin(across * 0.31 + phase) + np.sin(down * 0.23 + across * 0.11 - phase)
        picture: Picture = (self.offset + self.gain * (0.5 + 0.25 * waves)).astype(np.float32)
        return picture

    def sound(self, record_range: TimeRange) -> Sound | None:
        """A quiet ramp, as long as the range."""
        exact = record_range.duration_seconds * _SOUND_RATE_HZ
        count = round(exact)
        return Sound(np.linspace(0, 0.1, count, dtype=np.float32)[:, None], _SOUND_RATE_HZ)


def synthetic_job(
    kind: JobKind,
    *,
    engine: str,
    raster: Raster = SMALL_RASTER,
    length: int = 4,
    context: tuple[int, int] = (5, 5),
    handles: tuple[int, int] = (0, 0),
    keep_handles: bool = False,
    edge: Edge = Edge.TAIL,
    audio: AudioPolicy = AudioPolicy.KEEP,
    seed: int = 1,
    prompt: str = "A gull crosses the frame",
    gain: float = 1.0,
    offset: float = 0.0,
) -> EngineJob:
    """Make a small job whose window starts at `WINDOW_START`.

    Args:
        kind: Any kind a request can have.
        engine: The engine it is for.
        raster: Picture size.
        length: Frames in `record_range`.
        context: Frames the source has before and after the window (retake), or before it (extend, bridge's
            outgoing) and after it (extend at the head, bridge's incoming); regenerate's source has the
            second number of frames, at least one.
        handles: Handle frames before and after.
        keep_handles: Whether they are the source's own.
        edge: For extend.
        audio: For retake, regenerate and extend.
        seed: Seed.
        prompt: Prompt.
        gain: See `SyntheticPictures`.
        offset: See `SyntheticPictures`.
    """
    window = TimeRange.of_length(WINDOW_START, length, RATE)
    before, after = context
    head = TimeRange(window.start - before, window.start, RATE)
    tail = TimeRange(window.end, window.end + after, RATE)
    cut = window.start + length // 2
    spec: JobSpec
    match kind:
        case JobKind.RETAKE:
            spec = RetakeSpec(_span(window.padded(before, after)), audio=audio)
        case JobKind.REGENERATE:
            spec = RegenerateSpec(
                _span(TimeRange.of_length(window.start, max(after, 1), RATE)), audio=audio
            )
        case JobKind.EXTEND:
            spec = ExtendSpec(_span(head if edge is Edge.TAIL else tail), edge=edge, audio=audio)
        case JobKind.BRIDGE:
            spec = BridgeSpec(_span(head), _span(tail), cut)
        case JobKind.GENERATE:
            spec = GenerateSpec()
        case JobKind.RESTYLE:
            spec = RestyleSpec(_span(window.padded(before, after)))
        case JobKind.REFRAME:
            spec = ReframeSpec(
                _span(window.padded(before, after)), Aspect(raster.width_px, raster.height_px)
            )
    request = GenerationRequest(
        shot="SH010",
        sequence_name="Conformance",
        frame_rate=RATE,
        record_range=window,
        head_handle_frames=handles[0],
        tail_handle_frames=handles[1],
        keep_handles=keep_handles,
        raster=raster,
        colour=BT709,
        start_frame=WINDOW_START,
        drop_frame=False,
        reel="",
        spec=spec,
        engine=engine,
        seed=seed,
        output=OutputSpec(directory="/takes"),
        prompt=prompt,
    )
    geometry = PlannedGeometry(
        deliver_range=request.file_range,
        generate_range=window if keep_handles else request.file_range,
        deliver_raster=raster,
        generate_raster=raster,
    )
    sources = tuple(
        SyntheticPictures(span.record_range, raster, gain=gain, offset=offset)
        for span in request.sources
    )
    return EngineJob(
        request, geometry, sources, slate_lines=("SH010", "v001", str(kind), f"seed {seed}")
    )


def with_seed(job: EngineJob, seed: int) -> EngineJob:
    """The same job with another seed; its slate stays, so that only the seed can change a picture."""
    return replace(job, request=replace(job.request, seed=seed))


def _span(record_range: TimeRange) -> SourceSpan:
    return SourceSpan(
        path="/media/synthetic.mov",
        media_rate=RATE,
        record_range=record_range,
        first_frame=Fraction(record_range.start),
        step=Fraction(1),
        colour=BT709,
        size_bytes=0,
        modified_ns=0,
    )


def without_slate(job: EngineJob) -> EngineJob:
    """The same job with clean pictures."""
    output = replace(job.request.output, slate=False)
    return replace(job, request=replace(job.request, output=output))


def with_quality(job: EngineJob, quality: Quality) -> EngineJob:
    """The same job as a draft or as the final."""
    return replace(job, request=replace(job.request, quality=quality))
