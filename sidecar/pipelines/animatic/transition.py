"""From one shot to another that shows something else: each side keeps moving, and one gives way to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sidecar.pipelines.animatic.drift import Drift
from sidecar.pipelines.animatic.fields import Field, as_field, blur, resize
from sidecar.pipelines.animatic.flow import Proxy
from sidecar.pipelines.base import Picture

_SOFTNESS: Final = 0.6
"""Part of the transition that one pixel takes to change over."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Everything needed for the pictures of a change from one shot to another.

    Args:
        outgoing: The first shot, carried on past its end.
        incoming: The second shot, carried back before its start.
        interval: Frames from the first shot's last picture to the second's first.
        order: [h, w] 0..1, when each pixel changes over: early to late.
    """

    outgoing: Drift
    incoming: Drift
    interval: int
    order: Field

    @classmethod
    def plan(
        cls, outgoing: Drift, incoming: Drift, *, interval: int, proxies: tuple[Proxy, Proxy]
    ) -> Transition:
        """Plan the change: bright and new detail comes first, against the direction of motion."""
        return cls(outgoing, incoming, interval, _order(outgoing, incoming, proxies))

    def picture(self, moment: float) -> Picture:
        """Make the picture at a moment between 0 and 1."""
        one = self.outgoing.picture(moment * self.interval)
        other = self.incoming.picture((1 - moment) * self.interval)
        height, width = one.shape[:2]
        progress = moment * (1 + _SOFTNESS) - self.order
        share = np.clip(progress / _SOFTNESS, 0, 1)
        share = resize(share * share * (3 - 2 * share), height=height, width=width)
        mixed: Picture = one + (other - one) * share[..., None]
        return mixed


def _order(outgoing: Drift, incoming: Drift, proxies: tuple[Proxy, Proxy]) -> Field:
    first, second = proxies
    height, width = first.shape
    gain = blur(as_field((second.astype(np.float32) - first) / 255), max(2.0, width / 60))
    motion = outgoing.mean_velocity + incoming.mean_velocity
    speed = float(np.linalg.norm(motion))
    direction = motion / (speed + 1e-6)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    # What enters comes from where the picture moves away from.
    along = (xs / width - 0.5) * direction[0] + (ys / height - 0.5) * direction[1]
    order = np.float32(min(speed / (0.004 * width), 1.0)) * along - 0.35 * gain
    low, high = float(order.min()), float(order.max())
    spread = min(high - low, 0.8)
    if spread < 1e-3:
        return np.full((height, width), 0.5, np.float32)
    normalised: Field = (order - low) / (high - low) * spread + (1 - spread) / 2
    return blur(normalised, 2.0)
