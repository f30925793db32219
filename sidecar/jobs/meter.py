"""How far a job is: an engine's own steps and finished frames as one progress that only rises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from interchange.model.job import Progress

GENERATED = 0.90
"""Where the frames end, as a share of the whole job; they are nearly all of the work."""

# Engines that work before their first frame fill this much of it; what is left is the decoding of the frames.
_PREPARED = 0.60
# An engine does not say which phases are still to come, so each takes a share of what is left: the one that is
# nearly all of the work nearly all of it.
_LONG_PHASE = "denoising"  # or `denoising, part 2 of 3`
_SHARE_OF_LONG = 0.9
_SHARE = 0.1


class Meter:
    """Tells one job's progress up to `GENERATED`. Belongs to the thread the engine runs in.

    Args:
        report: Told of every step.
        total: Frames the file will have.
        encode_preview: Makes a JPEG of uint8 [H, W, 3] R'G'B'.
    """

    def __init__(
        self,
        report: Callable[[Progress], None],
        *,
        total: int,
        encode_preview: Callable[[NDArray[np.uint8]], bytes],
    ) -> None:
        self._report = report
        self._encode_preview = encode_preview
        self._total = total
        self._frames = 0
        self._fraction = 0.0
        self._phase_start = 0.0
        self._step: tuple[str, int] = ("", 0)
        self._frames_start = 0.0
        self._latest = Progress("decoding")

    def engine(self, phase: str, done: int, total: int) -> None:
        """The engine is at a step of a phase.

        Between its frames only the long phase is worth telling (the next window of a long take): the frames
        themselves say how far it is.
        """
        if self._frames:
            if phase.startswith(_LONG_PHASE):
                self._tell(Progress(phase, done, total, self._fraction))
            return
        if phase != self._step[0] or done < self._step[1]:
            self._phase_start = self._fraction
        self._step = (phase, done)
        share = _SHARE_OF_LONG if phase.startswith(_LONG_PHASE) else _SHARE
        span = share * (_PREPARED - self._phase_start)
        into = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
        self._fraction = max(self._fraction, self._phase_start + span * into)
        self._tell(Progress(phase, done, total, self._fraction))

    def frame(self) -> None:
        """One more frame is in the file."""
        if self._frames == 0:
            self._frames_start = self._fraction
        self._frames += 1
        share = (GENERATED - self._frames_start) * self._frames / self._total
        self._fraction = self._frames_start + share
        self._tell(Progress("generating", self._frames, self._total, self._fraction))

    def preview(self, picture: NDArray[np.uint8]) -> None:
        """The engine shows what it sees: uint8 [H, W, 3] R'G'B', told with the step it is at.

        Raises:
            InternalError: It is no such picture.
        """
        self._report(replace(self._latest, preview=self._encode_preview(picture)))

    def _tell(self, progress: Progress) -> None:
        self._latest = progress
        self._report(progress)
