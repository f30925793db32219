from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.job_cases import make_take
from support.model_examples import example_geometry, example_request

from interchange.errors import (
    ConflictError,
    ExhaustedError,
    InternalError,
    NotAllowedError,
    NotFoundError,
    Reason,
    UnavailableError,
    UnsupportedError,
)
from interchange.model.caller import LOCAL_CALLER
from interchange.model.job import JobState, Progress
from sidecar.filesystem import FileSystem
from sidecar.jobs import schema
from sidecar.jobs.clock import SYSTEM_CLOCK
from sidecar.jobs.retry import RetryPolicy
from sidecar.jobs.store import MAX_INTERRUPTIONS, JobStore
from sidecar.jobs.turns import QueueLimits
from sidecar.jobs.work import TakeDraft
from sidecar.serialise import dump, fingerprint

REQUEST = example_request()
AT_ONCE = RetryPolicy(first_s=0)


DRAFT = TakeDraft("/out/.a.part", "/out/.b.part", "1" * 64, make_take())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.sqlite3"


@pytest.fixture
def store(path):
    store = JobStore(path, owner="boot-1", retry=AT_ONCE)
    yield store
    store.close()


def test_a_preview_reaches_who_watches_and_no_row(store, path):
    job = create(store)
    store.claim(REQUEST.engine)
    store.take_events()
    preview = bytes(range(256)) * 100
    shown = Progress("denoising", 3, 8, 0.2, preview)
    for _ in range(50):
        store.record_progress(job.job_id, shown)
    assert [event.job.progress for event in store.take_events()] == [shown] * 50
    kept = replace(shown, preview=b"")
    assert store.get(job.job_id, caller=LOCAL_CALLER).progress == kept
    events = store.events_of(job.job_id, caller=LOCAL_CALLER, after_revision=2, limit=99)
    assert {event.job.progress for event in events} == {kept}
    store.close()
    with sqlite3.connect(path) as connection:
        rows = "\n".join(connection.iterdump())
    connection.close()
    assert "preview" not in rows
    assert len(rows) < len(preview) * 2


def create(store, request=REQUEST, **changes):
    return store.create(
        request,
        example_geometry(request),
        **{
            "caller": LOCAL_CALLER,
            "request_id": "",
            "fingerprint": fingerprint(request),
            "priority": 0,
            "version_floor": 0,
            "limits": QueueLimits(100, 100),
        }
        | changes,
    )


def test_a_job_lives_through_its_states_with_rising_revision(store):
    created = create(store)
    claim = store.claim("animatic")
    generating = store.record_progress(created.job_id, Progress("generating", 1, 2, 0.5))
    drafted = store.record_draft(created.job_id, DRAFT)
    done = store.succeed(created.job_id, DRAFT.take)
    lives = [created, claim.job, generating, drafted, done]
    assert [job.state for job in lives] == [
        JobState.QUEUED, JobState.RUNNING, JobState.RUNNING, JobState.RUNNING, JobState.SUCCEEDED,
    ]  # fmt: skip
    revisions = [job.revision for job in lives]
    assert revisions == sorted(set(revisions))
    assert (done.take, done.error, done.progress.fraction) == (DRAFT.take, None, 1)
    assert done.created <= done.started <= done.ended
    assert (claim.order.attempt, claim.order.take_name) == (1, "A001_010_LTX_v001")
    assert store.get(done.job_id, caller=LOCAL_CALLER) == done
    assert store.claim("animatic") is None


def test_what_is_stored_is_there_after_opening_again(path):
    store = JobStore(path, owner="boot-1", retry=AT_ONCE)
    job = create(store, request_id="r", priority=3)
    store.close()
    again = JobStore(path, owner="boot-2", retry=AT_ONCE)
    assert again.get(job.job_id, caller=LOCAL_CALLER) == job
    assert again.find_request("r", fingerprint=fingerprint(REQUEST), caller=LOCAL_CALLER) == job
    again.close()


def test_the_same_request_id_is_the_same_job(store):
    job = create(store, request_id="r")
    assert create(store, request_id="r", priority=9) == job
    assert store.page(states=(), caller=LOCAL_CALLER, before=None, size=10) == ((job,), None)
    other = replace(REQUEST, seed=8)
    for again in (
        lambda: create(store, other, request_id="r"),
        lambda: store.find_request("r", fingerprint=fingerprint(other), caller=LOCAL_CALLER),
    ):
        with pytest.raises(ConflictError) as caught:
            again()
        assert caught.value.reason is Reason.REQUEST_ID_REUSED


def test_without_request_id_every_call_is_a_job(store):
    assert create(store).job_id != create(store).job_id


def test_claim_takes_the_highest_priority_then_the_oldest_of_its_lane(store):
    low, first, second = (create(store, priority=priority) for priority in (0, 5, 5))
    other = create(store, replace(REQUEST, engine="identity"), priority=9)
    order = [store.claim("animatic").job.job_id for _ in range(3)]
    assert order == [first.job_id, second.job_id, low.job_id]
    assert store.claim("identity").job.job_id == other.job_id


def test_versions_count_files_and_other_jobs_and_come_back_from_failures(store):
    def version(job):
        return next(
            row["version"]
            for row in store._connection.execute("SELECT * FROM job")
            if row["job_id"] == job.job_id
        )

    first, second = create(store, version_floor=4), create(store, version_floor=4)
    shouted = create(store, replace(REQUEST, shot="a001_010"))
    elsewhere = create(store, replace(REQUEST, output=replace(REQUEST.output, directory="/b")))
    assert [version(job) for job in (first, second, shouted, elsewhere)] == [5, 6, 7, 1]
    store.request_cancel(shouted.job_id, caller=LOCAL_CALLER)
    assert version(shouted) is None
    assert version(create(store)) == 7


def test_a_full_queue_refuses(store):
    create(store, limits=QueueLimits(1, 1), request_id="r")
    with pytest.raises(ExhaustedError) as caught:
        create(store, limits=QueueLimits(1, 1))
    assert caught.value.reason is Reason.QUEUE_FULL
    create(store, limits=QueueLimits(1, 1), request_id="r")  # known already: no new place needed


def test_pages_are_newest_first_and_complete(store):
    jobs = [create(store) for _ in range(5)]
    store.request_cancel(jobs[1].job_id, caller=LOCAL_CALLER)
    seen, before = [], None
    while True:
        page, before = store.page(states=(), caller=LOCAL_CALLER, before=before, size=2)
        seen += [job.job_id for job in page]
        if before is None:
            break
    assert seen == [job.job_id for job in reversed(jobs)]
    page, _ = store.page(states={JobState.CANCELLED}, caller=LOCAL_CALLER, before=None, size=10)
    assert [job.job_id for job in page] == [jobs[1].job_id]


def test_cancel(store):
    running, queued = create(store), create(store)
    store.claim("animatic")
    assert store.request_cancel(queued.job_id, caller=LOCAL_CALLER).state is JobState.CANCELLED
    cancelling = store.request_cancel(running.job_id, caller=LOCAL_CALLER)
    assert cancelling.state is JobState.CANCELLING
    assert store.request_cancel(running.job_id, caller=LOCAL_CALLER) == cancelling
    stopped = store.stopped(running.job_id)
    assert stopped.state is JobState.CANCELLED
    assert store.request_cancel(running.job_id, caller=LOCAL_CALLER) == stopped


def test_only_what_has_ended_can_be_deleted(store):
    job = create(store)
    with pytest.raises(UnsupportedError) as caught:
        store.delete(job.job_id, caller=LOCAL_CALLER)
    assert caught.value.reason is Reason.JOB_STATE
    store.request_cancel(job.job_id, caller=LOCAL_CALLER)
    store.delete(job.job_id, caller=LOCAL_CALLER)
    for call in (store.get, store.delete, store.request_cancel):
        with pytest.raises(NotFoundError) as missing:
            call(job.job_id, caller=LOCAL_CALLER)
        assert missing.value.reason is Reason.JOB_NOT_FOUND


def test_a_worker_that_dies_every_time_ends_after_three_attempts(store):
    job = create(store)
    error = UnavailableError("died", reason=Reason.WORKER_DIED)
    for attempt in (1, 2, 3):
        claim = store.claim("animatic")
        assert claim.order.attempt == attempt
        settled = store.fail_or_retry(job.job_id, error)
    assert (settled.state, settled.error.reason) == (JobState.FAILED, Reason.WORKER_DIED)


def test_a_sidecar_that_is_killed_does_not_poison_its_job(path):
    """Each time a new boot finds it; worker deaths in between are counted for themselves."""
    store = JobStore(path, owner="boot-0", retry=AT_ONCE)
    job = create(store)
    died = UnavailableError("died", reason=Reason.WORKER_DIED)
    attempts = []
    for boot in range(1, MAX_INTERRUPTIONS):
        if boot in {3, 5}:
            store.claim("animatic")
            assert store.fail_or_retry(job.job_id, died).state is JobState.QUEUED
        attempts.append(store.claim("animatic").order.attempt)
        store.close()
        store = JobStore(path, owner=f"boot-{boot}", retry=AT_ONCE)
        assert store.adopt(job.job_id, None).state is JobState.QUEUED
    assert attempts == sorted(set(attempts)), "attempts name work files, so none may come twice"
    store.claim("animatic")
    assert store.fail_or_retry(job.job_id, died).state is JobState.FAILED
    store.close()


def test_a_job_in_the_middle_of_every_crash_is_given_up_at_last(path):
    store = JobStore(path, owner="boot-0", retry=AT_ONCE)
    job = create(store)
    for boot in range(1, MAX_INTERRUPTIONS + 1):
        store.claim("animatic")
        store.close()
        store = JobStore(path, owner=f"boot-{boot}", retry=AT_ONCE)
        settled = store.adopt(job.job_id, None)
    assert (settled.state, settled.error.reason) == (JobState.FAILED, Reason.WORKER_DIED)
    store.close()


def test_a_database_of_the_first_schema_is_brought_forward(path, monkeypatch):
    monkeypatch.setattr(schema, "_MIGRATIONS", schema._MIGRATIONS[:1])
    connection = schema.open_database(path, filesystem=FileSystem())
    connection.execute(
        "INSERT INTO job (job_id, fingerprint, state, revision, priority, lane, attempts, request, geometry,"
        " progress, output_folder, shot, created) VALUES ('j', 'f', 'running', 1, 0, 'animatic', 2, ?, ?,"
        " ?, '/out', 's', '2026-01-01T00:00:00+00:00')",
        (dump(REQUEST), dump(example_geometry(REQUEST)), dump(Progress())),
    )
    connection.close()
    monkeypatch.undo()
    store = JobStore(path, owner="boot-1", retry=AT_ONCE)
    assert store.adopt("j", None).state is JobState.QUEUED
    store.close()


def test_only_the_holder_of_the_lease_reports(path):
    """Two connections: what the one claimed, the other neither gets nor changes."""
    one, two = (
        JobStore(path, owner="boot-1", retry=AT_ONCE),
        JobStore(path, owner="boot-2", retry=AT_ONCE),
    )
    job = create(one)
    assert one.claim("animatic") is not None
    assert two.claim("animatic") is None
    for report in (
        lambda: two.succeed(job.job_id, DRAFT.take),
        lambda: two.fail(job.job_id, InternalError("x")),
        lambda: two.record_progress(job.job_id, Progress()),
        lambda: two.record_draft(job.job_id, DRAFT),
        lambda: two.give_back(job.job_id),
        lambda: two.fail_or_retry(job.job_id, UnavailableError("x")),
    ):
        with pytest.raises(UnsupportedError, match="another run"):
            report()
    assert one.get(job.job_id, caller=LOCAL_CALLER).state is JobState.RUNNING
    one.close()
    two.close()


def test_two_connections_that_create_and_claim_at_once_lose_and_double_nothing(path):
    JobStore(path, owner="0").close()
    claimed: list[str] = []

    def work(owner):
        store = JobStore(path, owner=owner)
        for _ in range(10):
            create(store)
            claimed.append(store.claim("animatic").job.job_id)
        store.close()

    threads = [threading.Thread(target=work, args=(owner,)) for owner in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 30


def test_orphans_are_settled_by_what_was_found(path):
    old = JobStore(path, owner="boot-1", retry=AT_ONCE)
    published, half, cancelling, fresh = (create(old) for _ in range(4))
    for job in (published, half, cancelling):
        old.claim("animatic")
        if job is not cancelling:
            old.record_draft(job.job_id, DRAFT)
    old.request_cancel(cancelling.job_id, caller=LOCAL_CALLER)
    before = {
        job.job_id: old.get(job.job_id, caller=LOCAL_CALLER)
        for job in (published, half, cancelling)
    }
    old.close()
    new = JobStore(path, owner="boot-2", retry=AT_ONCE)
    assert [orphan.job.job_id for orphan in new.orphans()] == list(before)
    settled = {
        orphan.job.job_id: new.adopt(
            orphan.job.job_id, DRAFT.take if orphan.job.job_id == published.job_id else None
        )
        for orphan in new.orphans()
    }
    assert [job.state for job in settled.values()] == [
        JobState.SUCCEEDED, JobState.QUEUED, JobState.CANCELLED,
    ]  # fmt: skip
    assert all(settled[job_id].revision > before[job_id].revision for job_id in before)
    assert new.orphans() == ()
    assert new.claim("animatic").draft == DRAFT
    assert new.claim("animatic").job.job_id == fresh.job_id
    new.close()


def test_given_back_jobs_keep_their_attempts_and_their_draft(store):
    job = create(store)
    for _ in range(5):
        assert store.claim("animatic").order.attempt == 1
        store.record_draft(job.job_id, DRAFT)
        assert store.give_back(job.job_id).state is JobState.QUEUED
    assert store.claim("animatic").draft == DRAFT


def test_a_clock_that_jumps_back_hurts_nothing(path):
    now = datetime(2026, 1, 2, tzinfo=UTC)
    clock = iter([now, now - timedelta(days=1), now - timedelta(days=2)])
    store = JobStore(path, owner="boot-1", clock=replace(SYSTEM_CLOCK, now=lambda: next(clock)))
    job = create(store)
    store.claim("animatic")
    done = store.succeed(job.job_id, DRAFT.take)
    assert done.state is JobState.SUCCEEDED
    store.close()


def test_the_database_is_durable_by_setting(store):
    pragma = {
        name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    }
    assert pragma == {"journal_mode": "wal", "synchronous": 2}
    create(store)
    job = store.claim("animatic").job
    store.record_progress(job.job_id, Progress("generating", 1, 2, 0.5))
    assert store._connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_an_affected_sqlite_is_pointed_out(path, monkeypatch, caplog):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    JobStore(path, owner="x").close()
    assert "WAL-reset" in caplog.text
    caplog.clear()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    JobStore(path, owner="x").close()
    assert caplog.text == ""


def test_a_newer_database_is_left_alone(path):
    JobStore(path, owner="x").close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE schema SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(ConflictError, match="newer ltxbridge"):
        JobStore(path, owner="x")


def test_something_else_under_the_name_is_reported(tmp_path):
    path = tmp_path / "jobs.sqlite3"
    path.write_bytes(b"this is no database, but long enough to look like one" * 50)
    with pytest.raises(InternalError, match="job database"):
        JobStore(path, owner="x")
    with pytest.raises(NotAllowedError, match="state folder"):
        JobStore(tmp_path / "none" / "jobs.sqlite3", owner="x")


def test_a_full_disk_under_the_database_is_said_and_passes(store):
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")

    def create_many():
        for _ in range(50):
            create(store)

    with pytest.raises(ExhaustedError) as caught:
        create_many()
    assert caught.value.reason is Reason.DISK_FULL
    kept, _ = store.page(states=(), caller=LOCAL_CALLER, before=None, size=100)
    store._connection.execute("PRAGMA max_page_count = 100000")
    create(store)
    assert (
        len(store.page(states=(), caller=LOCAL_CALLER, before=None, size=100)[0]) == len(kept) + 1
    )
    assert store._connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_database_locked_by_another_program_is_said(path, monkeypatch):
    monkeypatch.setattr("sidecar.jobs.schema._BUSY_TIMEOUT_S", 0.05)
    store = JobStore(path, owner="x")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="locked"):
        create(store)
    other.execute("ROLLBACK")
    other.close()
    create(store)
    store.close()
