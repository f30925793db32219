"""What the transport needs from the rooms behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Protocol

from interchange.model.caller import Caller
from interchange.model.job import EngineStatus, Job, JobState
from interchange.model.request import GenerationRequest
from sidecar.pipelines.base import Picture


class Jobs(Protocol):
    """The job service; `sidecar.jobs.service.JobService` is the real one."""

    async def create(
        self,
        request: GenerationRequest,
        *,
        caller: Caller,
        request_id: str,
        priority: int,
        validate_only: bool,
    ) -> Job:
        """Queue a job, or only check and plan it."""
        ...

    async def get(self, job_id: str, *, caller: Caller) -> Job:
        """Return one job."""
        ...

    async def list(
        self, *, caller: Caller, states: frozenset[JobState], page_size: int, page_token: str
    ) -> tuple[tuple[Job, ...], str]:
        """Return a page of jobs, newest first, and the token of the next page."""
        ...

    def watch(
        self, job_id: str, *, caller: Caller, after_revision: int, replay: bool
    ) -> AsyncIterator[Job]:
        """Yield every snapshot with rising revision; the last one is terminal."""
        ...

    def watch_all(
        self, *, caller: Caller, after_sequence: int | None
    ) -> AsyncIterator[tuple[int, Job | None]]:
        """Yield where the stream starts, then every change of every job the caller may see."""
        ...

    async def cancel(self, job_id: str, *, caller: Caller) -> Job:
        """Ask a job to stop."""
        ...

    async def delete(self, job_id: str, *, caller: Caller) -> None:
        """Forget a finished job."""
        ...

    async def engines(self) -> tuple[EngineStatus, ...]:
        """Return all engines."""
        ...


TakeOpener = Callable[[Job], AbstractContextManager[Callable[[int], Picture]]]
"""Opens a finished job's take; the function inside gives the picture at a record frame.

Entering does not block. Leaving ends what the function does, which may run in another thread.
"""
