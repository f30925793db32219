"""Colour across a seam: made frames moved by as much as the VAE moved the kept ones beside them.

The VAE changes colour a little, by region. Kept frames are delivered as the source has them; the made ones next
to them carry that change, which shows as a step. How large it is can be seen on the kept frames themselves,
which were decoded too: the difference to the source, averaged over coarse cells so that detail does not
count, is added to the made frames, all of it at the seam and less with every frame away from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.base import Picture

_LONG_SIDE_CELLS = 16
_SHORT_SIDE_CELLS = 9
STRONGEST = 0.06
"""Of the range 0..1. A larger difference is another picture, not another colour, and stays."""

Offset = NDArray[np.float32]
"""float32 [rows, columns, 3]: what to add to each cell of a picture."""


def edge_offset(decoded: Sequence[Picture], own: Sequence[Picture]) -> Offset:
    """How far the VAE moved the colour of kept frames, to be undone.

    Args:
        decoded: Kept frames nearest the seam as the VAE gave them back, each float32 [H, W, 3]; at least one.
        own: The source's own of the same frames.

    Returns:
        Over 16 x 9 cells (9 x 16 upright), no value beyond `STRONGEST`; 0 where there is no difference.
    """
    height, width, _ = own[0].shape
    cells = (
        (_LONG_SIDE_CELLS, _SHORT_SIDE_CELLS)
        if width >= height
        else (_SHORT_SIDE_CELLS, _LONG_SIDE_CELLS)
    )
    cells = (min(cells[0], width), min(cells[1], height))
    total = np.zeros((cells[1], cells[0], 3))
    for made, kept in zip(decoded, own, strict=True):
        total += cv2.resize(kept - made, cells, interpolation=cv2.INTER_AREA)
    return np.clip(total / len(own), -STRONGEST, STRONGEST).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Seam:
    """The correction of one window.

    Args:
        head: Offset of the kept frames before the window; None where there are none.
        tail: Of those after it.
        frame_count: Made frames in the window.
    """

    head: Offset | None
    tail: Offset | None
    frame_count: int

    def corrected(self, picture: Picture, index: int) -> Picture:
        """A made frame as it meets its neighbours.

        Args:
            picture: float32 [H, W, 3].
            index: Which frame of the window, 0 up to `frame_count`.

        Returns:
            The same array where there is nothing to correct, else a new one.
        """
        offset = self._offset(index)
        if offset is None or not offset.any():
            return picture
        height, width, _ = picture.shape
        enlarged = cv2.resize(offset, (width, height), interpolation=cv2.INTER_LINEAR)
        return (picture + enlarged).astype(np.float32, copy=False)

    def _offset(self, index: int) -> Offset | None:
        """All of the head's at the first frame, all of the tail's at the last, a straight line between."""
        last = self.frame_count - 1
        if self.head is None or self.tail is None:
            edge, distance = (self.head, index) if self.tail is None else (self.tail, last - index)
            return None if edge is None else edge * np.float32(1.0 - distance / max(last, 1))
        after = np.float32(index / last if last else 0.5)
        return self.head * (np.float32(1.0) - after) + self.tail * after
