"""The plug-in point: an `Engine` turns context pictures into new ones, frame by frame.

An engine never opens a file, never encodes and never knows a timeline: it gets pictures by record frame and
yields pictures by record frame. Frames stream, so that memory does not grow with the length of a take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from interchange.errors import StoppedError
from interchange.model.directive import Box, JobKind
from interchange.model.engine import Device, EngineLimits, PlannedGeometry
from interchange.model.request import GenerationRequest
from interchange.timebase import TimeRange
from sidecar.pipelines.resources import EVERYTHING, EngineResources

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

    @property
    def picture_box(self) -> Box:
        """Where the source's own picture lies in the request's raster, in pixels; around it all is black.

        The whole raster, unless the two differ in size or aspect: then a reframe keeps these pixels and makes
        what is around them.
        """
        ...

    def picture(self, record_frame: int) -> Picture:
        """The picture shown at a record frame, at the request's raster. The array is the caller's own."""
        ...

    def sound(self, record_range: TimeRange) -> Sound | None:
        """The source's sound over a range of record frames, sample-exact; None where it has none."""
        ...


PreviewCallback = Callable[[NDArray[np.uint8]], None]
"""Called with a small uint8 [H, W, C=3] picture of what the engine sees so far, whenever it likes."""


def _unseen(_picture: NDArray[np.uint8]) -> None:
    return


@dataclass(frozen=True, slots=True)
class EngineJob:
    """One piece of work for an engine.

    Args:
        request: What is wanted, exactly.
        geometry: What was planned for it.
        sources: One per span in `request.sources`, in that order.
        references: One per span in `request.references`, in that order, at the request's raster.
        image: The still that `image=` names, fitted into the raster as a source is.
        sound: The sound that `audio_file=` names, over `made_range` from its own start, silence after its end.
        matte: White where the picture is made again, black where it stays; by record frame, at the raster.
        slate_lines: Facts an engine that burns in a slate shows (shot, version, kind, seed).
        preview: Takes pictures for the people who watch.
    """

    request: GenerationRequest
    geometry: PlannedGeometry
    sources: tuple[SourcePictures, ...]
    references: tuple[SourcePictures, ...] = ()
    image: Picture | None = None
    sound: Sound | None = None
    matte: SourcePictures | None = None
    slate_lines: tuple[str, ...] = ()
    preview: PreviewCallback = _unseen

    @property
    def made_range(self) -> TimeRange:
        """Record frames the engine makes: the request's."""
        return self.request.made_range


ProgressCallback = Callable[[str, int, int], None]
"""Called with (phase, done, total) from the engine's thread.

Before the first frame, phases whose name begins with `denoising` count as nearly all of the work.
"""

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

    def generate_sound(
        self, job: EngineJob, *, progress: ProgressCallback, cancelled: CancelCheck
    ) -> Sound | None:
        """The take's new sound over `job.made_range`, or None where the engine makes none.

        Called only where the request wants sound, and then before `generate`: an engine that makes both at
        once does so here and keeps the pictures.

        Raises:
            StoppedError: `cancelled()` turned true.
            ExhaustedError: The job does not fit into memory.
        """
        ...


@runtime_checkable
class ComputesOnDevice(Protocol):
    """What an `Engine` may be besides: one that does not compute on the processor says so."""

    @property
    def device(self) -> Device:
        """Where it computes; asked once, after `load`."""
        ...


@runtime_checkable
class MakesRemarks(Protocol):
    """What an `Engine` may be besides: one with something to say about the take it just made."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """About the last job, one sentence each, for the take's notes and its credentials, which travel: no paths."""
        ...


def remarks_of(engine: object) -> tuple[str, ...]:
    """What an engine has to say about the take it just made."""
    return engine.remarks if isinstance(engine, MakesRemarks) else ()


@runtime_checkable
class SuggestsPrompts(Protocol):
    """What an `Engine` may be besides: one that can look at pictures and say what a prompt could be."""

    def suggest(
        self, pictures: tuple[Picture, ...], *, kind: JobKind, words: str, device: str | None
    ) -> str:
        """Propose a prompt; deterministic, and leaves every random state as it was.

        Asked without `load`, in a process of its own beside the sidecar's: only what looks at pictures is loaded,
        by the first call, and stays for the next. The engine's registry entry has `suggests = True`.

        Args:
            pictures: The edge frames of a bridge, or a shot's first frame; none where there are words alone.
            kind: What the prompt is for.
            words: What the editor wrote so far; may be empty.
            device: Where to compute; None leaves it to the engine.

        Returns:
            One paragraph that can stand in `prompt="..."` as it is; empty where there is nothing to say.

        Raises:
            ExhaustedError: It does not fit into memory.
        """
        ...


@dataclass(frozen=True, slots=True)
class EngineFolders:
    """Where engines find and keep things; all below the state folder, none of them shared with another user.

    Args:
        models: The registry of checkpoints and what was accepted for them.
        presets: The user's presets, TOML files.
        cache: What can be made again; safe to delete.
        resources: What they may take.
    """

    models: Path
    presets: Path
    cache: Path
    resources: EngineResources = EVERYTHING

    @classmethod
    def below(cls, state_folder: Path, resources: EngineResources = EVERYTHING) -> EngineFolders:
        """The usual places in a state folder."""
        return cls(
            state_folder / "models", state_folder / "presets", state_folder / "cache", resources
        )


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
