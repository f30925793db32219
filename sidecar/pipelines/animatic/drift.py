"""A shot carried on past its end: it keeps its motion, slows down and comes to rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.animatic.alignment import Affine, fit_affine
from sidecar.pipelines.animatic.fields import Field, VectorField, fill, grid, sample, splat
from sidecar.pipelines.animatic.flow import Proxy, global_flow
from sidecar.pipelines.animatic.motion import measure_velocity
from sidecar.pipelines.animatic.plate import Plate
from sidecar.pipelines.base import Picture

_FARTHEST: Final = 0.08
"""How far the picture as a whole may travel, in picture widths: what lies past the edge is not known."""

_LOCAL_FARTHEST: Final = 0.05
"""Likewise for what moves by itself inside it."""

_GENTLE_PUSH: Final = 0.01
"""Width of uncovered strip, in picture widths, below which the push-in only sets in."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Everything needed to carry a picture on.

    Args:
        edge: The shot's last (or, carried back, first) picture.
        overall: The motion of the picture as a whole in one frame, away from the shot.
        local: [h, w, 2] what each pixel does on top of that in one frame.
        ease_frames: Frames until the whole comes to rest.
        local_ease_frames: Frames until what moves by itself does.
    """

    edge: Plate
    overall: Affine
    local: VectorField
    ease_frames: float
    local_ease_frames: float

    @classmethod
    def plan(
        cls,
        edge: Plate,
        context: list[Proxy],
        *,
        time_step: int,
        longest_ease: float,
    ) -> Drift:
        """Measure how a shot moves at its edge.

        Args:
            edge: The picture at the edge.
            context: Its proxy, then its neighbours' inside the shot, nearest first.
            time_step: -1 at a tail (neighbours lie before), +1 at a head.
            longest_ease: Most frames the motion may take to come to rest.
        """
        height, width = context[0].shape
        still = np.zeros((height, width, 2), np.float32)
        if len(context) < 2:
            return cls(edge, np.eye(2, 3), still, 1.0, 1.0)
        velocity = measure_velocity(context, time_step=time_step)
        away = velocity.flow * np.float32(-time_step)
        overall = fit_affine(away, velocity.trust)
        whole = global_flow(overall, height=height, width=width)
        fastest = float(np.linalg.norm(whole, axis=2).max())
        local = away - whole
        local_fastest = float(np.percentile(np.linalg.norm(local, axis=2), 99))
        return cls(
            edge,
            overall,
            local,
            _ease_frames(fastest, _FARTHEST * width, longest_ease),
            _ease_frames(local_fastest, _LOCAL_FARTHEST * width, longest_ease),
        )

    @property
    def mean_velocity(self) -> NDArray[np.float64]:
        """Motion of the picture's centre in one frame, away from the shot, in working pixels: [2]."""
        centre = np.array([self.edge.size.width / 2, self.edge.size.height / 2])
        velocity: NDArray[np.float64] = self.overall[:, :2] @ centre + self.overall[:, 2] - centre
        return velocity

    def picture(self, frames: float) -> Picture:
        """Make the picture `frames` frames past the edge; the edge itself at 0."""
        height, width = self.local.shape[:2]
        whole = global_flow(self.overall, height=height, width=width)
        moved = whole * np.float32(_eased(frames, self.ease_frames))
        moved += self.local * np.float32(_eased(frames, self.local_ease_frames))
        at_target, weight = splat(-moved, moved, _front_first(self.local))
        back = fill(at_target, weight)
        return self.edge.warped(self._kept_inside(back))

    def _kept_inside(self, back: VectorField) -> VectorField:
        """Push in just so far that the edge of the known picture stays outside the frame.

        While the uncovered strip is narrow the push is smaller than it (mirroring hides the rest), so that it
        sets in gently.
        """
        height, width = back.shape[:2]
        here = grid(height, width)
        at = here + back
        left = max(0.0, -float(at[:, 0, 0].min()))
        top = max(0.0, -float(at[0, :, 1].min()))
        right = max(0.0, float(at[:, -1, 0].max()) - (width - 1))
        bottom = max(0.0, float(at[-1, :, 1].max()) - (height - 1))
        lack = max((left + right) / width, (top + bottom) / height)
        push = lack * lack / (lack + _GENTLE_PUSH)
        if push < 1e-6:
            return back
        # The side that lacks picture moves in, the opposite one stays.
        anchor = np.array(
            [
                width * left / (left + right) if left + right > 0 else width / 2,
                height * top / (top + bottom) if top + bottom > 0 else height / 2,
            ],
            np.float32,
        )
        pushed = anchor + (here - anchor) * np.float32(1 - push)
        result: VectorField = pushed + sample(back, pushed) - here
        return result


def _ease_frames(speed: float, farthest: float, longest: float) -> float:
    """Frames until rest, so that something at `speed` goes no farther than `farthest`."""
    return max(1.0, min(longest, 3 * farthest / max(speed, 1e-6)))


def _eased(frames: float, ease_frames: float) -> float:
    """Frames' worth of motion after `frames` frames of slowing down: full speed at 0, at rest at the end."""
    left = max(0.0, 1 - frames / ease_frames)
    return ease_frames / 3 * (1 - left**3)


def _front_first(local: VectorField) -> Field:
    """What moves by itself is taken to be in front of what does not."""
    speed = np.linalg.norm(local, axis=2)
    weight: Field = (0.02 + np.square(speed / (float(speed.max()) + 1.0))).astype(np.float32)
    return weight
