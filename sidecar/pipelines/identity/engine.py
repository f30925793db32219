"""The engine whose every frame is known beforehand, so that a test can check each one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

from interchange.model.engine import EngineLimits
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
)
from sidecar.pipelines.base import (
    CancelCheck,
    EngineJob,
    Picture,
    ProgressCallback,
    Sound,
    stop_if,
)
from sidecar.pipelines.identity.chart import numbered_chart
from sidecar.pipelines.identity.limits import LIMITS

MODEL_IDENTITY: Final = f"ltxbridge identity {LIMITS.version}"


class IdentityEngine:
    """What is made of a shot shows that shot; a bridge shows A, then B; generate shows its still, or numbers."""

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
        """Yield the known picture of each frame of `job.made_range`; see `Engine.generate`.

        Extend and bridge ask the source past its edge, where it shows what its file has there and else
        holds. A generated chart's number is the record frame, its tag the seed, both cut to their bits.

        Raises:
            StoppedError: `cancelled()` turned true.
        """
        frames = job.made_range
        for done, record_frame in enumerate(frames.frames, start=1):
            stop_if(cancelled)
            yield _picture(job, record_frame)
            progress("generate", done, frames.length)

    def generate_sound(
        self,
        job: EngineJob,
        *,
        progress: ProgressCallback,  # noqa: ARG002 - part of the seam, as the next is
        cancelled: CancelCheck,  # noqa: ARG002
    ) -> Sound | None:
        """The sound given, else the source's own over the frames made; None where there is neither."""
        if job.sound is not None:
            return job.sound
        return job.sources[0].sound(job.made_range) if job.sources else None


def _picture(job: EngineJob, record_frame: int) -> Picture:
    match job.request.spec:
        case RetakeSpec() | RegenerateSpec() | ExtendSpec() | RestyleSpec() | ReframeSpec():
            return job.sources[0].picture(record_frame)
        case BridgeSpec(cut=cut):
            outgoing, incoming = job.sources
            return (outgoing if record_frame < cut else incoming).picture(record_frame)
        case GenerateSpec():
            if job.image is not None:
                return job.image.copy()
            return numbered_chart(
                record_frame,
                tag=job.request.seed,
                width_px=job.request.raster.width_px,
                height_px=job.request.raster.height_px,
            )
        case spec:
            assert_never(spec)
