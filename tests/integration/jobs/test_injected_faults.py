"""The Nth call fails, for every N: a full, failing, locked or forbidden disk under the whole job path.

Each case is one life of a sidecar: whatever happens is typed or waited out, the sidecar lives, and after healing
the same job and another one succeed.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.faulty_database import CAUSES
from support.faulty_filesystem import OPERATIONS
from support.model_examples import example_geometry, example_request
from support.zygote import Zygote

from interchange.errors import ExhaustedError, Reason, UnavailableError
from interchange.model.caller import LOCAL_CALLER
from interchange.model.job import JobState
from sidecar.jobs import schema
from sidecar.jobs.store import JobStore
from sidecar.jobs.turns import QueueLimits
from sidecar.serialise import fingerprint

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

CODES = {
    errno.ENOSPC: {Reason.DISK_FULL},
    errno.EACCES: {Reason.OUTPUT_NOT_WRITABLE},
    errno.EIO: {Reason.OUTPUT_NOT_WRITABLE, Reason.STORAGE_UNAVAILABLE},
}
STORE_REASONS = {
    "SQLITE_BUSY": {Reason.SIDECAR_UNREACHABLE, Reason.STORAGE_UNAVAILABLE},
    "SQLITE_FULL": {Reason.DISK_FULL, Reason.STORAGE_UNAVAILABLE},
    "SQLITE_IOERR_WRITE": {Reason.OUTPUT_NOT_WRITABLE, Reason.STORAGE_UNAVAILABLE},
}


@dataclass(frozen=True)
class Ward:
    """Where sidecars suffer; folders are in memory where there is such a thing."""

    zygote: Zygote
    roots: Path

    def suffer(self, **faults: object) -> dict[str, object]:
        root = Path(tempfile.mkdtemp(dir=self.roots))
        try:
            outcome = self.zygote.call("support.fault_scenarios:suffer", root=str(root), **faults)
            return outcome.value or {"died": outcome.returncode}
        finally:
            shutil.rmtree(root)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    memory = Path("/dev/shm")
    folder = memory if memory.is_dir() else tmp_path_factory.mktemp("ward")
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="ltxb-ward-") as roots,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]), prepend=":")
        with Zygote("support.fault_scenarios") as zygote:
            yield Ward(zygote, Path(roots))


def wrong(story, reasons):
    """What is wrong with how a sidecar took its fault."""
    if "died" in story:
        return [f"the sidecar ended: {story}"]
    findings = []
    if untyped := set(story["reasons"]) - {str(reason) for reason in reasons}:
        findings.append(f"said {untyped}")
    if story["states"][1:] != ["succeeded", "succeeded"]:
        findings.append(f"after healing, jobs are {story['states']}")
    if story["states"][0] not in {"succeeded", "failed"}:
        findings.append(f"the first job is {story['states'][0]}")
    names = {name for path in story["paths"] for name in (path, path.replace(".mov", ".c2pa"))}
    if set(story["visible"]) != names:
        findings.append(f"there are {story['visible']} for {story['paths']}")
    if len(story["paths"]) != len(set(story["paths"])):
        findings.append(f"two jobs share a take: {story['paths']}")
    if story["hidden"]:
        findings.append(f"left behind: {story['hidden']}")
    if story["integrity"] != "ok":
        findings.append(f"integrity: {story['integrity']}")
    return findings


def check_all(ward, cases, *, least_hits):
    """Every case in a life of its own.

    Args:
        ward: Where.
        cases: (name, arguments of `suffer`, reasons that may be given).
        least_hits: How many cases must have met their fault; time decides for the few others.
    """
    with ThreadPoolExecutor(6) as threads:
        stories = list(threads.map(lambda case: ward.suffer(**case[1]), cases))
    findings = [
        f"{name}: {finding}"
        for (name, _, reasons), story in zip(cases, stories, strict=True)
        for finding in wrong(story, reasons)
    ]
    assert not findings, "\n".join(findings)
    assert sum(bool(story["hits"]) for story in stories) >= least_hits * len(cases)


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "until healed"])
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_every_call_of_the_servers_file_system_may_fail(ward, code, sticky):
    clean = ward.suffer(server={"operation": "unlink", "errno": code, "number": 0})
    assert wrong(clean, set()) == []
    assert (
        {"make_folder", "free_bytes", "fsync_file", "publish_new", "fsync_folder"}
        <= set(clean["calls"])
        <= set(OPERATIONS)
    )
    cases = [
        (
            f"{operation} {number}",
            {"server": {"operation": operation, "errno": code, "number": number, "sticky": sticky}},
            CODES[code],
        )
        for operation, count in clean["calls"].items()
        for number in range(1, -(-count // 3) + 1)  # three like jobs ran
    ]
    check_all(ward, cases, least_hits=0.5)


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "until healed"])
@pytest.mark.parametrize("cause", CAUSES)
def test_every_statement_of_the_store_may_fail(ward, cause, sticky):
    clean = ward.suffer(database={"number": 0})
    assert wrong(clean, set()) == []
    statements = clean["statements"]
    assert {sql.split()[0] for sql in statements} >= {
        "BEGIN",
        "INSERT",
        "UPDATE",
        "SELECT",
        "COMMIT",
    }
    cases = []
    for number, sql in enumerate(statements, start=1):
        manners = ["refused"]
        if cause != "SQLITE_BUSY":
            manners.append("rolled back")
        for manner in manners:
            fault = {"number": number, "cause": cause, "manner": manner, "sticky": sticky}
            cases.append(
                (f"{number} {sql[:60]} {manner}", {"database": fault}, STORE_REASONS[cause])
            )
    check_all(ward, cases, least_hits=0.7)


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_every_call_of_the_workers_file_system_may_fail(ward, code):
    fault = {"operation": "unlink", "errno": code, "number": 0}
    clean = ward.suffer(worker=fault)
    assert wrong(clean, set()) == []
    assert {"make_folder", "open_new", "write", "close", "unlink", "sha256"} <= set(
        clean["worker_calls"]
    )
    cases = [
        (
            f"{operation} {number}",
            {"worker": fault | {"operation": operation, "number": number}},
            CODES[code],
        )
        for operation, count in clean["worker_calls"].items()
        for number in range(1, -(-count // 3) + 1)
    ]
    check_all(ward, cases, least_hits=1)


def store_at(tmp_path):
    return JobStore(tmp_path / "jobs.sqlite3", owner="boot")


def create(store, **changes):
    request = example_request(**changes)
    return store.create(
        request,
        example_geometry(request),
        caller=LOCAL_CALLER,
        request_id="",
        fingerprint=fingerprint(request),
        priority=0,
        version_floor=0,
        limits=QueueLimits(),
    )


def test_a_database_that_is_truly_full_says_so_and_works_after(tmp_path):
    store = store_at(tmp_path)
    first = create(store)
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ExhaustedError) as caught:  # noqa: PT012 - which of them finds it full is SQLite's
        for _ in range(50):
            create(store, prompt="x" * 4000)
    assert caught.value.reason is Reason.DISK_FULL
    assert store.get(first.job_id, caller=LOCAL_CALLER).state is JobState.QUEUED  # reading goes on
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert create(store, prompt="x" * 4000).state is JobState.QUEUED
    assert store._connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    store.close()


@pytest.mark.parametrize(("held_s", "waits"), [(0.25, True), (1.0, False)], ids=["5 s", "15 s"])
def test_a_database_locked_from_outside_is_waited_for_then_said(
    tmp_path, monkeypatch, held_s, waits
):
    """Twenty times as fast as it is: the patience is 10 s, the lock is held for 5 or 15."""
    monkeypatch.setattr(schema, "_BUSY_TIMEOUT_S", 0.5)
    store = store_at(tmp_path)
    other = sqlite3.connect(
        tmp_path / "jobs.sqlite3", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(held_s, lambda: other.execute("ROLLBACK"))
    release.start()
    if waits:
        assert create(store).state is JobState.QUEUED
    else:
        with pytest.raises(UnavailableError, match="locked"):
            create(store)
    release.join()
    assert create(store).state is JobState.QUEUED
    other.close()
    store.close()
