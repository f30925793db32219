"""LTX-2.3 22B with Gemma 3 12B: the whole architecture, with random weights made where they are wanted.

No weights can be had here, and none are needed to know how long a model takes and how much memory it fills. Each
parameter is drawn on the compute device, with a spread that keeps what flows through 48 layers finite, and brought
to where it is to stay, one at a time: nothing is ever there twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from accelerate import init_empty_weights
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.vocoder import LTX2VocoderWithBWE
from torch import nn
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    SiglipVisionConfig,
)

from sidecar.pipelines.ltx23.architecture import LTX_2_3
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.tiny_parts import tiny_components, tiny_upsampler

Architecture = Mapping[str, Callable[[], nn.Module]]
"""A module of each name, without weights."""

SOUND: Final = ("audio_vae", "vocoder")
"""What computes in float32, as the sidecar loads it."""

_GEMMA: Final = {
    "vocab_size": 262_208, "hidden_size": 3840, "intermediate_size": 15_360, "num_hidden_layers": 48,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "sliding_window": 1024,
    "query_pre_attn_scalar": 256, "max_position_embeddings": 131_072,
}  # fmt: skip
_SIGLIP: Final = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
    "image_size": 896, "patch_size": 14, "vision_use_head": False,
}  # fmt: skip


def full_architecture() -> Architecture:
    """The model as it is released."""
    return {
        "transformer": lambda: LTX2VideoTransformer3DModel(**LTX_2_3["transformer"]),
        "connectors": lambda: LTX2TextConnectors(**LTX_2_3["connectors"]),
        "vae": lambda: AutoencoderKLLTX2Video(**LTX_2_3["vae"]),
        "audio_vae": lambda: AutoencoderKLLTX2Audio(**LTX_2_3["audio_vae"]),
        "vocoder": lambda: LTX2VocoderWithBWE(**LTX_2_3["vocoder"]),
        "latent_upsampler": lambda: LTX2LatentUpsamplerModel(use_rational_resampler=False),
        "text_encoder": lambda: Gemma3ForConditionalGeneration(
            Gemma3Config(
                text_config=Gemma3TextConfig(**_GEMMA).to_dict(),
                vision_config=SiglipVisionConfig(**_SIGLIP).to_dict(),
            )
        ),
    }


def tiny_architecture() -> Architecture:
    """The tiny model of the tests, for a look at whether all this runs."""
    modules: dict[str, Any] = {**_tiny(), "latent_upsampler": tiny_upsampler()}

    def anew(module: Any) -> Callable[[], nn.Module]:
        kind = type(module)
        if isinstance(module, Gemma3ForConditionalGeneration):
            return lambda: kind(module.config)
        return lambda: kind.from_config(module.config)

    return {name: anew(module) for name, module in modules.items() if isinstance(module, nn.Module)}


def tokenizer() -> Any:
    """A tokenizer of single letters, in place of Gemma's, which cannot be had here: as many tokens, other words."""
    return _tiny()["tokenizer"]


def _tiny() -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):
        return tiny_components()


def build(
    architecture: Architecture,
    name: str,
    *,
    device: torch.device,
    home: torch.device,
    dtype: torch.dtype,
) -> Any:
    """One module with random weights, in eval mode.

    Args:
        architecture: Which model.
        name: Which of its modules.
        device: Draws the weights.
        home: Where they stay.
        dtype: Of the weights.
    """
    with init_empty_weights(include_buffers=False):
        module = architecture[name]()
    generator = torch.Generator(device).manual_seed(len(name))
    for part in module.modules():
        for key, empty in part.named_parameters(recurse=False):
            weight = _drawn(key, empty.shape, device=device, dtype=dtype, generator=generator)
            part.register_parameter(key, nn.Parameter(weight.to(home), requires_grad=False))
        for key, buffer in part.named_buffers(recurse=False):
            setattr(part, key, buffer.to(home))
    if hasattr(module, "tie_weights"):
        module.tie_weights()
    return module.eval()


def _drawn(
    key: str,
    shape: torch.Size,
    *,
    device: torch.device,
    dtype: torch.dtype,
    generator: torch.Generator,
) -> torch.Tensor:
    """Matrices keep the size of what goes through them, norms are as at the start of training, the rest is zero."""
    weight = torch.empty(shape, device=device, dtype=dtype)
    if len(shape) >= 2:
        return weight.normal_(0.0, 1.0 / math.sqrt(math.prod(shape[1:])), generator=generator)
    return weight.fill_(1.0 if key.startswith("weight") else 0.0)


def build_components(
    architecture: Architecture,
    *,
    device: torch.device,
    transformer_home: torch.device,
    home: torch.device,
    dtype: torch.dtype,
) -> Components:
    """The whole model but Gemma, which a runtime asks for when it needs it.

    Args:
        architecture: Which model.
        device: Draws the weights.
        transformer_home: Where the denoiser stays.
        home: Where all else stays.
        dtype: Of all but what makes sound.
    """

    def made(name: str) -> Any:
        return build(
            architecture,
            name,
            device=device,
            home=transformer_home if name == "transformer" else home,
            dtype=torch.float32 if name in SOUND else dtype,
        )

    return Components(
        transformer=made("transformer"),
        vae=made("vae"),
        audio_vae=made("audio_vae"),
        vocoder=made("vocoder"),
        connectors=made("connectors"),
        tokenizer=tokenizer(),
        latent_upsampler=made("latent_upsampler"),
        identity="random weights",
        dtype=dtype,
    )
