"""`python -m support.crashing_collection ROOT CALL`: `ltxbridge gc --delete` that is killed at its Nth step.

A step is each call of the operating system that changes something, and what comes before and after a job is
deleted from the table. The kill is SIGKILL. Ends with 0 where there were fewer steps.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidecar.filesystem import FileSystem
from sidecar.lifecycle.collect import Collected, collect, confirm
from sidecar.lifecycle.inventory import state_items, take_items
from sidecar.lifecycle.policy import Choice, Limits, choose
from sidecar.lifecycle.table import job_table
from sidecar.settings import Settings

LATER = datetime.now(UTC) + timedelta(days=60)


class Steps(FileSystem):
    """Counts what changes something, and dies at one of them."""

    def __init__(self, fatal: int = 0) -> None:
        self.left = fatal

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, operation: str, path: Path) -> None:  # noqa: ARG002 - the seam fixes it
        if operation != "sha256":
            self.step()


def settings_for(root: Path) -> Settings:
    """The settings of a state folder made by `support.job_cases`."""
    return Settings(state_dir=root / "state", runtime_dir=root / "run")


def chosen(
    root: Path, limits: Limits, *, keep_used_in: tuple[Path, ...] = ()
) -> tuple[Choice, ...]:
    """What a run sixty days from now would decide."""
    with job_table(settings_for(root)) as table:
        items = (*take_items(table.jobs(), keep_used_in=keep_used_in), *state_items(root / "state"))
    return tuple(confirm(choose(items, limits, now=LATER), filesystem=FileSystem()))


def deleted(root: Path, limits: Limits, *, steps: Steps | None = None) -> tuple[Collected, ...]:
    """Decide, and do it."""
    filesystem = steps or Steps()
    choices = chosen(root, limits)
    with job_table(settings_for(root)) as table:

        def delete_job(job_id: str) -> None:
            filesystem.step()
            table.delete(job_id)
            filesystem.step()

        return tuple(collect(choices, filesystem=filesystem, delete_job=delete_job))


if __name__ == "__main__":
    deleted(Path(sys.argv[1]), Limits(timedelta(days=30)), steps=Steps(int(sys.argv[2])))
