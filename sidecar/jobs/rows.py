"""Rows of the job table as values."""

from __future__ import annotations

import sqlite3
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


def _optional(kind: type[_T], text: str | None) -> _T | None:
    return None if text is None else load(kind, text)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def claim_of(row: sqlite3.Row) -> Claim:
    """A leased row."""
    job = job_of(row)
    order = WorkOrder(
        job_id=job.job_id,
        attempt=job.attempts,
        take_name=take_name(row["shot"], row["version"]),
        request=job.request,
        geometry=job.geometry,
    )
    return Claim(job, order, _optional(TakeDraft, row["draft"]))


def job_of(row: sqlite3.Row) -> Job:
    """A row as every door sees it."""
    return Job(
        job_id=row["job_id"],
        request_id=row["request_id"] or "",
        state=JobState(row["state"]),
        revision=row["revision"],
        priority=row["priority"],
        request=load(GenerationRequest, row["request"]),
        geometry=load(PlannedGeometry, row["geometry"]),
        progress=load(Progress, row["progress"]),
        take=_optional(Take, row["take"]),
        error=_optional(BridgeError, row["error"]),
        attempts=row["attempts"],
        created=_time(row["created"]),
        started=_time(row["started"]),
        ended=_time(row["ended"]),
        owner=row["owner"],
    )
