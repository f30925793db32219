"""Real worker processes that fail in every way an engine can; the service never does."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys

import pytest
from support.job_cases import ended, hidden, make_service, media_request, reached, running, visible

from interchange.errors import Reason
from interchange.model.job import EngineState, JobState
from sidecar.worker.supervisor import WorkerTiming

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


def test_a_job_ends_with_its_take_on_disk(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            return await ended(service, await service.create(media_request(tmp_path)))

    job = asyncio.run(scenario())
    assert job.state is JobState.SUCCEEDED
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]
    assert hidden(tmp_path) == []
    assert job.take.path == str(tmp_path / "takes" / "A001_010_LTX_v001.mov")
    assert job.take.media_range.length == 10
    assert job.progress.fraction == 1
    assert job.attempts == 1
    assert "The source carries no credentials." in job.take.notes
    assert (tmp_path / "A001.mov").read_bytes() == b"original"


@pytest.mark.parametrize("engine", ["dies", "hangs"])
def test_a_killed_or_stopped_worker_is_replaced_and_the_job_made_once(tmp_path, engine):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            (tmp_path / "takes").mkdir()
            return await ended(
                service, await service.create(media_request(tmp_path, engine=engine))
            )

    job = asyncio.run(scenario())
    assert job.state is JobState.SUCCEEDED
    assert job.attempts == 2
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov", "died-once"]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(
    ("engine", "reason", "attempts"),
    [
        ("raises", Reason.INTERNAL, 1),
        ("refuses", Reason.ENGINE_LIMIT, 1),
        ("hungry", Reason.MEMORY_FULL, 1),
        ("exits", Reason.WORKER_DIED, 3),
        ("cursed", Reason.WORKER_DIED, 3),
    ],
)
def test_a_failing_engine_fails_its_job_and_nothing_else(tmp_path, engine, reason, attempts):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            failed = await ended(
                service, await service.create(media_request(tmp_path, engine=engine))
            )
            good = await ended(service, await service.create(media_request(tmp_path)))
            return failed, good

    failed, good = asyncio.run(scenario())
    assert failed.state is JobState.FAILED
    assert failed.error.reason is reason
    assert failed.attempts == attempts
    assert good.state is JobState.SUCCEEDED
    # The failed job gave its version back.
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]
    assert hidden(tmp_path) == []


def test_an_unexpected_error_is_logged_once_with_its_traceback(tmp_path, caplog):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            await ended(service, await service.create(media_request(tmp_path, engine="raises")))

    with caplog.at_level("DEBUG"):
        asyncio.run(scenario())
    lines = [record.getMessage() for record in caplog.records]
    assert sum("_misbehave" in line and line.endswith("RuntimeError") for line in lines) == 1
    assert "noise on standard output" in lines
    # What libraries print may name anything; a log at INFO does not.
    told = [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
    assert not any("noise" in line or "a bug in the engine" in line for line in told)


def test_worker_state_and_memory_are_reported(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            before = {status.limits.engine: status for status in await service.engines()}
            await ended(service, await service.create(media_request(tmp_path)))
            await asyncio.sleep(0.3)
            after = {status.limits.engine: status for status in await service.engines()}
            return before["steady"], after["steady"]

    before, after = asyncio.run(scenario())
    assert (before.state, before.worker_memory_bytes) == (EngineState.IDLE, 0)
    assert (before.device, before.device_memory_bytes) == ("", 0)  # nothing has looked yet
    assert (after.device, after.device_memory_bytes) == ("cuda:0 NVIDIA H200", 141 << 30)
    assert (after.state, after.model_identity) == (EngineState.READY, "steady 1")
    if sys.platform == "linux":
        assert after.worker_memory_bytes > 1 << 20


def test_a_worker_killed_between_jobs_is_replaced(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            await ended(service, await service.create(media_request(tmp_path)))
            os.kill(service._lanes["steady"].worker.process_id, signal.SIGKILL)
            await asyncio.sleep(0.3)
            return await ended(service, await service.create(media_request(tmp_path)))

    job = asyncio.run(scenario())
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert job.take.path.endswith("_v002.mov")


def test_cancel_while_queued_and_while_running(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            slow = media_request(tmp_path, engine="slow", seed=400)
            first = await service.create(slow)
            second = await service.create(slow)
            await reached(service, first, lambda job: job.progress.phase == "generating")
            cancelled = await service.cancel(second.job_id)
            assert cancelled.state is JobState.CANCELLED
            assert (await service.cancel(second.job_id)) == cancelled
            assert (await service.cancel(first.job_id)).state is JobState.CANCELLING
            return await ended(service, first)

    job = asyncio.run(scenario())
    assert job.state is JobState.CANCELLED
    assert visible(tmp_path) == hidden(tmp_path) == []


def test_a_cancel_is_obeyed_within_a_step_and_a_second(tmp_path):
    """An engine step here is 0.05 s; the time counts from the answer to the cancel."""

    async def scenario():
        async with running(make_service(tmp_path)) as service:
            job = await service.create(media_request(tmp_path, engine="slow", seed=400))
            await reached(service, job, lambda job: job.progress.phase == "generating")
            await service.cancel(job.job_id)
            begun = asyncio.get_running_loop().time()
            last = await ended(service, job)
            return last, asyncio.get_running_loop().time() - begun

    last, seconds = asyncio.run(scenario())
    assert (last.state, last.attempts) == (JobState.CANCELLED, 1)
    assert seconds < 0.05 + 1


def test_the_usual_patience_is_thirty_seconds_after_a_cancel():
    assert WorkerTiming().cancel_grace_s == 30


def test_an_engine_deaf_to_cancel_is_killed_after_the_grace(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            job = await service.create(media_request(tmp_path, engine="deaf", seed=400))
            await reached(service, job, lambda job: job.progress.phase == "generating")
            await service.cancel(job.job_id)
            return await ended(service, job)

    job = asyncio.run(scenario())
    assert (job.state, job.attempts) == (JobState.CANCELLED, 1)
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize(
    ("operation", "number"),
    [("make_folder", 1), ("open_new", 1), ("open_new", 2), ("open_new", 3), ("write", 1),
     ("write", 2), ("close", 1), ("sha256", 1), ("unlink", 1)],
)  # fmt: skip
def test_a_disk_fault_in_the_worker_fails_one_job(tmp_path, operation, number, code):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "fault.txt").write_text(f"{operation} {code} {number}")

    async def scenario():
        async with running(make_service(tmp_path, stages="open_faulty_stages")) as service:
            failed = await ended(service, await service.create(media_request(tmp_path)))
            good = await ended(service, await service.create(media_request(tmp_path)))
            return failed, good

    failed, good = asyncio.run(scenario())
    reason = Reason.DISK_FULL if code == errno.ENOSPC else Reason.OUTPUT_NOT_WRITABLE
    assert (failed.state, failed.error.reason) == (JobState.FAILED, reason)
    assert good.state is JobState.SUCCEEDED
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]
    assert hidden(tmp_path) == []


def test_drain_returns_a_running_job_to_the_queue(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            job = await service.create(media_request(tmp_path, engine="slow", seed=400))
            await reached(service, job, lambda job: job.progress.phase == "generating")
        left = hidden(tmp_path)
        async with running(make_service(tmp_path)) as service:
            again = await reached(service, job, lambda job: job.progress.phase == "generating")
            await service.cancel(job.job_id)
            return left, again, await ended(service, job)

    left, again, last = asyncio.run(scenario())
    assert left == []
    assert again.attempts == 1  # being stopped is not the job's fault
    assert (last.state, last.error) == (JobState.CANCELLED, None)
