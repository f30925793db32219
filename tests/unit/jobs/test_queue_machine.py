"""The whole queue through random days in simulated time: nothing lost, doubled, starved or forgotten.

A day of the simulation takes milliseconds, and the same seed gives the same day.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from support.queue_world import DEEDS, ENGINE, POLICY, World

from interchange.errors import NotFoundError, UnsupportedError
from interchange.model.caller import LOCAL_CALLER, Caller, Role
from interchange.model.job import JobState
from sidecar.serialise import dump

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="keeps crashed sidecars' files open"
)

CALLERS = [Caller(name, Role.EDITOR, door) for name, door in
           (("ana", "cli"), ("ana", "watch"), ("ben", "cli"))]  # fmt: skip
DEATHS = {"dies", "hangs"}
DAY = timedelta(days=1)
STEPS_OF_THE_CLOCK = [DAY, -DAY, timedelta(hours=1), -timedelta(hours=1)]


class Watcher:
    """Follows one job from a revision on, as an editor's window does."""

    def __init__(self, machine, job_id, after_revision, caller):
        self.job_id, self.caller = job_id, caller
        # One that has seen more than there is, before a power cut, goes on from what there is.
        self.after_revision = min(after_revision, machine.job(job_id).revision)
        self.boot = machine.world.boot
        self.heard = []
        self.gone = False
        self.task = machine.world.loop.create_task(self._watch(machine.world.service))

    async def _watch(self, service):
        stream = service.watch(
            self.job_id, caller=self.caller, after_revision=self.after_revision, replay=True
        )
        try:
            async for job in stream:
                self.heard.append(job)
        except NotFoundError:  # deleted under it
            self.gone = True


class QueueLife(RuleBasedStateMachine):
    """Rules are what people, engines, clocks and power supplies do; invariants are what we promise."""

    jobs = Bundle("jobs")

    def __init__(self):
        super().__init__()
        self.world = World(Path(tempfile.mkdtemp(prefix="ltxb-queue-")).resolve())
        self.world.on_start.append(self.is_the_right_one_to_start)
        self.world.start()
        self.asked = {}  # job id -> caller
        self.callers = {}  # shot -> caller: a job may start before its caller has heard its id
        self.ended = {}  # job id -> the last snapshot
        self.deleted = set()
        self.takes = 0  # of deleted jobs; their media stay
        self.skipped = Counter()
        self.watchers = []
        self.shots = 0

    # What happens

    @rule(
        target=jobs,
        caller=st.sampled_from(CALLERS),
        priority=st.integers(0, 1),
        script=st.one_of(
            st.lists(st.sampled_from(DEEDS), max_size=4),
            st.sampled_from(
                [["dies", "hangs"] * 2, ["fails for now"] * 13]
            ),  # more than the rules allow
        ),
    )
    def submit(self, caller, priority, script):
        self.shots += 1
        shot = f"S{self.shots:03}"
        self.world.scripts[shot] = script
        self.callers[shot] = caller
        create = self.world.service.create
        request = self.world.request(shot)
        job = self.world.run(create(request, caller=caller, request_id=shot, priority=priority))
        again = self.world.run(create(request, caller=caller, request_id=shot, priority=priority))
        assert again.job_id == job.job_id
        self.asked[job.job_id] = caller
        return job.job_id

    @rule(caller=st.sampled_from(CALLERS))
    def a_weekends_folder_arrives(self, caller):
        for _ in range(6):
            self.submit(caller, 0, [])

    @rule(seconds=st.sampled_from([0.5, 1, 3, 7, 20, 60, 60]))
    def time_passes(self, seconds):
        self.world.advance(seconds)

    @rule(step=st.sampled_from(STEPS_OF_THE_CLOCK))
    def somebody_turns_the_clock(self, step):
        self.world.wall.turned += step

    @rule(job_id=jobs)
    def cancel(self, job_id):
        if job_id not in self.deleted:
            self.world.run(self.world.service.cancel(job_id, caller=self.asked[job_id]))

    @rule(job_id=jobs, caller=st.sampled_from(CALLERS))
    def somebody_else_may_not(self, job_id, caller):
        if caller.name != self.asked[job_id].name:
            for call in (self.world.service.cancel, self.world.service.get):
                with pytest.raises(NotFoundError):
                    self.world.run(call(job_id, caller=caller))

    @rule(job_id=consumes(jobs))
    def delete(self, job_id):
        job = self.job(job_id)
        delete = self.world.service.delete(job_id, caller=self.asked[job_id])
        if not job.state.terminal:
            with pytest.raises(UnsupportedError):
                self.world.run(delete)
            return
        self.world.run(delete)
        self.deleted.add(job_id)
        self.takes += job.state is JobState.SUCCEEDED

    @rule(job_id=jobs, after_revision=st.integers(0, 8))
    def watch(self, job_id, after_revision):
        if job_id not in self.deleted:
            self.watchers.append(Watcher(self, job_id, after_revision, self.asked[job_id]))
            self.world.advance(0)

    @rule()
    def the_power_fails(self):
        self.world.crash()
        self.world.start()

    @rule(grace_s=st.sampled_from([0, 2, 20]))
    def the_sidecar_is_stopped_and_started(self, grace_s):
        for watcher in self.watchers:
            watcher.task.cancel()
        self.world.stop(grace_s)
        self.world.start()

    # What is promised

    def is_the_right_one_to_start(self, order):
        """Called when an attempt begins: priorities hold, shares take turns, waits were waited."""
        started = self.job_now(order.job_id)
        waiting = [
            job
            for job in self.all_jobs()
            if job.state is JobState.QUEUED
            and job.retry_at is None
            and job.job_id != started.job_id
        ]
        assert all(job.priority <= started.priority for job in waiting), "a lower priority first"
        share = self.callers[started.request.shot].share
        rivals = {
            self.callers[job.request.shot].share
            for job in waiting
            if job.priority == started.priority
        } - {share}
        for rival in rivals:
            self.skipped[rival] += 1
            assert self.skipped[rival] <= len(CALLERS), f"{rival} starves"
        self.skipped[share] = 0
        self.has_waited(order)

    def has_waited(self, order):
        before = [a for a in self.world.attempts if a.job_id == order.job_id]
        if not before or not before[-1].failed:
            return
        last = before[-1]
        if last.boot != self.world.boot:
            return  # waits across a restart go by the wall clock, which anybody may turn
        cause = DEATHS if last.deed in DEATHS else {last.deed}
        failures = sum(a.failed and a.deed in cause for a in before)
        least_s = min(POLICY.first_s * 2.0 ** (failures - 1), POLICY.longest_s)
        assert self.world.loop.now - last.ended >= least_s, "too early"

    def job(self, job_id):
        return self.world.run(self.world.service.get(job_id, caller=LOCAL_CALLER))

    def job_now(self, job_id):
        """Without a turn of the loop, which is running."""
        return self.world.service._desk._store.get(job_id, caller=LOCAL_CALLER)

    def all_jobs(self):
        jobs, following = self.world.service._desk._store.page(
            states=(), caller=LOCAL_CALLER, before=None, size=1000
        )
        assert following is None
        return jobs

    @invariant()
    def no_job_is_lost_and_the_end_is_final(self):
        jobs = {job.job_id: job for job in self.all_jobs()}
        assert jobs.keys() == self.asked.keys() - self.deleted
        for job_id, job in jobs.items():
            if job_id in self.ended:
                assert dump(job) == self.ended[job_id]  # errors are equal only as what they say
            if job.state.terminal:
                self.ended[job_id] = dump(job)
            assert job.owner == self.asked[job_id].name

    @invariant()
    def what_starts_is_what_should(self):
        assert self.world.broken == []

    @invariant()
    def attempts_are_bounded(self):
        failures = Counter((a.job_id, a.deed) for a in self.world.attempts if a.failed)
        for job_id in self.asked:
            died = sum(failures[job_id, deed] for deed in DEATHS)
            assert died <= 3  # the promise, written out: the table must not move it
            assert failures[job_id, "fails for now"] <= 12

    @invariant()
    def one_runs_at_a_time_and_the_queue_knows_which(self):
        running = [a.job_id for a in self.world.attempts if a.ended is None]
        assert len(running) <= 1
        leased = [
            job.job_id
            for job in self.all_jobs()
            if job.state in {JobState.RUNNING, JobState.CANCELLING}
        ]
        assert len(leased) <= 1
        assert not running or running == leased

    @invariant()
    def every_take_has_its_job(self):
        folder = self.world.root / "takes"
        names = [path.name for path in folder.glob("[!.]*.mov")] if folder.exists() else []
        succeeded = sum(job.state is JobState.SUCCEEDED for job in self.all_jobs())
        publishing = any(a.ended is not None for a in self.world.attempts) and any(
            job.state in {JobState.RUNNING, JobState.CANCELLING} for job in self.all_jobs()
        )
        assert succeeded + self.takes <= len(names) <= succeeded + self.takes + publishing

    @invariant()
    def watchers_miss_nothing(self):
        self.world.advance(0)
        for watcher in self.watchers:
            revisions = [job.revision for job in watcher.heard]
            assert revisions == sorted(set(revisions))
            if watcher.boot != self.world.boot or watcher.gone or watcher.job_id in self.deleted:
                continue
            self.settle_loop()
            kept = self.world.service._desk._store.events_of(
                watcher.job_id,
                caller=watcher.caller,
                after_revision=watcher.after_revision,
                limit=1000,
            )
            expected = [event.job.revision for event in kept]
            assert [job.revision for job in watcher.heard] == expected

    def settle_loop(self):
        """Let everything that is ready run, without letting time pass."""

        async def turns():
            for _ in range(50):
                await asyncio.sleep(0)

        self.world.run(turns())

    def teardown(self):
        # Two hours later everything has ended: nothing waits for ever.
        self.world.advance(2 * 3600)
        try:
            states = Counter(job.state for job in self.all_jobs())
            assert all(state.terminal for state in states), states
            succeeded = states[JobState.SUCCEEDED] + self.takes
            folder = self.world.root / "takes"
            names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
            assert len(names) == 2 * succeeded, "a take and its manifest each, and nothing else"
        finally:
            self.world.stop(0)
            self.world.bury()
            shutil.rmtree(self.world.root)


QueueLife.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestQueueLife = QueueLife.TestCase


def test_a_day_of_waiting_takes_no_time():
    world = World(Path(tempfile.mkdtemp(prefix="ltxb-queue-")).resolve())
    world.start()
    began = world.loop.now
    world.advance(86_400)
    assert world.loop.now - began == pytest.approx(86_400)
    assert set(world.service._lanes) == {ENGINE}
    world.stop(0)
    shutil.rmtree(world.root)
