"""The job table for a command that tidies up: through the running sidecar, else alone under its lock.

Where no sidecar runs, none is started for this: it would go on with the queue, and nobody asked for that.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from interchange.errors import ConflictError
from interchange.model.caller import LOCAL_CALLER
from interchange.model.job import Job
from ltxbridge.client import BridgeClient
from sidecar.jobs.lock import FolderLock
from sidecar.jobs.store import JobStore
from sidecar.launch import running_sidecar
from sidecar.settings import Settings

_PAGE_SIZE = 500
_BUSY_WITHIN_S = 10.0
_POLL_S = 0.2


class JobTable(Protocol):
    """All jobs there are."""

    def jobs(self) -> tuple[Job, ...]:
        """Every job, newest first."""
        ...

    def delete(self, job_id: str) -> None:
        """Forget a job that has ended.

        Raises:
            NotFoundError: It is not there.
        """
        ...


class _RunningTable:
    """Through the sidecar that has it open."""

    def __init__(self, client: BridgeClient) -> None:
        self._client = client

    def jobs(self) -> tuple[Job, ...]:
        return tuple(self._client.list_jobs(page_size=_PAGE_SIZE))

    def delete(self, job_id: str) -> None:
        self._client.delete_job(job_id)


class _LockedTable:
    """The file itself, while no sidecar can have it open."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def jobs(self) -> tuple[Job, ...]:
        return tuple(self._all())

    def delete(self, job_id: str) -> None:
        self._store.delete(job_id, caller=LOCAL_CALLER)

    def _all(self) -> Iterator[Job]:
        before: int | None = None
        while True:
            page, before = self._store.page(
                states=(), caller=LOCAL_CALLER, before=before, size=_PAGE_SIZE
            )
            yield from page
            if before is None:
                return


class _NoTable:
    """Nothing was ever made here."""

    def jobs(self) -> tuple[Job, ...]:
        return ()

    def delete(self, job_id: str) -> None:
        """There is nothing to forget."""


@contextmanager
def job_table(settings: Settings, *, busy_within_s: float = _BUSY_WITHIN_S) -> Iterator[JobTable]:
    """Open the job table of a state folder.

    Args:
        settings: Name the state folder.
        busy_within_s: How long to wait for a sidecar that is starting or stopping, in seconds.

    Raises:
        ConflictError: A sidecar has the folder and does not answer; or a newer ltxbridge made the table.
        BridgeError: The table cannot be read.
    """
    path = settings.state_dir / "jobs.sqlite3"
    give_up = time.monotonic() + busy_within_s
    while True:
        discovery = running_sidecar(settings)
        if discovery is not None:
            with BridgeClient(discovery.endpoint(settings.state_dir)) as client:
                yield _RunningTable(client)
            return
        if not path.exists():
            yield _NoTable()
            return
        try:
            lock = FolderLock(settings.state_dir)
        except ConflictError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_POLL_S)
            continue
        try:
            with _opened(path) as table:
                yield table
        finally:
            lock.release()
        return


@contextmanager
def _opened(path: Path) -> Iterator[_LockedTable]:
    store = JobStore(path, owner=uuid.uuid4().hex)
    try:
        yield _LockedTable(store)
    finally:
        store.close()
