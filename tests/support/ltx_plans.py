"""Jobs for LTX engines at any rate, and the canvases they are laid on; no torch."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from interchange.geometry import plan_geometry
from interchange.model.directive import JobKind
from interchange.model.request import SourceSpan
from interchange.timebase import FrameRate, TimeRange
from sidecar.pipelines.base import EngineJob
from sidecar.pipelines.ltx23.canvas import Canvas, canvases
from sidecar.pipelines.ltx23.conditions import kept_frames
from sidecar.pipelines.ltx23.limits import TINY_LIMITS
from sidecar.pipelines.synthetic import SyntheticPictures, synthetic_job


def planned(kind: JobKind, *, rate: FrameRate | None = None, **how: Any) -> EngineJob:
    """A synthetic job for `ltx-tiny`, planned as every request is.

    Args:
        kind: Any.
        rate: Of the sequence and its media; None for 24.
        how: See `synthetic_job`.
    """
    job = synthetic_job(kind, limits=TINY_LIMITS, **how)
    return job if rate is None else _at_rate(job, rate)


def _at_rate(job: EngineJob, rate: FrameRate) -> EngineJob:
    def counted(frames: TimeRange) -> TimeRange:
        return TimeRange(frames.start, frames.end, rate)

    spec = job.request.spec
    spans = {
        field.name: replace(span, media_rate=rate, record_range=counted(span.record_range))
        for field in fields(spec)
        if isinstance(span := getattr(spec, field.name), SourceSpan)
    }
    request = replace(
        job.request,
        frame_rate=rate,
        record_range=counted(job.request.record_range),
        spec=replace(spec, **spans),
    )
    sources = []
    for source in job.sources:
        assert isinstance(source, SyntheticPictures)
        sources.append(replace(source, record_range=counted(source.record_range)))
    return replace(
        job,
        request=request,
        geometry=plan_geometry(request, TINY_LIMITS),
        sources=tuple(sources),
    )


def replanned(job: EngineJob, **changes: Any) -> EngineJob:
    """The same job with another request, planned anew."""
    request = replace(job.request, **changes)
    return replace(job, request=request, geometry=plan_geometry(request, TINY_LIMITS))


def canvases_of(job: EngineJob) -> tuple[Canvas, ...]:
    """The canvases a job is laid on with all the memory there may be."""
    return canvases(job.geometry.generate_range, made=job.made_range, kept=kept_frames(job))
