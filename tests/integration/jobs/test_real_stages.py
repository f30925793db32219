"""A whole job through the real rooms: media, engine, check, credentials, publishing."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from support.job_cases import ended, hidden, running, visible
from support.numbered import read_movie_numbers
from support.real_jobs import real_retake, real_service

from interchange.errors import Reason
from interchange.model.job import JobState
from sidecar.credentials.verify import verify_file


@pytest.mark.parametrize("engine", ["identity", "animatic"])
def test_a_retake_is_frame_exact_signed_and_leaves_the_original_alone(tmp_path, engine):
    root = tmp_path.resolve()

    async def scenario():
        async with running(real_service(root)) as service:
            request = real_retake(root, engine=engine)
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
        async with running(real_service(root)) as service:
            request = real_retake(root, engine="identity")
            with (root / "A001.mov").open("ab") as file:
                file.write(b"more")
            return await ended(service, await service.create(request))

    job = asyncio.run(scenario())
    assert (job.state, job.error.reason) == (JobState.FAILED, Reason.MEDIA_CHANGED)
    assert hidden(root) == []
    assert not list(root.glob("takes/*"))
