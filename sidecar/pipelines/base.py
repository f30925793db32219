"""The plug-in point: an `Engine` turns context pictures into new ones, frame by frame.

An engine never opens a file, never encodes and never knows a timeline: it gets pictures by record frame and
yields pictures by record frame. Frames stream, so that memory does not grow with the length of a take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from interchange.errors import StoppedError
from interchange.model.engine import Device, EngineLimits, PlannedGeometry
from interchange.model.request import GenerationRequest
from interchange.timebase import TimeRange

Picture = NDArray[np.float32]
"""float32 [H, W, C=3]: R'G'B' in the request's own transfer and primaries, 0 = black, 1 = reference white.

Values outside 0..1 (super-white, out of gamut) are legal and kept.
"""


class Sound(NamedTuple):
    """PCM sound.

    Args:
        samples: float32 [S, C], -1..1.
        sample_rate_hz: Samples a second.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int


class SourcePictures(Protocol):
    """Decoded pictures of one source span, addressed by record frame.

    Implementations decode in order and keep a bounded window; asking in rising order is fast, going back is
    correct but may decode again.
    """

    @property
    def record_range(self) -> TimeRange:
        """Record frames for which the file has a picture of its own; outside, the nearest is held."""
        ...

    def picture(self, record_frame: int) -> Picture:
        """The picture shown at a record frame, at the request's raster. The array is the caller's own."""
        ...

    def sound(self, record_range: TimeRange) -> Sound | None:
        """The source's sound over a range of record frames, sample-exact; None where it has none."""
        ...


@dataclass(frozen=True, slots=True)
class EngineJob:
    """One piece of work for an engine.

    Args:
        request: What is wanted, exactly.
        geometry: What was planned for it.
        sources: One per span in `request.sources`, in that order.
        slate_lines: Facts an engine that burns in a slate shows (shot, version, kind, seed).
    """

    request: GenerationRequest
    geometry: PlannedGeometry
    sources: tuple[SourcePictures, ...]
    slate_lines: tuple[str, ...] = ()

    @property
    def made_range(self) -> TimeRange:
        """Record frames the engine makes: `record_range` where handles are kept, else `file_range`."""
        request = self.request
        return request.record_range if request.keep_handles else request.file_range


ProgressCallback = Callable[[str, int, int], None]
"""Called with (phase, done, total) from the engine's thread."""

CancelCheck = Callable[[], bool]
"""Polled between steps; True means stop by raising `StoppedError`."""


class Engine(Protocol):
    """Makes pictures. One instance lives as long as its worker process."""

    @property
    def limits(self) -> EngineLimits:
        """The same value the engine's torch-free `limits` module exports."""
        ...

    @property
    def model_identity(self) -> str:
        """Digest of the weights, or name and version of the algorithm; goes into the credentials."""
        ...

    def load(self, progress: ProgressCallback) -> None:
        """Get ready for jobs: read weights, warm up. Called once, before the first job."""
        ...

    def generate(
        self, job: EngineJob, *, progress: ProgressCallback, cancelled: CancelCheck
    ) -> Iterator[Picture]:
        """Yield one picture per frame of `job.made_range`, in rising order.

        Each is float32 [H, W, 3] at `job.request.raster`, finite, and not touched again by the engine.
        `cancelled` is polled at least once a picture, before the work on it.

        Raises:
            StoppedError: `cancelled()` turned true.
            UnsupportedError: The request's kind is none of `limits.kinds`; raised before the first
                picture.
            ExhaustedError: The job does not fit into memory.
        """
        ...

    def generate_sound(self, job: EngineJob) -> Sound | None:
        """The take's new sound over `job.made_range`, or None. Called only where the request wants it."""
        ...


@runtime_checkable
class ComputesOnDevice(Protocol):
    """What an `Engine` may be besides: one that does not compute on the processor says so."""

    @property
    def device(self) -> Device:
        """Where it computes; asked once, after `load`."""
        ...


def device_of(engine: object) -> Device:
    """Where a loaded engine computes: what it says, the processor where it says nothing."""
    return engine.device if isinstance(engine, ComputesOnDevice) else Device()


def stop_if(cancelled: CancelCheck) -> None:
    """Stop the engine where the user cancelled.

    Raises:
        StoppedError: `cancelled()` is true.
    """
    if cancelled():
        raise StoppedError("The job was cancelled before the take was finished.")
