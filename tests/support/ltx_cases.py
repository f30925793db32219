"""Work for LTX engines behind a real sidecar: numbered shots, exact requests, and who sends them.

Nothing here loads torch: the model is in the worker's process, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.model_examples import example_request
from support.numbered import write_numbered_movie

from interchange.model.job import EngineStatus, Job, JobState
from interchange.model.media import BT709, Raster
from interchange.model.request import (
    BridgeSpec,
    Codec,
    GenerateSpec,
    GenerationRequest,
    JobSpec,
    OutputSpec,
    SourceSpan,
)
from interchange.timebase import FrameRate, TimeRange
from ltxbridge.client import BridgeClient
from sidecar.launch import sidecar_for
from sidecar.settings import Settings

ENGINE = "ltx-tiny"
RATE = FrameRate(24000, 1001)
NTSC = FrameRate(30000, 1001)
WIDE = (96, 64)
TALL = (64, 96)
START = 86400
"""01:00:00:00 at 23.976, 24 frames to a second: where shots lie unless a test says otherwise."""
SAMPLE_RATE_HZ = 48_000


@dataclass(frozen=True)
class Shot:
    """A numbered movie: frame n shows n.

    Args:
        path: The file.
        rate: Of the movie.
        size: (width, height) in pixels.
        tag: Tells it from other movies.
        count: Frames.
        samples: float32 [S, 2] of its sound, exact in 16 bits; None where it has none.
    """

    path: Path
    rate: FrameRate
    size: tuple[int, int]
    tag: int
    count: int
    samples: NDArray[np.float32] | None

    def span(self, *, at: int = START, first: int = 0, end: int | None = None) -> SourceSpan:
        """Frames `first` to `end` of it, its frame 0 lying at record frame `at`."""
        end = self.count if end is None else end
        facts = self.path.stat()
        return SourceSpan(
            path=str(self.path),
            media_rate=self.rate,
            record_range=TimeRange(at + first, at + end, self.rate),
            first_frame=Fraction(first),
            step=Fraction(1),
            colour=BT709,
            size_bytes=facts.st_size,
            modified_ns=facts.st_mtime_ns,
        )


def noise(count: int, seed: int) -> NDArray[np.float32]:
    """Sound that is nowhere the same: [count, 2], exact in 16 bits."""
    words = np.random.default_rng(seed).integers(-9000, 9000, (count, 2))
    return (words / 32768).astype(np.float32)


@dataclass
class Studio:
    """A sidecar at work, its folders, and shots that are made once.

    Args:
        client: Of the sidecar.
        folder: Its state, its media and its takes lie here.
    """

    client: BridgeClient
    folder: Path
    _shots: dict[str, Shot] = field(default_factory=dict)
    _names: int = 0

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def shot(
        self,
        *,
        rate: FrameRate = RATE,
        size: tuple[int, int] = WIDE,
        tag: int = 1,
        count: int = 60,
        sound: bool = False,
    ) -> Shot:
        """A shot; the same one for the same words."""
        name = f"{tag} {size[0]}x{size[1]} {rate} {count} {sound}.mov".replace("/", "-")
        if name not in self._shots:
            samples = None
            if sound:
                samples = noise(round(count / rate.fraction * SAMPLE_RATE_HZ), tag)
            path = write_numbered_movie(
                self.folder / "media" / name,
                rate=rate,
                count=count,
                size=size,
                tag=tag,
                codec="prores",
                sound=None if samples is None else (samples, SAMPLE_RATE_HZ),
            )
            self._shots[name] = Shot(path, rate, size, tag, count, samples)
        return self._shots[name]

    def request(
        self,
        spec: JobSpec,
        window: tuple[int, int],
        *,
        size: tuple[int, int] = WIDE,
        handles: tuple[int, int] = (0, 0),
        rate: FrameRate | None = None,
        **changes: Any,
    ) -> GenerationRequest:
        """A request for record frames `window`, counted from 01:00:00:00, at the first source's rate.

        Args:
            spec: What only the kind needs.
            window: First frame and the frame after the last.
            size: Delivered.
            handles: Frames before and after; the source's own where there are any.
            rate: Where there is no source.
            changes: Of anything else.
        """
        self._names += 1
        rate = rate or source_rate(spec)
        start = start_of(rate)
        covered = TimeRange(start + window[0], start + window[1], rate)
        request = example_request(
            shot=f"S{self._names:03}",
            frame_rate=rate,
            record_range=covered,
            head_handle_frames=handles[0],
            tail_handle_frames=handles[1],
            keep_handles=handles != (0, 0),
            raster=Raster(*size),
            start_frame=covered.start - handles[0],
            drop_frame=rate == NTSC,
            reel="",
            spec=spec,
            engine=ENGINE,
            output=OutputSpec(str(self.folder / "takes"), codec=Codec.PRORES_422_HQ),
        )
        return replace(request, **changes)

    def ended(self, request: GenerationRequest) -> Job:
        """Have a job made and wait for its end."""
        return self.watched(request)[-1]

    def watched(self, request: GenerationRequest) -> list[Job]:
        """Have a job made; every snapshot that was shown."""
        return list(self.client.watch_job(self.client.create_job(request).job_id))

    def made(self, request: GenerationRequest) -> Job:
        """Have a take made."""
        job = self.ended(request)
        assert job.error is None, job.error
        assert job.state is JobState.SUCCEEDED
        return job

    def take(self, request: GenerationRequest) -> Path:
        """The media of a take that is made."""
        job = self.made(request)
        assert job.take is not None
        return Path(job.take.path)

    def engine(self, name: str = ENGINE) -> EngineStatus:
        """What the sidecar says of an engine."""
        return next(each for each in self.client.list_engines() if each.limits.engine == name)

    def left_behind(self, shot: str) -> list[str]:
        """Files of a shot in the folder of takes, work files included."""
        folder = self.folder / "takes"
        return sorted(path.name for path in folder.iterdir() if shot in path.name)


def start_of(rate: FrameRate) -> int:
    """The record frame of 01:00:00:00, drop-frame at 29.97."""
    return 3600 * rate.nominal - (108 if rate == NTSC else 0)


def source_rate(spec: JobSpec) -> FrameRate:
    """The rate of a spec's first source."""
    match spec:
        case BridgeSpec(outgoing=outgoing):
            return outgoing.media_rate
        case GenerateSpec():
            return RATE
        case _:
            return spec.source.media_rate


@contextmanager
def studio_in(folder: Path, *, model_cache_gb: int = 0) -> Iterator[Studio]:
    """A sidecar of one's own, with its state and media below a folder.

    Args:
        folder: Short, for its socket.
        model_cache_gb: What it may keep of takes; nothing, as a rule: what another test made would prove nothing.
    """
    folder = folder.resolve()
    for name in ("media", "takes"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = Settings(
        folder / "state",
        folder / "run",
        log_level="info",
        drain_grace_s=1,
        device="cpu",
        model_cache_gb=model_cache_gb,
    )
    roots = [folder / "media", folder / "takes"]
    with (
        sidecar_for(settings, extra_roots=roots, start_within_s=60) as endpoint,
        BridgeClient(endpoint) as client,
    ):
        yield Studio(client, folder)
