"""What the latents look like, cheaply: a linear map to R'G'B' instead of the decoder.

The factors are fitted from the VAE itself: a few hundred tiny canvases, each of one random latent, are decoded, and
the mean colour of each is explained by its latent in the least-squares sense. That takes no table per model and
serves any checkpoint, the tiny random one of the tests as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sidecar.pipelines.ltx23.cache import TensorCache, key_of
from sidecar.pipelines.ltx23.pictures import VideoCodec
from sidecar.pipelines.ltx23.sanity import check_numbers

MOST_PICTURES = 5
"""Pictures in a strip."""
TALLEST_PX = 90
"""Height of a strip at most."""
WIDEST_PX = 160
"""Width of one of its pictures at most."""

_SAMPLES_PER_CHANNEL = 4
_SEED = 23
_FIT = 1
"""Rises when the fit changes, so that no cache gives an old one."""


@dataclass(frozen=True, slots=True)
class LatentColours:
    """A linear map from normalised latents to R'G'B' of 0..1.

    Args:
        factors: float32 [C, 3].
        bias: float32 [3].
    """

    factors: torch.Tensor
    bias: torch.Tensor

    def strip(self, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Show up to five moments of a canvas side by side, first and last among them.

        Args:
            latents: float [1, C, f, h, w], normalised, on any device.

        Returns:
            uint8 [H <= 90, W, 3].
        """
        _, _, frames, height, width = latents.shape
        chosen = np.linspace(0, frames - 1, min(frames, MOST_PICTURES)).round().astype(int)
        scale = min(TALLEST_PX / height, WIDEST_PX / width)
        size = (max(1, int(height * scale)), max(1, int(width * scale)))
        some = latents[0, :, chosen.tolist()].permute(1, 2, 3, 0).float().cpu()
        coloured = torch.nan_to_num(some @ self.factors + self.bias).clamp(0.0, 1.0)
        pictures = torch.nn.functional.interpolate(
            coloured.permute(0, 3, 1, 2), size=size, mode="bilinear", antialias=True
        )
        side_by_side = torch.cat(tuple(pictures), dim=2).permute(1, 2, 0)
        return (side_by_side * 255.0).round().to(torch.uint8).contiguous().numpy()


def fitted_colours(
    codec: VideoCodec, *, identity: str, cache: TensorCache, checkpoint: Callable[[], None]
) -> LatentColours:
    """The colours of a VAE's latents: from the cache, else fitted.

    Args:
        codec: Of the VAE.
        identity: Of the checkpoint that the VAE is from.
        cache: Where fits are kept.
        checkpoint: Called between decodes; raises to stop.
    """
    key = key_of("latent-colours", identity=identity, fit=_FIT)
    kept = cache.get(key)
    if kept is not None:
        return LatentColours(kept["factors"], kept["bias"])
    colours = _fit(codec, checkpoint)
    cache.put(key, {"factors": colours.factors, "bias": colours.bias})
    return colours


def _fit(codec: VideoCodec, checkpoint: Callable[[], None]) -> LatentColours:
    channels = codec.latent_channels
    generator = torch.Generator().manual_seed(_SEED)
    latents = torch.randn(_SAMPLES_PER_CHANNEL * channels, channels, generator=generator)
    colours = codec.mean_colours(latents, checkpoint=checkpoint)
    check_numbers(colours, "pictures")
    known = torch.cat((latents, torch.ones(len(latents), 1)), dim=1).double()
    table = torch.linalg.lstsq(known, colours.double()).solution.float()
    return LatentColours(table[:-1].contiguous(), table[-1].contiguous())
