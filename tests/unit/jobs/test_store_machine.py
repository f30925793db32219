"""The store against a plain model of it, through random lives and crashes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from support.job_cases import make_take
from support.model_examples import example_geometry, example_request

from interchange.errors import InternalError, Reason, UnavailableError
from interchange.model.caller import LOCAL_CALLER
from interchange.model.job import JobState, Progress
from sidecar.jobs.retry import TRIES, RetryPolicy
from sidecar.jobs.store import MAX_INTERRUPTIONS, JobStore
from sidecar.jobs.turns import QueueLimits
from sidecar.serialise import fingerprint

REQUEST = example_request()
LANE = REQUEST.engine
MAX_ATTEMPTS = TRIES[Reason.WORKER_DIED]


class StoreLife(RuleBasedStateMachine):
    """Creates, claims, ends, crashes and recovers; nothing may get lost, doubled or go backwards."""

    created = Bundle("created")
    leased = Bundle("leased")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ltxb-store-"))
        self.boots = 0
        self.expected: dict[str, JobState] = {}
        self.attempts: dict[str, int] = {}
        self.interruptions: dict[str, int] = {}
        self.order: dict[str, tuple[int, int]] = {}
        self.revisions: dict[str, int] = {}
        self.request_ids: dict[str, str] = {}
        self.held: set[str] = set()
        self.store = self._open()

    def _open(self) -> JobStore:
        self.boots += 1
        return JobStore(
            self.folder / "jobs.sqlite3", owner=f"boot-{self.boots}", retry=RetryPolicy(first_s=0)
        )

    def _end(self, job_id: str, state: JobState) -> None:
        self.expected[job_id] = state
        self.held.discard(job_id)

    @rule(target=created, priority=st.integers(-1, 1), request_id=st.sampled_from(["", "a", "b"]))
    def create(self, priority, request_id):
        job = self.store.create(
            REQUEST,
            example_geometry(REQUEST),
            caller=LOCAL_CALLER,
            request_id=request_id,
            fingerprint=fingerprint(REQUEST),
            priority=priority,
            version_floor=0,
            limits=QueueLimits(),
        )
        if request_id in self.request_ids:
            assert job.job_id == self.request_ids[request_id]
            return job.job_id
        assert job.job_id not in self.expected
        if request_id:
            self.request_ids[request_id] = job.job_id
        self.expected[job.job_id] = JobState.QUEUED
        self.attempts[job.job_id] = 0
        self.interruptions[job.job_id] = 0
        self.order[job.job_id] = (-priority, len(self.order))
        return job.job_id

    @rule(target=leased)
    def claim(self):
        waiting = [j for j, state in self.expected.items() if state is JobState.QUEUED]
        claim = self.store.claim(LANE)
        if not waiting:
            assert claim is None
            return ""
        job_id = claim.job.job_id
        assert job_id == min(waiting, key=self.order.__getitem__)
        self.expected[job_id] = JobState.RUNNING
        self.attempts[job_id] += 1
        assert claim.order.attempt == self.attempts[job_id]
        assert self.attempts[job_id] - self.interruptions[job_id] <= MAX_ATTEMPTS
        self.held.add(job_id)
        return job_id

    @rule(job_id=leased, done=st.integers(0, 9))
    def progress(self, job_id, done):
        if job_id in self.held:
            self.store.record_progress(job_id, Progress("generating", done, 9, done / 9))

    @rule(job_id=consumes(leased), outcome=st.sampled_from(["take", "error", "death", "back"]))
    def finish(self, job_id, outcome):
        if job_id not in self.held:
            return
        cancelling = self.expected[job_id] is JobState.CANCELLING
        match outcome:
            case "take":
                self.store.succeed(job_id, make_take())
                self._end(job_id, JobState.SUCCEEDED)
            case "error":
                self.store.fail(job_id, InternalError("x"))
                self._end(job_id, JobState.FAILED)
            case "death":
                self.store.fail_or_retry(job_id, UnavailableError("x", reason=Reason.WORKER_DIED))
                deaths = self.attempts[job_id] - self.interruptions[job_id]
                self._after_death(job_id, cancelling, hopeless=deaths >= MAX_ATTEMPTS)
            case "back":
                self.store.give_back(job_id)
                self.attempts[job_id] -= not cancelling
                self._end(job_id, JobState.CANCELLED if cancelling else JobState.QUEUED)

    def _after_death(self, job_id, cancelling, *, hopeless):
        if cancelling:
            self._end(job_id, JobState.CANCELLED)
        elif hopeless:
            self._end(job_id, JobState.FAILED)
        else:
            self._end(job_id, JobState.QUEUED)

    @rule(job_id=created)
    def cancel(self, job_id):
        if job_id not in self.expected:
            return
        self.store.request_cancel(job_id, caller=LOCAL_CALLER)
        match self.expected[job_id]:
            case JobState.QUEUED:
                self.expected[job_id] = JobState.CANCELLED
            case JobState.RUNNING:
                self.expected[job_id] = JobState.CANCELLING

    @rule(job_id=consumes(created))
    def delete(self, job_id):
        if self.expected.get(job_id, JobState.QUEUED).terminal:
            self.store.delete(job_id, caller=LOCAL_CALLER)
            del self.expected[job_id]
            self.request_ids = {r: j for r, j in self.request_ids.items() if j != job_id}

    @rule(published=st.booleans())
    def crash_and_recover(self, published):
        self.store.close()
        self.store = self._open()
        orphans = self.store.orphans()
        assert {orphan.job.job_id for orphan in orphans} == self.held
        for orphan in orphans:
            job_id = orphan.job.job_id
            self.interruptions[job_id] += 1
            self.store.adopt(job_id, make_take() if published else None)
            if published:
                self._end(job_id, JobState.SUCCEEDED)
            else:
                self._after_death(
                    job_id,
                    self.expected[job_id] is JobState.CANCELLING,
                    hopeless=self.interruptions[job_id] >= MAX_INTERRUPTIONS,
                )

    @invariant()
    def everything_is_as_expected(self):
        jobs, following = self.store.page(states=(), caller=LOCAL_CALLER, before=None, size=1000)
        assert following is None
        assert {job.job_id: job.state for job in jobs} == self.expected
        for job in jobs:
            assert job.attempts == self.attempts[job.job_id]
            assert job.revision >= self.revisions.get(job.job_id, 1)
            self.revisions[job.job_id] = job.revision
            assert (job.take is not None) == (job.state is JobState.SUCCEEDED)
            assert (job.error is not None) == (job.state is JobState.FAILED)
            assert (job.ended is not None) == job.state.terminal

    @invariant()
    def no_file_name_is_promised_twice(self):
        rows = self.store._connection.execute("SELECT state, version FROM job").fetchall()
        promised = [row["version"] for row in rows if row["version"] is not None]
        assert len(promised) == len(set(promised))
        for row in rows:
            released = row["state"] in {JobState.FAILED, JobState.CANCELLED}
            assert (row["version"] is None) == released

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)


StoreLife.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
TestStoreLife = StoreLife.TestCase
