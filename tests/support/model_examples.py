"""One plain value of each kind, for tests that need any."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from interchange.model.directive import AudioPolicy, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType, EngineLimits, PlannedGeometry
from interchange.model.job import EngineState, EngineStatus, Job, JobState, Progress
from interchange.model.media import BT709, Raster
from interchange.model.request import GenerationRequest, OutputSpec, RetakeSpec, SourceSpan
from interchange.timebase import FrameRate, TimeRange

RATE = FrameRate(24000, 1001)
RASTER = Raster(64, 36)
JOB_ID = "0123456789abcdef" * 2


def example_request(**changes: object) -> GenerationRequest:
    """A retake of 24 frames with 12 handle frames each side."""
    span = SourceSpan(
        path="/media/A001.mov",
        media_rate=RATE,
        record_range=TimeRange(86400, 86500, RATE),
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=BT709,
        size_bytes=1,
        modified_ns=1,
    )
    request = GenerationRequest(
        shot="A001_010",
        sequence_name="Reel 1",
        frame_rate=RATE,
        record_range=TimeRange(86420, 86444, RATE),
        head_handle_frames=12,
        tail_handle_frames=12,
        keep_handles=True,
        raster=RASTER,
        colour=BT709,
        start_frame=86408,
        drop_frame=False,
        reel="A001",
        spec=RetakeSpec(source=span),
        engine="animatic",
        seed=7,
        output=OutputSpec(directory="/out"),
    )
    return replace(request, **changes)


def example_geometry(request: GenerationRequest) -> PlannedGeometry:
    """Nothing padded."""
    return PlannedGeometry(
        request.file_range, request.record_range, request.raster, request.raster, ("As asked.",)
    )


def example_job(**changes: object) -> Job:
    """A job that waits."""
    request = example_request()
    job = Job(
        job_id=JOB_ID,
        request_id="",
        state=JobState.QUEUED,
        revision=1,
        priority=0,
        request=request,
        geometry=example_geometry(request),
        progress=Progress(),
        take=None,
        error=None,
        attempts=0,
        created=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        started=None,
        ended=None,
    )
    return replace(job, **changes)


def example_engine() -> EngineStatus:
    """The default engine, idle."""
    limits = EngineLimits(
        engine="animatic",
        version="1",
        summary="Previz.",
        kinds=frozenset(JobKind),
        keys=frozenset({"prompt"}),
        audio=frozenset({AudioPolicy.KEEP}),
        start_from=frozenset(StartFrom),
        qualities=frozenset(Quality),
        context_frames=4,
        max_frames=1000,
        max_pixels=8192 * 4320,
        size_multiple_px=2,
        frame_grid=(1, 0),
        deterministic=True,
        source_type=DigitalSourceType.ALGORITHMIC_MEDIA,
    )
    return EngineStatus(limits, "animatic 1", EngineState.IDLE, "cpu", 0, 0, is_default=True)
