"""Names of weights: those of the original LTX-2.3 files against those of diffusers' modules. Knows no torch.

diffusers' own single-file loading does not know what 2.3 added (`prompt_adaln_single`) and takes every file for an
LTX-2 (loaders/single_file_utils.py of 0.42.1). The maps here go by whole segments between dots, so that each is a
bijection and no name is caught inside another. The map of LoRAs is diffusers' own, which does know 2.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

DENOISER_PREFIX: Final = "model.diffusion_model."

_ATTENTION: Final = {"q_norm": "norm_q", "k_norm": "norm_k"}
_TRANSFORMER: Final = {
    "patchify_proj": "proj_in",
    "audio_patchify_proj": "audio_proj_in",
    "adaln_single": "time_embed",
    "audio_adaln_single": "audio_time_embed",
    "prompt_adaln_single": "prompt_adaln",
    "audio_prompt_adaln_single": "audio_prompt_adaln",
    "av_ca_video_scale_shift_adaln_single": "av_cross_attn_video_scale_shift",
    "av_ca_audio_scale_shift_adaln_single": "av_cross_attn_audio_scale_shift",
    "av_ca_a2v_gate_adaln_single": "av_cross_attn_video_a2v_gate",
    "av_ca_v2a_gate_adaln_single": "av_cross_attn_audio_v2a_gate",
    "scale_shift_table_a2v_ca_video": "video_a2v_cross_attn_scale_shift_table",
    "scale_shift_table_a2v_ca_audio": "audio_a2v_cross_attn_scale_shift_table",
    **_ATTENTION,
}
_CONNECTOR_ROOTS: Final = {
    f"{DENOISER_PREFIX}video_embeddings_connector.": "video_connector.",
    f"{DENOISER_PREFIX}audio_embeddings_connector.": "audio_connector.",
    "text_embedding_projection.video_aggregate_embed.": "video_text_proj_in.",
    "text_embedding_projection.audio_aggregate_embed.": "audio_text_proj_in.",
}
_OTHERS: Final = ("audio_vae.", "text_embedding_projection.", "vae.", "vocoder.")
_CONNECTORS: Final = {"transformer_1d_blocks": "transformer_blocks", **_ATTENTION}
_STATISTICS: Final = {
    "per_channel_statistics.mean-of-means": "latents_mean",
    "per_channel_statistics.std-of-means": "latents_std",
}
_VOCODER: Final = {
    "ups": "upsamplers",
    "resblocks": "resnets",
    "conv_pre": "conv_in",
    "conv_post": "conv_out",
    "act_post": "act_out",
}
_BLOCKS: Final = 4  # of the video VAE's encoder and decoder
_DOWN: Final = re.compile(r"encoder\.down_blocks\.(\d+)\.")
_UP: Final = re.compile(r"decoder\.up_blocks\.(\d+)\.")


def component_keys(keys: Mapping[str, object], component: str) -> dict[str, str]:
    """The weights of one component in an original file.

    Args:
        keys: All keys of the file.
        component: As the diffusers layout names it.

    Returns:
        diffusers' key to the file's; what other components own, and statistics that nothing reads, left out.
    """
    rename = _RENAMES[component]
    renamed = ((rename(key), key) for key in keys)
    return {new: old for new, old in renamed if new is not None}


def _segments(key: str, table: Mapping[str, str]) -> str:
    return ".".join(table.get(segment, segment) for segment in key.split("."))


def _transformer(key: str) -> str | None:
    if key.startswith((*_CONNECTOR_ROOTS, *_OTHERS)):
        return None
    # Files of the transformer alone come without the prefix too.
    return _segments(key.removeprefix(DENOISER_PREFIX), _TRANSFORMER)


def _connectors(key: str) -> str | None:
    for root, new in _CONNECTOR_ROOTS.items():
        if key.startswith(root):
            return new + _segments(key.removeprefix(root), _CONNECTORS)
    return None


def _vae(key: str) -> str | None:
    if not key.startswith("vae."):
        return None
    key = key.removeprefix("vae.")
    if key.startswith("per_channel_statistics."):
        return _STATISTICS.get(key)
    key = _DOWN.sub(lambda match: f"encoder.{_down(int(match[1]))}.", key)
    key = _UP.sub(lambda match: f"decoder.{_up(int(match[1]))}.", key)
    return _segments(key, {"res_blocks": "resnets"})


def _down(index: int) -> str:
    """The original numbers blocks and what shrinks between them in one row."""
    if index == 2 * _BLOCKS:
        return "mid_block"
    return f"down_blocks.{index // 2}" + (".downsamplers.0" if index % 2 else "")


def _up(index: int) -> str:
    if index == 0:
        return "mid_block"
    return f"up_blocks.{(index - 1) // 2}" + (".upsamplers.0" if index % 2 else "")


def _audio_vae(key: str) -> str | None:
    if not key.startswith("audio_vae."):
        return None
    key = key.removeprefix("audio_vae.")
    return _STATISTICS.get(key) if key.startswith("per_channel_statistics.") else key


def _vocoder(key: str) -> str | None:
    if not key.startswith("vocoder."):
        return None
    renamed = _segments(key.removeprefix("vocoder."), _VOCODER)
    return renamed.replace(".downsample.lowpass.", ".downsample.")


_RENAMES: Final[Mapping[str, Callable[[str], str | None]]] = {
    "transformer": _transformer,
    "connectors": _connectors,
    "vae": _vae,
    "audio_vae": _audio_vae,
    "vocoder": _vocoder,
}
