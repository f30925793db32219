"""diffusers' own LTX-2 pipelines over the tiny model: what our loop must equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    LTX2ConditionPipeline,
    LTX2InContextPipeline,
    LTX2LatentUpsamplePipeline,
)
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from numpy.typing import NDArray
from support.tiny_ltx import TinyModel

from sidecar.pipelines.ltx23.denoise import Denoised, denoise
from sidecar.pipelines.ltx23.grid import LatentGrid, audio_latents
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.recipes import Guidance, ModalityGuidance, Stage
from sidecar.pipelines.ltx23.state import State, audio_state, pack, video_state, with_mask

PROMPT = "a robot dancing"
NEGATIVE = "blurry"


class Reference:
    """The pipelines, and our loop under the same circumstances; all latents normalised.

    Args:
        components: The caller's own copy: its VAE is given statistics that show where one was forgotten.
        grid: The canvas.
        frame_rate: Pictures a second.
    """

    def __init__(
        self, components: TinyModel, grid: LatentGrid, frame_rate: float = 24000 / 1001
    ) -> None:
        self.components = components
        self.grid = grid
        self.frame_rate = frame_rate
        chance = torch.Generator().manual_seed(3)
        self.components.vae.latents_mean.normal_(generator=chance)
        self.components.vae.latents_std.uniform_(0.5, 1.5, generator=chance)
        self.components.audio_vae.latents_mean.normal_(generator=chance)
        self.components.audio_vae.latents_std.uniform_(0.5, 1.5, generator=chance)
        self.conditioned = self._pipeline(LTX2ConditionPipeline)
        self.in_context = self._pipeline(LTX2InContextPipeline)
        self.prompt = self.encoded(PROMPT)
        self.negative = self.encoded(NEGATIVE)

    def _pipeline(self, kind: type) -> Any:
        parts = self.components
        pipeline = kind(
            scheduler=FlowMatchEulerDiscreteScheduler(
                use_dynamic_shifting=False, shift_terminal=None
            ),
            vae=parts.vae,
            audio_vae=parts.audio_vae,
            text_encoder=parts.text_encoder,
            tokenizer=parts.tokenizer,
            connectors=parts.connectors,
            transformer=parts.transformer,
            vocoder=parts.vocoder,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @property
    def audio_length(self) -> int:
        """Audio latents of the canvas."""
        return audio_latents(self.grid.frame_count, self.frame_rate)

    def encoded(self, text: str) -> Prompt:
        """The connectors' output for a text."""
        features, mask, _, _ = self.conditioned.encode_prompt(
            text, do_classifier_free_guidance=False
        )
        with torch.no_grad():
            video, audio, _ = self.components.connectors(features, mask, padding_side="left")
        return Prompt(video, audio)

    def latents(self, pictures: NDArray[np.uint8]) -> torch.Tensor:
        """Pictures [F, H, W, 3] as normalised latents [1, C, f, h, w]."""
        pixels = torch.from_numpy(pictures).float().permute(3, 0, 1, 2)[None] / 127.5 - 1.0
        with torch.no_grad():
            return self.normalised(self.components.vae.encode(pixels).latent_dist.mode())

    def normalised(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [1, C, f, h, w] of the VAE on the loop's scale."""
        mean, std = self._statistics()
        return (latents - mean) / std

    def raw(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [1, C, f, h, w] of the loop on the VAE's scale."""
        mean, std = self._statistics()
        return latents * std + mean

    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        vae = self.components.vae
        return vae.latents_mean.view(1, -1, 1, 1, 1), vae.latents_std.view(1, -1, 1, 1, 1)

    def normalised_sound(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [1, C, L, M] of the audio VAE as tokens [1, L, C M] on the loop's scale."""
        vae = self.components.audio_vae
        return (latents.transpose(1, 2).flatten(2) - vae.latents_mean) / vae.latents_std

    def theirs(
        self, stage: Stage, *, seed: int = 0, pipeline: Any = None, **arguments: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What a pipeline of diffusers makes: latents [1, C, f, h, w] and audio tokens [1, L, C]."""
        size = self.grid.raster
        call = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "height": size.height_px,
            "width": size.width_px,
            "num_frames": self.grid.frame_count,
            "frame_rate": self.frame_rate,
            "sigmas": list(stage.sigmas[:-1]),
            "generator": torch.Generator().manual_seed(seed),
            "output_type": "latent",
            "return_dict": False,
            **_scales(stage.guidance or Guidance()),
            **arguments,
        }
        video, audio = (pipeline or self.conditioned)(**call)
        return self.normalised(video), self.normalised_sound(audio)

    def upsampled(self, latents: torch.Tensor) -> torch.Tensor:
        """What diffusers' upsampling pipeline makes of latents [1, C, f, h, w], both normalised."""
        pipeline: Any = LTX2LatentUpsamplePipeline(
            vae=self.components.vae, latent_upsampler=self.components.latent_upsampler
        )
        size = self.grid.raster
        (larger,) = pipeline(
            latents=self.raw(latents),
            height=size.height_px,
            width=size.width_px,
            output_type="latent",
            return_dict=False,
        )
        return self.normalised(larger)

    def video(self, latents: torch.Tensor | None = None) -> State:
        """Our state of the pictures."""
        return video_state(self.components.transformer, self.grid, self.frame_rate, latents)

    def audio(self, latents: torch.Tensor | None = None) -> State:
        """Our state of the sound."""
        return audio_state(self.components.transformer, self.audio_length, self.frame_rate, latents)

    def ours(
        self,
        stage: Stage,
        video: State | None = None,
        audio: State | None = None,
        *,
        seed: int = 0,
        **arguments: Any,
    ) -> Denoised:
        """What our loop makes of states; new ones where none are given."""
        call = {
            "prompt": self.prompt,
            "negative": self.negative,
            "stage": stage,
            "generator": torch.Generator().manual_seed(seed),
            "on_step": lambda *_: None,
            "checkpoint": lambda: None,
            **arguments,
        }
        return denoise(
            self.components.transformer, video or self.video(), audio or self.audio(), **call
        )

    @contextmanager
    def counting_forwards(self) -> Iterator[list[int]]:
        """The batch of every forward of the transformer in the meantime."""
        batches: list[int] = []

        def count(_module: object, _positional: object, named: dict[str, torch.Tensor]) -> None:
            batches.append(named["hidden_states"].shape[0])

        hook = self.components.transformer.register_forward_pre_hook(count, with_kwargs=True)
        try:
            yield batches
        finally:
            hook.remove()


def condition(pictures: NDArray[np.uint8], index: int, strength: float = 1.0) -> LTX2VideoCondition:
    """Pictures [F, H, W, 3] at a latent index, not recompressed."""
    return LTX2VideoCondition(pictures, index, strength, crf=0)


def with_head(state: State, latents: torch.Tensor, strength: float = 1.0) -> State:
    """A state whose canvas begins with latents [1, C, f, h, w], held as jobs hold what they keep: by its mask."""
    head = pack(latents)
    mask = torch.ones(1, state.base, 1)
    mask[:, : head.shape[1]] = 1.0 - strength
    clean = torch.cat((head, state.clean[:, head.shape[1] : state.base]), dim=1)
    return with_mask(state, mask, clean)


def random_pictures(count: int, grid: LatentGrid, seed: int = 0) -> NDArray[np.uint8]:
    """Noise, [count, H, W, 3]."""
    size = grid.raster
    chance = np.random.default_rng(seed)
    return chance.integers(0, 256, (count, size.height_px, size.width_px, 3), dtype=np.uint8)


def furthest(*pairs: tuple[torch.Tensor, torch.Tensor]) -> float:
    """The greatest difference in any pair; shapes must be the same."""
    differences: list[float] = []
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert theirs.std() > 0.1, "nothing to compare"
        differences.append(float((ours - theirs).abs().max()))
    return max(differences)


def _scales(guidance: Guidance) -> dict[str, object]:
    """All eight by name: those left out are not off in diffusers, and a zero for sound means that of the pictures."""

    def named(scales: ModalityGuidance, prefix: str) -> dict[str, object]:
        return {
            f"{prefix}guidance_scale": scales.cfg,
            f"{prefix}stg_scale": scales.stg,
            f"{prefix}modality_scale": scales.modality,
            f"{prefix}guidance_rescale": scales.rescale,
        }

    blocks: Sequence[int] = [block * 2 // 48 for block in guidance.stg_blocks]  # two blocks here
    return {
        **named(guidance.video, ""),
        **named(guidance.audio, "audio_"),
        "spatio_temporal_guidance_blocks": list(blocks) or None,
    }
