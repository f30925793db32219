"""Jobs and moving pictures made in memory, for checking an engine without a file or a decoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

import numpy as np

from interchange.conform import fitted_box, reframed_raster
from interchange.geometry import plan_geometry
from interchange.model.directive import (
    Aspect,
    AudioPolicy,
    Box,
    Edge,
    JobKind,
    Quality,
    StartFrom,
)
from interchange.model.engine import EngineLimits
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
_MATTE_PATH: Final = "/media/matte.png"


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
        own: Size of the source's own picture, where that is another; it is fitted into `raster`.
        asked: Record frames asked for so far, in order.
    """

    record_range: TimeRange
    raster: Raster
    gain: float = 1.0
    offset: float = 0.0
    forbidden_range: TimeRange | None = None
    own: Raster | None = None
    asked: list[int] = field(default_factory=list)

    @property
    def picture_box(self) -> Box:
        """Where the pattern lies in the raster."""
        return fitted_box(self.own or self.raster, self.raster)

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
        box = self.picture_box
        across = np.arange(box.width, dtype=np.float32)[None, :, None] - 1.5 * drift
        down = np.arange(box.height, dtype=np.float32)[:, None, None] - 0.5 * drift
        phase = np.array([0.0, 0.7, 1.9], np.float32)
        waves = np.sin(across * 0.31 + phase) + np.sin(down * 0.23 + across * 0.11 - phase)
        canvas: Picture = np.zeros((self.raster.height_px, self.raster.width_px, 3), np.float32)
        canvas[box.y : box.y + box.height, box.x : box.x + box.width] = self.offset + self.gain * (
            0.5 + 0.25 * waves
        )
        return canvas

    def sound(self, record_range: TimeRange) -> Sound | None:
        """A quiet ramp, as long as the range."""
        return _ramp(record_range)


@dataclass(frozen=True, slots=True)
class SyntheticMatte:
    """A `SourcePictures` whose right half is white, where the picture is made again.

    Args:
        record_range: Frames it has.
        raster: Picture size.
    """

    record_range: TimeRange
    raster: Raster

    @property
    def picture_box(self) -> Box:
        """The whole raster."""
        return fitted_box(self.raster, self.raster)

    def picture(self, _record_frame: int) -> Picture:
        """The same for every frame."""
        matte: Picture = np.zeros((self.raster.height_px, self.raster.width_px, 3), np.float32)
        matte[:, self.raster.width_px // 2 :] = 1.0
        return matte

    def sound(self, _record_range: TimeRange) -> Sound | None:
        """None."""
        return None


def synthetic_job(
    kind: JobKind,
    *,
    limits: EngineLimits,
    raster: Raster = SMALL_RASTER,
    length: int = 4,
    context: tuple[int, int] = (5, 5),
    handles: tuple[int, int] = (0, 0),
    keep_handles: bool = False,
    edge: Edge = Edge.TAIL,
    audio: AudioPolicy = AudioPolicy.KEEP,
    start_from: StartFrom = StartFrom.FIRST,
    strength: float | None = None,
    beside: frozenset[str] = frozenset(),
    seed: int = 1,
    prompt: str = "A gull crosses the frame",
    gain: float = 1.0,
    offset: float = 0.0,
) -> EngineJob:
    """Make a small job whose window starts at `WINDOW_START`, planned as every request is.

    Args:
        kind: Any kind that the engine serves.
        limits: Of the engine it is for; it gets a prompt only where it honours one.
        raster: Size of the source's picture, and of the take's but for a reframe: that is made upright where the
            source lies, and the other way round.
        length: Frames in `record_range`.
        context: Frames the source has before and after the window (retake, restyle, reframe), or before it
            (extend, bridge's outgoing) and after it (extend at the head, bridge's incoming); regenerate's
            source has the second number of frames, at least one.
        handles: Handle frames before and after.
        keep_handles: Whether they are the source's own.
        edge: For extend.
        audio: For retake, regenerate and extend.
        start_from: For regenerate.
        strength: Likewise.
        beside: What else is given, by its key: `matte`, `box` (the right half, both), `image`, `audio_file`,
            and `context` for a shot on either side.
        seed: Seed.
        prompt: Prompt.
        gain: See `SyntheticPictures`.
        offset: See `SyntheticPictures`.

    Raises:
        UnsupportedError: The limits do not allow it.
    """
    window = TimeRange.of_length(WINDOW_START, length, RATE)
    before, after = context
    around = _span(window.padded(before, after))
    head = _span(TimeRange(window.start - before, window.start, RATE))
    tail = _span(TimeRange(window.end, window.end + after, RATE))
    matte = _MATTE_PATH if "matte" in beside else None
    half = raster.width_px // 2
    box = Box(half, 0, raster.width_px - half, raster.height_px) if "box" in beside else None
    delivered = raster
    spec: JobSpec
    match kind:
        case JobKind.RETAKE:
            spec = RetakeSpec(around, audio=audio, matte=matte, box=box)
        case JobKind.REGENERATE:
            shown = _span(TimeRange.of_length(window.start, max(after, 1), RATE))
            spec = RegenerateSpec(shown, audio, start_from, strength)
        case JobKind.EXTEND:
            spec = ExtendSpec(head if edge is Edge.TAIL else tail, edge=edge, audio=audio)
        case JobKind.BRIDGE:
            spec = BridgeSpec(head, tail, window.start + length // 2)
        case JobKind.GENERATE:
            spec = GenerateSpec(
                "/media/still.png" if "image" in beside else None,
                "/media/sound.wav" if "audio_file" in beside else None,
            )
        case JobKind.RESTYLE:
            spec = RestyleSpec(around, matte, box)
        case JobKind.REFRAME:
            aspect = Aspect(9, 16) if raster.width_px >= raster.height_px else Aspect(16, 9)
            delivered = reframed_raster(raster, aspect)
            spec = ReframeSpec(around, aspect)
    request = GenerationRequest(
        shot="SH010",
        sequence_name="Conformance",
        frame_rate=RATE,
        record_range=window,
        head_handle_frames=handles[0],
        tail_handle_frames=handles[1],
        keep_handles=keep_handles,
        raster=delivered,
        colour=BT709,
        start_frame=WINDOW_START,
        drop_frame=False,
        reel="",
        spec=spec,
        engine=limits.engine,
        seed=seed,
        output=OutputSpec(directory="/takes"),
        prompt=prompt if "prompt" in limits.keys else "",
        references=_neighbours(window, context) if "context" in beside else (),
    )

    def pictures(span: SourceSpan) -> SyntheticPictures:
        return SyntheticPictures(span.record_range, delivered, gain=gain, offset=offset, own=raster)

    return EngineJob(
        request,
        plan_geometry(request, limits),
        sources=tuple(pictures(span) for span in request.sources),
        references=tuple(pictures(span) for span in request.references),
        image=pictures(around).picture(window.start) if "image" in beside else None,
        sound=_ramp(request.made_range) if "audio_file" in beside else None,
        matte=SyntheticMatte(window, raster) if matte else None,
        slate_lines=("SH010", "v001", str(kind), f"seed {seed}"),
    )


def _neighbours(window: TimeRange, context: tuple[int, int]) -> tuple[SourceSpan, ...]:
    """A shot that ends, and one that begins, where the source does; each of nine frames."""
    whole = window.padded(*context)
    return (
        _span(TimeRange(whole.start - 9, whole.start, RATE)),
        _span(TimeRange(whole.end, whole.end + 9, RATE)),
    )


def _ramp(record_range: TimeRange) -> Sound:
    count = round(record_range.duration_seconds * _SOUND_RATE_HZ)
    return Sound(np.linspace(0, 0.1, count, dtype=np.float32)[:, None], _SOUND_RATE_HZ)


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
