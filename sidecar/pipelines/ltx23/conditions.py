"""What each kind of job shows the model, and what it leaves open: values and pictures, no torch.

The kinds differ in nothing else. A canvas is shown pictures of its own (kept where a `TokenMask` shuts them, started from
where it opens them and the noise is less than all), clips at any pixel frame, and the whole shot as a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from interchange.model.directive import Edge, StartFrom
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
)
from interchange.timebase import TimeRange
from interchange.window import kept_context
from sidecar.pipelines.base import EngineJob, Picture, SourcePictures
from sidecar.pipelines.ltx23.canvas import MOST_CANVAS_FRAMES, Canvas
from sidecar.pipelines.ltx23.composite import beyond_box, filled_around, outlines, part_of_picture
from sidecar.pipelines.ltx23.grid import on_latents
from sidecar.pipelines.ltx23.limits import TEMPORAL_FRAMES
from sidecar.pipelines.ltx23.opening import PictureMask, TokenMask, opened_tokens
from sidecar.pipelines.ltx23.presets import Reference

MOST_CLIP_FRAMES: Final = 2 * TEMPORAL_FRAMES + 1
"""Pictures of a clip that is shown beside a canvas: enough that its motion is seen."""
DEFAULT_STRENGTH: Final = 0.7
"""How far `from=clip` leaves the clip where the mark does not say."""

PictureAt = Callable[[int], Picture]
"""The picture at a record frame, float32 [H, W, 3], at the request's raster."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Pictures in a row.

    Args:
        frames: Their record frames, 8 k + 1.
        picture: Gives each.
        place: Pixel frame of the canvas at which the first lies; any, also outside.
    """

    frames: range
    picture: PictureAt
    place: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """What one canvas is shown.

    Args:
        opening: Which tokens are made.
        shown: Pictures of the canvas from its first on; None for none.
        keyframes: Clips that it passes through, or that lie before or after it.
        reference: The shot that an IC-LoRA follows.
    """

    opening: TokenMask
    shown: Clip | None = None
    keyframes: tuple[Clip, ...] = ()
    reference: Clip | None = None


def kept_frames(job: EngineJob) -> TimeRange:
    """Record frames around what is made that stay as they are and may be shown; empty where a shot is all new."""
    made, context = job.made_range, kept_context(job.request)
    # B's head is shown as a clip at its exact frame: its edge need not be one of a latent.
    after = 0 if isinstance(job.request.spec, BridgeSpec) else context.after
    return made.padded(context.before, after)


def picture_mask(job: EngineJob) -> PictureMask | None:
    """Which part of each picture is made, where it is not all; by record frame."""
    spec = job.request.spec
    if isinstance(spec, ReframeSpec):
        return beyond_box(job.sources[0].picture_box, job.request.raster)
    if isinstance(spec, RetakeSpec | RestyleSpec) and (job.matte is not None or spec.box):
        return part_of_picture(job.matte, spec.box, job.request.raster)
    return None


def conditions_of(
    job: EngineJob, canvas: Canvas, *, made: Mapping[int, Picture], reference: Reference | None
) -> Conditions:
    """What a canvas of a job is shown.

    Args:
        job: The job.
        canvas: Part of it.
        made: Pictures of the canvas before this one, by record frame, that it goes on from.
        reference: What of the shot the preset's IC-LoRA is shown.
    """
    found = _of_kind(job, canvas, made)
    if reference is not None and job.sources:
        source = job.sources[0]
        seen = source.picture if reference is Reference.PICTURES else outlines(source.picture)
        found = replace(found, reference=Clip(canvas.frames.frames, seen, 0))
    beside = _near(_neighbours(job, canvas), canvas)
    return replace(found, keyframes=(*found.keyframes, *beside))


def _of_kind(job: EngineJob, canvas: Canvas, made: Mapping[int, Picture]) -> Conditions:
    if job.request.keeps_pictures:
        nothing = TimeRange(canvas.frames.start, canvas.frames.start, canvas.frames.rate)
        opening = opened_tokens(canvas, nothing)
        return _shown(canvas, job.sources[0].picture, {}, canvas.frames.length, opening)
    match job.request.spec:
        case RetakeSpec() | ReframeSpec() | RestyleSpec():
            return _within(job, canvas, made)
        case RegenerateSpec(start_from=start_from):
            return _regenerated(job, canvas, made, start_from)
        case GenerateSpec():
            return _generated(job, canvas, made)
        case BridgeSpec():
            return _bridge(job, canvas, made)
        case ExtendSpec(edge=edge):
            return _extension(job, canvas, made, edge)


def _within(job: EngineJob, canvas: Canvas, made: Mapping[int, Picture]) -> Conditions:
    """A shot that is there: what is not made of it is kept."""
    spec, source, mask = job.request.spec, job.sources[0], picture_mask(job)
    opening, length = opened_tokens(canvas, canvas.generate, mask), canvas.frames.length
    if isinstance(spec, ReframeSpec):
        return _shown(
            canvas, filled_around(source.picture, source.picture_box), made, length, opening
        )
    if isinstance(spec, RestyleSpec):
        shown = length if mask is not None else canvas.head.length
        return _shown(canvas, source.picture, made, shown, opening)
    found = _shown(canvas, source.picture, made, length, opening)
    return replace(found, keyframes=_beside(job, canvas))


def _regenerated(
    job: EngineJob, canvas: Canvas, made: Mapping[int, Picture], start_from: StartFrom
) -> Conditions:
    source, opening = job.sources[0], opened_tokens(canvas, canvas.generate)
    if start_from is StartFrom.CLIP:
        return _shown(canvas, source.picture, made, canvas.frames.length, opening)
    if start_from is StartFrom.FIRST and not canvas.continues:
        first = max(canvas.generate.start, source.record_range.start)
        return _from_still(canvas, source.picture, min(first, canvas.generate.end - 1))
    return _shown(canvas, made.__getitem__, made, canvas.head.length, opening)


def _generated(job: EngineJob, canvas: Canvas, made: Mapping[int, Picture]) -> Conditions:
    still = job.image
    if still is not None and not canvas.continues:
        return _from_still(canvas, lambda _: still, job.request.record_range.start)
    opening = opened_tokens(canvas, canvas.generate)
    return _shown(canvas, made.__getitem__, made, canvas.head.length, opening)


def _extension(
    job: EngineJob, canvas: Canvas, made: Mapping[int, Picture], edge: Edge
) -> Conditions:
    """Kept frames lie before, or after what is made: there the source's first picture is held up to them."""
    source, opening = job.sources[0], opened_tokens(canvas, canvas.generate)
    length = canvas.frames.length if canvas.tail.length else canvas.head.length
    found = _shown(canvas, source.picture, made, length, opening)
    if edge is Edge.HEAD and not canvas.tail.length:  # one of many, or few frames: it leads there
        towards = clip_after(source, canvas, job.made_range.end)
        found = replace(found, keyframes=_near((towards,), canvas))
    if edge is Edge.TAIL and not canvas.head.length:  # the source is too far off to be kept
        found = replace(
            found, keyframes=_near((_clip_before(source, canvas, job.made_range.start),), canvas)
        )
    return found


def _shown(
    canvas: Canvas, picture: PictureAt, made: Mapping[int, Picture], length: int, opening: TokenMask
) -> Conditions:
    """The canvas's own pictures, the first `length` of them; those already made go before the source's."""

    def seen(record_frame: int) -> Picture:
        known = made.get(record_frame) if canvas.continues else None
        return picture(record_frame) if known is None else known

    if not length:
        return Conditions(opening)
    start = canvas.frames.start
    return Conditions(opening, Clip(range(start, start + length), seen, 0))


def _from_still(canvas: Canvas, picture: PictureAt, record_frame: int) -> Conditions:
    """A canvas that shows one picture at exactly its frame."""
    place = canvas.place(record_frame)
    still = Clip(range(record_frame, record_frame + 1), picture, place)
    if place:
        return Conditions(opened_tokens(canvas, canvas.generate), keyframes=(still,))
    rest = TimeRange(canvas.generate.start + 1, canvas.generate.end, canvas.generate.rate)
    return Conditions(opened_tokens(canvas, rest), still)


def _bridge(job: EngineJob, canvas: Canvas, made: Mapping[int, Picture]) -> Conditions:
    outgoing, incoming = job.sources
    opening = opened_tokens(canvas, canvas.generate)
    found = _shown(canvas, outgoing.picture, made, canvas.head.length, opening)
    keyframes = [clip_after(incoming, canvas, job.made_range.end)]
    if not canvas.continues and not (
        canvas.head.length and canvas.generate.start == canvas.deliver.start
    ):
        keyframes.append(_clip_before(outgoing, canvas, canvas.deliver.start))
    return replace(found, keyframes=_near(keyframes, canvas))


def _beside(job: EngineJob, canvas: Canvas) -> tuple[Clip, ...]:
    """The source's own pictures where a take ends between the edges of latents: the model is to meet them."""
    source, made = job.sources[0], job.made_range
    clips = []
    if canvas.generate.start < made.start and source.record_range.start < made.start:
        clips.append(_clip_before(source, canvas, made.start))
    if canvas.generate.end > made.end and source.record_range.end > made.end:
        clips.append(clip_after(source, canvas, made.end))
    return tuple(clips)


def _near(clips: Iterable[Clip], canvas: Canvas) -> tuple[Clip, ...]:
    """Those that lie in the canvas or so near that the model can place them."""
    farthest = MOST_CANVAS_FRAMES
    return tuple(
        clip for clip in clips if -farthest <= clip.place <= canvas.frames.length + farthest
    )


def _neighbours(job: EngineJob, canvas: Canvas) -> tuple[Clip, ...]:
    """Shots beside this one at their own time: the last pictures of those before, the first of those after."""
    middle = job.made_range.start + job.made_range.length // 2
    return tuple(
        _clip_before(shot, canvas, shot.record_range.end)
        if shot.record_range.start < middle
        else clip_after(shot, canvas, shot.record_range.start)
        for shot in job.references
    )


def _clip_before(source: SourcePictures, canvas: Canvas, end: int) -> Clip:
    """The last pictures a source has before a record frame, at least one."""
    there = source.record_range
    end = min(max(end, there.start + 1), there.end)
    length = _clip_length(end - there.start)
    return Clip(range(end - length, end), source.picture, canvas.place(end - length))


def clip_after(source: SourcePictures, canvas: Canvas, start: int) -> Clip:
    """The first pictures a source has from a record frame on, at least one."""
    there = source.record_range
    start = max(min(start, there.end - 1), there.start)
    length = _clip_length(there.end - start)
    return Clip(range(start, start + length), source.picture, canvas.place(start))


def _clip_length(available: int) -> int:
    return on_latents(min(available, MOST_CLIP_FRAMES))
