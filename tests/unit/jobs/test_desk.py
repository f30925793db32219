"""The store behind the event loop: calls share transactions, and each gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from functools import partial

import pytest
from support.model_examples import example_geometry, example_request

from interchange.errors import ExhaustedError, NotFoundError, UnavailableError
from interchange.model.caller import LOCAL_CALLER
from interchange.model.job import JobState
from sidecar.jobs.desk import Desk
from sidecar.jobs.feed import Feed
from sidecar.jobs.rows import Event
from sidecar.jobs.store import JobStore
from sidecar.jobs.turns import QueueLimits

REQUEST = example_request()


def create(store):
    return store.create(
        REQUEST,
        example_geometry(REQUEST),
        caller=LOCAL_CALLER,
        request_id="",
        fingerprint="f",
        priority=0,
        version_floor=0,
        limits=QueueLimits(),
    )


class CountingStore(JobStore):
    """Counts what reaches the disk."""

    commits = 0

    def begin_counting(self):
        def say(statement):
            self.commits += statement == "COMMIT"

        self._connection.set_trace_callback(say)


@asynccontextmanager
async def opened(path, kind=JobStore):
    desk = Desk(partial(kind, path / "jobs.sqlite3", owner="boot"))
    await desk.open()
    try:
        yield desk
    finally:
        await desk.close()


@asynccontextmanager
async def held(desk):
    """Keep the store's thread busy, so that what is asked meanwhile waits together."""
    let_go = threading.Event()
    holding = asyncio.create_task(desk.ask(lambda _store: let_go.wait(10)))
    await asyncio.sleep(0)
    try:
        yield
        await asyncio.sleep(0)
    finally:
        let_go.set()
        await holding


async def together(desk, *calls):
    async with held(desk):
        asked = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0)
    return await asyncio.gather(*asked, return_exceptions=True)


def test_calls_that_wait_share_one_commit(tmp_path):
    async def scenario():
        async with opened(tmp_path, CountingStore) as desk:
            await desk.ask(CountingStore.begin_counting)
            jobs = await together(desk, *(desk.change(create) for _ in range(16)))
            assert len({job.job_id for job in jobs}) == 16
            return await desk.ask(lambda store: store.commits)

    assert asyncio.run(scenario()) == 1


def test_one_that_fails_takes_nobody_with_it(tmp_path):
    async def scenario():
        async with opened(tmp_path) as desk:
            missing = partial(JobStore.delete, job_id="0" * 32, caller=LOCAL_CALLER)
            one, error, two = await together(
                desk, desk.change(create), desk.change(missing), desk.change(create)
            )
            page, _ = await desk.ask(
                lambda store: store.page(states=(), caller=LOCAL_CALLER, before=None, size=9)
            )
            return one, error, two, page

    one, error, two, page = asyncio.run(scenario())
    assert isinstance(error, NotFoundError)
    assert page == (two, one)


def test_a_full_disk_fails_those_that_write_and_no_one_who_reads(tmp_path):
    async def scenario():
        async with opened(tmp_path) as desk:
            job = await desk.change(create)

            def fill(store):
                (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
                store._connection.execute(f"PRAGMA max_page_count = {pages}")

            await desk.ask(fill)
            read = desk.ask(lambda store: store.get(job.job_id, caller=LOCAL_CALLER))
            *failed, found = await together(desk, *(desk.change(create) for _ in range(30)), read)
            await desk.ask(
                lambda store: store._connection.execute("PRAGMA max_page_count = 9999").fetchone()
            )
            page, _ = await desk.ask(
                lambda store: store.page(states=(), caller=LOCAL_CALLER, before=None, size=99)
            )
            return job, failed, found, page, await desk.change(create)

    job, failed, found, page, later = asyncio.run(scenario())
    assert found == job
    assert any(isinstance(answer, ExhaustedError) for answer in failed)
    kept = {answer.job_id for answer in failed if not isinstance(answer, Exception)}
    assert {other.job_id for other in page} == {job.job_id, *kept}, "answered is kept, and no more"
    assert later.state is JobState.QUEUED


def test_whoever_leaves_before_its_turn_changes_nothing(tmp_path):
    async def scenario():
        async with opened(tmp_path) as desk:
            async with held(desk):
                leaving = asyncio.ensure_future(desk.change(create))
                await asyncio.sleep(0)
                leaving.cancel()
            return await desk.ask(JobStore.last_sequence)

    assert asyncio.run(scenario()) == 0


def test_a_closed_desk_says_so(tmp_path):
    async def scenario():
        async with opened(tmp_path) as desk:
            pass
        with pytest.raises(UnavailableError):
            await desk.ask(JobStore.last_sequence)

    asyncio.run(scenario())


def test_a_subscription_keeps_a_few_changes_and_then_only_that_it_is_behind(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite3", owner="x")
    job = create(store)
    store.close()

    async def scenario():
        feed = Feed()
        with feed.subscribe(job.job_id, behind=False) as subscription:
            for sequence in range(10_000):
                feed.offer(Event(sequence, job))
            assert subscription.behind
            assert len(subscription._kept) == 0
            assert await subscription.next() == []
            subscription.catch_up()
            feed.offer(Event(10_000, job))
            assert [event.sequence for event in await subscription.next()] == [10_000]
        assert feed._of_job == {}

    asyncio.run(scenario())
