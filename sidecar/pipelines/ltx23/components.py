"""The loaded parts of one checkpoint. Which device each is on is the placement's business."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_ltx2_audio import AutoencoderKLLTX2Audio
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder, LTX2VocoderWithBWE
from transformers import Gemma3ForConditionalGeneration


class Variant(StrEnum):
    """How a checkpoint was trained, which decides its recipe."""

    DISTILLED = "distilled"
    DEV = "dev"


@dataclass(frozen=True, slots=True)
class Components:
    """LTX-2.3 as diffusers' and transformers' modules, all in eval mode, none with gradients.

    Args:
        transformer: The denoiser of both modalities.
        vae: Pictures to latents and back.
        audio_vae: Mel spectrograms to latents and back.
        vocoder: Mel spectrograms to a waveform.
        connectors: Text features to what the transformer attends to.
        text_encoder: Gemma 3; None where it was released and every prompt is in the cache.
        tokenizer: Gemma's tokenizer.
        processor: Gemma's processor of pictures and text; None where the checkpoint has none.
        latent_upsampler: Doubles height and width of video latents; None where the checkpoint has none.
        variant: How it was trained.
        identity: `sha256:` and the digest over the digests of all files; what the credentials name.
        dtype: Of computation.
    """

    transformer: LTX2VideoTransformer3DModel
    vae: AutoencoderKLLTX2Video
    audio_vae: AutoencoderKLLTX2Audio
    vocoder: LTX2Vocoder | LTX2VocoderWithBWE
    connectors: LTX2TextConnectors
    text_encoder: Gemma3ForConditionalGeneration | None
    tokenizer: Any
    processor: Any
    latent_upsampler: LTX2LatentUpsamplerModel | None
    variant: Variant
    identity: str
    dtype: torch.dtype
