"""Streams are counted like calls: how they ended, and that none is in flight once its client is gone."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress

import grpc
import pytest
from support.model_examples import JOB_ID, example_request
from support.rpc_harness import TOKEN, running_server

from interchange.errors import NotAuthenticatedError, NotFoundError
from interchange.model.job import JobState
from ltxbridge.client import BridgeClient
from ltxbridge.v1 import generation_service_pb2 as pb
from ltxbridge.v1 import generation_service_pb2_grpc as pb_grpc

METADATA = (("authorization", f"Bearer {TOKEN}"),)


class Tally:
    """Remembers, and can be waited for."""

    def __init__(self) -> None:
        self.in_flight = Counter()
        self.ended = Counter()
        self.seconds = []
        self._changed = threading.Condition()

    def call_began(self, method):
        with self._changed:
            self.in_flight[method] += 1
            self._changed.notify_all()

    def call_ended(self, method, *, code, seconds):
        with self._changed:
            self.in_flight[method] -= 1
            self.ended[method, code] += 1
            self.seconds.append(seconds)
            self._changed.notify_all()

    def await_(self, condition):
        with self._changed:
            assert self._changed.wait_for(condition, 10), (self.in_flight, self.ended)


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def running(short_dir, tally):
    with running_server(short_dir, meter=tally) as server:
        yield server


@pytest.fixture
def client(running):
    with BridgeClient(running.endpoint, timeout_s=10, reconnect_for_s=5) as client:
        yield client


def test_a_watch_to_its_end_is_one_call_that_went_well(client, running, tally):
    job = client.create_job(example_request())
    for snapshot in client.watch_job(job.job_id):
        if not snapshot.state.terminal:
            assert tally.in_flight["WatchJob"] == 1
            running.run(running.jobs.advance(job.job_id, state=JobState.SUCCEEDED))
    tally.await_(lambda: tally.ended["WatchJob", "OK"] == 1)
    assert tally.in_flight["WatchJob"] == 0
    assert (tally.ended["CreateJob", "OK"], tally.in_flight["CreateJob"]) == (1, 0)
    assert all(seconds >= 0 for seconds in tally.seconds)


@pytest.mark.parametrize("way", ["cancel", "close"])
def test_watchers_that_vanish_are_in_flight_no_longer(client, running, tally, way):
    job = client.create_job(example_request())
    channel = grpc.insecure_channel(running.endpoint.address)
    stub = pb_grpc.GenerationServiceStub(channel)
    watches = [
        stub.WatchJob(pb.WatchJobRequest(name=f"jobs/{job.job_id}"), metadata=METADATA)
        for _ in range(3)
    ]
    for watch in watches:
        next(watch)
    assert tally.in_flight["WatchJob"] == 3
    if way == "cancel":
        for watch in watches:
            watch.cancel()
    else:
        channel.close()
    tally.await_(lambda: tally.in_flight["WatchJob"] == 0)
    assert tally.ended["WatchJob", "CANCELLED"] == 3
    channel.close()


def test_a_stream_that_is_refused_is_counted_with_why(client, tally):
    with pytest.raises(NotFoundError):
        next(client.watch_job(JOB_ID))
    tally.await_(lambda: tally.ended["WatchJob", "NOT_FOUND"] == 1)
    assert tally.in_flight["WatchJob"] == 0


def test_calls_and_streams_without_the_token_are_counted_as_such(running, tally):
    with grpc.insecure_channel(running.endpoint.address) as channel:
        stub = pb_grpc.GenerationServiceStub(channel)
        with pytest.raises(grpc.RpcError):
            stub.GetJob(pb.GetJobRequest(name=f"jobs/{JOB_ID}"))
        with pytest.raises(grpc.RpcError):
            next(stub.WatchJob(pb.WatchJobRequest(name=f"jobs/{JOB_ID}")))
    running.endpoint.token_file.write_text("6" * 64)
    with BridgeClient(running.endpoint, timeout_s=10) as stranger, suppress(NotAuthenticatedError):
        stranger.get_job(JOB_ID)
    tally.await_(lambda: tally.ended["GetJob", "UNAUTHENTICATED"] == 2)
    tally.await_(lambda: tally.ended["WatchJob", "UNAUTHENTICATED"] == 1)
    assert not +tally.in_flight


def test_names_that_strangers_make_up_make_up_no_series(running, tally):
    with grpc.insecure_channel(running.endpoint.address) as channel:
        for name in ("/ltxbridge.v1.GenerationService/Nonesuch", "/x/y"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(name)(b"", metadata=METADATA)
    assert {method for method, _ in tally.ended} <= {"other"}
