"""Counts what a module takes and does, on meta tensors: full-size models on a machine that could not hold them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
import torch.nn.functional
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from sidecar.pipelines.ltx23.architecture import LTX_2_3

META = torch.device("meta")


def flops_of(work: Callable[[], object]) -> int:
    """Floating-point operations of some work on meta tensors."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return int(counter.get_total_flops())


class _FusedAttention(TorchFunctionMode):
    """Attention as fused kernels do it: no matrix of scores."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            return torch.empty_like((kwargs or {}).get("query", args[0] if args else None))
        return func(*args, **(kwargs or {}))


class _Allocations(TorchDispatchMode):
    """Follows every storage from its making to its end."""

    def __init__(self, known: Iterator[torch.Tensor]) -> None:
        super().__init__()
        # The mode keeps no storage alive; the id of one that is gone may come again.
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in known}
        self._now = 0
        self.peak_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor):
                self._see(tensor.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._sizes:
            return
        self._sizes[storage._cdata] = storage.nbytes()
        self._now += storage.nbytes()
        self.peak_bytes = max(self.peak_bytes, self._now)
        weakref.finalize(storage, self._forget, storage._cdata)

    def _forget(self, key: int) -> None:
        self._now -= self._sizes.pop(key, 0)


def peak_bytes_of(module: torch.nn.Module, work: Callable[[], object]) -> int:
    """Most bytes alive at once during some work, the module's own weights not counted."""

    def weights() -> Iterator[torch.Tensor]:
        yield from module.parameters()
        yield from module.buffers()

    with torch.no_grad(), _FusedAttention(), _Allocations(weights()) as allocations:
        work()
    return allocations.peak_bytes


_Model = TypeVar("_Model", bound=torch.nn.Module)


def _bfloat16(model: _Model) -> _Model:
    # diffusers' own `to` has opinions on layers it keeps.
    return torch.nn.Module.to(model, torch.bfloat16)


def full_transformer(*, blocks: int) -> LTX2VideoTransformer3DModel:
    """LTX-2.3's transformer in bfloat16 on meta tensors, with some of its 48 blocks."""
    with META:
        model: LTX2VideoTransformer3DModel = LTX2VideoTransformer3DModel(
            num_layers=blocks, **LTX_2_3["transformer"]
        )
    return _bfloat16(model)


def forward(model: LTX2VideoTransformer3DModel, *, video: int, audio: int) -> Callable[[], object]:
    """One call of a full-width transformer for so many tokens, as the loop makes it: no token has its own timestep."""

    def empty(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.empty(*shape, dtype=dtype, device=META)

    def call() -> object:
        return model(
            hidden_states=empty(1, video, 128),
            audio_hidden_states=empty(1, audio, 128),
            encoder_hidden_states=empty(1, 1024, 4096),
            audio_encoder_hidden_states=empty(1, 1024, 2048),
            timestep=empty(1),
            audio_timestep=empty(1),
            sigma=empty(1),
            audio_sigma=empty(1),
            video_coords=empty(1, 3, video, 2, dtype=torch.float32),
            audio_coords=empty(1, 1, audio, 2, dtype=torch.float32),
            use_cross_timestep=True,
            return_dict=False,
        )

    return call


def full_vae() -> AutoencoderKLLTX2Video:
    """LTX-2.3's video VAE in bfloat16 on meta tensors."""
    with META:
        vae: AutoencoderKLLTX2Video = AutoencoderKLLTX2Video(**LTX_2_3["vae"])
    return _bfloat16(vae)


def full_upsampler() -> LTX2LatentUpsamplerModel:
    """LTX-2.3's spatial upsampler in bfloat16 on meta tensors."""
    with META:
        upsampler: LTX2LatentUpsamplerModel = LTX2LatentUpsamplerModel(use_rational_resampler=False)
    return _bfloat16(upsampler)
