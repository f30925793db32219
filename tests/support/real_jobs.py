"""Jobs through the real rooms: a service over a folder, and a retake of a numbered movie in it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from support.job_cases import make_service
from support.model_examples import example_request
from support.numbered import write_numbered_movie

from interchange.model.media import BT709, Raster
from interchange.model.request import GenerationRequest, OutputSpec, RetakeSpec, SourceSpan
from interchange.timebase import FrameRate, TimeRange
from sidecar.jobs.service import JobService
from sidecar.media.paths import PathPolicy
from sidecar.pipelines.registry import engine_limits
from sidecar.worker.supervisor import WorkerSpec

RATE = FrameRate(24000, 1001)
RECORD_START = 86400


def real_service(root: Path) -> JobService:
    """A service with the real engines and rooms, whose one media root is `root`."""
    return make_service(
        root,
        limits=engine_limits(),
        paths=PathPolicy([root]),
        worker=WorkerSpec(root / "state", "1.2.3"),
        default_engine="animatic",
    )


def real_retake(
    root: Path, *, engine: str, window: tuple[int, int] = (30, 34), handles: int = 3
) -> GenerationRequest:
    """A retake of a numbered movie: record frame RECORD_START + n shows the number n."""
    source = root / "A001.mov"
    if not source.exists():
        write_numbered_movie(source, rate=RATE, count=48, size=(192, 108))
    facts = source.stat()
    start, end = window
    span = SourceSpan(
        path=str(source),
        media_rate=RATE,
        record_range=TimeRange(RECORD_START + 5, RECORD_START + 45, RATE),
        first_frame=Fraction(5),
        step=Fraction(1),
        colour=BT709,
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
    )
    return replace(
        example_request(),
        record_range=TimeRange(RECORD_START + start, RECORD_START + end, RATE),
        head_handle_frames=handles,
        tail_handle_frames=handles,
        raster=Raster(192, 108),
        start_frame=RECORD_START + start - handles,
        spec=RetakeSpec(span),
        engine=engine,
        output=OutputSpec(str(root / "takes")),
    )
