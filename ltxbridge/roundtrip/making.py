"""From planned takes to published ones: ask the sidecar, watch, gather."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from interchange.errors import BridgeError, InternalError, Reason, StoppedError, UnavailableError
from interchange.model.job import Job, JobState
from interchange.plan import PlannedTake
from ltxbridge.client import BridgeClient
from sidecar.filesystem import FileSystem

_NAMESPACE = uuid.UUID("6f0c9f0e-5d0a-5c1e-9a35-6b7c8d9e0f10")
"""Namespace of request ids; fixed for ever, so that a repeated drop finds its own jobs."""

JobObserver = Callable[[PlannedTake, Job], None]
"""Called with every snapshot of a job, on the caller's thread."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one planned take: exactly one of `job.take` and `error` is there.

    Args:
        planned: What was asked for.
        job: The job's last snapshot, None where it could not even be queued.
        error: Why there is no take.
    """

    planned: PlannedTake
    job: Job | None
    error: BridgeError | None


def make_takes(
    planned: Sequence[PlannedTake],
    *,
    client: BridgeClient,
    document_digest: str,
    observer: JobObserver,
    still_good: Callable[[Job], bool],
) -> tuple[Outcome, ...]:
    """Queue every take, then wait for each in turn. One that fails stops no other.

    A take that was made before for the same document, mark and request, and whose file is still what it
    was, is taken as it is; see `request_id_of`.

    Args:
        planned: What to make.
        client: The sidecar.
        document_digest: Of the timeline.
        observer: Told of every job snapshot.
        still_good: Whether a finished job's take can still be had.

    Raises:
        UnavailableError: The sidecar is gone and does not come back; its jobs go on when it does.
        NotAuthenticatedError: The token is wrong.
    """
    queued = [
        (take, _queue(take, client=client, document_digest=document_digest, still_good=still_good))
        for take in planned
    ]
    return tuple(_outcome(take, job, client=client, observer=observer) for take, job in queued)


def request_id_of(planned: PlannedTake, *, document_digest: str, attempt: int) -> str:
    """The idempotency id of a take: same document, mark, request and attempt, same id."""
    request_digest = hashlib.sha256(repr(planned.request).encode()).hexdigest()
    name = f"{document_digest}/{planned.segment.segment_id}/{planned.take_number}"
    return str(uuid.uuid5(_NAMESPACE, f"{name}/{request_digest}/{attempt}"))


def _queue(
    planned: PlannedTake,
    *,
    client: BridgeClient,
    document_digest: str,
    still_good: Callable[[Job], bool],
) -> Job | BridgeError:
    """Create the job, or find the one that an earlier run created and that is still good.

    A finished job is asked for anew, under the next attempt's id, where it failed, was cancelled, or where
    its media are not what was made any more.
    """
    try:
        for attempt in count():
            request_id = request_id_of(planned, document_digest=document_digest, attempt=attempt)
            job = client.create_job(planned.request, request_id=request_id)
            if not job.state.terminal or still_good(job):
                return job
    except UnavailableError:
        raise
    except BridgeError as error:
        if error.reason is Reason.TOKEN_INVALID:
            raise
        return error
    raise AssertionError


def take_is_on_disk(job: Job, *, filesystem: FileSystem) -> bool:
    """Whether a finished job's take is in its place on this machine, and is what was made."""
    if job.take is None:
        return False
    path = Path(job.take.path)
    return (
        path.is_file()
        and path.stat().st_size == job.take.size_bytes
        and filesystem.sha256(path) == job.take.sha256
    )


def _outcome(
    planned: PlannedTake, queued: Job | BridgeError, *, client: BridgeClient, observer: JobObserver
) -> Outcome:
    if isinstance(queued, BridgeError):
        return Outcome(planned, None, queued)
    last = queued
    observer(planned, last)
    if not last.state.terminal:
        for snapshot in client.watch_job(last.job_id):
            observer(planned, snapshot)
            last = snapshot
    return Outcome(planned, last, _error_of(last))


def _error_of(job: Job) -> BridgeError | None:
    match job.state:
        case JobState.SUCCEEDED:
            return None
        case JobState.CANCELLED:
            return StoppedError("The job was cancelled; run it again to make the take.")
        case JobState.FAILED if job.error is not None:
            return job.error
    return InternalError(
        f"Job {job.job_id} stopped being watched in state {job.state}; see `ltxbridge jobs show`."
    )
