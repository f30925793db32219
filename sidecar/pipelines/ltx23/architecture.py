"""The shape of the real LTX-2.3, as diffusers' classes are configured for it. Knows no torch.

What is not named here is the default of its class. Original files state part of it in their metadata, in other words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LTX_2_3: Final[Mapping[str, Mapping[str, Any]]] = {
    "transformer": {
        "gated_attn": True, "cross_attn_mod": True, "audio_gated_attn": True, "audio_cross_attn_mod": True,
        "rope_double_precision": True, "rope_type": "split", "use_prompt_embeddings": False,
        "perturbed_attn": True,
    },
    "connectors": {
        "video_connector_num_attention_heads": 32, "video_connector_attention_head_dim": 128,
        "video_connector_num_layers": 8, "video_connector_num_learnable_registers": 128,
        "video_gated_attn": True, "audio_connector_num_attention_heads": 32,
        "audio_connector_attention_head_dim": 64, "audio_connector_num_layers": 8,
        "audio_connector_num_learnable_registers": 128, "audio_gated_attn": True,
        "rope_double_precision": True, "rope_type": "split", "per_modality_projections": True,
        "video_hidden_dim": 4096, "audio_hidden_dim": 2048, "proj_bias": True,
    },
    "vae": {
        "block_out_channels": (256, 512, 1024, 1024),
        "decoder_block_out_channels": (256, 512, 512, 1024),
        "layers_per_block": (4, 6, 4, 2, 2), "decoder_layers_per_block": (4, 6, 4, 2, 2),
        "spatio_temporal_scaling": (True,) * 4, "decoder_spatio_temporal_scaling": (True,) * 4,
        "decoder_inject_noise": (False,) * 5,
        "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        "upsample_type": ("spatiotemporal", "spatiotemporal", "temporal", "spatial"),
        "upsample_residual": (False,) * 4, "upsample_factor": (2, 2, 1, 2),
        "timestep_conditioning": False, "encoder_causal": True, "decoder_causal": False,
        "encoder_spatial_padding_mode": "zeros", "decoder_spatial_padding_mode": "zeros",
        "spatial_compression_ratio": 32, "temporal_compression_ratio": 8,
    },
    "audio_vae": {},
    "vocoder": {},
}  # fmt: skip

STATED_FACTS: Final[Mapping[str, Any]] = {
    "num_layers": 48,
    "num_attention_heads": 32,
    "attention_head_dim": 128,
    "norm_eps": 1e-6,
    "positional_embedding_theta": 10_000.0,
    "timestep_scale_multiplier": 1000,
    "rope_type": "split",
    "frequencies_precision": "float64",
    "cross_attention_adaln": True,
}
"""What an original file's `transformer` section says of 2.3; a file that says otherwise is another model."""
