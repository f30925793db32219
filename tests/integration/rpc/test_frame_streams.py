"""A take that makes its decoder hang costs its own stream: others go on, and who stops waiting frees the reader."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import support.hostile_decoder
from support.model_examples import example_job
from support.numbered import write_numbered_movie

from interchange.model.caller import LOCAL_CALLER, Caller, Role
from interchange.model.job import Job, JobState
from interchange.model.media import Raster
from interchange.model.take import Take
from ltxbridge.v1 import generation_service_pb2 as pb
from sidecar.filesystem import FileSystem
from sidecar.readers.limits import ReaderLimits
from sidecar.rpc.frames import FrameStreamer
from sidecar.rpc.takes import open_take

HOSTILE = (sys.executable, "-P", support.hostile_decoder.__file__)


def job_with(path: Path) -> Job:
    job = example_job(state=JobState.SUCCEEDED)
    request = replace(job.request, raster=Raster(192, 108))
    window = request.file_range
    write_numbered_movie(path, rate=window.rate, count=window.length, size=(192, 108))
    take = Take(
        path=str(path),
        manifest_path=str(path.with_suffix(".c2pa")),
        sha256=FileSystem().sha256(path),
        size_bytes=path.stat().st_size,
        record_range=window,
        media_range=window,
        head_handle_frames=0,
        drop_frame=False,
        raster=request.raster,
        codec="h264",
        reel="",
        audio_channels=0,
        audio_sample_rate_hz=0,
        engine="identity",
        engine_version="1",
        model_identity="",
        seed=1,
    )
    return replace(job, request=request, take=take)


def test_a_hung_decoder_holds_up_no_other_stream_and_is_freed_at_once(tmp_path: Path) -> None:
    hung, sound = (job_with(tmp_path.resolve() / name) for name in ("sleep.mov", "sound.mov"))
    ended = asyncio.Event()

    @contextmanager
    def opener(job: Job) -> Iterator[object]:
        if job is sound:
            with open_take(job) as picture:
                yield picture
            return
        with open_take(job, limits=ReaderLimits(wall_s=300), program=HOSTILE) as picture:
            yield picture
        loop.call_soon_threadsafe(ended.set)  # its reader is dead by now

    async def first(streamer: FrameStreamer, job: Job, caller: Caller) -> pb.FetchFramesResponse:
        stream = streamer.stream(job, None, layout=pb.PIXEL_LAYOUT_RGBA8, caller=caller)
        async with contextlib.aclosing(stream):
            return await anext(stream)

    async def scene() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        streamer = FrameStreamer(opener)
        waiting = asyncio.create_task(first(streamer, hung, LOCAL_CALLER))
        other = Caller("other", Role.OPERATOR, LOCAL_CALLER.door)
        for _ in range(2):  # the second begins after the hung one has come as far as the first
            answer = await asyncio.wait_for(first(streamer, sound, other), 20)
            assert answer.frame_size_bytes == 4 * 192 * 108
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait_for(ended.wait(), 8)  # not after the 300 s it may take

    loop: asyncio.AbstractEventLoop
    asyncio.run(scene())
