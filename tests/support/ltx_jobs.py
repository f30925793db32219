"""Jobs for LTX engines at any rate, and models that run out of memory when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import torch

from interchange.geometry import plan_geometry
from interchange.model.directive import JobKind
from interchange.model.request import SourceSpan
from interchange.timebase import FrameRate, TimeRange
from sidecar.pipelines.base import CancelCheck, Engine, EngineJob, Picture, ProgressCallback
from sidecar.pipelines.ltx23.limits import TINY_LIMITS
from sidecar.pipelines.ltx23.runtime import Runtime, open_runtime
from sidecar.pipelines.synthetic import SyntheticPictures, synthetic_job


def tiny_job(kind: JobKind, *, rate: FrameRate | None = None, **how: Any) -> EngineJob:
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


def taken(
    engine: Engine,
    job: EngineJob,
    *,
    progress: ProgressCallback = lambda *_: None,
    cancelled: CancelCheck = lambda: False,
) -> list[Picture]:
    """All pictures of a job."""
    return list(engine.generate(job, progress=progress, cancelled=cancelled))


class StarvedModels:
    """Opens real models whose memory runs out at chosen moments.

    Args:
        transformer: How many times the transformer's use runs out, from the first on.
        decode_after: Pictures after which a decode runs out, once; None for never.
    """

    def __init__(self, *, transformer: int = 0, decode_after: int | None = None) -> None:
        self.tiers: list[str] = []
        self._transformer = transformer
        self._decode_after = decode_after

    def open(self, checkpoint: Any, **how: Any) -> Runtime:
        """An `OpenRuntime`."""
        self.tiers.append(how["tier"].name)
        runtime = open_runtime(checkpoint, **how)
        return _Starved(runtime, self)  # type: ignore[return-value]

    def use_transformer(self) -> None:
        """Called before each use."""
        if self._transformer:
            self._transformer -= 1
            raise torch.OutOfMemoryError("injected")

    def pictures(self, decoded: Iterator[Picture]) -> Iterator[Picture]:
        """Pictures of a decode, up to where memory runs out."""
        for index, picture in enumerate(decoded):
            if index == self._decode_after:
                self._decode_after = None
                raise torch.OutOfMemoryError("injected")
            yield picture


class _Starved:
    def __init__(self, runtime: Runtime, models: StarvedModels) -> None:
        self._runtime = runtime
        self._models = models

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    @contextmanager
    def transformer(self, *, forwards: int = 1) -> Iterator[Any]:
        self._models.use_transformer()
        with self._runtime.transformer(forwards=forwards) as model:
            yield model

    @property
    def video(self) -> Any:
        return _StarvedCodec(self._runtime.video, self._models.pictures)


class _StarvedCodec:
    def __init__(
        self, codec: Any, pictures: Callable[[Iterator[Picture]], Iterator[Picture]]
    ) -> None:
        self._codec = codec
        self._pictures = pictures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def decode(self, latents: torch.Tensor, **how: Any) -> Iterator[Picture]:
        return self._pictures(self._codec.decode(latents, **how))
