"""Guidance in the space of finished latents (x0): push away from what a weakened model makes of the same noise."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sidecar.pipelines.ltx23.recipes import ModalityGuidance, Pass


def guided(predictions: Mapping[Pass, torch.Tensor], scales: ModalityGuidance) -> torch.Tensor:
    """One modality's prediction after all its guidance.

    Args:
        predictions: What each pass made of it, [1, S, C] float32; the prompt's own is always there.
        scales: A pass of weight 0 counts nothing, whether it was made for the other modality or not at all.

    Returns:
        [1, S, C]; the prompt's own prediction, untouched, where no scale does anything.
    """
    plain = predictions[Pass.PROMPT]
    pushed = plain
    for away_from, prediction in predictions.items():
        if weight := scales.weight(away_from):
            pushed = pushed + weight * (plain - prediction)
    if pushed is plain or not scales.rescale:
        return pushed
    # Guidance spreads values out, which shows as burnt colour: part of the result gets its old spread back.
    spread = plain.std(dim=(1, 2), keepdim=True) / pushed.std(dim=(1, 2), keepdim=True)
    return pushed * (scales.rescale * spread + (1.0 - scales.rescale))
