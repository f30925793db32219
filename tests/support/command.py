"""The installed `ltxbridge` command, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def program() -> Path:
    """The command beside the interpreter that runs the tests."""
    return Path(sys.executable).with_name("ltxbridge")


def environment(folder: Path) -> dict[str, str]:
    """State of its own, so that tests never meet."""
    return os.environ | {
        "LTXBRIDGE_STATE_DIR": str(folder / "state"),
        "LTXBRIDGE_RUNTIME_DIR": str(folder / "run"),
    }


def ltxbridge(
    *arguments: str | Path, folder: Path, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run it, and hold it to its exit code and to never showing a traceback."""
    done = subprocess.run(
        [program(), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=environment(folder),
    )
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    return done
