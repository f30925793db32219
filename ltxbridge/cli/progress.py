"""Progress on the terminal: a bar for each take and each file on its way, and the time it still needs."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from interchange.model.job import Job
from interchange.plan import PlannedTake
from ltxbridge.client.transfers import Carried


class JobDisplay:
    """Draws on standard error, so that standard output stays clean for scripts. A context manager.

    Args:
        console: Where else; nothing is drawn where it is no terminal.
        quiet: Draw nothing.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        console = console or Console(file=sys.stderr)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[phase]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._tasks: dict[tuple[str, int], TaskID] = {}
        self._carried: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, planned: PlannedTake, job: Job) -> None:
        """Draw a snapshot."""
        key = (planned.segment.segment_id, planned.take_number)
        if key not in self._tasks:
            label = Text(f"{planned.request.shot} {planned.request.kind}").plain
            self._tasks[key] = self._progress.add_task(label, total=1.0, phase="waiting")
        phase = job.state.value if job.state.terminal else phase_of(job)
        done = 1.0 if job.state.terminal else job.progress.fraction
        self._progress.update(self._tasks[key], completed=done, phase=phase)

    def carry(self, carried: Carried) -> None:
        """Draw how far a file has got on its way; from any thread."""
        key = (carried.phase, carried.what)
        if key not in self._carried:
            label = Text(carried.what).plain
            self._carried[key] = self._progress.add_task(label, total=1.0, phase=carried.phase)
        there = carried.done_bytes == carried.size_bytes
        self._progress.update(
            self._carried[key],
            completed=carried.done_bytes / carried.size_bytes,
            phase=f"{carried.phase} {carried.done_bytes >> 20}/{carried.size_bytes >> 20} MiB"
            if not there
            else _THERE[carried.phase],
        )


_THERE = {"sending": "sent", "fetching": "fetched"}


def phase_of(job: Job) -> str:
    """What is being done to a job, and how much of that: `denoising 3/8`."""
    progress = job.progress
    count = f" {progress.done}/{progress.total}" if progress.total else ""
    return f"{progress.phase}{count}"
