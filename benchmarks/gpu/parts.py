"""The parts of the run: each makes its model anew in a process of its own and takes at most eight minutes.

Names say what; `tiers.py` has those under a cap. Each part gives rows and never raises for what it measures: what did not
work is a row that says so.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from bench import FRAME_RATE, WORDS, Bench, Clip
from measure import Row, Timing, failed, finite, forget, skipped, timed, within_limit
from random_model import SOUND, build

from sidecar.pipelines.ltx23.devices import memory_bytes
from sidecar.pipelines.ltx23.flops import (
    decode_flops,
    encode_flops,
    forward_flops,
    upsample_flops,
)
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.memory import Work, predict_peak, tile_for
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.recipes import RECIPES, Recipe, Stage
from sidecar.pipelines.ltx23.runtime import Runtime
from sidecar.pipelines.ltx23.sizes import FULL_SIZE, transformer_size

DIT_LIMIT: Final = 1.35
"""Most that the transformer may take of its limit, as a factor."""
SAMPLE_RATE_HZ: Final = 48_000

PartRows = Iterator[Row]


def check(bench: Bench) -> PartRows:
    """Every module, built, counted and run once."""
    yield Row("rate of a large product", rate=bench.rate, note=_in_tflops(bench.rate))
    expected = {
        "transformer": FULL_SIZE.transformer.parameters,
        "connectors": FULL_SIZE.connectors,
        "latent_upsampler": FULL_SIZE.upsampler,
        "text_encoder": FULL_SIZE.text_encoder,
    }
    for name in bench.architecture:
        dtype = torch.float32 if name in SOUND else bench.dtype
        module = build(
            bench.architecture, name, device=bench.device, home=bench.device, dtype=dtype
        )
        count = sum(parameter.numel() for parameter in module.parameters())
        sound = finite(*module.parameters())
        counted = bench.tiny or expected.get(name, count) == count
        yield Row(
            f"{name}: {count / 1e9:.3f} B weights",
            goal="as counted, finite",
            met=sound and counted,
        )
        del module
        forget(bench.device)
    small = Clip(bench.short.width, bench.short.height, 17)
    with bench.runtime(bench.tier) as runtime:
        prompt = runtime.prompt(WORDS)
        video, audio = bench.made(runtime, small, RECIPES["two-stage"], prompt)
        decoded = np.stack(list(_decoded(runtime, video)))
        samples = _sound(runtime, audio, small)
    values = torch.from_numpy(decoded)
    yield Row(
        f"two stages of {small}, all parts once",
        goal="finite, with contrast",
        met=finite(prompt.video, prompt.audio, video, audio, values)
        and float(samples.std()) > 0.0
        and float(values.std()) > 0.0,
        note=f"spread of the latents {float(video.std()):.2f}, of the pictures {float(values.std()):.2f}",
    )


def draft_transformer(bench: Bench) -> PartRows:
    """Eight forwards at the size of a draft."""
    yield from _transformer(bench, bench.short, RECIPES["distilled"], rounds=3)


def large_transformer(bench: Bench) -> PartRows:
    """Two stages of 1080p, five seconds."""
    yield from _transformer(bench, bench.large, RECIPES["two-stage"], rounds=1)


def long_transformer(bench: Bench) -> PartRows:
    """Two stages of 1080p, ten seconds."""
    yield from _transformer(bench, bench.long, RECIPES["two-stage"], rounds=1)


def codecs(bench: Bench) -> PartRows:
    """Pictures, sound and text, each way."""
    with bench.runtime(bench.tier) as runtime:
        for clip in (bench.short, bench.large):
            yield from _pictures(bench, runtime, clip)
        yield from _guarded(f"sound of {bench.large}", lambda: _sounds(bench, runtime))
        half = bench.large.half
        latents = torch.zeros(
            1,
            runtime.components.vae.config["latent_channels"],
            half.frames,
            half.height,
            half.width,
        )
        yield from _guarded(
            f"upsample to {bench.large}",
            lambda: _timed_row(
                bench,
                f"upsample to {bench.large}",
                lambda: runtime.upsample(latents),
                flops=upsample_flops(half),
            ),
        )
    yield from _guarded("text", lambda: _text(bench))


def whole_job(bench: Bench) -> PartRows:
    """A job of two stages from words to pictures and sound, against what was predicted of its memory."""
    clip, tier = bench.large, bench.tier
    what = f"{clip}, two stages, words to pictures and sound, tier {tier.name}"
    pictures: list[np.ndarray] = []
    times: dict[str, Timing] = {}
    with bench.runtime(tier) as runtime:
        runtime.prompt(
            WORDS
        )  # builds Gemma; a tier that lets it go builds it again, and loads it in earnest
        prompts: list[Prompt] = []
        made: list[tuple[torch.Tensor, torch.Tensor]] = []
        phases: dict[str, Callable[[], object]] = {
            "text": lambda: prompts.append(runtime.prompt(WORDS)),
            "DiT and upsampler": lambda: made.append(
                bench.made(runtime, clip, RECIPES["two-stage"], prompts[0])
            ),
            "pictures": lambda: pictures.extend(
                (np.clip(picture, 0, 1) * 255).astype(np.uint8)
                for picture in _decoded(runtime, made[0][0])
            ),
            "sound": lambda: _sound(runtime, made[0][1], clip),
        }
        try:
            for name, work in phases.items():
                times[name] = timed(work, device=bench.device)
        except (RuntimeError, ValueError) as error:
            yield failed(what, error)
            return
    seconds = sum(time.seconds for time in times.values())
    peak = max(time.peak_bytes for time in times.values())
    tile = tile_for(tier, memory_bytes(bench.device))
    work = Work(clip.grid, clip.audio_tokens, conditioned=False)
    predicted = predict_peak(work, tier, tile=tile).allocated_bytes
    yield Row(
        what,
        seconds=seconds,
        peak_bytes=peak,
        goal="no more memory than predicted",
        met=peak <= predicted if peak else None,
        note=f"predicted {predicted / 1e9:.1f} GB" if peak else "",
    )
    for name, time in times.items():
        yield Row(f"  of it {name}", time.seconds, peak_bytes=time.peak_bytes)
    yield _encoded(bench, clip, pictures)


def _transformer(bench: Bench, clip: Clip, recipe: Recipe, *, rounds: int) -> PartRows:
    stages = [stage for stage in (recipe.first, recipe.second) if stage]
    what = f"DiT {clip} ({'+'.join(str(stage.steps) for stage in stages)})"
    with bench.runtime(bench.tier) as runtime:
        prompt = bench.prompt(runtime)
        for stage, grid in zip(
            stages, [clip.half, clip.grid] if recipe.second else [clip.grid], strict=True
        ):
            bench.stage(runtime, grid, clip, _one_step(stage), prompt)  # warms up
        rows, total = [], 0.0
        flops = 0
        peak = 0
        latents: list[torch.Tensor] = []
        try:
            for stage, grid in zip(
                stages, [clip.half, clip.grid] if recipe.second else [clip.grid], strict=True
            ):

                def run(stage: Stage = stage, grid: LatentGrid = grid) -> None:
                    latents[:] = [bench.stage(runtime, grid, clip, stage, prompt).video]

                time = timed(run, device=bench.device, rounds=rounds)
                work = stage.forwards * _forward(runtime, grid, clip)
                total, flops = total + time.seconds, flops + work
                peak = max(peak, time.peak_bytes)
                rows.append((stage.forwards, grid, time, work))
        except (RuntimeError, ValueError) as error:
            yield failed(what, error)
            return
    row = Row(
        what, total, flops / 1e12, bench.rate, peak, note="" if finite(*latents) else "not finite"
    )
    yield within_limit(row, DIT_LIMIT)
    if len(rows) > 1:
        for forwards, grid, time, work in rows:
            yield Row(
                f"  of it {forwards} forwards of {grid.tokens} tokens",
                time.seconds,
                work / 1e12,
                bench.rate,
                time.peak_bytes,
            )


def _one_step(stage: Stage) -> Stage:
    return replace(stage, sigmas=(stage.sigmas[0], 0.0))


def _forward(runtime: Runtime, grid: LatentGrid, clip: Clip) -> int:
    transformer = runtime.components.transformer
    size = transformer_size(
        transformer.config,
        parameters=sum(p.numel() for p in transformer.parameters()),
        blocks=sum(p.numel() for p in transformer.transformer_blocks.parameters()),
    )
    return forward_flops(size, grid.tokens, clip.audio_tokens)


def _pictures(bench: Bench, runtime: Runtime, clip: Clip) -> PartRows:
    chance = np.random.default_rng(5)
    pictures = chance.random((clip.frames, clip.height, clip.width, 3), dtype=np.float32)
    kept: list[torch.Tensor] = []

    def encode() -> None:
        kept[:] = [runtime.video.encode(pictures, checkpoint=lambda: None)]

    yield from _guarded(
        f"VAE encode {clip}",
        lambda: _timed_row(
            bench, f"VAE encode {clip}", encode, flops=encode_flops(clip.grid), warm_ups=1
        ),
    )
    if kept:
        yield from _guarded(
            f"VAE decode {clip}",
            lambda: _timed_row(
                bench,
                f"VAE decode {clip}, and to the host",
                lambda: sum(1 for _ in _decoded(runtime, kept[0])),
                flops=decode_flops(clip.grid),
                warm_ups=1,
            ),
        )


def _sounds(bench: Bench, runtime: Runtime) -> PartRows:
    from sidecar.pipelines.base import Sound  # noqa: PLC0415 - beside what it is for

    clip = bench.large
    count = round(clip.frames / FRAME_RATE * SAMPLE_RATE_HZ)
    noise = np.random.default_rng(6).uniform(-0.1, 0.1, (count, 2)).astype(np.float32)
    kept: list[torch.Tensor] = []

    def encode() -> None:
        kept[:] = [runtime.audio.encode(Sound(noise, SAMPLE_RATE_HZ), clip.audio_tokens)]

    yield from _timed_row(
        bench, f"sound encode, {count / SAMPLE_RATE_HZ:.1f} s", encode, warm_ups=1
    )
    yield from _timed_row(
        bench,
        f"sound decode, {count / SAMPLE_RATE_HZ:.1f} s",
        lambda: _sound(runtime, kept[0], clip),
        warm_ups=1,
    )


def _text(bench: Bench) -> PartRows:
    with bench.runtime(bench.tier) as runtime:
        runtime.prompt(WORDS)  # builds Gemma, which is not what is measured
        yield from _timed_row(
            bench,
            f"text: Gemma and connectors, tier {bench.tier.name}",
            lambda: runtime.prompt(WORDS + " Again."),
        )


def _timed_row(
    bench: Bench, what: str, work: Callable[[], object], *, flops: int = 0, warm_ups: int = 0
) -> PartRows:
    time = timed(work, device=bench.device, warm_ups=warm_ups)
    # The counts are of the full-size model.
    tflop = None if bench.tiny or not flops else flops / 1e12
    yield Row(what, time.seconds, tflop, bench.rate, time.peak_bytes)


def _guarded(what: str, part: Callable[[], PartRows]) -> PartRows:
    """What did not work becomes a row; the rows after it are still made."""
    try:
        yield from part()
    except (RuntimeError, ValueError) as error:  # out of memory is a RuntimeError
        yield failed(what, error)


def _decoded(runtime: Runtime, latents: torch.Tensor) -> Iterator[np.ndarray]:
    return runtime.video.decode(latents, checkpoint=lambda: None, progress=lambda *_: None)


def _sound(runtime: Runtime, tokens: torch.Tensor, clip: Clip) -> np.ndarray:
    count = math.ceil(clip.frames / FRAME_RATE * SAMPLE_RATE_HZ)
    return runtime.audio.decode(tokens, count, SAMPLE_RATE_HZ).samples


def _encoded(bench: Bench, clip: Clip, pictures: list[np.ndarray]) -> Row:
    """The pictures as ProRes, where there is something to write it with."""
    what = f"encode {clip} as ProRes"
    if not pictures:
        return skipped(what, "there are no pictures")
    if any(importlib.util.find_spec(name) is None for name in ("av", "cv2")):
        return skipped(what, "PyAV is not installed on this machine")
    from encoding import encode  # noqa: PLC0415 - needs PyAV

    path = Path(bench.folder) / "take.mov"
    path.parent.mkdir(parents=True, exist_ok=True)
    time = timed(lambda: encode(pictures, path), device=bench.device)
    return Row(what, time.seconds, note=f"{len(pictures) / time.seconds:.0f} pictures a second")


def _in_tflops(rate: float | None) -> str:
    return "not measured on a processor" if rate is None else f"{rate / 1e12:.0f} TFLOP/s"
