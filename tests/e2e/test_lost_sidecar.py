"""A sidecar that is killed under `process`: told at once, and what was delivered before is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from support.command import environment, ltxbridge, program
from support.cutting_room import write_edit

from interchange.timebase import FrameRate


def test_process_whose_own_sidecar_is_killed_ends_with_3_and_goes_on_next_time(
    short_dir: Path,
) -> None:
    edit = write_edit(short_dir / "job", rate=FrameRate(25), size=(640, 360))
    command = [program(), "process", edit.path, "--json", "--out", short_dir / "out"]
    with subprocess.Popen(
        command,
        env=environment(short_dir),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(lambda: list((short_dir / "out" / "takes").glob("*.mov")))
        os.kill(
            json.loads((short_dir / "state" / "sidecar.json").read_text())["pid"], signal.SIGKILL
        )
        output, _ = process.communicate(timeout=20)

    assert process.returncode == 3
    assert json.loads(output)[0]["error"]["reason"] == "SIDECAR_UNREACHABLE"

    again = ltxbridge("process", edit.path, "--json", "--out", short_dir / "out", folder=short_dir)
    assert len(json.loads(again.stdout)[0]["delivered"]) == 6
    assert len(list((short_dir / "out" / "takes").glob("*.mov"))) == 6
    assert not list((short_dir / "out" / "takes").glob(".*"))


def wait_for(ready) -> None:
    give_up = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < give_up
        time.sleep(0.02)
