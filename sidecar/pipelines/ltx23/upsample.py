"""From the first stage's latents to the second's: twice the height and width, the same frames."""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel


def upsample(
    upsampler: LTX2LatentUpsamplerModel, vae: AutoencoderKLLTX2Video, latents: torch.Tensor
) -> torch.Tensor:
    """Latents of a canvas twice as high and wide. The upsampler works on the VAE's own scale, the loop never does.

    Args:
        upsampler: On its device.
        vae: Only its statistics are used, wherever it is.
        latents: [1, C, f, h, w], normalised.

    Returns:
        [1, C, f, 2 h, 2 w], normalised, float32 on the upsampler's device.
    """
    device = upsampler.device
    mean, std = (
        statistic.to(device, torch.float32).view(1, -1, 1, 1, 1)
        for statistic in (vae.latents_mean, vae.latents_std / vae.config["scaling_factor"])
    )
    with torch.no_grad():
        larger: torch.Tensor = upsampler((latents.to(device) * std + mean).to(upsampler.dtype))
        normalised: torch.Tensor = (larger.float() - mean) / std
    return normalised
