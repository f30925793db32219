"""What need not be computed twice: the latents of context, and what a stage made. Both by their whole content.

Takes of one mark differ in their seed alone: the context is encoded once. A final goes on from the very stage that
its draft ended with. The key is a digest over all that goes in - tensors, weights' identity, versions - so that a
hit is what the computation would give; only of a LoRA's file it has name, length and time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

import diffusers
import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from numpy.typing import NDArray

from sidecar.models.checkpoint import LoraUse
from sidecar.pipelines.ltx23.cache import TensorCache, key_of
from sidecar.pipelines.ltx23.denoise import Denoised
from sidecar.pipelines.ltx23.pictures import VideoCodec
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.state import State
from sidecar.pipelines.ltx23.tiles import TileSize

VERSIONS: Final = f"diffusers {diffusers.__version__}, torch {torch.__version__}, loop 1"
"""Raised by hand where our own code comes to give other numbers."""


class KeepingVideoCodec(VideoCodec):
    """Encodes the same pictures once.

    Args:
        vae: As `VideoCodec` takes it.
        device: Likewise.
        dtype: Likewise.
        tile: Likewise.
        cache: Keeps the latents.
        identity: Of the checkpoint.
    """

    def __init__(
        self,
        vae: AutoencoderKLLTX2Video,
        *,
        device: torch.device,
        dtype: torch.dtype,
        tile: TileSize | None,
        cache: TensorCache,
        identity: str,
    ) -> None:
        super().__init__(vae, device=device, dtype=dtype, tile=tile)
        self._cache = cache
        self._facts = {
            "identity": identity,
            "device": str(device.type),
            "dtype": str(dtype),
            "tile": str(tile),
            "versions": VERSIONS,
        }

    def encode(
        self, pictures: NDArray[np.float32], *, checkpoint: Callable[[], None]
    ) -> torch.Tensor:
        """As `VideoCodec.encode`, which see."""
        digest = hashlib.sha256(str(pictures.shape).encode())
        for picture in pictures:
            checkpoint()
            digest.update(np.ascontiguousarray(picture).data)
        key = key_of("context", pictures=digest.hexdigest(), **self._facts)
        kept = self._cache.get(key)
        if kept is not None and "latents" in kept:
            return kept["latents"].to(self._device)
        latents = super().encode(pictures, checkpoint=checkpoint)
        self._cache.put(key, {"latents": latents})
        return latents


def made_once(
    cache: TensorCache,
    tensors: Mapping[str, torch.Tensor | None],
    make: Callable[[], Denoised],
    *,
    generator: torch.Generator,
    **facts: str | float | None,
) -> tuple[Denoised, bool]:
    """What a stage made of this before, or makes of it now.

    Args:
        cache: Keeps it.
        tensors: All that go in, of any device.
        make: Makes it, drawing from the generator.
        generator: Left as `make` would leave it, so that the next stage draws what it would.
        facts: All else that decides the result: sigmas and guidance, LoRAs' digests, identity, placement.

    Returns:
        The result, and whether it was there.
    """
    inputs = {**tensors, "generator": generator.get_state()}
    digests = {
        name: None if tensor is None else tensor_digest(tensor) for name, tensor in inputs.items()
    }
    key = key_of("stage", versions=VERSIONS, **digests, **facts)
    kept = cache.get(key)
    if kept is not None and kept.keys() == {"video", "audio", "generator"}:
        generator.set_state(kept["generator"])
        return Denoised(kept["video"], kept["audio"]), True
    made = make()
    after = generator.get_state()
    cache.put(key, {"video": made.video, "audio": made.audio, "generator": after})
    return made, False


def stage_inputs(
    video: State, audio: State, prompt: Prompt, negative: Prompt | None
) -> Mapping[str, torch.Tensor | None]:
    """All tensors that go into a stage, by name."""
    inputs: dict[str, torch.Tensor | None] = {}
    for name, state in (("video", video), ("audio", audio)):
        inputs[f"{name}_base"] = torch.tensor(state.base)
        for part in ("latent", "clean", "mask", "coords"):
            inputs[f"{name}_{part}"] = getattr(state, part)
    for name, text in (("prompt", prompt), ("negative", negative)):
        inputs[f"{name}_video"] = text.video if text else None
        inputs[f"{name}_audio"] = text.audio if text else None
    return inputs


def lora_facts(lora: LoraUse) -> tuple[str, int, int, float]:
    """What tells one LoRA's use from another's: path, length, time of the file, strength."""
    try:
        status = lora.path.stat()
    except OSError:  # whoever applies it says so
        return str(lora.path), -1, 0, lora.strength
    return str(lora.path), status.st_size, status.st_mtime_ns, lora.strength


def tensor_digest(tensor: torch.Tensor) -> str:
    """Digest over a tensor's type, shape and values."""
    values = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{values.dtype} {tuple(values.shape)}".encode())
    digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
