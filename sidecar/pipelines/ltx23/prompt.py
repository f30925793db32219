"""What the transformer attends to: a prompt after Gemma 3 and the connectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Prompt:
    """The connectors' output for one text; registers fill it, so that it needs no mask.

    Args:
        video: [1, L, Dv].
        audio: [1, L, Da].
    """

    video: torch.Tensor
    audio: torch.Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Prompt:
        """The same prompt elsewhere."""
        return Prompt(self.video.to(device, dtype), self.audio.to(device, dtype))
