"""Watchers that come late, read slowly or outlive the sidecar miss nothing; others' jobs they never see."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter

import pytest
from support.faulty_filesystem import FaultyFileSystem
from support.job_cases import (
    As,
    ended,
    hidden,
    make_service,
    media_request,
    reached,
    running,
    visible,
)

from interchange.errors import NotFoundError, Reason
from interchange.model.caller import Caller, Role
from interchange.model.job import JobState
from sidecar.jobs.retry import RetryPolicy
from sidecar.jobs.store import JobStore

ANNA = Caller("anna", Role.EDITOR)
BEN = Caller("ben", Role.EDITOR)


async def changes(service, *, until, after_sequence=None, pause_s=0.0):
    """Read all changes until a condition on the last job holds; (sequence, job) each."""
    seen = []
    async with asyncio.timeout(30):
        async for sequence, job in service.watch_all(after_sequence=after_sequence):
            if job is None:
                continue
            seen.append((sequence, job))
            if until(job):
                return seen
            await asyncio.sleep(pause_s)
    raise AssertionError("unreachable")


def gapless(seen):
    """Whether every job's revisions are all there, in order."""
    revisions: Counter[str] = Counter()
    for _, job in seen:
        if job.revision != revisions[job.job_id] + 1:
            return False
        revisions[job.job_id] = job.revision
    return [sequence for sequence, _ in seen] == sorted({sequence for sequence, _ in seen})


def test_a_replay_after_a_restart_is_what_was_told_at_once(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            job = await service.create(media_request(tmp_path, engine="slow", seed=20))
            told = [snapshot async for snapshot in service.watch(job.job_id, replay=True)]
        async with running(make_service(tmp_path)) as service:
            again = [snapshot async for snapshot in service.watch(job.job_id, replay=True)]
            rest = [s async for s in service.watch(job.job_id, after_revision=told[1].revision)]
            everything = await changes(service, after_sequence=0, until=lambda j: j.state.terminal)
        return told, again, rest, everything

    told, again, rest, everything = asyncio.run(scenario())
    assert told == again == [job for _, job in everything]
    assert rest == told[2:]
    assert [snapshot.revision for snapshot in told] == list(range(1, len(told) + 1))
    assert told[-1].state is JobState.SUCCEEDED


def test_a_watcher_goes_on_where_the_stopped_sidecar_left_off(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            job = await service.create(media_request(tmp_path, engine="slow", seed=400))
            first = await reached(service, job, lambda job: job.progress.phase == "generating")
        async with running(make_service(tmp_path)) as service:
            rest = []
            async for snapshot in service.watch(job.job_id, after_revision=first.revision):
                rest.append(snapshot)
                if snapshot.progress.phase == "generating" and snapshot.state is JobState.RUNNING:
                    await service.cancel(job.job_id)
            return first, rest

    first, rest = asyncio.run(scenario())
    revisions = [snapshot.revision for snapshot in rest]
    assert revisions == list(range(first.revision + 1, first.revision + 1 + len(rest)))
    states = [snapshot.state for snapshot in rest]
    assert JobState.QUEUED in states, "that it was given back is told as well"
    assert states[-1] is JobState.CANCELLED


def test_all_changes_of_all_jobs_come_in_order_to_quick_and_slow_readers(tmp_path, monkeypatch):
    monkeypatch.setattr("sidecar.jobs.feed._MOST_KEPT", 4)
    monkeypatch.setattr("sidecar.jobs.watch._PAGE", 5)

    async def scenario():
        async with running(make_service(tmp_path)) as service:
            ended_jobs: set[str] = set()

            def last(job):
                if job.state.terminal:
                    ended_jobs.add(job.job_id)
                return len(ended_jobs) == 8

            quick = asyncio.create_task(changes(service, after_sequence=0, until=last))
            await asyncio.sleep(0.05)
            jobs = [await service.create(media_request(tmp_path)) for _ in range(8)]
            told = await quick
            slow = await changes(
                service,
                after_sequence=0,
                until=lambda job: job.job_id == jobs[-1].job_id and job.state.terminal,
                pause_s=0.002,
            )
            return told, slow

    told, slow = asyncio.run(scenario())
    assert gapless(told)
    assert slow == told


def test_a_reader_that_sleeps_while_much_happens_catches_up_without_a_gap(tmp_path, monkeypatch):
    monkeypatch.setattr("sidecar.jobs.feed._MOST_KEPT", 2)
    monkeypatch.setattr("sidecar.jobs.watch._PAGE", 3)

    async def scenario():
        async with running(make_service(tmp_path)) as service:
            stream = service.watch_all()
            start, nothing = await anext(stream)
            assert (start, nothing) == (0, None)
            for _ in range(5):
                job = await ended(service, await service.create(media_request(tmp_path)))
            seen = []
            async for change in stream:
                seen.append(change)
                if change[1] == job:
                    await stream.aclose()
            return seen

    seen = asyncio.run(scenario())
    assert gapless(seen)
    assert len({job.job_id for _, job in seen}) == 5


def test_a_stream_from_now_on_tells_nothing_old(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            await ended(service, await service.create(media_request(tmp_path)))
            stream = service.watch_all()
            start, _ = await anext(stream)
            job = await service.create(media_request(tmp_path))
            sequence, told = await anext(stream)
            await stream.aclose()
            await ended(service, job)
            return start, sequence, told, job

    start, sequence, told, job = asyncio.run(scenario())
    assert (sequence, told) == (start + 1, job)


def test_nobody_is_told_of_what_is_not_theirs(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as everybody:
            anna, ben = As(everybody.service, ANNA), As(everybody.service, BEN)
            live = asyncio.create_task(
                changes(anna, after_sequence=0, until=lambda job: job.state.terminal)
            )
            await asyncio.sleep(0.05)
            hers_not = await ended(ben, await ben.create(media_request(tmp_path)))
            hers = await ended(anna, await anna.create(media_request(tmp_path)))
            later = await changes(anna, after_sequence=0, until=lambda job: job.state.terminal)
            for call in (anna.get, anna.cancel, anna.delete, lambda i: anext(anna.watch(i))):
                with pytest.raises(NotFoundError) as caught:
                    await call(hers_not.job_id)
                assert caught.value.reason is Reason.JOB_NOT_FOUND
            assert [job.owner for job in (await anna.list())[0]] == ["anna"]
            assert len((await everybody.list())[0]) == 2
            await anna.delete(hers.job_id)
            return await live, later

    live, later = asyncio.run(scenario())
    assert live == later
    assert {job.owner for _, job in live} == {"anna"}


def test_a_job_deleted_under_a_slow_watcher_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("sidecar.jobs.feed._MOST_KEPT", 1)

    async def scenario():
        async with running(make_service(tmp_path)) as service:
            job = await service.create(media_request(tmp_path))
            watching = service.watch(job.job_id)
            await anext(watching)
            await ended(service, job)
            await service.delete(job.job_id)
            with pytest.raises(NotFoundError):
                async for _ in watching:
                    pass

    asyncio.run(scenario())


def test_a_share_that_is_away_for_a_while_delays_a_take_only(tmp_path):
    filesystem = FaultyFileSystem("publish_new", errno=errno.ESTALE, number=1)

    async def scenario():
        async with running(make_service(tmp_path, filesystem=filesystem)) as service:
            job = await service.create(media_request(tmp_path))
            return [snapshot async for snapshot in service.watch(job.job_id, replay=True)]

    seen = asyncio.run(scenario())
    assert seen[-1].state is JobState.SUCCEEDED
    waited = [snapshot for snapshot in seen if snapshot.retry_at is not None]
    assert [snapshot.state for snapshot in waited] == [JobState.QUEUED]
    generated = [s for s in seen if s.progress.phase == "generating" and s.progress.done == 1]
    assert len(generated) <= 1, "the finished take waited too; it is not made again"
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]
    assert hidden(tmp_path) == []


def test_a_job_that_waits_for_its_next_try_is_cancelled_at_once(tmp_path):
    patient = RetryPolicy(first_s=300)

    async def scenario():
        async with running(make_service(tmp_path, retry=patient)) as service:
            job = await service.create(media_request(tmp_path, engine="exits"))
            await reached(service, job, lambda job: job.retry_at is not None)
            # A waiting job holds nobody up, and the lane sleeps until something is to be done.
            cancelled = await service.cancel(job.job_id)
            assert await ended(service, job) == cancelled
            return cancelled

    cancelled = asyncio.run(scenario())
    assert (cancelled.state, cancelled.attempts) == (JobState.CANCELLED, 1)
    assert hidden(tmp_path) == []


def test_sixteen_that_submit_at_once_wait_for_few_commits(tmp_path, monkeypatch):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            blocker = await service.create(media_request(tmp_path, engine="slow", seed=400))
            await reached(service, blocker, lambda job: job.progress.phase == "generating")
            begun = []
            real = JobStore.together

            def counted(store, *, durable=True):
                begun.append(durable)
                return real(store, durable=durable)

            monkeypatch.setattr(JobStore, "together", counted)
            request = media_request(tmp_path, engine="slow")
            await asyncio.gather(*(service.create(request) for _ in range(16)))
            for job in (await service.list())[0]:
                await service.cancel(job.job_id)
            return begun

    begun = asyncio.run(scenario())
    assert begun, "some of them shared a transaction"
