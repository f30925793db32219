"""How large LTX-2.3 is: counts of weights and widths, from which memory and work follow. Pure, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TEXT_TOKENS: Final = 1024
"""Tokens of a prompt, padding and registers included."""


@dataclass(frozen=True, slots=True)
class TransformerSize:
    """The denoiser: what decides its work and its memory.

    Args:
        width: Channels of a video token inside (D).
        audio_width: Channels of an audio token inside (d).
        heads: Attention heads of video tokens.
        audio_heads: Of audio tokens, and of attention between the two.
        blocks: Layers (B).
        block_parameters: Weights of one layer.
        outer_parameters: All other weights.
    """

    width: int
    audio_width: int
    heads: int
    audio_heads: int
    blocks: int
    block_parameters: int
    outer_parameters: int

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.blocks * self.block_parameters + self.outer_parameters


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Counts of weights of all components.

    Args:
        transformer: The denoiser.
        connectors: Text features to what the denoiser attends to.
        vae: Video VAE, both halves.
        sound: Audio VAE and vocoder together.
        upsampler: Latent upsampler; 0 where there is none.
        text_encoder: Gemma 3.
        text_leaf: The largest single matrix of Gemma 3, its embedding.
        text_width: Channels of Gemma's hidden states.
        text_states: Hidden states Gemma gives: one a layer, and the embedding.
    """

    transformer: TransformerSize
    connectors: int
    vae: int
    sound: int
    upsampler: int
    text_encoder: int
    text_leaf: int
    text_width: int
    text_states: int


FULL_SIZE: Final = ModelSize(
    transformer=TransformerSize(
        width=4096,
        audio_width=2048,
        heads=32,
        audio_heads=32,
        blocks=48,
        block_parameters=386_695_360,
        outer_parameters=427_460_864,
    ),
    connectors=3_172_227_584,
    vae=726_106_225,
    sound=182_333_477,
    upsampler=497_867_904,
    text_encoder=12_187_325_040,
    text_leaf=262_208 * 3840,
    text_width=3840,
    text_states=49,
)
"""LTX-2.3 22B with Gemma 3 12B, counted on meta tensors of its configuration (a test counts again)."""


def transformer_size(config: Mapping[str, Any], *, parameters: int, blocks: int) -> TransformerSize:
    """The size of a transformer at hand.

    Args:
        config: Its diffusers configuration.
        parameters: All its weights.
        blocks: Weights of all its layers.
    """
    layers = int(config["num_layers"])
    return TransformerSize(
        width=config["num_attention_heads"] * config["attention_head_dim"],
        audio_width=config["audio_num_attention_heads"] * config["audio_attention_head_dim"],
        heads=config["num_attention_heads"],
        audio_heads=config["audio_num_attention_heads"],
        blocks=layers,
        block_parameters=blocks // max(1, layers),
        outer_parameters=parameters - blocks,
    )
