"""What is written down about every change, how long it is kept, and what a broken transaction takes back."""

from __future__ import annotations

import pytest
from support.job_cases import make_take
from support.model_examples import example_geometry, example_request

from interchange.errors import NotFoundError, Reason, UnavailableError, UnsupportedError
from interchange.model.caller import LOCAL_CALLER, Caller, Role
from interchange.model.job import JobState, Progress
from sidecar.jobs import events
from sidecar.jobs.store import JobStore
from sidecar.jobs.turns import QueueLimits

REQUEST = example_request()
LANE = REQUEST.engine


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.sqlite3"


@pytest.fixture
def store(path):
    store = JobStore(path, owner="boot")
    yield store
    store.close()


def create(store, caller=LOCAL_CALLER):
    return store.create(
        REQUEST,
        example_geometry(REQUEST),
        caller=caller,
        request_id="",
        fingerprint="f",
        priority=0,
        version_floor=0,
        limits=QueueLimits(),
    )


def live(store, steps=3):
    """A whole life of a job."""
    job = create(store)
    store.claim(LANE)
    for step in range(steps):
        store.record_progress(job.job_id, Progress("generating", step, steps, step / steps))
    return store.succeed(job.job_id, make_take())


def kept(store, job_id, *, after_revision=0):
    return store.events_of(job_id, caller=LOCAL_CALLER, after_revision=after_revision, limit=999)


def everything(store, after=0, caller=LOCAL_CALLER):
    return store.events_after(after, caller=caller, limit=999)[0]


def test_what_is_read_later_is_what_was_told_at_once(store, path):
    done = live(store)
    told = store.take_events()
    assert kept(store, done.job_id) == told == everything(store)
    assert [event.job.revision for event in told] == [1, 2, 3, 4, 5, 6]
    assert [event.sequence for event in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1].job == done
    assert kept(store, done.job_id, after_revision=4) == told[4:]
    again = JobStore(path, owner="later")
    assert everything(again) == told
    again.close()


def test_a_call_that_fails_tells_nothing(store):
    live(store)
    store.take_events()
    done = create(store)
    store.take_events()
    with pytest.raises(UnsupportedError):
        store.succeed(done.job_id, make_take())
    assert store.take_events() == ()
    assert len(kept(store, done.job_id)) == 1


def test_progress_of_jobs_that_ended_long_ago_is_thinned(store, monkeypatch):
    monkeypatch.setattr(events, "KEPT_PROGRESS_JOBS", 2)
    running = create(store)
    store.claim(LANE)
    store.record_progress(running.job_id, Progress("generating", 1, 9, 0.1))
    ended = [live(store) for _ in range(5)]
    counts = [len(kept(store, job.job_id)) for job in ended]
    assert counts == [3, 3, 3, 6, 6]
    for job in ended:
        assert kept(store, job.job_id)[-1].job == job
    assert len(kept(store, running.job_id)) == 3, "one that has not ended is kept whole"
    revisions = [event.job.revision for event in kept(store, ended[0].job_id)]
    assert revisions == [1, 2, 6], "numbers stay as they were"


def test_a_deleted_job_takes_its_events_with_it(store):
    gone, stays = live(store), live(store)
    store.delete(gone.job_id, caller=LOCAL_CALLER)
    assert {event.job.job_id for event in everything(store)} == {stays.job_id}
    with pytest.raises(NotFoundError):
        kept(store, gone.job_id)
    assert store.last_sequence() == 12
    assert live(store).revision == 6
    assert store.last_sequence() == 18, "a sequence is never used again"


def test_pages_pass_over_what_a_caller_may_not_see(store, monkeypatch):
    monkeypatch.setattr("sidecar.jobs.reader._PASSED_OVER", 4)
    anna = Caller("anna", Role.EDITOR)
    for number in range(20):
        create(store, anna if number % 7 == 3 else LOCAL_CALLER)
    seen, reached, more = [], 0, True
    while more:
        page, reached, more = store.events_after(reached, caller=anna, limit=1)
        assert len(page) <= 1
        seen += [event.sequence for event in page]
    assert seen == [4, 11, 18]
    assert reached == 20


def test_numbers_jump_past_what_a_power_cut_may_have_taken(path):
    store = JobStore(path, owner="boot-1")
    job = create(store)
    store.claim(LANE)
    store.record_progress(job.job_id, Progress("generating", 1, 9, 0.1))
    seen = store.last_sequence()
    store.close()
    store = JobStore(path, owner="boot-2")
    adopted = store.adopt(job.job_id, None)
    assert adopted.revision > 3 + events.LOST_AT_MOST
    assert store.last_sequence() > seen + events.LOST_AT_MOST
    assert everything(store, after=seen)[-1].job == adopted
    store.close()


def test_calls_together_share_a_transaction_and_fail_alone(store):
    with store.together():
        one = create(store)
        with pytest.raises(NotFoundError):
            store.delete("0" * 32, caller=LOCAL_CALLER)
        two = create(store)
        assert store._connection.in_transaction
    told = store.take_events()
    assert [event.job for event in told] == [one, two]
    assert len(everything(store)) == 2


def test_what_ends_in_an_error_together_did_not_happen(store):
    def broken():
        with store.together():
            create(store)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert store.take_events() == ()
    assert store.page(states=(), caller=LOCAL_CALLER, before=None, size=9) == ((), None)


def test_a_transaction_that_sqlite_gave_up_takes_no_more_calls(store):
    def given_up():
        with store.together():
            create(store)
            store._connection.execute("ROLLBACK")  # as SQLite does by itself on a full disk
            create(store)

    with pytest.raises(UnavailableError) as caught:
        given_up()
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    assert store.page(states=(), caller=LOCAL_CALLER, before=None, size=9) == ((), None)
    assert create(store).state is JobState.QUEUED
