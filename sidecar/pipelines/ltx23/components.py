"""The loaded parts of one checkpoint. Which device each is on is the placement's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_ltx2_audio import AutoencoderKLLTX2Audio
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder, LTX2VocoderWithBWE


@dataclass(frozen=True, slots=True)
class Components:
    """LTX-2.3 as diffusers' modules, all in eval mode, none with gradients; Gemma 3 is loaded for prompts alone.

    Args:
        transformer: The denoiser of both modalities.
        vae: Pictures to latents and back.
        audio_vae: Mel spectrograms to latents and back.
        vocoder: Mel spectrograms to a waveform.
        connectors: Text features to what the transformer attends to.
        tokenizer: Gemma's tokenizer.
        latent_upsampler: Doubles height and width of video latents; None where the checkpoint has none.
        identity: `sha256:` and the digest over the digests of all files; what the credentials name.
        dtype: Of computation.
    """

    transformer: LTX2VideoTransformer3DModel
    vae: AutoencoderKLLTX2Video
    audio_vae: AutoencoderKLLTX2Audio
    vocoder: LTX2Vocoder | LTX2VocoderWithBWE
    connectors: LTX2TextConnectors
    tokenizer: Any
    latent_upsampler: LTX2LatentUpsamplerModel | None
    identity: str
    dtype: torch.dtype
