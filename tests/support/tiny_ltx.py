"""The tiny LTX-2.3 for tests; `tests/conftest.py` has the fixtures that share it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.vocoder import LTX2VocoderWithBWE
from transformers import AutoTokenizer, Gemma3ForConditionalGeneration, Gemma3Processor

from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.ltx23.components import Components


@dataclass(frozen=True, slots=True)
class TinyModel(Components):
    """The tiny model with its Gemma 3, which the product loads apart.

    Args:
        text_encoder: Gemma 3.
        processor: Its processor of pictures and text.
    """

    text_encoder: Gemma3ForConditionalGeneration
    processor: Gemma3Processor


def shared_cache(factory: pytest.TempPathFactory) -> Path:
    """The cache folder that all processes of a test session share."""
    base = factory.getbasetemp()
    # Under xdist each worker has a folder of its own below the session's.
    return (base.parent if base.name.startswith("popen-") else base) / "ltx-cache"


def load_tiny(checkpoint: Checkpoint) -> TinyModel:
    """A copy of the tiny model of one's own, by diffusers' own loading."""
    folder = checkpoint.path

    def part(kind: type, name: str) -> torch.nn.Module:
        return (
            kind.from_pretrained(folder / name, local_files_only=True).eval().requires_grad_(False)
        )

    return TinyModel(
        transformer=part(LTX2VideoTransformer3DModel, "transformer"),
        vae=part(AutoencoderKLLTX2Video, "vae"),
        audio_vae=part(AutoencoderKLLTX2Audio, "audio_vae"),
        vocoder=part(LTX2VocoderWithBWE, "vocoder"),
        connectors=part(LTX2TextConnectors, "connectors"),
        text_encoder=part(Gemma3ForConditionalGeneration, "text_encoder"),
        tokenizer=AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        processor=Gemma3Processor.from_pretrained(folder / "processor", local_files_only=True),
        latent_upsampler=part(LTX2LatentUpsamplerModel, "latent_upsampler"),
        identity=checkpoint.identity,
        dtype=torch.float32,
    )
