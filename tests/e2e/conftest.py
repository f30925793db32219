"""What end-to-end tests share."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import environment, program


@pytest.fixture
def running_sidecar(short_dir: Path) -> Iterator[Path]:
    """A sidecar started with `ltxbridge serve`; yields its token file."""
    with subprocess.Popen(
        [program(), "serve", "--media-root", short_dir],
        env=environment(short_dir),
        stderr=subprocess.DEVNULL,
    ) as process:
        discovery = short_dir / "state" / "sidecar.json"
        give_up = time.monotonic() + 20
        while not discovery.exists() and time.monotonic() < give_up:
            time.sleep(0.05)
        assert discovery.exists(), "the sidecar did not start"
        yield short_dir / "state" / "token"
        process.terminate()
        process.wait(30)
