"""Logs at INFO say what happens to jobs, and nothing of what the jobs are about."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from support.job_cases import ended, make_service, media_request, running

from interchange.model.job import JobState
from sidecar.logs import configure_logging

CANARY = "XyzzyCanary"


@pytest.fixture
def logs(tmp_path):
    """A folder for the log of this process, which is as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    folder = tmp_path / "logs"
    folder.mkdir()
    yield folder
    for handler in root.handlers[:]:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_prompt_and_no_path_is_logged_at_info(tmp_path, logs, level):
    root = tmp_path.resolve() / f"{CANARY} project"
    root.mkdir()

    async def scenario():
        async with running(make_service(root)) as service:
            states = []
            for engine in ("steady", "raises", "refuses"):
                request = media_request(
                    root, engine=engine, prompt=f"a {CANARY} door", shot=f"{CANARY}_010"
                )
                job = await ended(service, await service.create(request))
                states.append(job.state)
            gone = media_request(root, engine="steady", seed=99, prompt=CANARY)
            job = await service.create(gone)
            (root / "A001.mov").unlink()
            states.append((await ended(service, job)).state)
            return states

    configure_logging(level=level, style="human", folder=logs)
    states = asyncio.run(scenario())
    assert states[0] is JobState.SUCCEEDED
    assert JobState.FAILED in states[1:]
    entries = [json.loads(line) for line in (logs / "sidecar.log").read_text().splitlines()]
    told = [entry for entry in entries if entry["level"] != "DEBUG"]
    assert len(told) > 8
    if level == "info":
        assert [entry for entry in told if CANARY.lower() in json.dumps(entry).lower()] == []
    assert any("RuntimeError" in json.dumps(entry) for entry in told)
    assert any(entry["level"] == "DEBUG" for entry in entries) == (level == "debug")
