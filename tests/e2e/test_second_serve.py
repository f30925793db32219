"""`ltxbridge serve` where another sidecar is at work: the exit code its service relies on, and whose it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from support.command import environment, ltxbridge

UNIT = Path(__file__).parents[2] / "docs" / "howto" / "operations.md"


def documented_status() -> int:
    """The one with which systemd leaves the service at its end."""
    found = re.search(r"^RestartPreventExitStatus=(\d+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert found
    return int(found[1])


def test_a_second_serve_ends_as_its_unit_expects_and_names_the_first(
    running_sidecar: Path, short_dir: Path
) -> None:
    pid = json.loads(running_sidecar.with_name("sidecar.json").read_text())["pid"]
    refused = ltxbridge("serve", folder=short_dir, expect=documented_status())
    assert refused.stderr.startswith(f"ltxbridge: Another `ltxbridge serve` (process {pid}) works")


def test_a_sidecar_of_another_command_is_told_from_a_serve(short_dir: Path) -> None:
    discovery = short_dir / "state" / "sidecar.json"
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "sidecar", "serve", "--while-stdin-open"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(short_dir),
    ) as process:  # as `watch` starts one; the end of the block closes its standard input
        give_up = time.monotonic() + 30
        while not discovery.exists():
            assert time.monotonic() < give_up
            time.sleep(0.05)
        refused = ltxbridge("serve", folder=short_dir, expect=documented_status())
    assert f"(process {process.pid})" in refused.stderr
    assert "`ltxbridge watch` or another command" in refused.stderr
    assert "start `serve`" in refused.stderr
