"""Watches, deadlines, draining and what happens when the other side goes away."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import grpc
import pytest
from support.fake_job_service import FakeJobService
from support.model_examples import JOB_ID, example_request
from support.rpc_harness import TOKEN, running_server

from interchange.errors import ConflictError, NotFoundError, Reason, UnavailableError
from interchange.model.job import JobState, Progress
from ltxbridge.client import BridgeClient, Endpoint
from ltxbridge.v1 import generation_service_pb2 as pb
from ltxbridge.v1 import generation_service_pb2_grpc as pb_grpc
from sidecar.rpc.server import RpcServer, unix_address

METADATA = (("authorization", f"Bearer {TOKEN}"),)


@pytest.fixture
def running(short_dir):
    with running_server(short_dir) as server:
        yield server


@pytest.fixture
def client(running):
    with BridgeClient(running.endpoint, timeout_s=10, reconnect_for_s=5) as client:
        yield client


def _eventually(condition, within_s=5.0):
    give_up = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up, "did not come true in time"
        time.sleep(0.01)


def test_watch_sends_rising_snapshots_up_to_the_terminal_one(client, running):
    job = client.create_job(example_request())
    seen = []
    for snapshot in client.watch_job(job.job_id):
        seen.append(snapshot)
        if len(seen) < 4:
            progress = Progress("generating", len(seen), 3, len(seen) / 4)
            running.run(running.jobs.advance(job.job_id, state=JobState.RUNNING, progress=progress))
        elif not snapshot.state.terminal:
            running.run(running.jobs.advance(job.job_id, state=JobState.SUCCEEDED))
    assert [snapshot.revision for snapshot in seen] == [1, 2, 3, 4, 5]
    assert seen[0] == job
    assert seen[-1].state is JobState.SUCCEEDED


def test_watch_resumes_after_a_revision(client, running):
    job = client.create_job(example_request())
    running.run(running.jobs.advance(job.job_id, state=JobState.RUNNING))
    running.run(running.jobs.advance(job.job_id, state=JobState.FAILED))
    assert [snapshot.revision for snapshot in client.watch_job(job.job_id, 2)] == [3]
    assert list(client.watch_job(job.job_id, after_revision=3)) == []


def test_watch_of_an_unknown_job_is_not_found(client):
    with pytest.raises(NotFoundError):
        next(client.watch_job(JOB_ID))


def test_watcher_that_walks_away_is_forgotten_and_the_job_is_not_touched(client, running):
    job = client.create_job(example_request())
    with closing(client.watch_job(job.job_id)) as snapshots:
        next(snapshots)
        assert running.jobs.open_watches == 1
    _eventually(lambda: running.jobs.open_watches == 0)
    assert client.get_job(job.job_id) == job


def test_deadline_of_a_watch_ends_it_on_the_server_too(running, client):
    job = client.create_job(example_request())
    with grpc.insecure_channel(running.endpoint.address) as channel:
        stub = pb_grpc.GenerationServiceStub(channel)
        request = pb.WatchJobRequest(name=f"jobs/{job.job_id}")
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.WatchJob(request, timeout=0.3, metadata=METADATA))
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    _eventually(lambda: running.jobs.open_watches == 0)


def test_64_open_watches_do_not_starve_other_calls(client, running):
    job = client.create_job(example_request())
    request = pb.WatchJobRequest(name=f"jobs/{job.job_id}")
    with grpc.insecure_channel(running.endpoint.address) as channel:
        stub = pb_grpc.GenerationServiceStub(channel)
        watches = [stub.WatchJob(request, metadata=METADATA) for _ in range(64)]
        for watch in watches:
            next(watch)
        assert running.jobs.open_watches == 64
        durations = []
        for _ in range(50):
            started = time.perf_counter()
            client.get_job(job.job_id)
            durations.append(time.perf_counter() - started)
        assert sorted(durations)[45] < 0.25
        running.run(running.jobs.advance(job.job_id, state=JobState.SUCCEEDED))
        assert all(next(watch).job.state == pb.Job.STATE_SUCCEEDED for watch in watches)


def test_watch_survives_a_restart_of_the_sidecar(short_dir):
    jobs = FakeJobService()
    seen = []
    with running_server(short_dir, jobs=jobs) as first:
        client = BridgeClient(first.endpoint, reconnect_for_s=20)
        job = client.create_job(example_request())
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(lambda: [seen.append(s) for s in client.watch_job(job.job_id)])
            _eventually(lambda: len(seen) == 1)
            first.run(first.server.drain(asyncio.sleep(0), grace_s=1))
            again = FakeJobService()
            again.jobs, again.changes = jobs.jobs, jobs.changes
            with running_server(short_dir, jobs=again, token="7" * 64) as second:
                second.run(again.advance(job.job_id, state=JobState.SUCCEEDED))
                watching.result(20)
        client.close()
    assert [snapshot.revision for snapshot in seen] == [1, 2]


def test_drain_refuses_new_calls_lets_jobs_finish_and_ends_watches(short_dir):
    with running_server(short_dir) as running:
        client = BridgeClient(running.endpoint, reconnect_for_s=0)
        ends = client.create_job(example_request())
        stays = client.create_job(example_request(seed=2))
        with ThreadPoolExecutor(2) as pool:
            watching_end = pool.submit(lambda: list(client.watch_job(ends.job_id)))
            watching_stay = pool.submit(lambda: list(client.watch_job(stays.job_id)))
            _eventually(lambda: running.jobs.open_watches == 2)
            refused = threading.Event()

            async def finish() -> None:
                await asyncio.to_thread(refused.wait, 5)
                await running.jobs.advance(ends.job_id, state=JobState.SUCCEEDED)

            draining = asyncio.run_coroutine_threadsafe(
                running.server.drain(finish(), grace_s=5), running.loop
            )
            with BridgeClient(running.endpoint) as late:
                _eventually(lambda: not late.serving())
                with pytest.raises(UnavailableError) as caught:
                    late.create_job(example_request(seed=3))
                assert caught.value.reason is Reason.SIDECAR_UNREACHABLE
            refused.set()
            draining.result(10)
            assert watching_end.result(5)[-1].state is JobState.SUCCEEDED
            with pytest.raises(UnavailableError):
                watching_stay.result(5)
        client.close()
        assert len(running.jobs.jobs) == 2


def test_drain_does_not_wait_for_ever(short_dir):
    with running_server(short_dir) as running:
        started = time.monotonic()
        running.run(running.server.drain(asyncio.sleep(60), grace_s=0.2), timeout_s=10)
        assert time.monotonic() - started < 5


def test_nobody_listening_is_unavailable_at_once(short_dir):
    (short_dir / "token").write_text(TOKEN)
    endpoint = Endpoint(unix_address(short_dir / "none.sock"), short_dir / "token")
    with BridgeClient(endpoint) as client:
        assert not client.serving()
        with pytest.raises(UnavailableError) as caught:
            client.list_engines()
        assert caught.value.reason is Reason.SIDECAR_UNREACHABLE
        assert "ltxbridge serve" in str(caught.value)


def test_missing_token_file_is_unavailable_not_a_traceback(short_dir):
    with (
        BridgeClient(Endpoint("127.0.0.1:1", short_dir / "token")) as client,
        pytest.raises(UnavailableError),
    ):
        client.list_engines()


def test_slow_service_runs_into_the_clients_timeout(short_dir):
    class SlowService(FakeJobService):
        async def engines(self):
            await asyncio.sleep(30)

    with (
        running_server(short_dir, jobs=SlowService()) as running,
        BridgeClient(running.endpoint, timeout_s=0.2) as client,
        pytest.raises(UnavailableError, match="in time"),
    ):
        client.list_engines()


def test_second_server_on_the_same_port_is_refused(short_dir):
    with running_server(short_dir, transport="tcp") as running:
        port = int(running.endpoint.address.rpartition(":")[2])

        async def second() -> None:
            server = RpcServer(running.jobs, token=TOKEN, version="test", opener=None, uploads=None)
            await server.listen_on_loopback("127.0.0.1", port)

        with pytest.raises(ConflictError) as caught:
            running.run(second())
        assert caught.value.reason is Reason.ALREADY_RUNNING


@pytest.mark.parametrize("name", ["with space", "per%20cent", "hash#mark", "what?", "umläut"])
def test_socket_in_a_folder_with_an_odd_name_is_reached(short_dir, name):
    folder = short_dir / name
    folder.mkdir(mode=0o700)
    with running_server(folder) as running, BridgeClient(running.endpoint) as client:
        assert client.serving()
        assert (folder / "s.sock").stat().st_mode & 0o777 == 0o600


def test_watch_jobs_tells_where_it_starts_and_then_every_change(client, running):
    old = client.create_job(example_request())
    with closing(client.watch_jobs()) as changes:
        assert next(changes) == (1, None)
        job = client.create_job(example_request(seed=2))
        running.run(running.jobs.advance(job.job_id, state=JobState.RUNNING))
        assert next(changes) == (2, job)
        sequence, snapshot = next(changes)
        assert (sequence, snapshot.state) == (3, JobState.RUNNING)
    with closing(client.watch_jobs(after_sequence=0)) as changes:
        assert [next(changes) for _ in range(3)] == [(0, None), (1, old), (2, job)]
    _eventually(lambda: running.jobs.open_watches == 0)


def test_watch_jobs_goes_on_after_a_restart_where_it_was(short_dir):
    jobs = FakeJobService()
    seen = []
    with running_server(short_dir, jobs=jobs) as first:
        client = BridgeClient(first.endpoint, reconnect_for_s=20)
        job = client.create_job(example_request())

        def read():
            for sequence, snapshot in client.watch_jobs(after_sequence=0):
                seen.append(sequence)
                if snapshot is not None and snapshot.state.terminal:
                    return

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            _eventually(lambda: len(seen) == 2)
            first.run(first.server.drain(asyncio.sleep(0), grace_s=1))
            again = FakeJobService()
            again.jobs, again.changes = jobs.jobs, jobs.changes
            with running_server(short_dir, jobs=again, token="7" * 64) as second:
                second.run(again.advance(job.job_id, state=JobState.RUNNING))
                second.run(again.advance(job.job_id, state=JobState.SUCCEEDED))
                reading.result(20)
        client.close()
    assert seen == [0, 1, 2, 3]


def test_replay_starts_with_the_first_snapshot(client, running):
    job = client.create_job(example_request())
    running.run(running.jobs.advance(job.job_id, state=JobState.RUNNING))
    running.run(running.jobs.advance(job.job_id, state=JobState.FAILED))
    present = [snapshot.revision for snapshot in client.watch_job(job.job_id)]
    replayed = [snapshot.revision for snapshot in client.watch_job(job.job_id, replay=True)]
    assert (present, replayed) == ([3], [1, 2, 3])


def test_a_watcher_that_takes_nothing_is_let_go(short_dir, monkeypatch):
    """Also with a backlog that fills every buffer on the way, so that no ping comes through."""
    monkeypatch.setattr("sidecar.rpc.generation._STUCK_S", 0.3)
    with running_server(short_dir) as running:
        big = example_request(prompt="p" * 16_000)
        with BridgeClient(running.endpoint) as client:
            job = client.create_job(big)
        for done in range(1000):
            progress = Progress("generating", done, 1000, done / 1000)
            running.run(running.jobs.advance(job.job_id, progress=progress))
        with grpc.insecure_channel(running.endpoint.address) as channel:
            stub = pb_grpc.GenerationServiceStub(channel)
            stuck = stub.WatchJobs(pb.WatchJobsRequest(after_sequence=0), metadata=METADATA)
            assert next(stuck).sequence == 0
            assert running.jobs.open_watches == 1
            _eventually(lambda: running.jobs.open_watches == 0)
            with pytest.raises(grpc.RpcError) as caught:
                list(stuck)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
