"""How far a job is: phases that rise and never come back, however many canvases it has and tiers it tries. No torch."""

from __future__ import annotations

from collections.abc import Callable

from sidecar.pipelines.base import ProgressCallback


class Phases:
    """Names phases so that each is told once.

    Args:
        report: Told (phase, done, total).
        canvas_count: Canvases of the job; of one alone nobody needs to hear.
    """

    def __init__(self, report: ProgressCallback, canvas_count: int) -> None:
        self._report = report
        self._canvas_count = canvas_count
        self._ended: set[str] = set()
        self._now = ""

    def of(self, name: str, canvas: int) -> Callable[[int, int], None]:
        """A phase of a canvas: the function to tell (done, total).

        Args:
            name: What is done.
            canvas: Which canvas, from 0.
        """
        where = "" if self._canvas_count == 1 else f", part {canvas + 1} of {self._canvas_count}"
        label, again = f"{name}{where}", 1
        while label in self._ended or label == self._now:
            again += 1
            label = f"{name}{where}, try {again}"

        def tell(done: int, total: int) -> None:
            if self._now != label:
                self._ended.add(self._now)
                self._now = label
            self._report(label, done, total)

        return tell
