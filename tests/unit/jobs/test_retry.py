"""Which failures are tried again, when, and what a clock that jumps does to it: nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.model_examples import example_geometry, example_request

from interchange.errors import ExhaustedError, InternalError, Reason, UnavailableError
from interchange.model.caller import LOCAL_CALLER
from interchange.model.job import JobState
from sidecar.jobs.clock import Clock
from sidecar.jobs.retry import TRIES, RetryPolicy
from sidecar.jobs.store import JobStore
from sidecar.jobs.turns import QueueLimits

DIED = UnavailableError("died", reason=Reason.WORKER_DIED)
AWAY = UnavailableError("away", reason=Reason.STORAGE_UNAVAILABLE)
REQUEST = example_request()
LANE = REQUEST.engine


@dataclass
class Hands:
    """A clock that a test turns: wall time and monotonic time each for itself."""

    wall: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    passed: float = 0.0
    policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(random=lambda: 0.0))

    @property
    def clock(self) -> Clock:
        async def never(_seconds: float) -> None:
            raise AssertionError("the store does not sleep")

        return Clock(lambda: self.wall, lambda: self.passed, never)

    def wait(self, seconds: float) -> None:
        self.passed += seconds
        self.wall += timedelta(seconds=seconds)

    def open(self, path, owner="boot-1"):
        return JobStore(path, owner=owner, clock=self.clock, retry=self.policy)


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


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.sqlite3"


@given(st.sampled_from(list(TRIES)), st.integers(1, 40), st.integers())
def test_waits_double_up_to_five_minutes_and_end(reason, failures, seed):
    policy = RetryPolicy(random=random.Random(seed).random)
    wait_s = policy.wait_s(reason, failures)
    if failures >= TRIES[reason]:
        assert wait_s is None
    else:
        plain = min(5 * 2 ** (failures - 1), 300)
        assert plain <= wait_s <= plain * 1.25 <= policy.longest_wait_s


def test_only_what_passes_by_itself_is_tried_again():
    assert set(TRIES) == {Reason.WORKER_DIED, Reason.STORAGE_UNAVAILABLE}
    policy = RetryPolicy()
    assert all(policy.wait_s(reason, 1) is None for reason in Reason if reason not in TRIES)


def test_the_same_seed_gives_the_same_waits():
    one, two = (RetryPolicy(random=random.Random(7).random) for _ in range(2))
    waits = [[p.wait_s(Reason.STORAGE_UNAVAILABLE, n) for n in range(1, 9)] for p in (one, two)]
    assert waits[0] == waits[1]


def test_a_job_that_waits_is_not_there_until_its_time(path, hands):
    store = hands.open(path)
    job = create(store)
    store.claim(LANE)
    waiting = store.fail_or_retry(job.job_id, AWAY)
    assert (waiting.state, waiting.retry_at) == (
        JobState.QUEUED,
        hands.wall + timedelta(seconds=5),
    )
    hands.wait(4.9)
    assert store.claim(LANE) is None
    assert store.wait_s(LANE) == pytest.approx(0.1)
    hands.wait(0.1)
    claim = store.claim(LANE)
    assert (claim.job.job_id, claim.job.retry_at) == (job.job_id, None)
    assert store.wait_s(LANE) is None
    told = [event.job for event in store.take_events()]
    assert [snapshot.revision for snapshot in told] == list(range(1, len(told) + 1))
    assert [snapshot.retry_at is None for snapshot in told] == [True, True, False, True, True]
    store.close()


def test_others_go_on_while_one_waits(path, hands):
    store = hands.open(path)
    first, second = create(store), create(store)
    store.claim(LANE)
    store.fail_or_retry(first.job_id, AWAY)
    assert store.claim(LANE).job.job_id == second.job_id
    store.close()


def test_a_waiting_job_is_cancelled_at_once(path, hands):
    store = hands.open(path)
    job = create(store)
    store.claim(LANE)
    store.fail_or_retry(job.job_id, AWAY)
    cancelled = store.request_cancel(job.job_id, caller=LOCAL_CALLER)
    assert (cancelled.state, cancelled.retry_at) == (JobState.CANCELLED, None)
    hands.wait(3600)
    assert store.claim(LANE) is None
    assert store.wait_s(LANE) is None
    store.close()


@pytest.mark.parametrize("step", [timedelta(days=1), -timedelta(days=1)])
def test_a_wall_clock_that_jumps_a_day_moves_no_wait_of_this_run(path, hands, step):
    store = hands.open(path)
    job = create(store)
    store.claim(LANE)
    store.fail_or_retry(job.job_id, AWAY)
    hands.wall += step
    assert store.claim(LANE) is None
    assert store.wait_s(LANE) == 5
    hands.wait(5)
    assert store.claim(LANE).job.job_id == job.job_id
    store.close()


@pytest.mark.parametrize(
    ("step", "left_s"),
    [(timedelta(0), 3), (timedelta(days=1), 0), (-timedelta(days=1), 300 * 1.25)],
)
def test_across_a_restart_the_wall_clock_counts_and_is_not_trusted_far(path, hands, step, left_s):
    store = hands.open(path)
    job = create(store)
    store.claim(LANE)
    store.fail_or_retry(job.job_id, AWAY)
    store.close()
    hands.wall += timedelta(seconds=2) + step
    hands.passed = 1_000_000.0  # another boot of the machine: this clock starts anywhere
    store = hands.open(path, owner="boot-2")
    assert store.wait_s(LANE) == pytest.approx(left_s)
    hands.wait(left_s)
    assert store.claim(LANE).job.job_id == job.job_id
    store.close()


def test_each_cause_is_counted_for_itself(path, hands):
    store = hands.open(path)
    job = create(store)

    def fail(error):
        hands.wait(3600)
        assert store.claim(LANE) is not None
        return store.fail_or_retry(job.job_id, error)

    for _ in range(TRIES[Reason.STORAGE_UNAVAILABLE] - 1):
        assert fail(AWAY).state is JobState.QUEUED
    assert [fail(DIED).state for _ in range(3)] == [
        JobState.QUEUED,
        JobState.QUEUED,
        JobState.FAILED,
    ]
    store.close()


@pytest.mark.parametrize(
    "error", [ExhaustedError("full"), InternalError("bug"), UnavailableError("nobody")]
)
def test_everything_else_fails_at_once(path, hands, error):
    store = hands.open(path)
    job = create(store)
    store.claim(LANE)
    failed = store.fail_or_retry(job.job_id, error)
    assert (failed.state, failed.error.reason) == (JobState.FAILED, error.reason)
    store.close()


def test_what_is_to_be_cancelled_is_not_tried_again(path, hands):
    store = hands.open(path)
    job = create(store)
    store.claim(LANE)
    store.request_cancel(job.job_id, caller=LOCAL_CALLER)
    assert store.fail_or_retry(job.job_id, DIED).state is JobState.CANCELLED
    store.close()
