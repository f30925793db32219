"""Rows of the job and event tables as values."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from interchange.errors import BridgeError
from interchange.model.engine import PlannedGeometry
from interchange.model.job import Job, JobState, Progress
from interchange.model.request import GenerationRequest
from interchange.model.take import Take
from sidecar.jobs.work import TakeDraft, WorkOrder, take_name
from sidecar.serialise import load

_CACHED_CHARACTERS = 8 << 20

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Claim:
    """A job whose lease is ours.

    Args:
        job: Snapshot, running.
        order: What the worker gets.
        draft: A verified take an earlier boot had ready to publish, None where it must be made.
    """

    job: Job
    order: WorkOrder
    draft: TakeDraft | None


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one job.

    Args:
        sequence: Rises with every change of any job.
        job: As it was after the change.
    """

    sequence: int
    job: Job


class RowReader:
    """Reads rows; what never changes about a job is decoded once while the job is talked about."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[GenerationRequest, PlannedGeometry, int]] = (
            OrderedDict()
        )
        self._characters = 0

    def job(self, row: sqlite3.Row) -> Job:
        """A row as every door sees it."""
        request, geometry = self._fixed(row)
        return Job(
            job_id=row["job_id"],
            request_id=row["request_id"] or "",
            state=JobState(row["state"]),
            revision=row["revision"],
            priority=row["priority"],
            request=request,
            geometry=geometry,
            progress=load(Progress, row["progress"]),
            take=_optional(Take, row["take"]),
            error=_optional(BridgeError, row["error"]),
            attempts=row["attempts"],
            created=_time(row["created"]),
            started=_time(row["started"]),
            ended=_time(row["ended"]),
            owner=row["owner"],
            retry_at=_time(row["not_before"]),
        )

    def claim(self, row: sqlite3.Row) -> Claim:
        """A leased row."""
        job = self.job(row)
        order = WorkOrder(
            job_id=job.job_id,
            attempt=job.attempts,
            take_name=take_name(row["shot"], row["version"]),
            request=job.request,
            geometry=job.geometry,
        )
        return Claim(job, order, _optional(TakeDraft, row["draft"]))

    def know(self, job_id: str, request: GenerationRequest, geometry: PlannedGeometry) -> None:
        """Spare the first reader of a new job the decoding."""
        self._remember(job_id, request, geometry, len(request.prompt) + 4096)

    def _fixed(self, row: sqlite3.Row) -> tuple[GenerationRequest, PlannedGeometry]:
        job_id = row["job_id"]
        known = self._known.get(job_id)
        if known is not None:
            self._known.move_to_end(job_id)
            return known[:2]
        request = load(GenerationRequest, row["request"])
        geometry = load(PlannedGeometry, row["geometry"])
        self._remember(job_id, request, geometry, len(row["request"]) + len(row["geometry"]))
        return request, geometry

    def _remember(
        self, job_id: str, request: GenerationRequest, geometry: PlannedGeometry, characters: int
    ) -> None:
        self._known[job_id] = (request, geometry, characters)
        self._characters += characters
        while self._characters > _CACHED_CHARACTERS and len(self._known) > 1:
            _, (_, _, dropped) = self._known.popitem(last=False)
            self._characters -= dropped


def _optional(kind: type[_T], text: str | None) -> _T | None:
    return None if text is None else load(kind, text)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
