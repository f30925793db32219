import asyncio
import os
from pathlib import Path

import pytest
from support.job_cases import ended, make_service, media_request, running

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _workers_find_the_test_engines(monkeypatch):
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(TESTS), known))))


@pytest.fixture
def made(tmp_path):
    """A root in which two takes were made; yields it with their jobs, oldest first."""
    root = tmp_path.resolve()

    async def make():
        async with running(make_service(root)) as service:
            jobs = [await service.create(media_request(root, seed=seed)) for seed in (1, 2)]
            return [await ended(service, job) for job in jobs]

    jobs = asyncio.run(make())
    for job in jobs:
        Path(job.take.manifest_path).write_bytes(b"\0\0\0\x0cjumbTEST")
    return root, jobs
