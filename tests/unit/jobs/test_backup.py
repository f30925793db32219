"""An older job database is copied before it is brought forward, and its jobs stay what they were."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from support.faulty_filesystem import FaultyFileSystem
from support.job_cases import make_take
from support.model_examples import example_geometry, example_request

from interchange.errors import BridgeError, ExhaustedError, Reason, UnavailableError
from interchange.model.caller import LOCAL, LOCAL_CALLER
from interchange.model.job import JobState, Progress
from sidecar.filesystem import FileSystem
from sidecar.jobs import schema
from sidecar.jobs.retry import RetryPolicy
from sidecar.jobs.store import JobStore
from sidecar.serialise import dump

REQUEST = example_request()


class Full(FileSystem):
    """A disk with no space to speak of."""

    def free_bytes(self, folder):  # noqa: ARG002 - the seam fixes it
        return 1000


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A database as the second schema left it: one job of every kind of state."""
    path = tmp_path / "jobs.sqlite3"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_MIGRATIONS", schema._MIGRATIONS[:2])
        connection = schema.open_database(path, filesystem=FileSystem())
    values = (dump(REQUEST), dump(example_geometry(REQUEST)), dump(Progress()))
    for number, (state, lease, attempts, take, ended) in enumerate(
        (
            ("queued", None, 2, None, None),
            ("running", "boot-1", 2, None, None),
            ("succeeded", None, 1, dump(make_take()), "2026-01-01T00:00:00+00:00"),
        )
    ):
        connection.execute(
            "INSERT INTO job (job_id, request_id, fingerprint, state, lease_owner, attempts, take, ended,"
            " revision, priority, lane, request, geometry, progress, output_folder, shot, version, created)"
            " VALUES (?, ?, 'f', ?, ?, ?, ?, ?, 5, 0, ?, ?, ?, ?, '/out', 's', ?, '2026-01-01T00:00:00+00:00')",
            (state, f"r{number}", state, lease, attempts, take, ended, REQUEST.engine, *values, number + 1),
        )  # fmt: skip
    connection.close()
    return path


def rows(path):
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = connection.execute("SELECT * FROM job ORDER BY sequence").fetchall()
    connection.close()
    return found


def test_jobs_of_the_old_schema_live_on(old):
    store = JobStore(old, owner="boot-2", retry=RetryPolicy(first_s=0))
    done = store.get("succeeded", caller=LOCAL_CALLER)
    assert (done.state, done.owner, done.take) == (JobState.SUCCEEDED, LOCAL, make_take())
    assert store.find_request("r2", fingerprint="f", caller=LOCAL_CALLER) == done
    page = store.events_after(0, caller=LOCAL_CALLER, limit=9)[0]
    assert [event.job.job_id for event in page] == ["queued", "running", "succeeded"]
    assert page[2].job == done
    assert [claim.job.job_id for claim in store.orphans()] == ["running"]
    assert store.adopt("running", None).state is JobState.QUEUED
    # Two deaths are remembered of the one that waited, one of the one that ran.
    died = UnavailableError("died", reason=Reason.WORKER_DIED)
    first = store.claim(REQUEST.engine).job.job_id
    assert first == "queued"
    assert store.fail_or_retry("queued", died).state is JobState.FAILED
    assert store.claim(REQUEST.engine).job.job_id == "running"
    assert store.fail_or_retry("running", died).state is JobState.QUEUED
    store.close()


def test_the_old_database_is_kept_whole_beside_it(old):
    before = rows(old)
    JobStore(old, owner="boot-2").close()
    backup = old.with_name("jobs.sqlite3.v2.backup")
    assert rows(backup) == before
    assert [path.name for path in old.parent.iterdir() if path.name.endswith(".part")] == []
    assert backup.stat().st_mode & 0o077 == 0
    backup.unlink()
    JobStore(old, owner="boot-3").close()
    assert not backup.exists(), "copied once, not at every start"


def test_a_new_database_has_nothing_to_keep(tmp_path):
    JobStore(tmp_path / "jobs.sqlite3", owner="x").close()
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.sqlite3"]


def test_without_space_the_old_one_is_left_alone(old):
    before = rows(old)
    with pytest.raises(ExhaustedError, match="the jobs are as they were") as caught:
        JobStore(old, owner="boot-2", filesystem=Full())
    assert caught.value.reason is Reason.DISK_FULL
    assert rows(old) == before
    JobStore(old, owner="boot-2").close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("operation", ["free_bytes", "unlink", "open_new", "close", "fsync_file", "replace", "fsync_folder"])  # fmt: skip
def test_a_copy_that_fails_stops_the_change(old, operation, code):
    before = rows(old)
    with pytest.raises(BridgeError):
        JobStore(old, owner="boot-2", filesystem=FaultyFileSystem(operation, errno=code))
    assert rows(old) == before
    JobStore(old, owner="boot-2").close()
    assert rows(old.with_name("jobs.sqlite3.v2.backup")) == before
