"""The sync client of a sidecar. No `grpc.RpcError` ever crosses it: every failure is a `BridgeError`.

What the sidecar says about an error (class, reason, metadata, message) arrives unchanged; what gRPC itself says
becomes `UnavailableError` with reason SIDECAR_UNREACHABLE. The table of codes stands in `ltxbridge.wire.errors`.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Self

import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from numpy.typing import NDArray

from interchange.errors import (
    InternalError,
    UnavailableError,
)
from interchange.model.caller import Door
from interchange.model.job import EngineStatus, Job, JobState
from interchange.model.request import GenerationRequest
from interchange.timebase import TimeRange
from ltxbridge import wire
from ltxbridge.client.connection import Connection, receiving
from ltxbridge.client.endpoint import Endpoint
from ltxbridge.v1 import (
    engine_service_pb2,
    engine_service_pb2_grpc,
    generation_service_pb2,
    generation_service_pb2_grpc,
)

_CALL_TIMEOUT_S = 30.0
_RECONNECT_FOR_S = 30.0
_TEMPORARY_RECONNECT_FOR_S = 2.0
_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 3.0


class BridgeClient:
    """Talks to one sidecar. Use it as a context manager; safe to use from several threads.

    Args:
        endpoint: Where the sidecar listens.
        door: Which program this is; each has its own turn in the queue.
        timeout_s: Longest time for one call that is not a stream, in seconds.
        reconnect_for_s: How long a watch tries to get back, in seconds; by default as long as it may help.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        door: Door = Door.CLI,
        timeout_s: float = _CALL_TIMEOUT_S,
        reconnect_for_s: float | None = None,
    ) -> None:
        patience_s = _TEMPORARY_RECONNECT_FOR_S if endpoint.temporary else _RECONNECT_FOR_S
        self._reconnect_for_s = patience_s if reconnect_for_s is None else reconnect_for_s
        self._connection = Connection(endpoint, door=door, timeout_s=timeout_s)
        channel = self._connection.channel
        self._jobs = generation_service_pb2_grpc.GenerationServiceStub(channel)  # type: ignore[no-untyped-call]
        self._engines = engine_service_pb2_grpc.EngineServiceStub(channel)  # type: ignore[no-untyped-call]
        self._health = health_pb2_grpc.HealthStub(channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; open streams end."""
        self._connection.close()

    def serving(self) -> bool:
        """Whether the sidecar answers and takes jobs.

        Raises:
            NotAuthenticatedError: It answers but does not know the token.
        """
        try:
            check = self._health.Check  # type: ignore[attr-defined]
            answer = self._connection.call(check, health_pb2.HealthCheckRequest())
        except UnavailableError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def create_job(
        self,
        request: GenerationRequest,
        *,
        request_id: str = "",
        validate_only: bool = False,
        priority: int = 0,
    ) -> Job:
        """Queue a job, or only check and plan it.

        Args:
            request: What to make.
            request_id: Idempotency id, a UUID; with one, calling again is safe.
            validate_only: Queue nothing; the job that comes back has the geometry and no id.
            priority: Higher runs first.

        Raises:
            ConflictError: The request id belongs to another request.
            BridgeError: As the sidecar says.
        """
        answer = self._connection.call(
            self._jobs.CreateJob,
            generation_service_pb2.CreateJobRequest(
                request_id=request_id,
                request=wire.request_to_proto(request),
                validate_only=validate_only,
                priority=priority,
            ),
        )
        with receiving():
            return wire.job_from_proto(answer.job)

    def get_job(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            NotFoundError: There is none (JOB_NOT_FOUND).
        """
        request = generation_service_pb2.GetJobRequest(name=wire.job_name(job_id))
        answer = self._connection.call(self._jobs.GetJob, request)
        with receiving():
            return wire.job_from_proto(answer.job)

    def list_jobs(
        self, *, states: Collection[JobState] = (), page_size: int = 100
    ) -> Iterator[Job]:
        """Yield jobs, newest first, page by page.

        Args:
            states: Only these; empty means all.
            page_size: Jobs in one call.
        """
        page_token = ""
        while True:
            page = self._connection.call(
                self._jobs.ListJobs,
                generation_service_pb2.ListJobsRequest(
                    page_size=page_size,
                    page_token=page_token,
                    states=wire.states_to_proto(states),
                ),
            )
            for message in page.jobs:
                with receiving():
                    job = wire.job_from_proto(message)
                yield job
            page_token = page.next_page_token
            if not page_token:
                return

    def watch_job(
        self, job_id: str, after_revision: int = 0, *, replay: bool = False
    ) -> Iterator[Job]:
        """Yield every snapshot with rising revision until the job has ended.

        A lost connection is taken up again after the last revision seen; the job itself never notices.

        Args:
            job_id: Which job.
            after_revision: Everything after this revision; 0 starts with the present snapshot.
            replay: With after_revision 0: start with the first snapshot that is kept.

        Raises:
            NotFoundError: There is no such job.
            UnavailableError: The sidecar did not come back in time.
        """
        patience = _Patience(self._reconnect_for_s)
        while True:
            try:
                for job in self._watch_once(job_id, after_revision, replay=replay):
                    patience.renew()
                    after_revision = job.revision
                    yield job
                    if job.state.terminal:
                        return
                # An end without a terminal snapshot: the caller has already seen that one.
                latest = self.get_job(job_id)
                if latest.state.terminal and latest.revision <= after_revision:
                    return
            except UnavailableError:
                if patience.over():
                    raise
            patience.pause()

    def watch_jobs(self, after_sequence: int | None = None) -> Iterator[tuple[int, Job | None]]:
        """Yield every change of every job this caller may see, in order, without end.

        A lost connection is taken up again after the last change seen.

        Args:
            after_sequence: Everything after this change that is kept, 0 for all of it; None only what happens
                from now on.

        Yields:
            First where the stream starts, without a job; then each change's sequence and the job after it.

        Raises:
            UnavailableError: The sidecar did not come back in time.
        """
        patience = _Patience(self._reconnect_for_s)
        started = False
        while True:
            request = generation_service_pb2.WatchJobsRequest(after_sequence=after_sequence)
            try:
                for answer in self._connection.stream(self._jobs.WatchJobs, request):
                    patience.renew()
                    after_sequence = answer.sequence
                    if answer.HasField("job"):
                        with receiving():
                            job = wire.job_from_proto(answer.job)
                        yield answer.sequence, job
                    elif not started:
                        started = True
                        yield answer.sequence, None
            except UnavailableError:
                if patience.over():
                    raise
            patience.pause()

    def cancel_job(self, job_id: str) -> Job:
        """Ask a job to stop; a finished one comes back unchanged.

        Raises:
            NotFoundError: There is no such job.
        """
        request = generation_service_pb2.CancelJobRequest(name=wire.job_name(job_id))
        answer = self._connection.call(self._jobs.CancelJob, request)
        with receiving():
            return wire.job_from_proto(answer.job)

    def delete_job(self, job_id: str) -> None:
        """Forget a finished job; its media stay.

        Raises:
            NotFoundError: There is no such job.
            UnsupportedError: It has not ended yet (JOB_STATE).
        """
        request = generation_service_pb2.DeleteJobRequest(name=wire.job_name(job_id))
        self._connection.call(self._jobs.DeleteJob, request)

    def list_engines(self) -> tuple[EngineStatus, ...]:
        """Return the engines of the sidecar. What a newer one can do that this version does not know is left out."""
        answer = self._connection.call(
            self._engines.ListEngines, engine_service_pb2.ListEnginesRequest()
        )
        with receiving():
            return wire.engines_from_proto(answer.engines)

    def fetch_frames(
        self, job_id: str, record_range: TimeRange | None = None
    ) -> Iterator[tuple[int, NDArray[np.uint16]]]:
        """Yield decoded frames of a finished job's take, in order.

        Args:
            job_id: A job that succeeded.
            record_range: Record frames, handles allowed; None means all in the file.

        Yields:
            The record frame and its picture: uint16 [H, W, 4], R'G'B'A, full range, alpha 65535.

        Raises:
            InvalidInputError: The range is not in the file.
            UnsupportedError: The job has no take (JOB_STATE).
        """
        request = generation_service_pb2.FetchFramesRequest(
            name=wire.job_name(job_id), layout=generation_service_pb2.PIXEL_LAYOUT_RGBA16
        )
        if record_range is not None:
            request.record_range.CopyFrom(wire.range_to_proto(record_range))
        picture = np.empty(0, np.uint8)
        filled = 0
        for chunk in self._connection.stream(self._jobs.FetchFrames, request):
            with receiving():
                raster = wire.raster_from_proto(chunk.raster, at="raster")
            shape = (raster.height_px, raster.width_px, 4)
            if filled == 0:
                picture = np.empty(2 * math.prod(shape), np.uint8)
            end = filled + len(chunk.pixels)
            sizes_agree = chunk.frame_size_bytes == picture.size and filled < end <= picture.size
            if chunk.offset_bytes != filled or not sizes_agree:
                raise InternalError("The sidecar sent a frame with a hole in it; fetch it again.")
            picture[filled:end] = np.frombuffer(chunk.pixels, np.uint8)
            filled = end % picture.size
            if filled == 0:
                yield chunk.record_frame, picture.view("<u2").reshape(shape)
        if filled:
            raise InternalError("The sidecar stopped inside a frame; fetch it again.")

    def _watch_once(self, job_id: str, after_revision: int, *, replay: bool) -> Iterator[Job]:
        request = generation_service_pb2.WatchJobRequest(
            name=wire.job_name(job_id), after_revision=after_revision, replay=replay
        )
        for answer in self._connection.stream(self._jobs.WatchJob, request):
            with receiving():
                job = wire.job_from_proto(answer.job)
            yield job


class _Patience:
    """How long, and how often, a watch tries to get back.

    Args:
        for_s: From the moment it was lost, in seconds.
    """

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._gone_since: float | None = None
        self._backoff_s = _FIRST_BACKOFF_S

    def renew(self) -> None:
        """The sidecar answered."""
        self._gone_since = None
        self._backoff_s = _FIRST_BACKOFF_S

    def over(self) -> bool:
        """Whether it has been gone for too long, counted from the first time this is asked."""
        now = time.monotonic()
        self._gone_since = now if self._gone_since is None else self._gone_since
        return now - self._gone_since > self._for_s

    def pause(self) -> None:
        """Wait before the next try, longer each time."""
        time.sleep(self._backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the reconnects
        self._backoff_s = min(self._backoff_s * 2, _LONGEST_BACKOFF_S)
