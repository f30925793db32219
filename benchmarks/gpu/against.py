"""Our loop and diffusers' `LTX2ConditionPipeline`, the same weights in the same process, from text features to latents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from bench import FRAME_RATE, Bench
from diffusers import FlowMatchEulerDiscreteScheduler, LTX2ConditionPipeline
from measure import Row, failed, timed

from sidecar.pipelines.ltx23.recipes import DISTILLED_SIGMAS, RECIPES
from sidecar.pipelines.ltx23.runtime import Runtime
from sidecar.pipelines.ltx23.sizes import TEXT_TOKENS
from sidecar.pipelines.ltx23.text import connected

FASTER: Final = 1.5
_UNGUIDED: Final[dict[str, Any]] = {
    "guidance_scale": 1.0, "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0,
    "audio_guidance_scale": 1.0, "audio_stg_scale": 0.0, "audio_modality_scale": 1.0,
    "audio_guidance_rescale": 0.0, "spatio_temporal_guidance_blocks": None,
}  # fmt: skip
_AS_DOCUMENTED: Final[dict[str, Any]] = {"guidance_scale": 1.0, "audio_guidance_scale": 1.0}
"""The distilled call of the documentation; the other scales keep defaults that cost two more forwards a step."""


def against_diffusers(bench: Bench) -> Iterator[Row]:
    """Eight steps at the size of a draft, three ways."""
    clip = bench.short
    with bench.runtime(bench.tier) as runtime:
        parts = runtime.components
        chance = torch.Generator().manual_seed(2)
        layers = parts.connectors.config["text_proj_in_factor"]
        width = parts.connectors.config["caption_channels"]
        features = torch.randn(1, TEXT_TOKENS, width * layers, generator=chance)
        features = features.to(bench.device, bench.dtype)
        words = torch.ones(1, TEXT_TOKENS, dtype=torch.int64, device=bench.device)
        for module in (parts.connectors, parts.transformer, parts.vae, parts.audio_vae):
            module.to(bench.device)
        pipeline = _pipeline(runtime)

        def ours() -> None:
            parts.connectors.to(
                bench.device
            )  # a small card's tier has sent it off for the last run
            with torch.no_grad():
                prompt = connected(parts.connectors, features, words)
            bench.stage(runtime, clip.grid, clip, RECIPES["distilled"].first, prompt)

        def theirs(scales: dict[str, Any]) -> None:
            pipeline(
                prompt_embeds=features,
                prompt_attention_mask=words,
                height=clip.height,
                width=clip.width,
                num_frames=clip.frames,
                frame_rate=FRAME_RATE,
                sigmas=list(DISTILLED_SIGMAS[:-1]),
                generator=torch.Generator().manual_seed(7),
                output_type="latent",
                return_dict=False,
                **scales,
            )

        try:
            ours()  # warms up
            with _counted(parts.transformer) as ours_forwards:
                own = timed(ours, device=bench.device, rounds=2)
            yield Row(
                f"ours, {clip}, 8 steps",
                own.seconds,
                rate=bench.rate,
                peak_bytes=own.peak_bytes,
                note=f"{ours_forwards[0] // 2} forwards",
            )
            for what, scales in (
                ("the same forwards", _UNGUIDED),
                ("as documented", _AS_DOCUMENTED),
            ):
                with _counted(parts.transformer) as forwards:
                    time = timed(lambda scales=scales: theirs(scales), device=bench.device)
                times = time.seconds / own.seconds
                yield Row(
                    f"diffusers, {clip}, 8 steps, {what}",
                    time.seconds,
                    rate=bench.rate,
                    peak_bytes=time.peak_bytes,
                    goal=f"ours {FASTER:g} x faster",
                    met=times >= FASTER if bench.device.type == "cuda" else None,
                    note=f"{forwards[0]} forwards; ours is {times:.2f} x faster",
                )
        except (RuntimeError, ValueError) as error:
            yield failed(f"against diffusers, {clip}", error)


def _pipeline(runtime: Runtime) -> Any:
    parts = runtime.components
    pipeline: Any = LTX2ConditionPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False, shift_terminal=None),
        vae=parts.vae,
        audio_vae=parts.audio_vae,
        text_encoder=None,
        tokenizer=parts.tokenizer,
        connectors=parts.connectors,
        transformer=parts.transformer,
        vocoder=parts.vocoder,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@contextmanager
def _counted(transformer: torch.nn.Module) -> Iterator[list[int]]:
    count = [0]

    def called(*_: object) -> None:
        count[0] += 1

    handle = transformer.register_forward_hook(called)
    try:
        yield count
    finally:
        handle.remove()
