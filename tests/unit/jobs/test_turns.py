"""Whose turn it is, and how many may wait."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.model_examples import example_geometry, example_request

from interchange.errors import ConflictError, ExhaustedError, NotFoundError, Reason
from interchange.model.caller import LOCAL_CALLER, Caller, Door, Role
from interchange.model.job import JobState
from sidecar.jobs.store import JobStore
from sidecar.jobs.turns import QueueLimits

REQUEST = example_request()
LANE = REQUEST.engine
ANNA = Caller("anna", Role.EDITOR)
BEN = Caller("ben", Role.EDITOR)
ROOM = QueueLimits()
WATCH = replace(ANNA, door=Door.WATCH)


@pytest.fixture
def store(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite3", owner="boot")
    yield store
    store.close()


def create(store, caller, *, request=REQUEST, request_id="", priority=0, limits=ROOM):
    return store.create(
        request,
        example_geometry(request),
        caller=caller,
        request_id=request_id,
        fingerprint="f",
        priority=priority,
        version_floor=0,
        limits=limits,
    )


def served(store, count):
    return [store.claim(LANE).job for _ in range(count)]


def test_shares_take_turns_however_many_jobs_one_has(store):
    for _ in range(6):
        create(store, WATCH)
    served(store, 2)
    for caller in (ANNA, BEN):
        create(store, caller)
        create(store, caller)
    order = [job.owner for job in served(store, 8)]
    assert order == ["anna", "ben", "anna", "anna", "ben", "anna", "anna", "anna"]


def test_within_a_share_the_oldest_goes_first(store):
    jobs = [create(store, ANNA).job_id for _ in range(4)]
    assert [job.job_id for job in served(store, 4)] == jobs


def test_a_higher_priority_goes_before_every_turn(store):
    create(store, BEN)
    urgent = [create(store, ANNA, priority=1).job_id for _ in range(3)]
    assert [job.job_id for job in served(store, 3)] == urgent
    assert served(store, 1)[0].owner == "ben"


def test_lanes_have_turns_of_their_own(store):
    other = replace(REQUEST, engine="identity")
    for caller in (ANNA, BEN):
        create(store, caller)
        create(store, caller, request=other)
    assert [job.owner for job in served(store, 2)] == ["anna", "ben"]
    assert [store.claim("identity").job.owner for _ in range(2)] == ["anna", "ben"]


def test_turns_outlive_a_restart(tmp_path):
    for boot in range(4):
        store = JobStore(tmp_path / "jobs.sqlite3", owner=str(boot))
        if not boot:
            for caller in (ANNA, ANNA, BEN, BEN):
                create(store, caller)
        assert store.claim(LANE).job.owner == ("anna", "ben", "anna", "ben")[boot]
        store.close()


def test_choosing_costs_the_same_however_many_wait(store):
    """As many look-ups as shares wait: no step may walk over the waiting jobs."""

    def cost():
        steps = 0

        def count():
            nonlocal steps
            steps += 1

        store._connection.set_progress_handler(count, 1)
        store.claim(LANE)
        store._connection.set_progress_handler(None, 1)
        return steps

    costs = []
    for _ in range(2):
        with store.together():
            for caller in (ANNA, BEN, WATCH) * 100:
                create(store, caller)
        cost()
        costs.append(cost())
    assert costs[1] <= costs[0] * 1.1


def test_a_share_fills_its_own_part_only(store):
    limits = QueueLimits(total=4, share=2)
    for _ in range(2):
        create(store, WATCH, limits=limits)
    with pytest.raises(ExhaustedError) as caught:
        create(store, WATCH, limits=limits)
    assert caught.value.reason is Reason.QUEUE_FULL
    create(store, ANNA, limits=limits)
    create(store, BEN, limits=limits)
    with pytest.raises(ExhaustedError):
        create(store, Caller("cleo", Role.EDITOR), limits=limits)
    served(store, 1)
    create(store, Caller("cleo", Role.EDITOR), limits=limits)


def test_somebody_elses_job_looks_like_none(store):
    job = create(store, ANNA)
    calls = (store.get, store.request_cancel, store.delete)
    for call in calls:
        with pytest.raises(NotFoundError) as caught:
            call(job.job_id, caller=BEN)
        with pytest.raises(NotFoundError) as missing:
            call("0" * 32, caller=BEN)
        assert caught.value.reason is missing.value.reason is Reason.JOB_NOT_FOUND
        assert caught.value.message.replace(job.job_id, "") == missing.value.message.replace(
            "0" * 32, ""
        )
    with pytest.raises(NotFoundError):
        store.events_of(job.job_id, caller=BEN, after_revision=0, limit=9)
    assert store.page(states=(), caller=BEN, before=None, size=9) == ((), None)
    assert store.events_after(0, caller=BEN, limit=9)[0] == ()
    for caller in (ANNA, WATCH, LOCAL_CALLER):
        assert store.get(job.job_id, caller=caller) == job
    assert store.request_cancel(job.job_id, caller=LOCAL_CALLER).state is JobState.CANCELLED


def test_a_request_id_is_its_callers_own(store):
    first = create(store, ANNA, request_id="r")
    second = create(store, BEN, request_id="r")
    assert first.job_id != second.job_id
    assert create(store, WATCH, request_id="r") == first
    with pytest.raises(ConflictError):
        store.find_request("r", fingerprint="other", caller=BEN)
