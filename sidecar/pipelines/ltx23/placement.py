"""Puts a model's components where a tier wants them: diffusers' casting, offloading and moves, nothing of our own."""

from __future__ import annotations

import gc

import torch
from diffusers.hooks.group_offloading import apply_group_offloading

from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.memory import Phase
from sidecar.pipelines.ltx23.tiers import Tier, Weights

_HOST = torch.device("cpu")


class Placement:
    """Where a model's components are. Not for more than one thread.

    Args:
        components: On the CPU as loaded, no hooks on them.
        tier: How to place them.
        device: What computes.
    """

    def __init__(self, components: Components, tier: Tier, device: torch.device) -> None:
        self._components = components
        self._tier = tier
        self._device = device
        transformer = components.transformer
        if tier.weights is Weights.FP8 and getattr(transformer, "hf_quantizer", None) is None:
            transformer.enable_layerwise_casting(
                storage_dtype=torch.float8_e4m3fn, compute_dtype=components.dtype
            )
        if tier.streamed:
            self._stream_blocks()

    def enter(self, phase: Phase) -> None:
        """Have what a phase needs on the device, and send off what it has no room beside.

        What a phase leaves behind stays until the next one wants the room: jobs often repeat a phase.
        """
        needed = self._needed(phase)
        if not self._tier.all_resident:
            left = [move(module, _HOST) for module in self._movable() if module not in needed]
            if any(left):
                release(self._device)
        for module in needed:
            move(module, self._device)

    def lend(self, module: torch.nn.Module) -> None:
        """Have a module that is no component compute on the device; a GPU gets its matrices one after another.

        Args:
            module: Gemma 3's language model, which is larger than many cards.
        """
        if self._device.type != "cuda":
            move(module, self._device)
            return
        stream_matrices(module, self._device)

    def _stream_blocks(self) -> None:
        streams = self._device.type == "cuda"
        self._components.transformer.enable_group_offload(
            onload_device=self._device,
            offload_device=_HOST,
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=streams,
            non_blocking=streams,
            # Without it all blocks are page-locked at once: faster, and it starves machines with little memory.
            low_cpu_mem_usage=streams and not self._tier.pinned,
        )

    def _needed(self, phase: Phase) -> list[torch.nn.Module]:
        parts = self._components
        if phase is Phase.TEXT:
            return [parts.connectors]
        # The VAE is small, and streaming it while it tiles is not reliable (diffusers issue 12096).
        needed: list[torch.nn.Module] = [parts.vae]
        if not self._tier.streamed:
            needed.append(parts.transformer)
        if phase is Phase.SOUND:
            needed += [parts.audio_vae, parts.vocoder]
        if phase is Phase.UPSAMPLE and parts.latent_upsampler is not None:
            needed.append(parts.latent_upsampler)
        return needed

    def _movable(self) -> list[torch.nn.Module]:
        """Everything that has a place as a whole."""
        parts = self._components
        modules: list[torch.nn.Module] = [
            parts.connectors,
            parts.vae,
            parts.audio_vae,
            parts.vocoder,
        ]
        if parts.latent_upsampler is not None:
            modules.append(parts.latent_upsampler)
        if not self._tier.streamed:
            modules.append(parts.transformer)
        return modules


def move(module: torch.nn.Module, device: torch.device) -> bool:
    """Move a module's weights and buffers; False where they are there already."""
    first = next(module.parameters(), None)
    if first is None or first.device == device:
        return False
    module.to(device)
    return True


def stream_matrices(module: torch.nn.Module, device: torch.device) -> None:
    """Have a module's weights come to a device one matrix after another, from now on."""
    # Plain copies: streams expect every layer to run in the order of the first call, and once a prompt they would
    # save a second.
    apply_group_offloading(
        module, onload_device=device, offload_device=_HOST, offload_type="leaf_level"
    )


def release(device: torch.device) -> None:
    """Give back what nobody refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
