"""Our denoise loop against diffusers' LTX2ConditionPipeline: the same forwards of the same tiny model, on the CPU.

PYTHONPATH=tests python benchmarks/ltx_loop.py

Both start from Gemma's features and end with latents; they take turns, so that a busy machine is busy for both.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from machine import in_words, machine
from support.ltx_reference import (
    NEGATIVE,
    PROMPT,
    Reference,
    condition,
    furthest,
    random_pictures,
    with_head,
)
from support.tiny_ltx import load_tiny

from sidecar.filesystem import FileSystem
from sidecar.pipelines.ltx23.denoise import Denoised
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.recipes import DEV_GUIDANCE, RECIPES, Stage, dev_sigmas
from sidecar.pipelines.ltx23.state import State, unpack
from sidecar.pipelines.ltx23.tiny import tiny_checkpoint

Result = TypeVar("Result")

RESULTS = Path(__file__).parent / "results"
GRID = LatentGrid(9, 12, 20)
"""65 pictures of 640 x 384: large enough that the model, not Python, takes the time."""
PAIRS = 9
GOAL = 1.0
CLOSE = 1e-4
"""Sums of this many tokens round by more than those of the tests."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recipe, measured.

    Args:
        ours_s: Seconds of each run of ours.
        theirs_s: Seconds of each run of theirs, in the same order.
        forwards: Forwards of one run times their batch; the same for both.
        difference: Greatest difference of the latents.
    """

    ours_s: tuple[float, ...]
    theirs_s: tuple[float, ...]
    forwards: int
    difference: float

    @property
    def ratio(self) -> float:
        """Median of ours / theirs over the pairs."""
        return statistics.median(
            ours / theirs for ours, theirs in zip(self.ours_s, self.theirs_s, strict=True)
        )


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds, and what was made."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


class Bench:
    """Both loops over one model."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        pipeline = reference.conditioned
        self._text = [
            pipeline.encode_prompt(text, do_classifier_free_guidance=False)[:2]
            for text in (PROMPT, NEGATIVE)
        ]
        self._picture = random_pictures(1, GRID)
        self._head = reference.latents(self._picture)

    def measure(self, stage: Stage, *, head: bool) -> Row:
        """Take turns; the first turn of each is not counted."""
        ours_s, theirs_s = [], []
        for _ in range(PAIRS + 1):
            seconds, made = timed(lambda: self._ours(stage, head=head))
            ours_s.append(seconds)
            seconds, (video, audio) = timed(lambda: self._theirs(stage, head=head))
            theirs_s.append(seconds)
        with self._reference.counting_forwards() as ours:
            self._ours(stage, head=head)
        with self._reference.counting_forwards() as theirs:
            self._theirs(stage, head=head)
        if sum(ours) != sum(theirs):
            raise SystemExit(f"not the same work: {ours} and {theirs}")
        difference = furthest((unpack(made.video, GRID), video), (made.audio, audio))
        return Row(tuple(ours_s[1:]), tuple(theirs_s[1:]), sum(ours), difference)

    def _connected(self, index: int) -> Prompt:
        features, mask = self._text[index]
        with torch.no_grad():
            video, audio, _ = self._reference.components.connectors(
                features, mask, padding_side="left"
            )
        return Prompt(video, audio)

    def _ours(self, stage: Stage, *, head: bool) -> Denoised:
        state: State = self._reference.video()
        if head:
            state = with_head(state, self._head)
        negative = self._connected(1) if stage.guidance else None
        return self._reference.ours(stage, state, prompt=self._connected(0), negative=negative)

    def _theirs(self, stage: Stage, *, head: bool) -> tuple[torch.Tensor, torch.Tensor]:
        (prompt, prompt_mask), (negative, negative_mask) = self._text
        return self._reference.theirs(
            stage,
            prompt=None,
            negative_prompt=None,
            prompt_embeds=prompt,
            prompt_attention_mask=prompt_mask,
            negative_prompt_embeds=negative,
            negative_prompt_attention_mask=negative_mask,
            conditions=[condition(self._picture, 0)] if head else None,
        )


def as_markdown(rows: dict[str, Row], facts: dict[str, object]) -> str:
    """The result, in words."""
    circumstances = (
        f"Tiny random LTX-2.3, float32, one CPU thread, {GRID.raster} x {GRID.frame_count} pictures "
        f"({GRID.tokens} video tokens). Medians of {PAIRS} pairs taken in turns; the goal is a ratio of at most "
        f"{GOAL}. Latents of both differ by at most {CLOSE:g}."
    )
    lines = [
        "# The denoise loop against `LTX2ConditionPipeline`",
        "",
        circumstances,
        "",
        "| | forwards x batch | ours, s | diffusers, s | ratio | difference |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {row.forwards} | {statistics.median(row.ours_s):.2f} | "
            f"{statistics.median(row.theirs_s):.2f} | {row.ratio:.3f} | {row.difference:.1e} |"
            for name, row in rows.items()
        ),
        "",
        in_words(facts),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print, write the results; 1 where ours is slower or makes something else."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        components = load_tiny(tiny_checkpoint(Path(cache), FileSystem()))
    bench = Bench(Reference(components, GRID))
    distilled = RECIPES["distilled"].first
    rows = {
        "distilled, from text": bench.measure(distilled, head=False),
        "distilled, from a still": bench.measure(distilled, head=True),
        "dev, 3 steps, all guidance": bench.measure(
            Stage(dev_sigmas(3), DEV_GUIDANCE, distilled=False), head=False
        ),
    }
    facts = machine("torch", "diffusers")
    RESULTS.mkdir(exist_ok=True)
    text = as_markdown(rows, facts)
    print(text)
    (RESULTS / "ltx_loop.md").write_text(text)
    report = {
        "machine": facts,
        "rows": {
            name: {
                "ours_s": row.ours_s,
                "theirs_s": row.theirs_s,
                "ratio": round(row.ratio, 4),
                "forwards": row.forwards,
                "difference": row.difference,
            }
            for name, row in rows.items()
        },
    }
    (RESULTS / "ltx_loop.json").write_text(json.dumps(report, indent=2) + "\n")
    missed = [name for name, row in rows.items() if row.ratio > GOAL or row.difference > CLOSE]
    if missed:
        print(f"slower than diffusers, or other latents: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
