"""An LTX-2.3 as Lightricks ships it: one `.safetensors` with its own names, written from diffusers' modules.

The names are written out here anew, from the published files' headers, not taken from the map under test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from sidecar.pipelines.ltx23.components import Components

_DENOISER = "model.diffusion_model."


def original_tensors(parts: Components) -> dict[str, torch.Tensor]:
    """All weights of an original file."""
    writers = {
        "transformer": _transformer,
        "connectors": _connectors,
        "vae": _vae,
        "audio_vae": _audio_vae,
        "vocoder": _vocoder,
    }
    tensors = {
        name(key): tensor.contiguous()
        for component, name in writers.items()
        for key, tensor in getattr(parts, component).state_dict().items()
    }
    # Statistics that the files hold and no module of diffusers has.
    tensors["vae.per_channel_statistics.channel"] = torch.zeros(1)
    tensors["vae.per_channel_statistics.mean-of-stds"] = torch.zeros(1)
    return tensors


def write_original(
    path: Path, tensors: Mapping[str, torch.Tensor], *, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write such a file, with metadata as the published ones have."""
    usual = {
        "model_version": "2.3.0",
        "config": json.dumps({"transformer": {"rope_type": "split", "norm_eps": 1e-06}}),
    }
    save_file(dict(tensors), path, {**usual, **(metadata or {})})
    return path


def _norms(key: str) -> str:
    return key.replace(".norm_q.", ".q_norm.").replace(".norm_k.", ".k_norm.")


def _transformer(key: str) -> str:
    new = _norms(key)
    for theirs, ours in (
        ("audio_proj_in.", "audio_patchify_proj."),
        ("proj_in.", "patchify_proj."),
        ("audio_time_embed.", "audio_adaln_single."),
        ("time_embed.", "adaln_single."),
        ("audio_prompt_adaln.", "audio_prompt_adaln_single."),
        ("prompt_adaln.", "prompt_adaln_single."),
        ("av_cross_attn_video_scale_shift.", "av_ca_video_scale_shift_adaln_single."),
        ("av_cross_attn_audio_scale_shift.", "av_ca_audio_scale_shift_adaln_single."),
        ("av_cross_attn_video_a2v_gate.", "av_ca_a2v_gate_adaln_single."),
        ("av_cross_attn_audio_v2a_gate.", "av_ca_v2a_gate_adaln_single."),
    ):
        if new.startswith(theirs):
            return _DENOISER + ours + new.removeprefix(theirs)
    new = new.replace("video_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_video")
    return _DENOISER + new.replace(
        "audio_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_audio"
    )


def _connectors(key: str) -> str:
    new = _norms(key).replace("transformer_blocks", "transformer_1d_blocks")
    for modality in ("video", "audio"):
        if new.startswith(f"{modality}_connector."):
            return f"{_DENOISER}{modality}_embeddings_connector." + new.removeprefix(
                f"{modality}_connector."
            )
        if new.startswith(f"{modality}_text_proj_in."):
            return f"text_embedding_projection.{modality}_aggregate_embed." + new.removeprefix(
                f"{modality}_text_proj_in."
            )
    raise AssertionError(key)


def _statistics(key: str) -> str | None:
    return {
        "latents_mean": "per_channel_statistics.mean-of-means",
        "latents_std": "per_channel_statistics.std-of-means",
    }.get(key)


def _vae(key: str) -> str:
    if statistics := _statistics(key):
        return f"vae.{statistics}"
    new = key.replace(".resnets.", ".res_blocks.")
    new = re.sub(
        r"down_blocks\.(\d)\.(downsamplers\.0\.)?",
        lambda match: f"down_blocks.{2 * int(match[1]) + bool(match[2])}.",
        new,
    )
    new = re.sub(
        r"up_blocks\.(\d)\.(upsamplers\.0\.)?",
        lambda match: f"up_blocks.{2 * int(match[1]) + (1 if match[2] else 2)}.",
        new,
    )
    new = new.replace("encoder.mid_block.", "encoder.down_blocks.8.")
    return "vae." + new.replace("decoder.mid_block.", "decoder.up_blocks.0.")


def _audio_vae(key: str) -> str:
    return f"audio_vae.{_statistics(key) or key}"


def _vocoder(key: str) -> str:
    new = key.replace("upsamplers.", "ups.").replace("resnets.", "resblocks.")
    new = new.replace("conv_in.", "conv_pre.").replace("conv_out.", "conv_post.")
    new = new.replace("act_out.", "act_post.").replace(
        ".downsample.filter", ".downsample.lowpass.filter"
    )
    return f"vocoder.{new}"


def original_lora(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """A LoRA's weights by the names Lightricks' trainer gives them, from diffusers' without a prefix."""
    return {
        prefix + _transformer(key).removeprefix(_DENOISER): tensor
        for key, tensor in tensors.items()
    }
