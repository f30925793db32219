"""A camera move over a still: push, pull, pan, tilt or arc, chosen and shaped by the seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from sidecar.pipelines.animatic.depth import guess_nearness
from sidecar.pipelines.animatic.fields import Field, VectorField, grid
from sidecar.pipelines.animatic.flow import Proxy
from sidecar.pipelines.animatic.plate import Plate
from sidecar.pipelines.base import Picture

_TRAVEL_PER_SECOND: Final = 0.030
_MOST_TRAVEL: Final = 0.075
"""How far the picture travels in a second and at most, in picture widths: subtle."""

_PARALLAX: Final = 0.45
"""How much farther than the middle ground the nearest travels, as part of the travel."""


class Move(StrEnum):
    """What the camera does."""

    PUSH = "push"
    PULL = "pull"
    PAN = "pan"
    TILT = "tilt"
    ARC = "arc"


@dataclass(frozen=True, slots=True)
class CameraMove:
    """Everything needed for the pictures of a move.

    Args:
        still: The picture the camera looks at.
        nearness: [h, w] 0 far to 1 near.
        move: What the camera does.
        travel: How far, in picture widths.
        direction: Unit vector in the picture, for what goes sideways.
    """

    still: Plate
    nearness: Field
    move: Move
    travel: float
    direction: tuple[float, float]

    @classmethod
    def plan(cls, still: Plate, proxy: Proxy, *, seed: int, seconds: float) -> CameraMove:
        """Choose a move.

        Args:
            still: The picture.
            proxy: Its proxy.
            seed: Same seed, same move.
            seconds: How long the move takes; longer moves go farther, up to a limit.
        """
        dice = np.random.default_rng(np.random.SeedSequence([seed & 0xFFFFFFFFFFFFFFFF, 0xCA3E8A]))
        move = list(Move)[int(dice.integers(len(Move)))]
        travel = min(_MOST_TRAVEL, _TRAVEL_PER_SECOND * (seconds + 0.5)) * float(
            dice.uniform(0.8, 1.0)
        )
        sign = 1.0 if dice.random() < 0.5 else -1.0
        lean = float(dice.uniform(-0.2, 0.2))
        sideways = (sign, lean) if move is not Move.TILT else (lean, sign)
        length = float(np.hypot(*sideways))
        direction = (sideways[0] / length, sideways[1] / length)
        return cls(still, guess_nearness(proxy), move, travel, direction)

    def picture(self, moment: float) -> Picture:
        """Make the picture at a moment between 0 and 1; eased at both ends."""
        eased = moment**3 * (moment * (6 * moment - 15) + 10)
        return self.still.warped(self._way(eased))

    def _way(self, eased: float) -> VectorField:
        """From each pixel to the place in the still it shows; never past the still's edge."""
        height, width = self.nearness.shape
        here = grid(height, width)
        centre = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
        depth = (self.nearness - np.float32(0.5)) * np.float32(2 * _PARALLAX)
        spare = self.travel * (1 + _PARALLAX)
        if self.move in {Move.PUSH, Move.PULL}:
            closeness = eased if self.move is Move.PUSH else 1 - eased
            shrink = self.travel * 1.6 * closeness
            # Near things grow faster than far ones.
            factor = -np.float32(shrink) * (
                1 + depth * np.float32(4 * closeness * (1 - closeness) * 0.5 + 0.5)
            )
            way: VectorField = (here - centre) * factor[..., None]
            return way
        swing = np.float32((eased - 0.5) * self.travel * width)
        shift = np.array(self.direction, np.float32) * swing
        if self.move is Move.ARC:
            # The camera goes round: near and far move against each other, the middle stays.
            offset = depth[..., None] * shift * np.float32(1.6)
            overscan = 0.8 * spare * _PARALLAX + 0.01
        else:
            offset = (1 + depth)[..., None] * shift
            overscan = 0.5 * spare
        longer = max(1.0, width / height * abs(self.direction[1]))
        zoom = np.float32(-2 * overscan * longer)
        panned: VectorField = (here - centre) * zoom + offset
        return panned
