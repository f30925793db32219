"""Our loop makes what diffusers' own pipelines make, wherever they can make it: 1e-5 in float32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from support.ltx_reference import Reference, condition, furthest, random_pictures, with_head
from support.tiny_ltx import load_tiny

from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.recipes import (
    DEV_GUIDANCE,
    RECIPES,
    Guidance,
    ModalityGuidance,
    Stage,
    dev_sigmas,
)
from sidecar.pipelines.ltx23.state import (
    pack,
    unpack,
    with_keyframe,
    with_reference,
)
from sidecar.pipelines.ltx23.upsample import upsample

CLOSE = 1e-5
GRID = LatentGrid(3, 2, 3)
DISTILLED = RECIPES["distilled"].first
REFINE = RECIPES["two-stage"].second
DEV = Stage(dev_sigmas(4), DEV_GUIDANCE)


@pytest.fixture(scope="module")
def reference(tiny_checkpoint: Checkpoint) -> Reference:
    return Reference(load_tiny(tiny_checkpoint), GRID)


def test_text_to_video_with_the_distilled_recipe(reference: Reference) -> None:
    video, audio = reference.theirs(DISTILLED)
    made = reference.ours(DISTILLED)
    assert furthest((unpack(made.video, GRID), video), (made.audio, audio)) <= CLOSE


@pytest.mark.parametrize(
    "guidance",
    [
        DEV_GUIDANCE,
        Guidance(ModalityGuidance(cfg=3.0), ModalityGuidance(cfg=3.0)),
        Guidance(ModalityGuidance(stg=1.0), ModalityGuidance(stg=1.0), (28,)),
        Guidance(ModalityGuidance(modality=3.0), ModalityGuidance(modality=3.0)),
        Guidance(ModalityGuidance(cfg=4.0, rescale=0.45), ModalityGuidance(cfg=2.0, rescale=1.0)),
    ],
    ids=["all", "cfg", "stg", "modality", "rescale"],
)
def test_text_to_video_with_guidance(reference: Reference, guidance: Guidance) -> None:
    stage = replace(DEV, guidance=guidance)
    video, audio = reference.theirs(stage)
    made = reference.ours(stage)
    assert furthest((unpack(made.video, GRID), video), (made.audio, audio)) <= CLOSE
    plain = reference.ours(replace(DEV, guidance=None))
    assert furthest((made.video, plain.video)) > 1000 * CLOSE, "the guidance did nothing"


@pytest.mark.parametrize("frames", [1, 9])
def test_a_still_or_a_clip_at_the_head(reference: Reference, frames: int) -> None:
    pictures = random_pictures(frames, GRID)
    video, audio = reference.theirs(DISTILLED, conditions=[condition(pictures, 0)])
    head = reference.latents(pictures)
    made = reference.ours(DISTILLED, with_head(reference.video(), head))
    assert furthest((unpack(made.video, GRID), video), (made.audio, audio)) <= CLOSE
    assert torch.equal(unpack(made.video, GRID)[:, :, : head.shape[2]], head)


@pytest.mark.parametrize(("frames", "index"), [(1, 2), (1, 1), (9, 1)])
def test_a_bridge_to_the_same_latent_index(reference: Reference, frames: int, index: int) -> None:
    first, last = random_pictures(1, GRID, seed=1), random_pictures(frames, GRID, seed=2)
    video, audio = reference.theirs(
        DISTILLED, conditions=[condition(first, 0), condition(last, index)]
    )
    state = with_keyframe(
        with_head(reference.video(), reference.latents(first)),
        reference.components.transformer,
        reference.latents(last),
        pixel_frame=8 * (index - 1) + 1,
        frame_count=frames,
        frame_rate=reference.frame_rate,
    )
    made = reference.ours(DISTILLED, state)
    assert furthest((unpack(made.video, GRID), video), (made.audio, audio)) <= CLOSE


@pytest.mark.parametrize("downscale", [1, 2])
def test_a_reference_of_an_ic_lora(tiny_checkpoint: Checkpoint, downscale: int) -> None:
    grid = LatentGrid(3, 2, 4)
    reference = Reference(load_tiny(tiny_checkpoint), grid)
    small = LatentGrid(3, 2 // downscale, 4 // downscale)
    pictures = random_pictures(17, small)
    video, audio = reference.theirs(
        DISTILLED,
        pipeline=reference.in_context,
        reference_conditions=[LTX2ReferenceCondition(list(pictures / np.float32(255.0)), 1.0)],
        reference_downscale_factor=downscale,
    )
    state = with_reference(
        reference.video(),
        reference.components.transformer,
        reference.latents(pictures),
        downscale=downscale,
        frame_rate=reference.frame_rate,
    )
    made = reference.ours(DISTILLED, state)
    assert furthest((unpack(made.video, grid), video), (made.audio, audio)) <= CLOSE


def test_the_latent_upsampler(reference: Reference) -> None:
    small = torch.randn(1, 16, 3, 2, 3, generator=torch.Generator().manual_seed(1))
    upsampler = reference.components.latent_upsampler
    larger = upsample(upsampler, reference.components.vae, small)
    assert larger.shape == (1, 16, 3, 4, 6)
    assert furthest((larger, reference.upsampled(small))) <= CLOSE


def test_two_stages_with_a_head_in_both(tiny_checkpoint: Checkpoint) -> None:
    large_grid = LatentGrid(3, 4, 6)
    small = Reference(load_tiny(tiny_checkpoint), GRID)
    large = Reference(small.components, large_grid)
    still, larger_still = random_pictures(1, GRID), random_pictures(1, large_grid)

    video, audio = small.theirs(DISTILLED, conditions=[condition(still, 0)])
    video, audio = large.theirs(
        REFINE,
        seed=1,
        conditions=[condition(larger_still, 0)],
        latents=large.raw(small.upsampled(video)),
        audio_latents=_raw_sound(large, audio),
    )

    draft = small.ours(DISTILLED, with_head(small.video(), small.latents(still)))
    parts = small.components
    upsampled = upsample(parts.latent_upsampler, parts.vae, unpack(draft.video, GRID))
    head = large.latents(larger_still)
    made = large.ours(
        REFINE, with_head(large.video(upsampled), head), large.audio(draft.audio), seed=1
    )
    assert furthest((unpack(made.video, large_grid), video), (made.audio, audio)) <= CLOSE
    assert torch.equal(made.video[:, : head[0, 0].numel()], pack(head))


def test_their_documented_distilled_call_makes_three_times_our_forwards(
    reference: Reference,
) -> None:
    """Scales that are left out are not off there; each costs forwards."""
    size = GRID.raster
    with reference.counting_forwards() as theirs:
        reference.conditioned(
            prompt="a robot",
            height=size.height_px,
            width=size.width_px,
            num_frames=GRID.frame_count,
            sigmas=list(DISTILLED.sigmas[:-1]),
            guidance_scale=1.0,
            spatio_temporal_guidance_blocks=[1],  # their default, 28, is no block of this model
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        )
    with reference.counting_forwards() as ours:
        reference.ours(DISTILLED)
    assert (len(theirs), len(ours)) == (24, 8)
    assert sum(theirs) == 32  # a forward with guidance has a batch of two


def _raw_sound(reference: Reference, tokens: torch.Tensor) -> torch.Tensor:
    """Audio tokens [1, L, C M] as the audio VAE's latents [1, C, L, M]."""
    vae = reference.components.audio_vae
    channels = vae.config["latent_channels"]
    raw = tokens * vae.latents_std + vae.latents_mean
    return raw.unflatten(2, (channels, -1)).transpose(1, 2)
