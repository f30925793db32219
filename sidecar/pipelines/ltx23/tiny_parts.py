"""The components of the tiny LTX-2.3, each configured as the real one, only narrow and shallow.

Weights are drawn from torch's default generator as the layers do it; the caller decides its state.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.vocoder import LTX2VocoderWithBWE
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    Gemma3TextConfig,
    GemmaTokenizer,
    SiglipVisionConfig,
)
from transformers.audio_utils import mel_filter_bank
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

LATENT_CHANNELS: Final = 16  # really 128
_TEXT_WIDTH: Final = 32
_TEXT_LAYERS: Final = 2
_HEADS: Final = 2
_VIDEO_HEAD: Final = 24  # a multiple of 6, for the three axes of RoPE
_AUDIO_HEAD: Final = 12
_MEL_BINS: Final = 16
_REGISTERS: Final = 128
_PICTURE_TOKENS: Final = 4

# How far random weights are pushed so that there is something to see and hear, and prompts make a difference.
_DETAIL: Final = 0.2
_CONTRAST: Final = 1.6
_VOICE: Final = 2.0
_LOUDNESS: Final = 0.02
_OBEDIENCE: Final = 32.0
_WILL: Final = 2.0
# How much the tokens that are no characters count, so that what the model says can be read.
_MUMBLE: Final = 0.1

# Gemma 3's turns; the system's words go into the first turn of the user.
_CHAT_TEMPLATE: Final = (
    "{{ bos_token }}{% set ns = namespace(sys='') %}{% for m in messages %}"
    "{% if m['role'] == 'system' %}"
    "{% set ns.sys = m['content'] if m['content'] is string else m['content'][0]['text'] %}"
    "{% else %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{% if ns.sys %}{{ ns.sys }}\n\n{% set ns.sys = '' %}{% endif %}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<start_of_image>{% elif c['type'] == 'text' %}{{ c['text'] }}"
    "{% endif %}{% endfor %}{% endif %}<end_of_turn>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def _made(kind: Any, **options: Any) -> Any:
    """Call a class whose library has no types."""
    return kind(**options)


def _module(kind: Any, **options: Any) -> Any:
    """Make a module, ready to be run."""
    return _made(kind, **options).eval()


def tiny_components() -> dict[str, Any]:
    """The components of diffusers' `LTX2Pipeline`, by its names."""
    tokenizer = _tokenizer()
    return {
        "scheduler": _made(
            FlowMatchEulerDiscreteScheduler,
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05,
            base_image_seq_len=1024, max_image_seq_len=4096, shift_terminal=0.1,
        ),
        "vae": _vae(),
        "audio_vae": _audio_vae(),
        "text_encoder": _text_encoder(tokenizer),
        "tokenizer": tokenizer,
        "connectors": _connectors(),
        "transformer": _transformer(),
        "vocoder": _vocoder(),
        "processor": Gemma3Processor(
            image_processor=Gemma3ImageProcessorPil(
                size={"height": 32, "width": 32}, image_seq_length=_PICTURE_TOKENS
            ),
            tokenizer=tokenizer,
            chat_template=_CHAT_TEMPLATE,
            image_seq_length=_PICTURE_TOKENS,
        ),
    }  # fmt: skip


def tiny_upsampler() -> Any:
    """The spatial x2 upsampler of latents."""
    return _module(
        LTX2LatentUpsamplerModel,
        in_channels=LATENT_CHANNELS, mid_channels=64, num_blocks_per_stage=1, dims=3,
        spatial_upsample=True, temporal_upsample=False, rational_spatial_scale=2.0,
        use_rational_resampler=False,
    )  # fmt: skip


def _tokenizer() -> GemmaTokenizer:
    """Characters and bytes: nothing is ever unknown, and no vocabulary file is needed."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"]
    special += ["<start_of_image>", "<end_of_image>", "<image_soft_token>"]
    characters = ["\u2581", *map(chr, range(33, 127)), "\n"]
    tokens = special + [f"<0x{byte:02X}>" for byte in range(256)] + characters
    tokenizer = GemmaTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=[],
        model_max_length=1024,
        padding_side="left",
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
            "sot_token": "<start_of_turn>",
            "eot_token": "<end_of_turn>",
        },
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


def _text_encoder(tokenizer: GemmaTokenizer) -> Any:
    text = Gemma3TextConfig(
        vocab_size=len(tokenizer), hidden_size=_TEXT_WIDTH, intermediate_size=64,
        num_hidden_layers=_TEXT_LAYERS, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        max_position_embeddings=4096, sliding_window=512, query_pre_attn_scalar=16,
        pad_token_id=0, eos_token_id=1, bos_token_id=2,
    )  # fmt: skip
    vision = SiglipVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=8,
    )  # fmt: skip
    model = _module(
        Gemma3ForConditionalGeneration,
        config=_made(
            Gemma3Config,
            text_config=text.to_dict(),
            vision_config=vision.to_dict(),
            mm_tokens_per_image=_PICTURE_TOKENS,
            boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
            eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
            image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
        ),
    )
    unspoken = tokenizer.convert_tokens_to_ids("\u2581")  # all before the characters
    with torch.no_grad():
        model.get_input_embeddings().weight[:unspoken] *= _MUMBLE
    return model


def _transformer() -> Any:
    transformer = _module(
        LTX2VideoTransformer3DModel,
        in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, num_attention_heads=_HEADS,
        attention_head_dim=_VIDEO_HEAD, cross_attention_dim=_HEADS * _VIDEO_HEAD,
        gated_attn=True, cross_attn_mod=True,
        audio_in_channels=LATENT_CHANNELS, audio_out_channels=LATENT_CHANNELS,
        audio_num_attention_heads=_HEADS, audio_attention_head_dim=_AUDIO_HEAD,
        audio_cross_attention_dim=_HEADS * _AUDIO_HEAD, audio_gated_attn=True,
        audio_cross_attn_mod=True, num_layers=2, caption_channels=_TEXT_WIDTH,
        rope_double_precision=True, rope_type="split", use_prompt_embeddings=False,
        perturbed_attn=True,
    )  # fmt: skip
    with torch.no_grad():
        for block in transformer.transformer_blocks:
            block.attn2.to_out[0].weight.mul_(_OBEDIENCE)
            block.audio_attn2.to_out[0].weight.mul_(_OBEDIENCE)
        transformer.proj_out.weight.mul_(_WILL)
        transformer.audio_proj_out.weight.mul_(_WILL)
    return transformer


def _connectors() -> Any:
    return _module(
        LTX2TextConnectors,
        caption_channels=_TEXT_WIDTH, text_proj_in_factor=_TEXT_LAYERS + 1,
        video_connector_num_attention_heads=_HEADS, video_connector_attention_head_dim=_VIDEO_HEAD,
        video_connector_num_layers=1, video_connector_num_learnable_registers=_REGISTERS,
        video_gated_attn=True, audio_connector_num_attention_heads=_HEADS,
        audio_connector_attention_head_dim=_AUDIO_HEAD, audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=_REGISTERS, audio_gated_attn=True,
        rope_double_precision=True, rope_type="split", per_modality_projections=True,
        video_hidden_dim=_HEADS * _VIDEO_HEAD, audio_hidden_dim=_HEADS * _AUDIO_HEAD, proj_bias=True,
    )  # fmt: skip


def _vae() -> Any:
    vae = _module(
        AutoencoderKLLTX2Video,
        latent_channels=LATENT_CHANNELS, block_out_channels=(16, 16, 32, 32),
        decoder_block_out_channels=(8, 16, 16, 32),  # the ratios of the real (256, 512, 512, 1024)
        layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 5,
        spatio_temporal_scaling=(True,) * 4, decoder_spatio_temporal_scaling=(True,) * 4,
        decoder_inject_noise=(False,) * 5,
        downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        upsample_type=("spatiotemporal", "spatiotemporal", "temporal", "spatial"),
        upsample_residual=(False,) * 4, upsample_factor=(2, 2, 1, 2), timestep_conditioning=False,
        patch_size=4, patch_size_t=1, encoder_causal=True, decoder_causal=False,
        encoder_spatial_padding_mode="zeros", decoder_spatial_padding_mode="zeros",
        spatial_compression_ratio=32, temporal_compression_ratio=8,
    )  # fmt: skip
    # Not 0 and 1, so that a forgotten normalisation shows; about what the random encoder gives.
    vae.latents_mean.normal_(0.0, 0.1)
    vae.latents_std.uniform_(0.15, 0.25)
    with torch.no_grad():
        for block in (vae.decoder.mid_block, *vae.decoder.up_blocks):
            for upsampler in getattr(block, "upsamplers", None) or ():
                _smooth(upsampler.conv.conv, math.prod(upsampler.stride))
        output = vae.decoder.conv_out.conv
        _smooth(output, vae.config.patch_size**2)
        output.weight.mul_(_CONTRAST)
        output.bias.zero_()
    return vae


def _smooth(conv: torch.nn.Conv3d, neighbours: int) -> None:
    """Make the pixels that come out of one place alike, so that pictures have shapes and not only noise.

    Args:
        conv: Its output channels are shuffled into space and time, neighbours varying fastest.
        neighbours: How many of its output channels become neighbours.
    """
    for parameter in conv.parameters():
        apart = parameter.reshape(-1, neighbours, *parameter.shape[1:])
        together = apart.sum(1, keepdim=True) / math.sqrt(neighbours)
        parameter.copy_((_DETAIL * apart + together).flatten(0, 1))


def _audio_vae() -> Any:
    # Statistics have `base_channels` entries and apply to packed latents: base_channels must be
    # latent_channels * mel_bins / 4 (really 128 = 8 * 64 / 4).
    audio_vae = _module(
        AutoencoderKLLTX2Audio,
        base_channels=LATENT_CHANNELS, output_channels=2, ch_mult=(1, 1, 1), num_res_blocks=1,
        in_channels=2, resolution=256, latent_channels=4, norm_type="pixel",
        causality_axis="height", mid_block_add_attention=False, sample_rate=16_000,
        mel_hop_length=160, is_causal=True, mel_bins=_MEL_BINS, double_z=True,
    )  # fmt: skip
    audio_vae.latents_mean.normal_(0.0, 0.1)
    audio_vae.latents_std.uniform_(0.15, 0.25)
    return audio_vae


def _vocoder() -> Any:
    vocoder = _module(
        LTX2VocoderWithBWE,
        in_channels=2 * _MEL_BINS, hidden_channels=64, upsample_kernel_sizes=[11, 4, 4, 4, 4, 4],
        upsample_factors=[5, 2, 2, 2, 2, 2], resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]], bwe_in_channels=2 * _MEL_BINS, bwe_hidden_channels=32,
        bwe_upsample_kernel_sizes=[12, 11, 4, 4, 4], bwe_upsample_factors=[6, 5, 2, 2, 2],
        bwe_resnet_kernel_sizes=[3], bwe_resnet_dilations=[[1, 3, 5]],
        num_mel_channels=_MEL_BINS,
    )  # fmt: skip
    # The real file brings these; without them the second half would hear only silence.
    length = vocoder.config.filter_length
    angles = (
        2 * torch.pi / length * torch.outer(torch.arange(length // 2 + 1), torch.arange(length))
    )
    window = torch.hann_window(length)
    basis = torch.cat([angles.cos() * window, -angles.sin() * window]).unsqueeze(1)
    vocoder.mel_stft.stft_fn.forward_basis.copy_(basis)
    vocoder.mel_stft.stft_fn.inverse_basis.copy_(basis / length)
    filters = mel_filter_bank(
        num_frequency_bins=length // 2 + 1, num_mel_filters=_MEL_BINS, min_frequency=0.0,
        max_frequency=8000.0, sampling_rate=16_000, norm="slaney", mel_scale="slaney",
    )  # fmt: skip
    vocoder.mel_stft.mel_basis.copy_(torch.from_numpy(filters.T))
    with torch.no_grad():
        for generator in (vocoder.vocoder, vocoder.bwe_generator):
            generator.conv_in.weight.mul_(_VOICE)
            for layer in generator.upsamplers:
                layer.weight.mul_(_VOICE)
            generator.conv_out.weight.mul_(_LOUDNESS)
    return vocoder
