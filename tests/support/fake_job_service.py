"""A strict in-memory job service: it checks what the transport hands it, and runs nothing."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from support.model_examples import example_engine, example_geometry

from interchange.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Reason,
    UnsupportedError,
)
from interchange.model.caller import LOCAL_CALLER, Caller
from interchange.model.job import EngineStatus, Job, JobState, Progress
from interchange.model.request import GenerationRequest

_JOB_ID = re.compile(r"[0-9a-f]{32}")


class FakeJobService:
    """Jobs stay queued until `advance` changes them.

    Args:
        failure: Raised by every call instead of an answer.
    """

    def __init__(self, failure: Exception | None = None) -> None:
        self.jobs: dict[str, Job] = {}
        self.changes: list[Job] = []
        self.failure = failure
        self.open_watches = 0
        self._changed = asyncio.Condition()

    async def create(
        self,
        request: GenerationRequest,
        *,
        caller: Caller,
        request_id: str,
        priority: int,
        validate_only: bool,
    ) -> Job:
        self._enter(caller)
        assert type(request) is GenerationRequest
        assert type(request_id) is str
        assert type(priority) is int
        assert type(validate_only) is bool
        if request_id:
            for job in self.jobs.values():
                if job.request_id == request_id and job.request == request:
                    return job
                if job.request_id == request_id:
                    raise ConflictError(
                        "This request id belongs to another request.",
                        reason=Reason.REQUEST_ID_REUSED,
                        metadata={"request_id": request_id},
                    )
        job = Job(
            job_id="" if validate_only else f"{len(self.jobs) + 1:032x}",
            request_id=request_id,
            state=JobState.QUEUED,
            revision=0 if validate_only else 1,
            priority=priority,
            request=request,
            geometry=example_geometry(request),
            progress=Progress(),
            take=None,
            error=None,
            attempts=0,
            created=None if validate_only else datetime.now(UTC),
            started=None,
            ended=None,
            owner=caller.name,
        )
        if not validate_only:
            await self._keep(job)
        return job

    async def get(self, job_id: str, *, caller: Caller) -> Job:
        self._enter(caller)
        return self._job(job_id, caller)

    async def list(
        self, *, caller: Caller, states: frozenset[JobState], page_size: int, page_token: str
    ) -> tuple[tuple[Job, ...], str]:
        self._enter(caller)
        assert isinstance(states, frozenset)
        assert 1 <= page_size <= 1000
        if page_token and not (page_token.isascii() and page_token.isdigit()):
            raise InvalidInputError("This page token is none of ours.")
        start = int(page_token or 0)
        found = [
            job
            for job in self.jobs.values()
            if caller.may_touch(job.owner) and (not states or job.state in states)
        ][::-1]
        end = start + page_size
        return tuple(found[start:end]), str(end) if end < len(found) else ""

    async def watch(
        self, job_id: str, *, caller: Caller, after_revision: int, replay: bool
    ) -> AsyncIterator[Job]:
        self._enter(caller)
        assert type(replay) is bool
        job = self._job(job_id, caller)
        if not (after_revision or replay):
            after_revision = job.revision - 1
        self.open_watches += 1
        seen = 0
        try:
            while True:
                fresh, seen = self.changes[seen:], len(self.changes)
                for job in fresh:
                    if job.job_id == job_id and job.revision > after_revision:
                        yield job
                if self.jobs[job_id].state.terminal and seen == len(self.changes):
                    return
                await self._more_than(seen)
        finally:
            self.open_watches -= 1

    async def watch_all(
        self, *, caller: Caller, after_sequence: int | None
    ) -> AsyncIterator[tuple[int, Job | None]]:
        self._enter(caller)
        seen = len(self.changes) if after_sequence is None else after_sequence
        self.open_watches += 1
        try:
            yield seen, None
            while True:
                for job in self.changes[seen:]:
                    seen += 1
                    if caller.may_touch(job.owner):
                        yield seen, job
                await self._more_than(seen)
        finally:
            self.open_watches -= 1

    async def cancel(self, job_id: str, *, caller: Caller) -> Job:
        self._enter(caller)
        job = self._job(job_id, caller)
        if not job.state.terminal:
            await self.advance(job_id, state=JobState.CANCELLED)
        return self.jobs[job_id]

    async def delete(self, job_id: str, *, caller: Caller) -> None:
        self._enter(caller)
        if not self._job(job_id, caller).state.terminal:
            raise UnsupportedError("The job has not ended.", reason=Reason.JOB_STATE)
        del self.jobs[job_id]

    async def engines(self) -> tuple[EngineStatus, ...]:
        self._enter()
        return (example_engine(),)

    async def advance(self, job_id: str, **changes: object) -> None:
        """Change a job and wake its watchers."""
        job = self.jobs[job_id]
        await self._keep(replace(job, **{"revision": job.revision + 1} | changes))

    async def _keep(self, job: Job) -> None:
        self.jobs[job.job_id] = job
        self.changes.append(job)
        async with self._changed:
            self._changed.notify_all()

    async def _more_than(self, seen: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.changes) > seen)

    def _enter(self, caller: Caller = LOCAL_CALLER) -> None:
        assert type(caller) is Caller
        if self.failure is not None:
            raise self.failure

    def _job(self, job_id: str, caller: Caller) -> Job:
        assert _JOB_ID.fullmatch(job_id), f"the transport let {job_id!r} through"
        if job_id not in self.jobs or not caller.may_touch(self.jobs[job_id].owner):
            raise NotFoundError(
                f"There is no job {job_id}.",
                reason=Reason.JOB_NOT_FOUND,
                metadata={"job_id": job_id},
            )
        return self.jobs[job_id]
