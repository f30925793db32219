"""Rotary embeddings of a stage, made once: the transformer makes them anew in every forward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from torch import nn


class _Prepared(nn.Module):
    """Stands in for a rotary embedding whose answer is known."""

    def __init__(self, answer: tuple[torch.Tensor, torch.Tensor]) -> None:
        super().__init__()
        self._answer = answer

    def forward(
        self, _coords: torch.Tensor, device: object = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The answer for the coordinates it was made for."""
        del device
        return self._answer


@contextmanager
def prepared_positions(
    transformer: LTX2VideoTransformer3DModel, video: torch.Tensor, audio: torch.Tensor
) -> Iterator[None]:
    """While open, the transformer takes these coordinates' embeddings as read.

    They are tensors it would hold during a forward anyway, so memory does not grow.

    Args:
        transformer: Put back as it was on the way out, whatever happens.
        video: [1, 3, S, 2] bounds, on the compute device.
        audio: [1, 1, S, 2] bounds, on the compute device.
    """
    own = {
        "rope": (transformer.rope, video),
        "audio_rope": (transformer.audio_rope, audio),
        "cross_attn_rope": (transformer.cross_attn_rope, video[:, :1]),
        "cross_attn_audio_rope": (transformer.cross_attn_audio_rope, audio[:, :1]),
    }
    prepared = {name: _Prepared(rope(coords)) for name, (rope, coords) in own.items()}
    try:
        for name, stand_in in prepared.items():
            setattr(transformer, name, stand_in)
        yield
    finally:
        for name, (rope, _) in own.items():
            setattr(transformer, name, rope)
