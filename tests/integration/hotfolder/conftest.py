"""A sidecar for hot folders to share, and processes that watch them once."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.command import environment, program
from support.cutting_room import Edit, write_edit
from support.hot_folders import Hot
from support.zygote import Outcome, Zygote

from interchange.timebase import FrameRate


@dataclass(frozen=True)
class Studio:
    """A sidecar, a timeline with every kind of mark, and watches that live and die.

    Args:
        folder: All is below it; the sidecar may use it.
        edit: Six marks for the identity engine, on tiny media.
    """

    folder: Path
    edit: Edit
    zygote: Zygote
    numbers: Iterator[int]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def hot(self) -> Hot:
        """An empty hot folder."""
        root = self.folder / f"hot{next(self.numbers)}"
        root.mkdir()
        return Hot(root)

    def watch(self, hot: Hot, **arguments: Any) -> Outcome:
        """One life of a watch."""
        return self.zygote.call(
            "support.crashing_watcher:watch_once",
            folder=str(hot.root),
            state=str(self.state),
            **arguments,
        )

    def counts(self, hot: Hot) -> dict[str, int]:
        """One life to its end."""
        outcome = self.watch(hot)
        assert outcome.returncode == 0, outcome
        return dict(outcome.value["counts"])


@pytest.fixture(scope="session")
def studio() -> Iterator[Studio]:
    with tempfile.TemporaryDirectory(
        prefix="ltxb-", dir="/tmp" if os.name == "posix" else None
    ) as name:
        folder = Path(name).resolve()
        edit = write_edit(folder / "src", rate=FrameRate(25), engine="identity", size=(64, 36))
        with subprocess.Popen(
            [program(), "serve", "--media-root", folder],
            env=environment(folder) | {"LTXBRIDGE_RUNTIME_DIR": str(folder / "state" / "run")},
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                give_up = time.monotonic() + 30
                while not (folder / "state" / "sidecar.json").exists():
                    assert time.monotonic() < give_up, "the sidecar did not start"
                    time.sleep(0.05)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
                    zygote = Zygote("support.crashing_watcher")
                with zygote:
                    yield Studio(folder, edit, zygote, count())
            finally:
                process.terminate()
                process.wait(60)
