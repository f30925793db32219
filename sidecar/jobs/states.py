"""The life of a job as a table; nothing else decides which change of state is legal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from interchange.errors import Reason, UnsupportedError
from interchange.model.job import JobState

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
        # Back to queued: its worker died, or the sidecar stopped under it.
        JobState.RUNNING: frozenset(
            {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLING, JobState.QUEUED}
        ),
        # Succeeded or failed: the cancel came too late to matter.
        JobState.CANCELLING: frozenset({JobState.CANCELLED, JobState.SUCCEEDED, JobState.FAILED}),
        JobState.SUCCEEDED: frozenset(),
        JobState.FAILED: frozenset(),
        JobState.CANCELLED: frozenset(),
    }
)


def check_transition(job_id: str, *, present: JobState, following: JobState) -> None:
    """Refuse a change of state that the table does not have.

    Raises:
        UnsupportedError: The job cannot go there from where it is.
    """
    if following not in TRANSITIONS[present]:
        raise UnsupportedError(
            f"Job {job_id} is {present} and cannot become {following}.",
            reason=Reason.JOB_STATE,
            metadata={"job_id": job_id, "state": present.value},
        )
