"""A state folder of an earlier version, killed in the middle of its work, under the present sidecar.

The dumps were made by sidecars of that time; `make_old_state.py` says how.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.job_cases import ended, make_service, media_request, running

from interchange.errors import ConflictError, NotFoundError, UnavailableError
from interchange.model.job import JobState
from ltxbridge.client import BridgeClient
from sidecar.credentials.identity import IDENTITY_FILE, load_or_create_identity
from sidecar.filesystem import FileSystem
from sidecar.instance import read_discovery
from sidecar.jobs.store import JobStore
from sidecar.launch import running_sidecar, sidecar_for
from sidecar.settings import Settings

HERE = Path(__file__).parent
VERSIONS = (1, 2)


@pytest.fixture(autouse=True)
def _workers_find_the_test_engines(monkeypatch):
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(HERE.parent), known))))


@pytest.fixture(params=VERSIONS)
def old(request, tmp_path):
    """A root with the state of an old version, and that version."""
    root = tmp_path.resolve()
    state = root / "state"
    logs = state / "logs"
    logs.mkdir(parents=True)
    for folder in (state, logs):
        folder.chmod(0o700)
    media_request(root)  # the original
    dump = (HERE / f"jobs_v{request.param}.sql").read_text().replace("@ROOT@", str(root))
    with closing(sqlite3.connect(state / "jobs.sqlite3")) as connection:
        connection.executescript(dump)
        connection.execute("PRAGMA journal_mode=WAL")
    (state / "token").write_text("0" * 64)
    (state / "token").chmod(0o600)
    discovery = {
        "address": f"unix:{root}/run/gone.sock",
        "pid": 2**22 + 1,  # no system of ours has so many
        "version": "0.0.1",
        "temporary": False,
        "media_roots": [str(root)],
        "maps_paths": False,
    }
    (state / "sidecar.json").write_text(json.dumps(discovery))
    (logs / "sidecar.log").write_text('{"level": "INFO", "message": "as it was"}\n')
    load_or_create_identity(state, filesystem=FileSystem())
    return root, request.param


def _rows(root, columns="job_id, request_id, state"):
    with closing(sqlite3.connect(root / "state" / "jobs.sqlite3")) as connection:
        return connection.execute(f"SELECT {columns} FROM job ORDER BY sequence").fetchall()  # noqa: S608 - ours


def _take_up(root):
    """Start the present service, wait until the job that was killed runs again, and end what is left."""

    async def scenario():
        async with running(make_service(root)) as service:
            jobs, token = await service.list()
            assert token == ""
            by_request = {job.request_id: job for job in jobs}
            left = by_request["id-running"]
            async with asyncio.timeout(30):
                async for job in service.watch(left.job_id, after_revision=0):
                    if job.state is JobState.RUNNING and job.progress.done > 0:
                        break
            for job in jobs:
                if not job.state.terminal:
                    await service.cancel(job.job_id)
                    await ended(service, job)
            return by_request

    return asyncio.run(scenario())


def test_every_job_is_readable_and_the_killed_one_goes_on(old):
    root, _ = old
    before = _rows(root)
    jobs = _take_up(root)
    assert [row[:2] for row in _rows(root)] == [row[:2] for row in before]
    done, failed = jobs["id-steady"], jobs["id-refuses"]
    assert done.state is JobState.SUCCEEDED
    assert done.take.path == str(root / "takes" / "A001_010_LTX_v001.mov")
    assert done.request.prompt == "a red door"
    assert done.owner == "local"
    assert failed.state is JobState.FAILED
    assert failed.error.message == "Not this shot."
    assert jobs[""].state is JobState.CANCELLED
    assert jobs["id-running"].attempts <= 2
    assert {row[2] for row in _rows(root)} == {"succeeded", "failed", "cancelled"}


def test_the_table_as_it_was_is_kept_and_a_second_start_changes_nothing(old):
    root, version = old
    _take_up(root)
    backup = root / "state" / f"jobs.sqlite3.v{version}.backup"
    digest = hashlib.sha256(backup.read_bytes()).hexdigest()
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT version FROM schema").fetchone() == (version,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM job").fetchone() == (5,)
    rows = _rows(root, "*")
    asyncio.run(_start_and_stop(root))
    assert _rows(root, "*") == rows
    assert hashlib.sha256(backup.read_bytes()).hexdigest() == digest


async def _start_and_stop(root):
    async with running(make_service(root)):
        pass


def test_a_whole_sidecar_starts_on_it_and_signs_as_before(old):
    root, _ = old
    state = root / "state"
    identity = (state / IDENTITY_FILE).read_bytes()
    settings = Settings(state_dir=state, runtime_dir=root / "run", media_roots=(root,))
    with sidecar_for(settings) as endpoint, BridgeClient(endpoint) as client:
        jobs = {job.request_id: job for job in client.list_jobs()}
        assert jobs["id-steady"].state is JobState.SUCCEEDED
        # This sidecar has no such engine: its jobs end with the reason, and nothing waits for ever.
        assert isinstance(jobs["id-queued"].error, NotFoundError)
        assert read_discovery(state).pid != 2**22 + 1
    assert (state / IDENTITY_FILE).read_bytes() == identity
    assert (state / "token").read_text() != "0" * 64
    assert (
        (state / "logs" / "sidecar.log").read_text().startswith('{"level": "INFO", "message": "as')
    )


def test_a_state_folder_of_a_newer_version_is_refused_untouched(tmp_path):
    root = tmp_path.resolve()
    asyncio.run(_start_and_stop(root))
    path = root / "state" / "jobs.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE schema SET version = 999")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(ConflictError, match=r"newer ltxbridge.*Install that version again"):
        JobStore(path, owner="boot")
    settings = Settings(state_dir=root / "state", runtime_dir=root / "run")
    with (
        pytest.raises((ConflictError, UnavailableError), match="newer ltxbridge"),
        sidecar_for(settings),
    ):
        pass
    assert running_sidecar(settings) is None
    assert path.read_bytes() == before
