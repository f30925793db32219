"""A whole job through the real rooms: media, engine, check, credentials, publishing."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from fractions import Fraction

import pytest
from support.job_cases import ended, hidden, make_service, running, visible
from support.model_examples import example_request
from support.numbered import read_movie_numbers, write_numbered_movie

from interchange.errors import Reason
from interchange.model.job import JobState
from interchange.model.media import BT709, Raster
from interchange.model.request import OutputSpec, RetakeSpec, SourceSpan
from interchange.timebase import FrameRate, TimeRange
from sidecar.credentials.verify import verify_file
from sidecar.media.paths import PathPolicy
from sidecar.pipelines.registry import engine_limits
from sidecar.worker.supervisor import WorkerSpec

RATE = FrameRate(24000, 1001)
RECORD_START = 86400


def _service(root):
    return make_service(
        root,
        limits=engine_limits(),
        paths=PathPolicy([root]),
        worker=WorkerSpec(root / "state", "1.2.3"),
        default_engine="animatic",
    )


def _retake(root, *, engine, window=(30, 34), handles=3):
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


@pytest.mark.parametrize("engine", ["identity", "animatic"])
def test_a_retake_is_frame_exact_signed_and_leaves_the_original_alone(tmp_path, engine):
    root = tmp_path.resolve()

    async def scenario():
        async with running(_service(root)) as service:
            request = _retake(root, engine=engine)
            before = hashlib.sha256((root / "A001.mov").read_bytes()).hexdigest()
            job = await ended(service, await service.create(request))
            assert hashlib.sha256((root / "A001.mov").read_bytes()).hexdigest() == before
            return job

    job = asyncio.run(scenario())
    assert job.error is None
    assert job.state is JobState.SUCCEEDED
    assert visible(root) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]
    assert hidden(root) == []
    media = root / "takes" / "A001_010_LTX_v001.mov"
    numbers = read_movie_numbers(media)
    assert len(numbers) == 10
    kept = [0, 1, 2, 7, 8, 9] if engine == "animatic" else range(10)
    assert [numbers[i] for i in kept] == [(1, 27 + i) for i in kept]
    assert job.take.sha256 == hashlib.sha256(media.read_bytes()).hexdigest()
    assert verify_file(media, identity_folder=root / "state").signed_here


def test_a_source_changed_after_planning_fails_the_job(tmp_path):
    root = tmp_path.resolve()

    async def scenario():
        async with running(_service(root)) as service:
            request = _retake(root, engine="identity")
            with (root / "A001.mov").open("ab") as file:
                file.write(b"more")
            return await ended(service, await service.create(request))

    job = asyncio.run(scenario())
    assert (job.state, job.error.reason) == (JobState.FAILED, Reason.MEDIA_CHANGED)
    assert hidden(root) == []
    assert not list(root.glob("takes/*"))
