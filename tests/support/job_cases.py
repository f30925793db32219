"""A job service over tiny stages, and requests for it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from support.broken_engines import ALL_LIMITS
from support.model_examples import RATE, example_request

from interchange.errors import NotAllowedError
from interchange.model.caller import LOCAL_CALLER, Caller
from interchange.model.job import Job
from interchange.model.request import OutputSpec
from interchange.model.take import Take
from interchange.timebase import TimeRange
from sidecar.jobs.retry import RetryPolicy
from sidecar.jobs.service import JobService
from sidecar.worker.supervisor import WorkerSpec, WorkerTiming

TIMING = WorkerTiming(heartbeat_s=0.1, silence_s=1.0, cancel_grace_s=1.0)
PATIENCE_S = 30


class Rooted:
    """Paths inside one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def seen_by(self, _caller: Caller) -> Rooted:
        return self

    def source(self, path_text: str) -> Path:
        path = Path(path_text).resolve()
        if not path.is_relative_to(self.root):
            raise NotAllowedError(f"{path_text} is outside {self.root}.")
        return path

    output_directory = source


def media_request(root: Path, *, engine: str = "steady", shot: str = "A001_010", **changes):
    """A retake of 6 frames with 2 handle frames each side, from a file of a few bytes."""
    source = root / "A001.mov"
    if not source.exists():
        source.write_bytes(b"original")
    facts = source.stat()
    request = example_request()
    span = replace(
        request.spec.source,
        path=str(source),
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
    )
    request = replace(
        request,
        shot=shot,
        engine=engine,
        record_range=TimeRange(86420, 86426, RATE),
        head_handle_frames=2,
        tail_handle_frames=2,
        start_frame=86418,
        spec=replace(request.spec, source=span),
        output=OutputSpec(directory=str(root / "takes")),
    )
    return replace(request, **changes)


def make_service(root: Path, *, stages: str = "open_stages", **changes) -> JobService:
    """A service whose state is in `root / "state"`."""
    root = root.resolve()
    return JobService(
        **{
            "state_folder": root / "state",
            "paths": Rooted(root),
            "limits": ALL_LIMITS,
            "default_engine": "steady",
            "worker": WorkerSpec(
                root / "state",
                "1.2.3",
                engines="support.broken_engines:create_engine",
                stages=f"support.broken_engines:{stages}",
            ),
            "timing": TIMING,
            "retry": RetryPolicy(first_s=0.05),
        }
        | changes
    )


class As:
    """A service as one caller sees it; whatever takes no caller is the service's own."""

    def __init__(self, service: JobService, caller: Caller = LOCAL_CALLER) -> None:
        self.service = service
        self.caller = caller
        for name in ("create", "get", "list", "watch", "watch_all", "cancel", "delete"):
            setattr(self, name, partial(getattr(service, name), caller=caller))

    def __getattr__(self, name: str):
        return getattr(self.service, name)


@asynccontextmanager
async def running(service: JobService):
    """A started service as the local user sees it, drained at the end."""
    await service.start()
    try:
        yield As(service)
    finally:
        await service.drain(grace_s=0.2)


async def ended(service: As, job: Job) -> Job:
    """Watch a job to its end."""
    return await reached(service, job, lambda snapshot: snapshot.state.terminal)


async def reached(service: As, job: Job, condition) -> Job:
    """Watch a job until a snapshot meets a condition."""
    async with asyncio.timeout(PATIENCE_S):
        async for snapshot in service.watch(job.job_id, after_revision=0):
            if condition(snapshot):
                return snapshot
    raise AssertionError("the job ended without meeting the condition")


def visible(root: Path) -> list[str]:
    """Names an editor sees in the output folder."""
    folder = root / "takes"
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def hidden(root: Path) -> list[str]:
    """Work files left in the output folder."""
    folder = root / "takes"
    return (
        sorted(p.name for p in folder.iterdir() if p.name.startswith("."))
        if folder.exists()
        else []
    )


def make_take(name: str = "A001_010_LTX_v001", *, folder: str = "/out", **changes) -> Take:
    """A take of the example request."""
    request = example_request()
    take = Take(
        path=f"{folder}/{name}.mov",
        manifest_path=f"{folder}/{name}.c2pa",
        sha256="0" * 64,
        size_bytes=1,
        record_range=request.record_range,
        media_range=request.file_range,
        head_handle_frames=request.head_handle_frames,
        drop_frame=False,
        raster=request.raster,
        codec="prores422hq",
        reel="",
        audio_channels=0,
        audio_sample_rate_hz=0,
        engine="animatic",
        engine_version="1",
        model_identity="animatic 1",
        seed=7,
    )
    return replace(take, **changes)
