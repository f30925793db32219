"""The engine itself: runs the plan for a job and burns in the slate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2

from interchange.errors import ExhaustedError, Reason, UnsupportedError
from interchange.model.engine import EngineLimits
from sidecar.pipelines.animatic.limits import LIMITS
from sidecar.pipelines.animatic.shots import prepare_shot
from sidecar.pipelines.animatic.slate import Slate
from sidecar.pipelines.base import (
    CancelCheck,
    EngineJob,
    Picture,
    ProgressCallback,
    Sound,
    stop_if,
)

MODEL_IDENTITY: Final = f"ltxbridge animatic {LIMITS.version}"


class AnimaticEngine:
    """Previz without a model: the same pictures for the same request, whatever the number of cores."""

    @property
    def limits(self) -> EngineLimits:
        """What the engine serves."""
        return LIMITS

    @property
    def model_identity(self) -> str:
        """Name and version of the algorithm."""
        return MODEL_IDENTITY

    def load(self, progress: ProgressCallback) -> None:
        """Tell that there is nothing to load."""
        progress("load", 1, 1)

    def generate(
        self, job: EngineJob, *, progress: ProgressCallback, cancelled: CancelCheck
    ) -> Iterator[Picture]:
        """Yield the pictures of `job.made_range`; see `Engine.generate`.

        Raises:
            StoppedError: `cancelled()` turned true.
            UnsupportedError: The picture is larger than the engine's limit.
            ExhaustedError: The job does not fit into memory.
        """
        try:
            yield from self._generate(job, progress, cancelled)
        except MemoryError as error:
            raise _memory_full(job) from error
        except cv2.error as error:
            if error.code == cv2.Error.STS_NO_MEM:
                raise _memory_full(job) from error
            raise

    def generate_sound(
        self,
        job: EngineJob,  # noqa: ARG002 - part of the seam, as the others are
        *,
        progress: ProgressCallback,  # noqa: ARG002
        cancelled: CancelCheck,  # noqa: ARG002
    ) -> Sound | None:
        """Return None: animatic keeps the sound that is there."""
        return None

    def _generate(
        self, job: EngineJob, progress: ProgressCallback, cancelled: CancelCheck
    ) -> Iterator[Picture]:
        raster = job.request.raster
        if raster.width_px * raster.height_px > LIMITS.max_pixels:
            raise UnsupportedError(
                f"animatic makes pictures up to {LIMITS.max_pixels} pixels; {raster} has more."
                " Use a smaller sequence."
            )
        stop_if(cancelled)
        progress("look at the shots", 0, 1)
        shot = prepare_shot(job, checkpoint=lambda: stop_if(cancelled))
        progress("look at the shots", 1, 1)
        slate = None
        if job.request.output.slate:
            slate = Slate.of(job.slate_lines, raster=raster, colour=job.request.colour)
        frames = job.made_range
        for done, record_frame in enumerate(frames.frames, start=1):
            stop_if(cancelled)
            picture = shot(record_frame)
            if slate is not None:
                slate.lay_over(picture)
            yield picture
            progress("make pictures", done, frames.length)


def _memory_full(job: EngineJob) -> ExhaustedError:
    return ExhaustedError(
        f"There is not enough memory for pictures of {job.request.raster}."
        " Close other programs, or use a smaller sequence.",
        reason=Reason.MEMORY_FULL,
    )
