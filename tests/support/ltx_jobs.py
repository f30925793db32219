"""LTX engines in tests: all pictures of a job, and models that run out of memory when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sidecar.pipelines.base import CancelCheck, Engine, EngineJob, Picture, ProgressCallback
from sidecar.pipelines.ltx23.runtime import Runtime, open_runtime


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
