"""Which files jobs still need, so that nothing sweeps them away."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Protocol

from interchange.errors import BridgeError
from interchange.model.caller import LOCAL_CALLER, Caller
from interchange.model.job import Job, JobState
from sidecar.transfers.store import UploadStore

_LOG = logging.getLogger(__name__)

_EVERY_S = 3600.0
_PAGE = 1000
_AT_WORK = frozenset(state for state in JobState if not state.terminal)


class JobList(Protocol):
    """The part of the job service that is asked here."""

    async def list(
        self, *, caller: Caller, states: frozenset[JobState], page_size: int, page_token: str
    ) -> tuple[tuple[Job, ...], str]:
        """Return a page of jobs, newest first, and the token of the next page."""
        ...


async def files_in_use(jobs: JobList) -> frozenset[Path]:
    """Every file that a job reads which has not ended."""
    found: set[Path] = set()
    page_token = ""
    while True:
        page, page_token = await jobs.list(
            caller=LOCAL_CALLER, states=_AT_WORK, page_size=_PAGE, page_token=page_token
        )
        found |= {Path(text) for job in page for text in job.request.files_read}
        if not page_token:
            return frozenset(found)


async def keep_swept(uploads: UploadStore, jobs: JobList, *, every_s: float = _EVERY_S) -> None:
    """Sweep uploads now and every hour, until cancelled."""
    while True:
        try:
            in_use = await files_in_use(jobs)
            removed = await asyncio.to_thread(uploads.sweep, in_use)
        except BridgeError as error:
            _LOG.warning("uploads were not swept: %s", error)
        else:
            if removed:
                _LOG.info("swept %s uploads that were not used any more", removed)
        await asyncio.sleep(every_s)
