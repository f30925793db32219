"""Each tier inside its cap: the largest canvas the planner would accept, run with no more memory than the card has."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from bench import WORDS, Bench, Clip
from measure import GB, Row, failed, peak_bytes

from interchange.model.media import Raster
from sidecar.pipelines.ltx23.memory import Work, most_frames, predict_peak, tile_for
from sidecar.pipelines.ltx23.recipes import RECIPES
from sidecar.pipelines.ltx23.tiers import Tier, choose_tier

T = TypeVar("T")

CAPS_GB = (12, 16, 24, 32)
_RASTERS = (Raster(1920, 1088), Raster(1280, 704), Raster(1024, 576), Raster(768, 512))
_LEAST_FRAMES = 121
_CONTEXT_LATENTS = 5
"""Kept at the head of the canvas, so that tokens have timesteps of their own, as in most jobs."""


def capped(cap_gb: int) -> Callable[[Bench], Iterator[Row]]:
    """The part for a card of so many GB (10^9 bytes)."""

    def part(bench: Bench) -> Iterator[Row]:
        yield from _under(bench, cap_gb * GB)

    part.__doc__ = f"The largest canvas planned for a card of {cap_gb} GB, inside it."
    return part


def planned_maximum(tier: Tier, cap_bytes: int) -> Clip:
    """The largest raster of which five seconds fit, and as many pictures of it as do."""
    for raster in _RASTERS:
        frames = most_frames(raster, tier, cap_bytes)
        if frames >= _LEAST_FRAMES:
            return Clip(raster.width_px, raster.height_px, frames)
    return Clip(raster.width_px, raster.height_px, frames)


def _under(bench: Bench, cap_bytes: int) -> Iterator[Row]:
    tier = choose_tier("cuda", cap_bytes)
    clip = planned_maximum(tier, cap_bytes)
    # The transformer does per step what it does in the first: one of each stage shows the peak.
    recipe = RECIPES["two-stage"]
    assert recipe.second is not None  # noqa: S101 - that is what its name says
    one_each = replace(
        recipe,
        first=replace(recipe.first, sigmas=(recipe.first.sigmas[0], 0.0)),
        second=replace(recipe.second, sigmas=(recipe.second.sigmas[0], 0.0)),
    )
    tile = tile_for(tier, cap_bytes)
    predicted = predict_peak(Work(clip.grid, clip.audio_tokens), tier, tile=tile).bytes
    what = f"{cap_bytes // GB} GB: {clip}, tier {tier.name}"
    if bench.device.type == "cuda":
        whole = torch.cuda.get_device_properties(bench.device).total_memory
        if cap_bytes > whole:
            yield Row(what, note=f"skipped: this card has {whole / GB:.0f} GB")
            return
        torch.cuda.set_per_process_memory_fraction(cap_bytes / whole, bench.device)
    made = bench.short if bench.tiny else clip
    peaks: dict[str, int] = {}
    try:
        with bench.runtime(tier, device_bytes=cap_bytes) as runtime:
            prompt = _noting(bench, peaks, "text", lambda: runtime.prompt(WORDS))
            still = np.full((made.frames, made.height, made.width, 3), 0.5, np.float32)
            context = still[: min(41, made.frames)]
            _noting(
                bench, peaks, "encode",
                lambda: runtime.video.encode(context, checkpoint=lambda: None),
            )  # fmt: skip
            video, audio = _noting(
                bench,
                peaks,
                "denoise",
                lambda: bench.made(
                    runtime,
                    made,
                    one_each,
                    prompt,
                    kept=min(_CONTEXT_LATENTS, made.grid.frames - 1),
                ),
            )
            decoded = runtime.video.decode(video, checkpoint=lambda: None, progress=lambda *_: None)
            count = _noting(bench, peaks, "decode", lambda: sum(1 for _ in decoded))
            _noting(
                bench, peaks, "sound",
                lambda: runtime.audio.decode(audio, made.frames * 2000, 48_000),
            )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        reached = ", ".join(peaks) or "nothing"
        yield replace(
            failed(what, error), goal="inside its cap", note=f"after {reached}: {error}"[:300]
        )
        return
    peak = max(peaks.values())
    parts = ", ".join(f"{name} {used / GB:.1f}" for name, used in peaks.items())
    yield Row(
        what,
        peak_bytes=peak,
        goal="inside its cap",
        met=count == made.frames and peak <= cap_bytes if peak else None,
        note=f"predicted {predicted / GB:.1f} GB; {parts}" if peak else f"{made} in its place",
    )


def _noting(bench: Bench, peaks: dict[str, int], name: str, work: Callable[[], T]) -> T:
    """Do a phase and note the most memory it reserved."""
    gc.collect()
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(bench.device)
    result = work()
    peaks[name] = peak_bytes(bench.device)
    return result
