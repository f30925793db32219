"""Streams the frames of a finished take in chunks; each stream has a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

from interchange.errors import (
    InvalidInputError,
    Reason,
    UnsupportedError,
)
from interchange.model.caller import Caller
from interchange.model.job import Job
from interchange.model.take import Take
from interchange.timebase import TimeRange
from ltxbridge import wire
from ltxbridge.v1 import generation_service_pb2 as pb
from sidecar.pipelines.base import Picture
from sidecar.rpc.ports import TakeOpener
from sidecar.rpc.slots import Slots

CHUNK_BYTES = 1024 * 1024
# A 4K frame is 66 MB in RGBA16; a few streams at once are plenty and bound the memory.
_CONCURRENT_STREAMS = 4
_STREAMS_OF_ONE = 2


class FrameStreamer:
    """Reads takes and cuts their frames into chunks.

    Args:
        opener: Opens a take.
    """

    def __init__(self, opener: TakeOpener) -> None:
        self._opener = opener
        self._slots = Slots(_CONCURRENT_STREAMS, most_each=_STREAMS_OF_ONE)

    async def stream(
        self,
        job: Job,
        record_range: TimeRange | None,
        *,
        layout: pb.PixelLayout,
        caller: Caller,
    ) -> AsyncGenerator[pb.FetchFramesResponse, None]:
        """Yield the chunks of every frame in a range, in order.

        Args:
            job: A job with a take.
            record_range: Record frames; None means all in the file.
            layout: Pixel layout to send.
            caller: Who asks.

        Raises:
            UnsupportedError: The job has no take (JOB_STATE).
            InvalidInputError: The range is not in the file, or counts at another rate.
        """
        wanted = _checked_range(take_of(job), record_range)
        loop = asyncio.get_running_loop()
        async with self._slots.taken(caller):
            # A thread of its own, so that a file that hangs holds up no other stream.
            thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch")
            stack = ExitStack()
            try:
                picture_at = stack.enter_context(self._opener(job))
                for frame in wanted.frames:
                    pixels = await loop.run_in_executor(thread, _pixels, picture_at, frame, layout)
                    for chunk in _chunks(pixels, job, frame, layout=layout):
                        yield chunk
            finally:
                # At once, not after whatever is being decoded, and without the loop waiting for it.
                loop.run_in_executor(None, stack.close)
                thread.shutdown(wait=False)


def take_of(job: Job) -> Take:
    """The take of a finished job.

    Raises:
        UnsupportedError: It has none (JOB_STATE).
    """
    if job.take is None:
        raise UnsupportedError(
            f"The job has no take to fetch frames from: it is {job.state.value}.",
            reason=Reason.JOB_STATE,
            metadata={"state": job.state.value},
        )
    return job.take


def _checked_range(take: Take, record_range: TimeRange | None) -> TimeRange:
    available = take.file_range
    if record_range is None:
        return available
    if record_range.rate != available.rate:
        raise InvalidInputError(
            f"The take counts at {available.rate} frames a second, not {record_range.rate}.",
            reason=Reason.RANGE_INVALID,
        )
    if record_range.length == 0:
        raise InvalidInputError("The range has no frames.", reason=Reason.RANGE_INVALID)
    if not available.covers(record_range):
        raise InvalidInputError(
            f"The take has record frames {available}; {record_range} is not inside.",
            reason=Reason.RANGE_PAST_MEDIA,
        )
    return record_range


def _pixels(picture_at: Callable[[int], Picture], frame: int, layout: pb.PixelLayout) -> bytes:
    rgb = picture_at(frame)
    deep = layout == pb.PIXEL_LAYOUT_RGBA16
    white, kind = (65535, "<u2") if deep else (255, "u1")
    rgba = np.full((*rgb.shape[:2], 4), white, dtype=kind)
    scaled = rgb * np.float32(white)
    np.rint(scaled, out=scaled)
    np.clip(scaled, 0, white, out=scaled)
    rgba[..., :3] = scaled
    return rgba.tobytes()


def _chunks(
    pixels: bytes, job: Job, frame: int, *, layout: pb.PixelLayout
) -> Iterator[pb.FetchFramesResponse]:
    for offset in range(0, len(pixels), CHUNK_BYTES):
        yield pb.FetchFramesResponse(
            record_frame=frame,
            raster=wire.raster_to_proto(job.request.raster),
            layout=layout,
            offset_bytes=offset,
            frame_size_bytes=len(pixels),
            pixels=pixels[offset : offset + CHUNK_BYTES],
        )
