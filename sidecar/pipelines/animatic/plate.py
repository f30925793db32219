"""A picture that is warped again and again."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sidecar.pipelines.animatic.fields import VectorField, remap, resize
from sidecar.pipelines.animatic.flow import WorkingSize
from sidecar.pipelines.base import Picture


@dataclass(frozen=True, slots=True)
class Plate:
    """A picture with what every warp of it needs.

    Args:
        picture: [H, W, 3].
        size: The grid that ways are told on.
        low: Its least value.
        high: Its greatest.
    """

    picture: Picture
    size: WorkingSize
    low: float
    high: float

    @classmethod
    def of(cls, picture: Picture, *, size: WorkingSize) -> Plate:
        """Take a picture as a plate."""
        return cls(picture, size, float(picture.min()), float(picture.max()))

    def warped(self, way: VectorField) -> Picture:
        """Fetch each pixel from where `way` leads, mirrored at the edges.

        Args:
            way: [h, w, 2] in working pixels.
        """
        height, width = self.picture.shape[:2]
        full = resize(way, height=height, width=width)
        full *= np.array([self.size.scale_x, self.size.scale_y], np.float32)
        full[..., 0] += np.arange(width, dtype=np.float32)
        full[..., 1] += np.arange(height, dtype=np.float32)[:, None]
        warped = remap(
            self.picture,
            full,
            interpolation=cv2.INTER_LANCZOS4,
            border=cv2.BORDER_REFLECT_101,
        )
        # Lanczos overshoots at hard edges; no value may appear that the picture does not have.
        return np.clip(warped, self.low, self.high, out=warped)
