"""What every part is given: the model, the device, the clips; and the model at work, by the sidecar's own code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from random_model import (
    Architecture,
    build,
    build_components,
    full_architecture,
    tiny_architecture,
)

from interchange.model.media import Raster
from sidecar.filesystem import FileSystem
from sidecar.pipelines.ltx23.cache import TensorCache
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.denoise import Denoised, denoise
from sidecar.pipelines.ltx23.devices import matmul_rate, memory_bytes
from sidecar.pipelines.ltx23.grid import LatentGrid, audio_latents
from sidecar.pipelines.ltx23.memory import tile_for
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.recipes import Recipe, Stage
from sidecar.pipelines.ltx23.runtime import Runtime
from sidecar.pipelines.ltx23.sizes import TEXT_TOKENS
from sidecar.pipelines.ltx23.state import audio_state, unpack, video_state, with_mask
from sidecar.pipelines.ltx23.tiers import Tier, Weights, choose_tier

FRAME_RATE = 24.0
WORDS = (
    "A ship in a storm, seen from the cliffs; waves break over the bow and the camera follows it."
)


@dataclass(frozen=True)
class Clip:
    """What is made.

    Args:
        width: Pixels, a multiple of 64.
        height: Pixels, a multiple of 64.
        frames: Pictures, 8 k + 1.
    """

    width: int
    height: int
    frames: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.frames}"

    @property
    def grid(self) -> LatentGrid:
        """In latents."""
        return LatentGrid.of(self.frames, Raster(self.width, self.height))

    @property
    def half(self) -> LatentGrid:
        """Of the first of two stages."""
        return LatentGrid.of(self.frames, Raster(self.width // 2, self.height // 2))

    @property
    def audio_tokens(self) -> int:
        """Latents of the sound."""
        return audio_latents(self.frames, FRAME_RATE)


@dataclass(frozen=True)
class Bench:
    """One run.

    Args:
        device: What computes.
        tiny: The tests' model and clips, to see whether all this runs.
        folder: For caches; may be removed afterwards.
    """

    device: torch.device
    tiny: bool
    folder: Path

    @property
    def dtype(self) -> torch.dtype:
        """Of computation."""
        return torch.float32 if self.device.type == "cpu" else torch.bfloat16

    @cached_property
    def architecture(self) -> Architecture:
        """The model's."""
        return tiny_architecture() if self.tiny else full_architecture()

    @cached_property
    def rate(self) -> float | None:
        """Operations a second of a large product, measured once in this process."""
        return matmul_rate(self.device)

    @property
    def short(self) -> Clip:
        """Five seconds of a draft."""
        return Clip(64, 64, 17) if self.tiny else Clip(768, 512, 121)

    @property
    def large(self) -> Clip:
        """Five seconds of 1080p, padded to whole latents of both stages."""
        return Clip(128, 128, 17) if self.tiny else Clip(1920, 1088, 121)

    @property
    def long(self) -> Clip:
        """Ten seconds of it."""
        return Clip(128, 128, 25) if self.tiny else Clip(1920, 1088, 241)

    @property
    def tier(self) -> Tier:
        """The first choice for the device."""
        return choose_tier(self.device.type, memory_bytes(self.device))

    def components(self, tier: Tier) -> Components:
        """The model, each part where a runtime of the tier expects it or would bring it first."""
        host = torch.device("cpu")
        cast = tier.streamed or tier.weights is Weights.FP8
        return build_components(
            self.architecture,
            device=self.device,
            transformer_home=host if cast else self.device,
            home=self.device if tier.all_resident else host,
            dtype=self.dtype,
        )

    @contextmanager
    def runtime(self, tier: Tier, *, device_bytes: int | None = None) -> Iterator[Runtime]:
        """The sidecar's own runtime over the random model; nothing it makes is kept for the next run."""
        limit = memory_bytes(self.device) if device_bytes is None else device_bytes
        runtime = Runtime(
            self.components(tier),
            tier=tier,
            device=self.device,
            cache=TensorCache(self.folder, limit_bytes=0, filesystem=FileSystem()),
            load_text=lambda: build(
                self.architecture,
                "text_encoder",
                device=self.device,
                home=torch.device("cpu"),
                dtype=self.dtype,
            ),
            tile=tile_for(tier, limit),
        )
        with closing(runtime):
            yield runtime

    def prompt(self, runtime: Runtime) -> Prompt:
        """Random text of the right size, where Gemma is not what is measured."""
        config = runtime.components.transformer.config
        widths = (
            config["num_attention_heads"] * config["attention_head_dim"],
            config["audio_num_attention_heads"] * config["audio_attention_head_dim"],
        )
        chance = torch.Generator().manual_seed(1)
        video, audio = (torch.randn(1, TEXT_TOKENS, width, generator=chance) for width in widths)
        return Prompt(video, audio).to(self.device, self.dtype)

    def stage(
        self,
        runtime: Runtime,
        grid: LatentGrid,
        clip: Clip,
        stage: Stage,
        prompt: Prompt,
        *,
        start: tuple[torch.Tensor, torch.Tensor] | None = None,
        kept: int = 0,
    ) -> Denoised:
        """Run one stage as a job does, with so many latent frames at its head kept."""
        shapes = runtime.components.transformer
        video, audio = start or (None, None)
        pictures = video_state(shapes, grid, FRAME_RATE, video)
        if kept:
            mask = torch.ones(1, grid.tokens, 1)
            mask[:, : kept * grid.height * grid.width] = 0.0
            pictures = with_mask(pictures, mask)
        sound = audio_state(shapes, clip.audio_tokens, FRAME_RATE, audio)
        with runtime.transformer(forwards=stage.forwards) as transformer:
            return denoise(
                transformer,
                pictures,
                sound,
                prompt=prompt,
                negative=None,
                stage=stage,
                generator=torch.Generator().manual_seed(7),
                on_step=lambda *_: None,
                checkpoint=lambda: None,
            )

    def made(
        self, runtime: Runtime, clip: Clip, recipe: Recipe, prompt: Prompt, *, kept: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run a recipe: latents [1, C, f, h, w] and audio tokens [1, L, Da]."""
        if recipe.second is None:
            only = self.stage(runtime, clip.grid, clip, recipe.first, prompt, kept=kept)
            return unpack(only.video, clip.grid), only.audio
        draft = self.stage(runtime, clip.half, clip, recipe.first, prompt, kept=kept)
        larger = runtime.upsample(unpack(draft.video, clip.half))
        whole = self.stage(
            runtime,
            clip.grid,
            clip,
            recipe.second,
            prompt,
            start=(larger, draft.audio),
            kept=kept,
        )
        return unpack(whole.video, clip.grid), whole.audio
