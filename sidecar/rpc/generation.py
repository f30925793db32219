"""GenerationService: parse, one call of the job service, reply."""
# ruff: noqa: D102, N802 - names and signatures are the contract's, which documents them

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, TypeAlias, TypeVar

import grpc

from interchange.errors import UnavailableError
from ltxbridge import wire
from ltxbridge.v1 import generation_service_pb2 as pb
from ltxbridge.v1 import generation_service_pb2_grpc as pb_grpc
from ltxbridge.wire.fields import at_least, invalid, require, text
from sidecar.rpc.auth import caller_of
from sidecar.rpc.frames import FrameStreamer
from sidecar.rpc.ports import Jobs
from sidecar.rpc.slots import Unread

_DEFAULT_PAGE = 100
_LARGEST_PAGE = 1000
# Well below the 4 MiB a client takes in one message by default.
_PAGE_BYTES = 3 * 1024 * 1024

T = TypeVar("T")

# A watcher that takes nothing for so long hangs; a slow one takes something now and then.
_STUCK_S = 10.0
# Whoever shows frames to a person may stop at one for a while.
_FRAMES_STUCK_S = 60.0

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class GenerationServicer(pb_grpc.GenerationServiceServicer):
    """Makes takes.

    Args:
        jobs: The job service.
        frames: Streams the frames of takes.
        closing: Set when the server is about to stop; ends the open watches.
        patience_s: How long a chunk of frames may wait to be taken, in seconds.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        frames: FrameStreamer,
        closing: asyncio.Event,
        patience_s: float = _FRAMES_STUCK_S,
    ) -> None:
        self._patience_s = patience_s
        self._jobs = jobs
        self._frames = frames
        self._closing = closing
        self._unread = Unread()

    async def CreateJob(
        self, request: pb.CreateJobRequest, context: Context
    ) -> pb.CreateJobResponse:
        require(request, "request", at="create")
        job = await self._jobs.create(
            wire.request_from_proto(request.request),
            caller=caller_of(context),
            request_id=wire.check_request_id(request.request_id),
            priority=request.priority,
            validate_only=request.validate_only,
        )
        return pb.CreateJobResponse(job=wire.job_to_proto(job))

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        job = await self._jobs.get(wire.job_id_from_name(request.name), caller=caller_of(context))
        return pb.GetJobResponse(job=wire.job_to_proto(job))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        states = wire.states_from_proto(request.states)
        page_token = text(request.page_token, at="page_token")
        wanted = at_least(request.page_size, 0, at="page_size") or _DEFAULT_PAGE
        page_size = min(wanted, _LARGEST_PAGE)
        while True:
            jobs, next_token = await self._jobs.list(
                caller=caller_of(context),
                states=states,
                page_size=page_size,
                page_token=page_token,
            )
            response = pb.ListJobsResponse(
                jobs=[wire.job_to_proto(job) for job in jobs], next_page_token=next_token
            )
            if page_size == 1 or response.ByteSize() <= _PAGE_BYTES:
                return response
            page_size //= 2  # prompts can be long; a page may always be shorter than asked for

    async def WatchJob(
        self, request: pb.WatchJobRequest, context: Context
    ) -> AsyncIterator[pb.WatchJobResponse]:
        job_id = wire.job_id_from_name(request.name)
        after = at_least(request.after_revision, 0, at="after_revision")
        snapshots = self._jobs.watch(
            job_id, caller=caller_of(context), after_revision=after, replay=request.replay
        )
        async for job in self._until_closing(snapshots, context):
            yield pb.WatchJobResponse(job=wire.job_to_proto(job))

    async def WatchJobs(
        self, request: pb.WatchJobsRequest, context: Context
    ) -> AsyncIterator[pb.WatchJobsResponse]:
        after = (
            at_least(request.after_sequence, 0, at="after_sequence")
            if request.HasField("after_sequence")
            else None
        )
        changes = self._jobs.watch_all(caller=caller_of(context), after_sequence=after)
        async for sequence, job in self._until_closing(changes, context):
            yield pb.WatchJobsResponse(
                sequence=sequence, job=None if job is None else wire.job_to_proto(job)
            )

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: Context
    ) -> pb.CancelJobResponse:
        job = await self._jobs.cancel(
            wire.job_id_from_name(request.name), caller=caller_of(context)
        )
        return pb.CancelJobResponse(job=wire.job_to_proto(job))

    async def DeleteJob(
        self, request: pb.DeleteJobRequest, context: Context
    ) -> pb.DeleteJobResponse:
        await self._jobs.delete(wire.job_id_from_name(request.name), caller=caller_of(context))
        return pb.DeleteJobResponse()

    async def FetchFrames(
        self, request: pb.FetchFramesRequest, context: Context
    ) -> AsyncIterator[pb.FetchFramesResponse]:
        job_id = wire.job_id_from_name(request.name)
        if request.layout not in pb.PixelLayout.values():
            raise invalid("layout", f"has the unknown value {request.layout}")
        record_range = (
            wire.range_from_proto(request.record_range, at="record_range")
            if request.HasField("record_range")
            else None
        )
        caller = caller_of(context)
        job = await self._jobs.get(job_id, caller=caller)
        layout = request.layout or pb.PIXEL_LAYOUT_RGBA16
        async with aclosing(
            self._frames.stream(job, record_range, layout=layout, caller=caller)
        ) as chunks:
            async for chunk in chunks:
                with self._unread.within(self._patience_s, context):
                    yield chunk

    async def _until_closing(self, items: AsyncIterator[T], context: Context) -> AsyncIterator[T]:
        """Pass items on until they end or the server is about to stop."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in one
        closing = asyncio.create_task(self._closing.wait())

        def stop(_: asyncio.Task[Any]) -> None:
            task.cancel()

        closing.add_done_callback(stop)
        try:
            async for item in items:
                with self._unread.within(_STUCK_S, context):
                    yield item
        except asyncio.CancelledError:
            if not self._closing.is_set():
                raise
            task.uncancel()
            raise UnavailableError(
                "The sidecar is stopping; the job goes on when it is started again."
            ) from None
        finally:
            closing.remove_done_callback(stop)
            closing.cancel()
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()
