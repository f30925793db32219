"""Streams of changes without a gap: from the store as far as it must be, from the feed as soon as it can be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from interchange.model.caller import Caller
from interchange.model.job import Job
from sidecar.jobs.desk import Desk
from sidecar.jobs.store import JobStore

# Snapshots in memory for a reader that is behind; with the longest prompts a few megabytes.
_PAGE = 32


async def watch_job(
    desk: Desk, job_id: str, *, caller: Caller, after_revision: int, replay: bool
) -> AsyncIterator[Job]:
    """Every snapshot of a job; ends after the terminal one.

    Args:
        desk: The store and the feed.
        job_id: The job.
        caller: Who asks.
        after_revision: Everything after this revision; 0 starts with the present snapshot.
        replay: With after_revision 0: start with the first snapshot that is kept.

    Raises:
        NotFoundError: There is none with this id that the caller may see, or not any more.
    """
    from_store = replay or after_revision > 0
    with desk.feed.subscribe(job_id, behind=from_store) as subscription:
        job = await desk.ask(lambda store: store.get(job_id, caller=caller))
        seen = min(after_revision, job.revision) if from_store else job.revision
        if not from_store:
            yield job
        if job.state.terminal and seen == job.revision:
            return
        while True:
            if subscription.behind:
                subscription.catch_up()
                events = await desk.ask(
                    partial(
                        JobStore.events_of,
                        job_id=job_id,
                        caller=caller,
                        after_revision=seen,
                        limit=_PAGE,
                    )
                )
                if len(events) == _PAGE:
                    subscription.fall_behind()
            else:
                events = tuple(await subscription.next())
            for event in events:
                if event.job.revision > seen:
                    seen = event.job.revision
                    yield event.job
                    if event.job.state.terminal:
                        return


async def watch_all(
    desk: Desk, *, caller: Caller, after_sequence: int | None
) -> AsyncIterator[tuple[int, Job | None]]:
    """Every change of every job the caller may see, in order, without end.

    Args:
        desk: The store and the feed.
        caller: Who asks.
        after_sequence: Everything after this change; None only what happens from now on.

    Yields:
        First where the stream starts, without a job; then each change and the job as it was after it.
    """
    with desk.feed.subscribe_all(behind=after_sequence is not None) as subscription:
        last = await desk.ask(JobStore.last_sequence)
        seen = last if after_sequence is None else min(after_sequence, last)
        yield seen, None
        while True:
            if subscription.behind:
                subscription.catch_up()
                events, reached, more = await desk.ask(
                    partial(JobStore.events_after, sequence=seen, caller=caller, limit=_PAGE)
                )
                if more:
                    subscription.fall_behind()
            else:
                events, reached = tuple(await subscription.next()), seen
            for event in events:
                if event.sequence > seen:
                    seen = event.sequence
                    if caller.may_touch(event.job.owner):
                        yield event.sequence, event.job
            seen = max(seen, reached)
