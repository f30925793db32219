"""The discreet line burnt into every picture, so that previz never passes for the real thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interchange.model.media import ColourTags, Raster
from sidecar.pipelines.animatic.fields import blur
from sidecar.pipelines.animatic.typesetting import MEDIUM, Coverage, Typeface, paint
from sidecar.pipelines.base import Picture

_GAP = "   "


def reference_white(colour: ColourTags) -> float:
    """R'G'B' of diffuse white: 1 for SDR, 0.58 for PQ and 0.75 for HLG (BT.2408)."""
    return {16: 0.58, 18: 0.75}.get(colour.transfer, 1.0)


@dataclass(frozen=True, slots=True)
class Slate:
    """The line, set once and laid over each picture.

    Args:
        letters: Coverage of the letters.
        shade: Coverage of a soft shadow, the same size, that keeps them legible on white.
        x: Left edge in the picture.
        y: Top edge.
        white: R'G'B' of the letters.
    """

    letters: Coverage
    shade: Coverage
    x: int
    y: int
    white: float

    @classmethod
    def of(cls, lines: tuple[str, ...], *, raster: Raster, colour: ColourTags) -> Slate:
        """Set the line at the left of the bottom title-safe edge (EBU R 95: 5 %)."""
        width, height = raster.width_px, raster.height_px
        face = Typeface(max(7, round(min(height, width * 9 / 16) * 0.0185)), MEDIUM)
        text = _GAP.join(("PREVIZ", "animatic", *lines))
        room = max(1, round(width * 0.9))
        letters = face.set_line(face.shortened(text, width_px=room))
        spread = max(1, face.size_px // 4)
        letters = np.pad(letters, spread)
        shade = np.clip(blur(letters, max(0.8, face.size_px / 9)) * 1.3, 0, 1)
        x = round(width * 0.05) - spread
        y = round(height * 0.95) - letters.shape[0] + spread
        return cls(letters, shade, x, y, reference_white(colour) * 0.82)

    def lay_over(self, picture: Picture) -> None:
        """Burn the line in, in place."""
        paint(picture, self.shade, x=self.x, y=self.y, colour=0.0, opacity=0.38)
        paint(picture, self.letters, x=self.x, y=self.y, colour=self.white, opacity=0.62)
