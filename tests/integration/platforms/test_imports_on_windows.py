"""The whole product is imported where nothing is that Windows has not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(filter(None, (str(TESTS), known)))
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": path},
    )


def test_every_module_is_imported_without_what_only_posix_has():
    done = _run("-m", "support.as_windows")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 150


def test_what_only_posix_has_is_really_gone():
    done = _run(
        "-c",
        "from support.as_windows import become_windows; become_windows(); import os, signal\n"
        "assert not hasattr(os, 'getuid') and not hasattr(signal, 'SIGKILL')\n"
        "import fcntl",
    )
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'fcntl'"
