"""A worker that hangs, dies, babbles or lies: its job ends by the rules, and the next one is made.

What such a worker says is never acted on: it decodes what strangers made.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from support import babbling_worker
from support.broken_engines import create_engine
from support.job_cases import ended, hidden, make_service, media_request, running, visible
from support.model_examples import JOB_ID, example_geometry

from interchange.errors import Reason
from interchange.model.job import EngineState, JobState
from sidecar.jobs.retry import RetryPolicy
from sidecar.jobs.work import WorkOrder
from sidecar.worker.messages import Finished, Hello, Start, read_from_worker, to_line
from sidecar.worker.supervisor import WorkerSpec, WorkerTiming

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

HARMLESS = {"prints", "behaves"}
SAID = {
    "garbage": "unreadable",
    "no_message_of_ours": "unreadable",
    "huge_line": "unreadable",
    "endless_line": "unreadable",
    "closes_the_pipe": "ended by itself",
    "holds_the_interpreter": "no sign of life",
    "stops": "no sign of life",
    "is_killed": "was killed (signal 9), by a person or by the system",
    "claims_a_strangers_file": "not asked",
    "answers_for_another_job": "not asked",
    "shows_too_much": "not asked",
}


def service_with(root, engine):
    limits = babbling_worker.limits()
    return make_service(
        root,
        limits={name: limits[name] for name in (engine, "behaves")},
        default_engine=engine,
        timing=WorkerTiming(heartbeat_s=0.05, silence_s=0.5, cancel_grace_s=1),
        retry=RetryPolicy(first_s=0.01),
        worker=WorkerSpec(
            root / "state",
            "1.2.3",
            engines="support.babbling_worker:create_engine",
            stages="support.broken_engines:open_stages",
        ),
    )


def test_every_misdeed_is_expected_to_be_something():
    assert set(babbling_worker.DOINGS) == HARMLESS | set(SAID)


@pytest.mark.parametrize("engine", SAID)
def test_a_worker_that_misbehaves_every_time_is_given_up_at_the_third(tmp_path, engine):
    (tmp_path / "secret").write_bytes(b"private")

    async def scenario():
        async with running(service_with(tmp_path, engine)) as service:
            first = await ended(
                service, await service.create(media_request(tmp_path, engine=engine))
            )
            # The service lives, and another engine's worker never noticed.
            second = await ended(
                service, await service.create(media_request(tmp_path, engine="behaves"))
            )
            return first, second, service.worker_starts()

    first, second, starts = asyncio.run(scenario())
    assert (first.state, first.attempts) == (JobState.FAILED, 3)
    assert first.error.reason is Reason.WORKER_DIED
    assert SAID[engine] in str(first.error)
    assert (second.state, second.attempts) == (JobState.SUCCEEDED, 1)
    assert starts == {engine: 3, "behaves": 1}
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]
    assert hidden(tmp_path) == []
    assert (tmp_path / "secret").read_bytes() == b"private"
    assert (tmp_path / "A001.mov").read_bytes() == b"original"


def test_what_a_library_prints_does_not_reach_the_server(tmp_path):
    async def scenario():
        async with running(service_with(tmp_path, "prints")) as service:
            return await ended(
                service, await service.create(media_request(tmp_path, engine="prints"))
            )

    job = asyncio.run(scenario())
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]


def test_a_worker_whose_server_is_gone_ends_at_once(tmp_path):
    root = tmp_path.resolve()
    with started_worker(root, "slow") as worker:
        worker.stdin.write(to_line(Start(order_for(root, engine="slow", seed=1000))))
        worker.stdin.flush()
        assert worker.stdout.readline()
        worker.stdin.close()
        assert worker.wait(5) == 0


def test_a_worker_says_only_messages_and_answers_its_order(tmp_path):
    root = tmp_path.resolve()
    with started_worker(root, "steady") as worker:
        worker.stdin.write(to_line(Start(order_for(root))))
        worker.stdin.flush()
        messages = []
        while not (messages and isinstance(messages[-1], Finished)):
            messages.append(read_from_worker(worker.stdout.readline()))
        worker.stdin.close()
        worker.wait(5)
    draft = messages[-1].draft
    assert draft.take.model_identity == create_engine("steady").model_identity
    assert Path(draft.media_part).exists()
    assert not (root / "takes" / "A_LTX_v001.mov").exists()


def order_for(root, **changes):
    request = media_request(root, **changes)
    return WorkOrder(JOB_ID, 1, "A_LTX_v001", request, example_geometry(request))


def started_worker(root, engine):
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "sidecar.worker.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    hello = Hello(
        engine=engine,
        engines="support.broken_engines:create_engine",
        stages="support.broken_engines:open_stages",
        state_folder=str(root / "state"),
        product_version="1",
        heartbeat_s=0.1,
    )
    worker.stdin.write(to_line(hello))
    return worker


def test_an_engine_without_its_package_fails_its_job_in_its_own_words(tmp_path, caplog):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            first = await ended(
                service, await service.create(media_request(tmp_path, engine="uninstalled"))
            )
            return first, service.worker_starts()

    job, starts = asyncio.run(scenario())
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.error.reason is Reason.DEPENDENCY_MISSING
    assert job.error.message == "The engine uninstalled needs a package that is not there."
    assert (
        starts["uninstalled"] == 1
    )  # the worker lives: what is missing may be installed meanwhile
    assert "Traceback" not in caplog.text


def test_a_swapped_checkpoint_is_known_as_soon_as_its_first_take_is(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            known = []
            for seed in (3, 3, 4):
                request = media_request(tmp_path, engine="swaps", shot=f"S{len(known)}", seed=seed)
                job = await ended(service, await service.create(request))
                (engine,) = [e for e in await service.engines() if e.limits.engine == "swaps"]
                known.append((job.take.model_identity, engine.model_identity, engine.state))
            return known

    assert asyncio.run(scenario()) == [
        (f"checkpoint {seed}", f"checkpoint {seed}", EngineState.READY) for seed in (3, 3, 4)
    ]


def test_previews_reach_who_watches_and_are_not_kept(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            job = await service.create(media_request(tmp_path, engine="shows"))
            live = [seen async for seen in service.watch(job.job_id, after_revision=0)]
            late = [seen async for seen in service.watch(job.job_id, after_revision=1)]
            return live, late

    live, late = asyncio.run(scenario())
    shown = [job.progress for job in live if job.progress.preview]
    assert 2 <= len(shown) <= 6  # nine in 0.9 s, told four times a second
    assert {progress.phase for progress in shown} <= {"denoising", "generating"}
    assert all(progress.preview.startswith(b"JPEG") for progress in shown)
    fractions = [job.progress.fraction for job in live]
    assert fractions == sorted(fractions)
    assert [job.revision for job in late] == [job.revision for job in live if job.revision > 1]
    assert not any(job.progress.preview for job in late)
