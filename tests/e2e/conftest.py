"""What end-to-end tests share."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import ltx_presets, ltx_probe
from support.command import environment, program
from support.ltx_cases import Studio, studio_in


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


@pytest.fixture(scope="session")
def studio() -> Iterator[Studio]:
    """One sidecar for all tests of LTX takes: its model is loaded once. It has presets of its own and `ltx-probe`."""
    root = "/tmp" if Path("/tmp").is_dir() else None  # short, for the socket
    with tempfile.TemporaryDirectory(prefix="ltxb-", dir=root) as name, ExitStack() as stack:
        folder = Path(name).resolve()
        ltx_presets.write_presets(folder / "state" / "presets")
        with (
            pytest.MonkeyPatch.context() as patch
        ):  # for this sidecar and its workers, and for no other
            for variable, value in ltx_probe.install(
                folder / "plugin", state=folder / "state"
            ).items():
                patch.setenv(variable, value)
            started = stack.enter_context(studio_in(folder))
        yield started
