"""From a canvas's latents to the take's pictures: decoded, cropped, brought to the colour of what they meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

import cv2
import numpy as np

from interchange.model.request import BridgeSpec, ReframeSpec
from interchange.timebase import TimeRange
from sidecar.pipelines.base import EngineJob, Picture
from sidecar.pipelines.ltx23.canvas import Canvas
from sidecar.pipelines.ltx23.composite import composited, surrounded
from sidecar.pipelines.ltx23.conditions import clip_after, picture_mask
from sidecar.pipelines.ltx23.generation import Made, Shot
from sidecar.pipelines.ltx23.limits import TEMPORAL_FRAMES
from sidecar.pipelines.ltx23.padding import cropped
from sidecar.pipelines.ltx23.pictures import VideoCodec
from sidecar.pipelines.ltx23.runtime import Runtime
from sidecar.pipelines.ltx23.seam import Offset, Seam, edge_offset
from sidecar.pipelines.ltx23.states import stacked

_SEAM_FRAMES: Final = 4
"""Kept frames beside a window whose colour is compared: enough to average grain out, few enough to be the same shot."""


def finished_pictures(
    shot: Shot, runtime: Runtime, number: int, made: Made, *, before: Mapping[int, Picture]
) -> Iterator[tuple[int, Picture]]:
    """The pictures of a canvas at the request's raster, with their record frames, those kept left out.

    Args:
        shot: The job.
        runtime: The model.
        number: Which canvas.
        made: What was made of it.
        before: Pictures of the last canvas, by record frame.
    """
    canvas, job = shot.canvases[number], shot.job
    own = _own_pictures(job, canvas, before)
    spec, mask = job.request.spec, picture_mask(job)
    shot.checkpoint()
    codec = runtime.video
    tail = _tail_offset(shot, codec, canvas, made, own)
    heads, decoded_heads = _last(canvas.head), list[Picture]()
    decoded = codec.decode(made.video, checkpoint=shot.checkpoint, progress=_untold)
    seam: Seam | None = None
    for record_frame, picture in zip(canvas.frames.frames, decoded, strict=True):
        shot.checkpoint()
        if record_frame in heads:
            decoded_heads.append(_delivered(picture, made, job))
        if record_frame not in canvas.generate:
            continue
        if seam is None:
            seam = Seam(_offset(decoded_heads, own, heads), tail, canvas.deliver.length)
        place = min(max(record_frame - canvas.deliver.start, 0), canvas.deliver.length - 1)
        met = seam.corrected(_delivered(picture, made, job), place)
        if isinstance(spec, ReframeSpec):
            met = surrounded(met, job.sources[0].picture(record_frame), job.sources[0].picture_box)
        elif mask is not None:
            met = composited(met, job.sources[0].picture(record_frame), mask(record_frame))
        yield record_frame, met
        if record_frame + 1 == canvas.generate.end:
            return


def _untold(_done: int, _total: int) -> None:
    return


def _own_pictures(
    job: EngineJob, canvas: Canvas, before: Mapping[int, Picture]
) -> Callable[[int], Picture]:
    def own(record_frame: int) -> Picture:
        known = before.get(record_frame) if canvas.continues else None
        return job.sources[0].picture(record_frame) if known is None else known

    return own


def _delivered(picture: Picture, made: Made, job: EngineJob) -> Picture:
    """A decoded picture at the request's raster: a draft enlarged, the padding cropped off."""
    if made.divided > 1:
        height, width, _ = picture.shape
        size = (width * made.divided, height * made.divided)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return cropped(picture, job.request.raster)


def _last(frames: TimeRange) -> TimeRange:
    """The frames nearest what follows."""
    return TimeRange(max(frames.start, frames.end - _SEAM_FRAMES), frames.end, frames.rate)


def _offset(
    decoded: list[Picture], own: Callable[[int], Picture], frames: TimeRange
) -> Offset | None:
    if not decoded:
        return None
    return edge_offset(decoded, [own(record_frame) for record_frame in frames.frames])


def _tail_offset(
    shot: Shot, codec: VideoCodec, canvas: Canvas, made: Made, own: Callable[[int], Picture]
) -> Offset | None:
    """How far the kept frames after the window were moved, from a decode of the last latents alone.

    The whole canvas is decoded later and streams: its tail would come when the window is gone. What follows a
    bridge is not on its canvas: there the VAE is asked what it does to those pictures.
    """
    if isinstance(shot.job.request.spec, BridgeSpec) and canvas is shot.canvases[-1]:
        return _offset_of_incoming(shot, codec, canvas, made)
    if not canvas.tail.length:
        return None
    kept = canvas.tail.length // TEMPORAL_FRAMES
    # One before them gives a single picture, one more its neighbourhood.
    last = made.video[:, :, -(kept + 2) :]
    skipped = (last.shape[2] - 1 - kept) * TEMPORAL_FRAMES + 1
    wanted = min(_SEAM_FRAMES, canvas.tail.length)
    decoded = codec.decode(last, checkpoint=shot.checkpoint, progress=_untold)
    pictures = islice(decoded, skipped, skipped + wanted)
    found = [_delivered(picture, made, shot.job) for picture in pictures]
    frames = TimeRange.of_length(canvas.tail.start, wanted, canvas.tail.rate)
    return _offset(found, own, frames)


def _offset_of_incoming(shot: Shot, codec: VideoCodec, canvas: Canvas, made: Made) -> Offset:
    """How far the VAE moves the first pictures of the shot that a bridge ends in."""
    clip = clip_after(shot.job.sources[1], canvas, shot.job.made_range.end)
    clip = replace(clip, frames=clip.frames[: TEMPORAL_FRAMES + 1])
    pictures = stacked(clip, shot.size(made.divided))
    latents = codec.encode(pictures, checkpoint=shot.checkpoint)
    decoded = codec.decode(latents, checkpoint=shot.checkpoint, progress=_untold)
    compared = clip.frames[:_SEAM_FRAMES]
    found = [_delivered(picture, made, shot.job) for picture in islice(decoded, len(compared))]
    return edge_offset(found, [clip.picture(record_frame) for record_frame in compared])
