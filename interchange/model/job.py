"""A durable job as every door sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from interchange.errors import BridgeError
from interchange.model.caller import LOCAL
from interchange.model.engine import EngineLimits, PlannedGeometry
from interchange.model.request import GenerationRequest
from interchange.model.take import Take


class JobState(StrEnum):
    """Where a job is in its life; `sidecar.jobs.states` has the transition table."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can change any more."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


LONGEST_PREVIEW_BYTES = 64 << 10
"""Longest preview that is taken; four of them a second are no burden."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is.

    Args:
        phase: `waiting`, `decoding`, `generating`, `encoding`, `signing`, `publishing`, or an engine's own step,
            such as `denoising`.
        done: Steps done in this phase.
        total: Steps in this phase, 0 where unknown.
        fraction: Share of the whole job done, 0 to 1.
        preview: A JPEG of a few small pictures side by side, what the engine sees so far; mostly empty. Live
            watchers get it; it is not kept.
    """

    phase: str = "waiting"
    done: int = 0
    total: int = 0
    fraction: float = 0.0
    preview: bytes = b""


@dataclass(frozen=True, slots=True)
class Job:
    """A full snapshot; `revision` rises with every change.

    Args:
        job_id: Made by the server, 32 hexadecimal digits; empty in the answer to a validation.
        request_id: The caller's idempotency id, empty where none was given.
        take: Set when succeeded.
        error: Set when failed.
        attempts: Times a worker has started on it.
        owner: Who asked for it: `local`, or the name of an enrolled client.
        retry_at: Set while it waits before it is tried again.
    """

    job_id: str
    request_id: str
    state: JobState
    revision: int
    priority: int
    request: GenerationRequest
    geometry: PlannedGeometry
    progress: Progress
    take: Take | None
    error: BridgeError | None
    attempts: int
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    owner: str = LOCAL
    retry_at: datetime | None = None


class EngineState(StrEnum):
    """Whether an engine's worker is up."""

    IDLE = "idle"
    LOADING = "loading"
    READY = "ready"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """An engine of a running sidecar.

    Args:
        device: For example `cpu` or `cuda:0 NVIDIA H200`; empty until its worker has loaded it.
        device_memory_bytes: 0 where unknown.
        worker_memory_bytes: Resident memory of its worker, 0 where it is not up.
        is_default: Taken where a request names no engine.
    """

    limits: EngineLimits
    model_identity: str
    state: EngineState
    device: str
    device_memory_bytes: int
    worker_memory_bytes: int
    is_default: bool
