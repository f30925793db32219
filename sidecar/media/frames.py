"""The values that go through the media path: native planes as decoded, and what the encoder takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interchange.model.media import ColourTags

Plane = NDArray[np.uint16]
"""uint16 [H, W]: code values at the frame's own bit depth, right-aligned."""


@dataclass(frozen=True, slots=True)
class NativeFrame:
    """A decoded frame in its own planes; nothing converted, nothing scaled.

    Args:
        planes: Y, Cb, Cr, or G, B, R for RGB, or Y alone for grey; chroma at its own subsampling.
        chroma: `420`, `422`, `444`, `rgb` or `gray`.
        bit_depth: Bits per component.
        colour: Tags, nothing unspecified.
    """

    planes: tuple[Plane, ...]
    chroma: str
    bit_depth: int
    colour: ColourTags


TakeFrame = NativeFrame | NDArray[np.float32]
"""What the encoder is fed: a kept frame in native planes, or a generated float32 [H, W, 3] R'G'B' picture."""
