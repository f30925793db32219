"""What the server and a worker say to each other: one JSON object a line.

Not pickle: a worker decodes media that strangers made, so nothing it sends may run code in the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from interchange.errors import BridgeError
from interchange.model.engine import Device
from interchange.model.job import Progress
from sidecar.jobs.work import TakeDraft, WorkOrder
from sidecar.pipelines.resources import EVERYTHING, EngineResources
from sidecar.serialise import dump, load

LONGEST_LINE_BYTES = 1 << 20
"""Longest line a worker may send; the longest honest one is a take with its notes, a few kilobytes."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First line to a worker: what it is to be.

    Args:
        engine: Engine name.
        engines: Import string `module:callable` of the factory of engines, called with the name and `EngineFolders`.
        stages: Import string of the factory of stage tools, called with `state_folder` and
            `product_version`.
        state_folder: Where the signing identity is.
        product_version: For the credentials.
        heartbeat_s: Seconds between signs of life.
        memory_bytes: Most address space it may take, 0 for no limit.
        resources: What its engine may take.
    """

    engine: str
    engines: str
    stages: str
    state_folder: str
    product_version: str
    heartbeat_s: float
    memory_bytes: int = 0
    resources: EngineResources = EVERYTHING


@dataclass(frozen=True, slots=True)
class Start:
    """Work on a job; one at a time."""

    order: WorkOrder


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop working on a job, if it is the present one."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The worker's process lives.

    Args:
        memory_bytes: Its resident memory, 0 where the system does not tell.
    """

    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is loaded, or has become another: its checkpoint was swapped.

    Args:
        model_identity: What it says it is.
        device: What it computes on.
    """

    model_identity: str
    device: Device = field(default_factory=Device)


@dataclass(frozen=True, slots=True)
class Advanced:
    """A job got further."""

    job_id: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Finished:
    """A job's take is made, signed and verified."""

    job_id: str
    draft: TakeDraft


@dataclass(frozen=True, slots=True)
class Failed:
    """A job ended with an error."""

    job_id: str
    error: BridgeError


ToWorker = Hello | Start | Stop
FromWorker = Heartbeat | Ready | Advanced | Finished | Failed


def to_line(message: ToWorker | FromWorker) -> bytes:
    """Write a message as one line."""
    return dump(message).encode() + b"\n"


def read_to_worker(line: bytes) -> ToWorker:
    """Read a line from the server.

    Raises:
        InternalError: It is no such message.
    """
    return load(ToWorker, line.decode(errors="replace"))  # type: ignore[arg-type]  # a union is fine


def read_from_worker(line: bytes) -> FromWorker:
    """Read a line from a worker.

    Raises:
        InternalError: It is no such message.
    """
    return load(FromWorker, line.decode(errors="replace"))  # type: ignore[arg-type]  # a union is fine
