"""Things that move on their own inside a shot: where they are, and how they move from picture to picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.animatic.alignment import Affine, fit_affine
from sidecar.pipelines.animatic.fields import Field, VectorField, as_field, blur, fill
from sidecar.pipelines.animatic.flow import Proxy, WorkingSize, global_flow
from sidecar.pipelines.animatic.motion import Velocity
from sidecar.pipelines.base import Picture

ColourProxy = NDArray[np.uint8]
"""uint8 [h, w, 3]: a picture at the working size, contrast stretched."""

Mask = NDArray[np.bool_]
"""bool [h, w]."""

_LEAST_SPEED: Final = 0.0008  # picture widths a frame by which a mover departs from the ground
_LEAST_SHARE: Final = 0.001  # of the picture's area; smaller specks are left to the dense flow
_MOST_SHARE: Final = 0.25  # of the picture's area; larger is ground, or a shot that falls apart
_MOST_MOVERS: Final = 8  # on one side, the largest first
_MOST_PIECES: Final = 60
_LEAST_PIECE_PX: Final = 30
_NEARBY: Final = 0.06  # picture widths between pieces of one mover
_SURE: Final = 0.35  # evidence from which a pixel's velocity counts
_CLAIM_PX: Final = 100  # how far around itself a mover's motion may have spread over a plain ground
_EDGE_PX: Final = 12  # how far flow blurs past an object's edge


class Box(NamedTuple):
    """A part of the working grid; right and bottom are not part of it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index a field with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int, *, within: tuple[int, int]) -> Box:
        """Larger by a margin on all sides, but not past a field of (height, width)."""
        return Box(
            max(0, self.left - margin),
            max(0, self.top - margin),
            min(within[1], self.right + margin),
            min(within[0], self.bottom + margin),
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of one side of a window.

    Args:
        colours: The picture at the edge, then its neighbours inside the shot, nearest first.
        flows: From the edge picture to each neighbour.
        velocity: What the flows say together.
        time_step: -1 where the neighbours lie before the picture, +1 where they follow it.
    """

    colours: list[ColourProxy]
    flows: list[VectorField]
    velocity: Velocity
    time_step: int


@dataclass(frozen=True, slots=True)
class Mover:
    """Something that moves on its own.

    Args:
        seed: Where it has been seen to; neither complete nor sharp.
        box: What encloses the seed.
        speed: [2] working pixels a frame, at its centre, forward in time.
        motions: From the edge picture to each neighbour.
        claim: Where the flow is the mover's, be it on the mover or on a plain ground around it.
    """

    seed: Mask
    box: Box
    speed: NDArray[np.float64]
    motions: list[Affine]
    claim: Mask

    @property
    def centre(self) -> NDArray[np.float64]:
        """Middle of its box, x then y."""
        box = self.box
        return np.array([(box.left + box.right - 1) / 2, (box.top + box.bottom - 1) / 2])

    @property
    def area_px(self) -> int:
        """Working pixels in the seed."""
        return int(self.seed.sum())


def make_colour_proxies(pictures: list[Picture], size: WorkingSize) -> list[ColourProxy]:
    """Reduce pictures to 8-bit colour, all stretched by the same contrast."""
    small = [
        cv2.resize(picture, (size.width, size.height), interpolation=cv2.INTER_AREA)
        for picture in pictures
    ]
    low, high = np.percentile(np.stack([colour[::4, ::4] for colour in small]), (0.5, 99.5))
    gain = 235.0 / max(float(high - low), 0.02)
    return [np.clip((colour - low) * gain + 10, 0, 255).astype(np.uint8) for colour in small]


def find_movers(sight: Sight, luma: Proxy) -> list[Mover]:
    """Find what departs from the motion of the picture as a whole and lies inside the picture.

    What reaches the picture's border is left to the dense flow: a foreground that the camera passes looks alike, and
    of an object that is cut off there is no whole to carry.
    """
    height, width = luma.shape
    flow = sight.velocity.flow
    evidence = sight.velocity.trust * _texture(luma)
    whole = fit_affine(flow, evidence)
    departure = flow - global_flow(whole, height=height, width=width)
    speed = np.linalg.norm(departure, axis=2)
    moving = (speed > max(0.3, _LEAST_SPEED * width)) & (evidence > _SURE)
    moving &= _steepness(flow) < 0.12 * np.maximum(speed, 1.0)
    opened = cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    movers = []
    for seed in _gathered(_pieces(np.asarray(opened, np.uint8), flow)):
        box = _box_of(seed)
        at_border = (
            box.left <= 1 or box.top <= 1 or box.right >= width - 1 or box.bottom >= height - 1
        )
        if not at_border and _LEAST_SHARE <= seed.mean() <= _MOST_SHARE:
            movers.append(_mover(sight, seed, box, evidence))
    return sorted(movers, key=lambda mover: -mover.area_px)[:_MOST_MOVERS]


class _Piece(NamedTuple):
    """A connected part of what moves: where it is, how fast, and what encloses it."""

    mask: Mask
    speed: NDArray[np.float64]
    box: Box


def _pieces(moving: NDArray[np.uint8], flow: VectorField) -> list[_Piece]:
    """Connected parts, the largest first; specks are dropped."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
    order = sorted(range(1, count), key=lambda label: -int(facts[label, cv2.CC_STAT_AREA]))
    pieces = []
    for label in order[:_MOST_PIECES]:
        left, top, across, down, area = (int(value) for value in facts[label])
        if area < _LEAST_PIECE_PX:
            break
        mask = np.asarray(labels == label)
        speed = np.median(flow[mask], axis=0).astype(np.float64)
        pieces.append(_Piece(mask, speed, Box(left, top, left + across, top + down)))
    return pieces


def _gathered(pieces: list[_Piece]) -> list[Mask]:
    """Join pieces that lie close together and move alike: a plain surface shows motion at its edges only."""
    left = list(pieces)
    gathered = []
    while left:
        group = [left.pop(0)]
        for member in group:
            joining = [piece for piece in left if _belong_together(member, piece)]
            left = [piece for piece in left if not any(piece is other for other in joining)]
            group += joining
        union = np.logical_or.reduce([piece.mask for piece in group]).astype(np.uint8)
        side = _odd(union.shape[1] / 90)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        gathered.append(np.asarray(cv2.morphologyEx(union, cv2.MORPH_CLOSE, kernel) > 0))
    return gathered


def _belong_together(one: _Piece, other: _Piece) -> bool:
    apart_x = max(one.box.left - other.box.right, other.box.left - one.box.right, 0)
    apart_y = max(one.box.top - other.box.bottom, other.box.top - one.box.bottom, 0)
    near = np.hypot(apart_x, apart_y) < _NEARBY * one.mask.shape[1]
    allowed = 0.25 + 0.08 * float(np.linalg.norm(one.speed))
    return bool(near and np.linalg.norm(one.speed - other.speed) < allowed)


def _box_of(mask: Mask) -> Box:
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def ground_flow(flow: VectorField, trust: Field, movers: list[Mover]) -> VectorField:
    """A flow without the movers: behind them it goes on as it does around them."""
    weight = trust * ~near_movers(movers, shape=(trust.shape[0], trust.shape[1]))
    return fill(flow * weight[..., None], as_field(weight))


def near_movers(movers: list[Mover], *, shape: tuple[int, int]) -> Mask:
    """True where flow may be a mover's, or blurred by one."""
    near = np.zeros(shape, np.uint8)
    for mover in movers:
        points = np.argwhere(mover.seed)[:, ::-1].astype(np.int32)
        cv2.fillConvexPoly(near, cv2.convexHull(points), 1)
        near |= mover.claim.astype(np.uint8)
    side = 2 * _EDGE_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(near, kernel) > 0)


def _mover(sight: Sight, seed: Mask, box: Box, evidence: Field) -> Mover:
    rows, columns = box.slices
    weight = as_field(seed[rows, columns] * evidence[rows, columns])
    origin = np.array([box.left, box.top], np.float64)
    motions = []
    for flow in sight.flows:
        local = fit_affine(flow[rows, columns], weight)
        motions.append(
            np.column_stack((local[:, :2], local[:, 2] + origin - local[:, :2] @ origin))
        )
    inside = weight > 0
    speed = np.median(sight.velocity.flow[rows, columns][inside], axis=0).astype(np.float64)
    around = box.grown(_CLAIM_PX, within=(seed.shape[0], seed.shape[1])).slices
    same = np.linalg.norm(sight.velocity.flow - speed.astype(np.float32), axis=2)
    claim = np.zeros_like(seed)
    claim[around] = same[around] < 0.2 + 0.05 * float(np.linalg.norm(speed))
    return Mover(seed, box, speed, motions, claim)


def _texture(luma: Proxy) -> Field:
    """0..1, how much there is at each pixel that a flow can hold on to; grain alone is little."""
    soft = blur(luma.astype(np.float32), 1.0)
    energy = blur(np.square(cv2.Sobel(soft, cv2.CV_32F, 1, 0)) + np.square(cv2.Sobel(soft, cv2.CV_32F, 0, 1)), 3.0)  # fmt: skip
    floor = 4 * float(np.median(energy)) + 20.0
    return as_field(energy / (energy + min(floor, 400.0)))


def _steepness(flow: VectorField) -> Field:
    """How much the flow changes from a pixel to the next: high where two surfaces meet."""
    change = np.zeros(flow.shape[:2], np.float32)
    for channel in (0, 1):
        part = np.ascontiguousarray(flow[..., channel])
        change += np.abs(cv2.Sobel(part, cv2.CV_32F, 1, 0, scale=1 / 8))
        change += np.abs(cv2.Sobel(part, cv2.CV_32F, 0, 1, scale=1 / 8))
    return change


def _odd(length: float) -> int:
    return max(3, int(length) // 2 * 2 + 1)
