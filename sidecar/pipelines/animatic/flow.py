"""Where each pixel of one picture went in another: a global alignment, then DIS optical flow on what is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.animatic.alignment import find_alignment
from sidecar.pipelines.animatic.fields import (
    Field,
    VectorField,
    as_field,
    blur,
    fill,
    grid,
    median,
    sample,
    splat,
)
from sidecar.pipelines.base import Picture

Proxy = NDArray[np.uint8]
"""uint8 [h, w]: luma at the working size, contrast stretched."""

WORKING_WIDTH_PX: Final = {"final": 960, "draft": 480}
_LEAST_SIDE_PX: Final = 64  # DIS needs room for its pyramid; smaller pictures are enlarged for it
_CHOICE_SIGMA: Final = 2.0  # working pixels over which flows are compared
_LEAST_LANDED: Final = 0.3  # weight of trusted matches that makes a pixel's match known
_GROUND_SPEED_PX: Final = 2.0  # what departs less than this from the global motion is ground
_UNLIKE_LEVELS: Final = 40.0  # difference, in 8-bit levels, at which likeness is down to 1/e
_OWN_WAY_PX: Final = 6.0  # expected departure from which a hidden pixel goes its own way
_KEPT_SPEEDS: Final = (1.0, 0.6)  # parts of its speed that something may keep over a gap
_SURE: Final = 0.4  # trust from which a pixel's own flow stands
_EDGE_PX: Final = 13  # how far flow blurs across an edge, to both sides together
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
        forward_cover: [h, w] how strongly a pixel of the first picture covers others on its way.
        backward_cover: [h, w] likewise for the second picture's pixels.
    """

    forward: VectorField
    backward: VectorField
    forward_trust: Field
    backward_trust: Field
    forward_cover: Field
    backward_cover: Field

    @property
    def agreement(self) -> float:
        """Mean trust, 0..1; low where the pictures show different things."""
        return float(self.forward_trust.mean() + self.backward_trust.mean()) / 2


def measure_flow(first: Proxy, second: Proxy, *, start: VectorField | None = None) -> VectorField:
    """Dense flow from `first` to `second`, without global alignment: for neighbouring frames.

    Args:
        first: Picture whose pixels are followed.
        second: Picture they are looked for in.
        start: [h, w, 2] a guess to search around.
    """
    # Any: the stub forbids the None that stands for "no flow to start from".
    estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setVariationalRefinementIterations(8)
    with one_thread():
        return as_field(estimator.calc(first, second, None if start is None else start.copy()))


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the motion inside the two shots says about the way between them, each if speed is kept.

    Args:
        forward: [h, w, 2] where the first picture's pixels would be at the second's moment.
        backward: [h, w, 2] where the second picture's pixels would have been at the first's.
        forward_departure: [h, w, 2] the part of `forward` that departs from the motion of the whole picture.
        backward_departure: [h, w, 2] likewise of `backward`.
    """

    forward: VectorField
    backward: VectorField
    forward_departure: VectorField
    backward_departure: VectorField


def correspond(
    first: Proxy, second: Proxy, *, expected: Expectation | None = None
) -> Correspondence:
    """Match two pictures that may lie many frames apart.

    Flow alone loses what moves by more than its own size. So several are measured, one from the global alignment
    and others around what is expected, and each pixel takes the one that explains it best.

    Args:
        first: Picture at the start.
        second: Picture at the end.
        expected: What the motion inside the shots says, where more than one frame of them is known.
    """
    there = find_alignment(first, second)
    back = np.asarray(cv2.invertAffineTransform(there), np.float64)
    flows = [(_aligned_flow(first, second, there), _aligned_flow(second, first, back))]
    if expected is not None:
        flows += [
            (
                measure_flow(first, second, start=expected.forward * np.float32(kept)),
                measure_flow(second, first, start=expected.backward * np.float32(kept)),
            )
            for kept in _KEPT_SPEEDS
        ]
    forward = _best([(flow, _trust(first, second, flow, other)) for flow, other in flows])
    backward = _best([(flow, _trust(second, first, flow, other)) for other, flow in flows])
    forward, backward = _agree(first, second, forward, backward)
    forward_trust = _trust(first, second, forward, backward)
    backward_trust = _trust(second, first, backward, forward)
    still = np.zeros_like(forward)
    onward = still if expected is None else expected.forward_departure
    homeward = still if expected is None else expected.backward_departure
    settled = _settle(first, second, _Found(forward, forward_trust, there), onward)
    settled_back = _settle(second, first, _Found(backward, backward_trust, back), homeward)
    forward_trust = _trust(first, second, settled.flow, settled_back.flow)
    backward_trust = _trust(second, first, settled_back.flow, settled.flow)
    return Correspondence(
        settled.flow,
        settled_back.flow,
        forward_trust,
        backward_trust,
        _cover(settled, forward_trust),
        _cover(settled_back, backward_trust),
    )


def _best(candidates: list[tuple[VectorField, Field]]) -> VectorField:
    """At each pixel the flow that is trusted most around it; the first where it hardly matters."""
    trusts = [blur(trust, _CHOICE_SIGMA) for _, trust in candidates]
    trusts[0] = trusts[0] + np.float32(0.15)
    return _choose([flow for flow, _ in candidates], np.argmax(np.stack(trusts), axis=0))


def _choose(flows: list[VectorField], choice: NDArray[np.intp]) -> VectorField:
    best = flows[0]
    for index, flow in enumerate(flows[1:], start=1):
        best = np.where((choice == index)[..., None], flow, best)
    return best


def _agree(
    first: Proxy, second: Proxy, forward: VectorField, backward: VectorField
) -> tuple[VectorField, VectorField]:
    """Where one direction found a match and the other did not, let the other take it over."""
    forward_trust = _trust(first, second, forward, backward)
    backward_trust = _trust(second, first, backward, forward)
    told_forward = _turned(backward, backward_trust, forward)
    told_backward = _turned(forward, forward_trust, backward)
    likeness = _likeness(first, second, forward), _likeness(first, second, told_forward)
    forward_agreed = _choose([forward, told_forward], np.argmax(_biased(likeness), axis=0))
    likeness = _likeness(second, first, backward), _likeness(second, first, told_backward)
    backward_agreed = _choose([backward, told_backward], np.argmax(_biased(likeness), axis=0))
    return forward_agreed, backward_agreed


def _turned(flow: VectorField, trust: Field, otherwise: VectorField) -> VectorField:
    """The same matches told from the other picture's pixels; `otherwise` where no trusted match lands."""
    total, weight = splat(-flow, flow, as_field(np.square(trust)))
    there = weight > _LEAST_LANDED
    told = total / np.maximum(weight, _LEAST_LANDED)[..., None]
    return as_field(np.where(there[..., None], told, otherwise))


def _biased(likeness: tuple[Field, ...]) -> Field:
    """Stack likenesses so that the first wins where it hardly matters."""
    return np.stack((likeness[0] + np.float32(0.05), *likeness[1:]))


class _Found(NamedTuple):
    """A flow as measured, how far it is trusted, and the global motion it started from."""

    flow: VectorField
    trust: Field
    alignment: NDArray[np.float64]


class _Settled(NamedTuple):
    """A flow in which every pixel moves with a surface.

    Args:
        flow: [h, w, 2].
        departure_px: [h, w] how far each pixel departs from the motion of the whole.
        edge: [h, w] 1 where it was in doubt to which of two surfaces a pixel belongs, else 0.
    """

    flow: VectorField
    departure_px: Field
    edge: Field


def _settle(
    first: Proxy, second: Proxy, found: _Found, departure_expected: VectorField
) -> _Settled:
    """Give every pixel the motion of a surface, also at edges and where nothing matches.

    Flow blurs where surfaces meet. There a pixel joins the moving surface beside it or keeps the motion seen
    inside its shot, whichever it looks like. What is doubtful elsewhere is hidden in the other picture, so the motion
    inside its own shot is all there is to go by.
    """
    height, width = found.trust.shape
    base = global_flow(found.alignment, height=height, width=width)
    departure = found.flow - base
    speed = np.linalg.norm(departure, axis=2)
    sure = np.square(found.trust)
    front_weight = as_field(sure * (0.01 + np.square(speed / (float(speed.max()) + 1))))
    ground_weight = as_field(sure / (1 + np.square(speed / _GROUND_SPEED_PX)))
    front = base + fill(departure * front_weight[..., None], front_weight)
    ground = base + fill(departure * ground_weight[..., None], ground_weight)
    goes_alone = np.linalg.norm(departure_expected, axis=2) > _OWN_WAY_PX
    ground = as_field(np.where(goes_alone[..., None], base + departure_expected, ground))
    moving = ((sure > 0.25) & (speed > 2 * _GROUND_SPEED_PX)).astype(np.uint8)
    beside = cv2.dilate(moving, np.ones((_EDGE_PX, _EDGE_PX), np.uint8)) > 0
    like_front = _likeness(first, second, front) > _likeness(first, second, ground)
    joins = cv2.medianBlur((beside & like_front).astype(np.uint8), 7)
    doubtful = np.where(joins > 0, 1, 2)
    choice = np.where(found.trust > _SURE, 0, doubtful)
    settled = median(_choose([found.flow, front, ground], choice))
    return _Settled(
        settled,
        as_field(np.linalg.norm(settled - base, axis=2)),
        as_field(beside & (found.trust <= _SURE) & ~goes_alone),
    )


def _cover(settled: _Settled, trust: Field) -> Field:
    """How strongly each pixel covers others that land where it does.

    What moves by itself is taken to be in front of what moves with the whole. Of what moves alike, that which
    was matched covers: what gets hidden finds no match. A doubtful edge pixel shows only where nothing else lands,
    or it would stay behind as a rim.
    """
    lead = 1 + 50 * np.clip((settled.departure_px - _OWN_WAY_PX) / 60, 0, 1)
    matched = np.square(trust) * np.where(settled.edge > 0, 0.1, lead)
    return as_field(np.where(settled.edge > 0, 1e-4, 0.01) + matched)


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
    error = np.square(there + sample(back, at)).sum(axis=2)
    allowed = 0.6 + 0.01 * np.square(there).sum(axis=2).clip(max=400)
    consistent = np.exp(-error / (2 * allowed))
    inside = (at[..., 0] >= -0.5) & (at[..., 0] <= width - 0.5)
    inside &= (at[..., 1] >= -0.5) & (at[..., 1] <= height - 0.5)
    trust = np.where(inside, consistent * _likeness(first, second, there), 0)
    return blur(as_field(trust), 0.8)


def _likeness(first: Proxy, second: Proxy, flow: VectorField) -> Field:
    """How alike each pixel and the one it flows to look, 0..1."""
    height, width = first.shape
    difference = sample(second.astype(np.float32), grid(height, width) + flow) - first
    return as_field(np.exp(-np.square(blur(np.abs(difference), 1.2) / _UNLIKE_LEVELS)))


@contextmanager
def one_thread() -> Iterator[None]:
    """DIS searches in as many stripes as there are threads, so its result depends on their number."""
    threads: Any = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
