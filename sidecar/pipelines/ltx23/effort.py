"""What a take cost: forwards, time, and the share of the device's best that it was worked at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sidecar.pipelines.ltx23.flops import forward_flops, utilisation
from sidecar.pipelines.ltx23.recipes import UNGUIDED, Stage
from sidecar.pipelines.ltx23.sizes import TransformerSize
from sidecar.pipelines.ltx23.state import State


@dataclass(slots=True)
class Effort:
    """Counts while a take is made.

    Args:
        size: Of the transformer.
        best_rate: Floating-point operations a second that the device reaches in a large product; None where
            that says nothing.
        forwards: So far.
        flops: So far, of the transformer.
        seconds: So far, of its forwards.
    """

    size: TransformerSize
    best_rate: float | None = None
    forwards: int = 0
    flops: int = 0
    seconds: float = 0.0

    @contextmanager
    def counted(self, stage: Stage, pictures: State, sound: State) -> Iterator[None]:
        """Count one stage, done inside; one that ends in an error is not counted."""
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start
        made = [float(state.mask.max()) > 0.0 for state in (pictures, sound)]
        passes = (stage.guidance or UNGUIDED).passes(video=made[0], audio=made[1])
        forwards = stage.steps * len(passes)
        self.forwards += forwards
        self.flops += forwards * forward_flops(
            self.size, pictures.mask.shape[1], sound.mask.shape[1]
        )

    @property
    def remark(self) -> str:
        """One sentence for the take's notes."""
        if not self.forwards:
            return "Its latents were made before and kept."
        work = f"{self.forwards} forwards of {self.flops / 1e12:.3g} TFLOP in all, {self.seconds:.1f} s"
        share = utilisation(self.flops, self.seconds, self.best_rate)
        return f"{work}." if share is None else f"{work}, {share:.0%} of the device's best."
