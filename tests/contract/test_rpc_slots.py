"""Streams of frames that nobody reads: they keep no other client out, and are let go in the end."""

import asyncio

import grpc
import pytest
from support.model_examples import example_request
from support.network_door import bearer, channel_of, open_door
from support.rpc_harness import TOKEN, running_server

from interchange.model.caller import Caller, Role
from interchange.model.job import JobState
from interchange.model.media import Raster
from interchange.model.take import Take
from interchange.timebase import TimeRange
from ltxbridge.client import BridgeClient
from ltxbridge.v1 import generation_service_pb2 as pb
from ltxbridge.v1 import generation_service_pb2_grpc as pb_grpc
from sidecar.rpc.slots import Slots

UHD = Raster(3840, 2160)  # 66 MB a frame: more than any buffer on the way


def _job_with_a_take(running) -> str:
    request = example_request(raster=UHD)
    with BridgeClient(running.endpoint) as client:
        job = client.create_job(request)
    running.run(running.jobs.advance(job.job_id, state=JobState.SUCCEEDED, take=_take(request)))
    return f"jobs/{job.job_id}"


def _take(request) -> Take:
    return Take(
        path="/out/a.mov",
        manifest_path="/out/a.c2pa",
        sha256="0" * 64,
        size_bytes=1,
        record_range=request.record_range,
        media_range=TimeRange.of_length(
            request.start_frame, request.file_range.length, request.frame_rate
        ),
        head_handle_frames=request.head_handle_frames,
        drop_frame=False,
        raster=request.raster,
        codec="prores422hq",
        reel="A001",
        audio_channels=0,
        audio_sample_rate_hz=0,
        engine="animatic",
        engine_version="1",
        model_identity="animatic 1",
        seed=7,
    )


def _first_chunk(channel, name, metadata, timeout_s):
    stub = pb_grpc.GenerationServiceStub(channel)
    return stub.FetchFrames(
        pb.FetchFramesRequest(name=name), metadata=metadata, timeout=timeout_s, wait_for_ready=True
    )


def test_a_client_that_holds_streams_open_keeps_no_other_out(short_dir):
    with open_door(short_dir) as door:
        name = _job_with_a_take(door.local)
        greedy, other = (
            door.enrol("greedy", role=Role.OPERATOR),
            door.enrol("other", role=Role.OPERATOR),
        )
        with channel_of(greedy) as channel, channel_of(other) as others:
            first = [_first_chunk(channel, name, bearer(greedy.token), 60) for _ in range(2)]
            for stream in first:
                next(stream)
            more = [_first_chunk(channel, name, bearer(greedy.token), 60) for _ in range(8)]
            assert next(_first_chunk(others, name, bearer(other.token), 20)).pixels
            for stream in (*first, *more):
                stream.cancel()


def test_frames_that_nobody_takes_are_let_go(short_dir, monkeypatch):
    with running_server(short_dir) as running:
        name = _job_with_a_take(running)
        monkeypatch.setattr(running.server._generation, "_patience_s", 0.3)
        metadata = bearer(TOKEN)
        with grpc.insecure_channel(running.endpoint.address) as channel:
            stuck = [_first_chunk(channel, name, metadata, 60) for _ in range(2)]
            for stream in stuck:
                next(stream)
            # Both slots of this caller were theirs.
            assert next(_first_chunk(channel, name, metadata, 20)).pixels
            with pytest.raises(grpc.RpcError) as caught:
                list(stuck[0])
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_whoever_waits_for_themselves_takes_nothing_from_the_others():

    async def scene():
        slots = Slots(2, most_each=1)
        done = asyncio.Event()
        order = []

        async def hold(name):
            async with slots.taken(Caller(name, Role.EDITOR)):
                order.append(name)
                await done.wait()

        tasks = [asyncio.create_task(hold(name)) for name in ("a", "a", "a", "b")]
        for _ in range(10):
            await asyncio.sleep(0)
        assert order == ["a", "b"]
        done.set()
        await asyncio.gather(*tasks)
        assert sorted(order) == ["a", "a", "a", "b"]

    asyncio.run(scene())
