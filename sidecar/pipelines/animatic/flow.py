"""Where each pixel of one picture went in another: a global alignment, then DIS optical flow on what is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.animatic.alignment import find_alignment
from sidecar.pipelines.animatic.fields import Field, VectorField, as_field, blur, fill, grid, sample
from sidecar.pipelines.base import Picture

Proxy = NDArray[np.uint8]
"""uint8 [h, w]: luma at the working size, contrast stretched."""

WORKING_WIDTH_PX: Final = {"final": 960, "draft": 480}
_LEAST_SIDE_PX: Final = 64  # DIS needs room for its pyramid; smaller pictures are enlarged for it
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, slots=True)
class WorkingSize:
    """The grid that motion is measured on.

    Args:
        width: Working pixels across.
        height: Working pixels down.
        scale_x: Picture pixels per working pixel, across.
        scale_y: Likewise down; the two differ where a very thin picture had to be enlarged.
    """

    width: int
    height: int
    scale_x: float
    scale_y: float

    @classmethod
    def of(cls, *, width_px: int, height_px: int, longest: int) -> WorkingSize:
        """Choose the grid for a picture so that its longer side is at most `longest`."""
        shrink = min(1.0, longest / max(width_px, height_px))
        width = max(_LEAST_SIDE_PX, round(width_px * shrink))
        height = max(_LEAST_SIDE_PX, round(height_px * shrink))
        return cls(width, height, width_px / width, height_px / height)


def make_proxies(pictures: list[Picture], size: WorkingSize) -> list[Proxy]:
    """Reduce pictures to 8-bit luma, all stretched by the same contrast.

    The stretch lets dark, log and super-white material be matched as well as any other.
    """
    small = [
        cv2.resize(picture @ _LUMA, (size.width, size.height), interpolation=cv2.INTER_AREA)
        for picture in pictures
    ]
    low, high = np.percentile(np.stack([luma[::4, ::4] for luma in small]), (0.5, 99.5))
    gain = 235.0 / max(float(high - low), 0.02)
    return [np.clip((luma - low) * gain + 10, 0, 255).astype(np.uint8) for luma in small]


@dataclass(frozen=True, slots=True)
class Correspondence:
    """Flows between two pictures in both directions, and how far each pixel's is to be trusted.

    Args:
        forward: [h, w, 2] from each pixel of the first picture to where it is in the second.
        backward: [h, w, 2] the other way.
        forward_trust: [h, w] 0..1; low where the pixel is hidden in the second picture or not found.
        backward_trust: [h, w] likewise for the second picture's pixels.
    """

    forward: VectorField
    backward: VectorField
    forward_trust: Field
    backward_trust: Field

    @property
    def agreement(self) -> float:
        """Mean trust, 0..1; low where the pictures show different things."""
        return float(self.forward_trust.mean() + self.backward_trust.mean()) / 2


def measure_flow(first: Proxy, second: Proxy) -> VectorField:
    """Dense flow from `first` to `second`, without global alignment: for neighbouring frames."""
    # Any: the stub forbids the None that stands for "no flow to start from".
    estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setVariationalRefinementIterations(8)
    with _one_thread():
        flow: VectorField = estimator.calc(first, second, None)
    return flow


def correspond(first: Proxy, second: Proxy) -> Correspondence:
    """Match two pictures that may lie many frames apart."""
    there = find_alignment(first, second)
    back = np.asarray(cv2.invertAffineTransform(there), np.float64)
    forward = _aligned_flow(first, second, there)
    backward = _aligned_flow(second, first, back)
    forward_trust = _trust(first, second, forward, backward)
    backward_trust = _trust(second, first, backward, forward)
    return Correspondence(
        _mend(forward, forward_trust, there),
        _mend(backward, backward_trust, back),
        forward_trust,
        backward_trust,
    )


def global_flow(alignment: NDArray[np.float64], *, height: int, width: int) -> VectorField:
    """The flow of an affine motion [2, 3] on a grid."""
    at = grid(height, width)
    linear = alignment[:, :2].astype(np.float32)
    return as_field(at @ linear.T + alignment[:, 2].astype(np.float32) - at)


def _aligned_flow(first: Proxy, second: Proxy, alignment: NDArray[np.float64]) -> VectorField:
    """Warp `second` back by the alignment, measure what is left, and join both motions."""
    height, width = first.shape
    warped = cv2.warpAffine(
        second,
        alignment,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    aligned = np.asarray(warped, np.uint8)
    residual = measure_flow(first, aligned)
    at = grid(height, width) + residual
    linear = alignment[:, :2].astype(np.float32)
    moved = at @ linear.T + alignment[:, 2].astype(np.float32)
    return as_field(moved - grid(height, width))


def _trust(first: Proxy, second: Proxy, there: VectorField, back: VectorField) -> Field:
    """Forward-backward consistency times likeness; nothing outside the second picture is trusted."""
    height, width = first.shape
    at = grid(height, width) + there
    returned = there + sample(back, at)
    error = np.square(returned).sum(axis=2)
    allowed = 0.6 + 0.01 * np.square(there).sum(axis=2).clip(max=400)
    consistent = np.exp(-error / (2 * allowed))
    difference = sample(second.astype(np.float32), at) - first
    alike = np.exp(-np.square(blur(np.abs(difference), 1.5) / 40))
    inside = (at[..., 0] >= -0.5) & (at[..., 0] <= width - 0.5)
    inside &= (at[..., 1] >= -0.5) & (at[..., 1] <= height - 0.5)
    trust = as_field(np.where(inside, consistent * alike, 0))
    return blur(trust, 0.8)


def _mend(flow: VectorField, trust: Field, alignment: NDArray[np.float64]) -> VectorField:
    """Replace what is not trusted by its surroundings' deviation from the global motion."""
    height, width = trust.shape
    base = global_flow(alignment, height=height, width=width)
    weight = np.square(trust)
    return base + fill((flow - base) * weight[..., None], weight)


@contextmanager
def _one_thread() -> Iterator[None]:
    """DIS searches in as many stripes as there are threads, so its result depends on their number."""
    threads: Any = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
