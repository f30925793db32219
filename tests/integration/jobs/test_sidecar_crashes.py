"""kill -9 of the whole sidecar at every named point: nothing lost, nothing doubled, nothing half."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from support.broken_engines import create_engine
from support.crashing_sidecar import two_jobs
from support.job_cases import hidden, media_request, visible
from support.model_examples import JOB_ID, example_geometry

from interchange.model.job import JobState
from sidecar.jobs.work import WorkOrder
from sidecar.worker.messages import Finished, Hello, Start, read_from_worker, to_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

POINTS = [
    *(
        (moment, method)
        for method in ("create", "claim", "record_progress", "record_draft", "succeed")
        for moment in ("before", "after")
    ),
    *(
        ("before", operation)
        for operation in ("fsync_file:1", "publish_new:1", "fsync_file:2", "publish_new:2",
                          "fsync_folder:1", "publish_new:3", "fsync_folder:2")
    ),
    ("within", "link"),
]  # fmt: skip


@pytest.mark.parametrize(("moment", "point"), POINTS)
def test_a_killed_sidecar_loses_doubles_and_half_writes_nothing(tmp_path, moment, point):
    root = tmp_path.resolve()
    killed = subprocess.run(
        [sys.executable, "-m", "support.crashing_sidecar", root, moment, point],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    if (root / "takes").exists():
        _nothing_half(root)

    jobs = asyncio.run(two_jobs(root))
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * 2
    assert sorted(Path(job.take.path).name for job in jobs) == [
        "A001_010_LTX_v001.mov",
        "A001_010_LTX_v002.mov",
    ]
    for job in jobs:
        assert hashlib.sha256(Path(job.take.path).read_bytes()).hexdigest() == job.take.sha256
    assert visible(root) == [
        "A001_010_LTX_v001.c2pa",
        "A001_010_LTX_v001.mov",
        "A001_010_LTX_v002.c2pa",
        "A001_010_LTX_v002.mov",
    ]
    assert hidden(root) == []
    # And a third life does nothing more.
    assert asyncio.run(two_jobs(root)) == jobs


def _nothing_half(root):
    for name in visible(root):
        path = root / "takes" / name
        if path.suffix == ".mov":
            assert path.with_suffix(".c2pa").exists()  # the manifest is named first
            assert path.stat().st_size == 10 * 12 + 8  # all frames and the signature


def test_a_worker_whose_server_is_gone_ends_at_once(tmp_path):
    root = tmp_path.resolve()
    request = media_request(root, engine="slow", seed=1000)
    order = WorkOrder(JOB_ID, 1, "A_LTX_v001", request, example_geometry(request))
    with _worker(root, "slow") as worker:
        worker.stdin.write(to_line(Start(order)))
        worker.stdin.flush()
        assert worker.stdout.readline()
        worker.stdin.close()
        assert worker.wait(5) == 0


def test_a_worker_says_only_messages_and_answers_its_order(tmp_path):
    root = tmp_path.resolve()
    request = media_request(root)
    order = WorkOrder(JOB_ID, 1, "A_LTX_v001", request, example_geometry(request))
    with _worker(root, "steady") as worker:
        worker.stdin.write(to_line(Start(order)))
        worker.stdin.flush()
        messages = []
        while not (messages and isinstance(messages[-1], Finished)):
            messages.append(read_from_worker(worker.stdout.readline()))
        worker.stdin.close()
        worker.wait(5)
    draft = messages[-1].draft
    assert draft.take.model_identity == create_engine("steady").model_identity
    assert Path(draft.media_part).exists()
    assert not (root / "takes" / "A_LTX_v001.mov").exists()


def _worker(root, engine):
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "sidecar.worker.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    hello = Hello(
        engine=engine,
        engines="support.broken_engines:create_engine",
        stages="support.broken_engines:open_stages",
        state_folder=str(root / "state"),
        product_version="1",
        heartbeat_s=0.1,
    )
    worker.stdin.write(to_line(hello))
    return worker
