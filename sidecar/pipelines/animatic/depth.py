"""A guess at depth from one picture: enough for a parallax cue, never enough to tear an edge."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from sidecar.pipelines.animatic.fields import Field, as_field, blur
from sidecar.pipelines.animatic.flow import Proxy

_LOWER_IS_NEARER: Final = 0.45
_SHARPER_IS_NEARER: Final = 0.35
_CENTRAL_IS_NEARER: Final = 0.20


def guess_nearness(proxy: Proxy) -> Field:
    """Guess how near each pixel is: float32 [h, w], 0 far to 1 near, smooth.

    Cues: the ground is nearer at the bottom, what is in focus is nearer than what is not, subjects stand in
    the middle. The result follows the picture's edges loosely, so that surfaces move as one.
    """
    height, width = proxy.shape
    luma = as_field(proxy / 255)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    lower = ys / max(height - 1, 1)
    detail = np.abs(luma - blur(luma, 1.5))
    sharp = blur(detail, max(3.0, width / 24))
    sharp /= float(sharp.max()) + 1e-6
    across = (xs / max(width - 1, 1) - 0.5) / 0.35
    down = (lower - 0.55) / 0.4
    central = np.exp(-(np.square(across) + np.square(down)) / 2)
    guess = _LOWER_IS_NEARER * lower + _SHARPER_IS_NEARER * sharp + _CENTRAL_IS_NEARER * central
    followed = _follow_edges(as_field(guess), luma, radius=max(4, width // 20))
    smooth = blur(followed, max(2.0, width / 90))
    low, high = float(smooth.min()), float(smooth.max())
    return as_field((smooth - low) / (high - low + 1e-6))


def _follow_edges(field: Field, guide: Field, *, radius: int) -> Field:
    """Guided filter (He, Sun and Tang, ECCV 2010): smooth a field except across edges of the guide."""
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(values: Field) -> Field:
        return as_field(cv2.blur(values, window, borderType=cv2.BORDER_REFLECT_101))

    mean_guide, mean_field = mean(guide), mean(field)
    variance = mean(guide * guide) - mean_guide * mean_guide
    covariance = mean(guide * field) - mean_guide * mean_field
    slope = as_field(covariance / (variance + 0.02))
    return mean(slope) * guide + mean(mean_field - slope * mean_guide)
