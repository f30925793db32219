"""A picture that carries its own number, readable after any codec.

24 equal vertical bars fill the picture. Bar k, counted from the left, is bright where bit k of
`tag << 16 | number` is set. A reader takes the mean of each bar's central half over the middle third of the
height and compares it with the threshold in the middle of the two levels.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidecar.pipelines.base import Picture

BAR_COUNT: Final = 24
NUMBER_BITS: Final = 16
BRIGHT: Final = 0.75
DARK: Final = 0.10


def numbered_chart(number: int, *, tag: int, width_px: int, height_px: int) -> Picture:
    """Draw the chart for a number.

    Args:
        number: Taken modulo 65536; an hour at 24 frames a second is 86,400 frames, so long
            timecode wraps.
        tag: Taken modulo 256; tells one take or file from another.
        width_px: Width; below 24 pixels some bars have no pixel and the number cannot be read.
        height_px: Height.

    Returns:
        float32 [height_px, width_px, 3], R'G'B'.
    """
    value = (tag & 0xFF) << NUMBER_BITS | number & 0xFFFF
    bits = (value >> np.arange(BAR_COUNT)) & 1
    bar_of_column = np.arange(width_px) * BAR_COUNT // width_px
    row = np.where(bits[bar_of_column] == 1, BRIGHT, DARK).astype(np.float32)
    return np.broadcast_to(row[None, :, None], (height_px, width_px, 3)).copy()
