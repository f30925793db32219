"""A worker leaves no core, and takes no more memory than the settings say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.worker.messages import Hello, read_from_worker, to_line

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")


@pytest.mark.parametrize(("memory_bytes", "told"), [(0, "unlimited"), (3 << 30, str(3 << 30))])
def test_a_worker_is_confined_before_its_engine_loads(
    tmp_path: Path, memory_bytes: int, told: str
) -> None:
    hello = Hello(
        engine="animatic",
        engines="sidecar.pipelines.registry:create_engine",
        stages="sidecar.jobs.stages:open_stages",
        state_folder=str(tmp_path),
        product_version="1",
        heartbeat_s=1,
        memory_bytes=memory_bytes,
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "sidecar.worker.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as worker:
        worker.stdin.write(to_line(hello))
        worker.stdin.flush()
        assert read_from_worker(worker.stdout.readline())
        limits = Path(f"/proc/{worker.pid}/limits").read_text(encoding="ascii")
        worker.stdin.close()
        assert worker.wait(10) == 0
    found = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert found["Max core file size"] == "0"
    assert found["Max address space"] == told
