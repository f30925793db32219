"""Taking two sides of a gap apart into ground and movers, so that each can go its own way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.animatic.alignment import Affine
from sidecar.pipelines.animatic.fields import Field, VectorField, as_field, blur, grid, sample
from sidecar.pipelines.animatic.flow import Correspondence, Proxy, global_flow
from sidecar.pipelines.animatic.matte import Matte, Witness, cut_out
from sidecar.pipelines.animatic.motion import Velocity
from sidecar.pipelines.animatic.movers import (
    ColourProxy,
    Mask,
    Mover,
    Sight,
    find_movers,
    ground_flow,
    near_movers,
)
from sidecar.pipelines.animatic.pairing import Pair, pair_movers

_LEAST_PROOF: Final = 0.12
_MOST_OVERRUN: Final = 0.01
_LEAST_AREA: Final = 0.0004
_MOST_AREA: Final = 0.35
"""Parts of the picture a mover's matte may cover."""

_CLAIM_PX: Final = 100
"""How far around itself a mover's way may have spread over a plain ground."""

_SAME_LEVELS: Final = 14.0
"""Difference, in 8-bit levels, below which two pictures show the same thing."""

_SOLID: Final = 0.5
"""Cover from which a pixel is taken to be the mover's."""

_MINGLE_PX: Final = 60
"""How close to another mover one may have been taken for the other."""

_LEAST_OWN_WAY_PX: Final = 4.0
"""How far a mover goes over the gap on top of the ground; less is left to the dense flow."""


@dataclass(frozen=True, slots=True)
class Role:
    """A mover that is cut out on both sides.

    Args:
        first: Its matte before the gap.
        second: Its matte after it.
        motion: From the first picture to the second, on the working grid.
        leaving: [2] its speed before the gap, working pixels a frame.
        arriving: [2] its speed after it.
        first_neighbour: From the first picture to its farthest neighbour.
        second_neighbour: From the second picture to its farthest neighbour.
    """

    first: Matte
    second: Matte
    motion: Affine
    leaving: NDArray[np.float64]
    arriving: NDArray[np.float64]
    first_neighbour: Affine
    second_neighbour: Affine


@dataclass(frozen=True, slots=True)
class Cast:
    """The movers of a gap and the ground they move over.

    Args:
        roles: The movers, the farthest back first.
        there: [h, w, 2] the ground's way from the first picture to the second.
        back: [h, w, 2] the other way.
        first_flow: The ground's way from the first picture to its farthest neighbour.
        second_flow: Likewise from the second picture.
        leaving: The ground's velocity in the first picture.
        arriving: The ground's velocity in the second picture.
    """

    roles: tuple[Role, ...]
    there: VectorField
    back: VectorField
    first_flow: VectorField
    second_flow: VectorField
    leaving: Velocity
    arriving: Velocity


def find_cast(
    first: Sight,
    second: Sight,
    lumas: tuple[Proxy, Proxy],
    match: Correspondence,
    *,
    interval: int,
) -> Cast | None:
    """Find what moves on its own on both sides; None where nothing does that could be told from the ground.

    Args:
        first: The side before the gap.
        second: The side after it.
        lumas: Their edge pictures.
        match: The dense match between those.
        interval: Frames from the first edge picture to the second.
    """
    movers = find_movers(first, lumas[0]), find_movers(second, lumas[1])
    pairs = pair_movers(first.colours[0], second.colours[0], movers, interval=interval)
    if not pairs:
        return None
    cut = _cut_all(first, second, match, movers, pairs)
    # Once more, now that it is known how far the movers reach: their surroundings tell of the ground.
    fuller = [
        Pair(_filled(pair.first, one), _filled(pair.second, other), pair.motion)
        for pair, (one, other) in zip(pairs, cut.mattes, strict=True)
    ]
    movers = [pair.first for pair in fuller], [pair.second for pair in fuller]
    cut = _cut_all(first, second, match, movers, fuller)
    roles = []
    for pair, mattes in zip(fuller, cut.mattes, strict=True):
        goes_alone = _own_way(pair.first, pair.motion, cut.there) >= _LEAST_OWN_WAY_PX
        if not (goes_alone and _plausible(mattes[0]) and _plausible(mattes[1])):
            continue
        rest = _rest(movers[0], pair.first), _rest(movers[1], pair.second)
        one, other = _agreed((first.colours[0], second.colours[0]), pair, mattes, rest)
        roles.append(
            Role(
                one,
                other,
                pair.motion,
                pair.first.speed,
                pair.second.speed,
                pair.first.motions[-1],
                pair.second.motions[-1],
            )
        )
    if not roles:
        return None
    return Cast(
        _back_to_front(roles),
        cut.there,
        cut.back,
        cut.first_flows[-1],
        cut.second_flows[-1],
        _ground_velocity(first, movers[0]),
        _ground_velocity(second, movers[1]),
    )


class _Cut(NamedTuple):
    """The ground's ways, and the mattes of each pair on both sides."""

    there: VectorField
    back: VectorField
    first_flows: list[VectorField]
    second_flows: list[VectorField]
    mattes: list[tuple[Matte, Matte]]


def _cut_all(
    first: Sight,
    second: Sight,
    match: Correspondence,
    movers: tuple[list[Mover], list[Mover]],
    pairs: list[Pair],
) -> _Cut:
    turned = [_turned(pair) for pair in pairs]
    there = _ground_way(match.forward, match.forward_trust, movers[0], pairs)
    back = _ground_way(match.backward, match.backward_trust, movers[1], turned)
    first_flows = [ground_flow(flow, first.velocity.trust, movers[0]) for flow in first.flows]
    second_flows = [ground_flow(flow, second.velocity.trust, movers[1]) for flow in second.flows]
    mattes = []
    for pair, back_pair in zip(pairs, turned, strict=True):
        onward = _witnesses(first, second, pair.first, (pair.motion, there, first_flows))
        homeward = _witnesses(second, first, pair.second, (back_pair.motion, back, second_flows))
        mattes.append(
            (
                cut_out(pair.first, first.colours[0], onward, _rest(movers[0], pair.first)),
                cut_out(pair.second, second.colours[0], homeward, _rest(movers[1], pair.second)),
            )
        )
    return _Cut(there, back, first_flows, second_flows, mattes)


def _filled(mover: Mover, matte: Matte) -> Mover:
    """The mover with its matte as its seed, where that can be trusted."""
    box = matte.box
    if box is None or not _plausible(matte):
        return mover
    return replace(mover, seed=mover.seed | (matte.cover > _SOLID), box=box)


def hidden(mattes: list[Matte], *, grow_px: int) -> Field:
    """0..1 where any of the mattes covers, grown by some pixels."""
    union = np.maximum.reduce([matte.cover for matte in mattes])
    side = 2 * grow_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return as_field(cv2.dilate((union > 0.02).astype(np.float32), kernel))


def moved_by(hole: Field, motions: list[Affine]) -> Field:
    """0..1 where what fills a hole may be in another picture, under any of the motions that lead there."""
    size = (hole.shape[1], hole.shape[0])
    return as_field(np.maximum.reduce([cv2.warpAffine(hole, motion, size) for motion in motions]))


def known_parts(roles: tuple[Role, ...], index: int, *, second: bool) -> Field:
    """Where a side shows a role or its absence: 0 behind another role, else 1."""
    mattes = [role.second if second else role.first for role in roles]
    own = mattes.pop(index)
    if not mattes:
        return np.ones_like(own.cover)
    behind = blur(hidden(mattes, grow_px=3), 1.0)
    return as_field(1 - behind)


def _witnesses(
    side: Sight,
    across: Sight,
    mover: Mover,
    ways: tuple[Affine, VectorField, list[VectorField]],
) -> list[Witness]:
    """The neighbours in the shot, the picture across the gap and the farthest neighbour of that."""
    motion, over_gap, flows = ways
    witnesses = [
        Witness(colour, neighbour, flow, near=True)
        for colour, neighbour, flow in zip(side.colours[1:], mover.motions, flows, strict=True)
    ]
    witnesses.append(Witness(across.colours[0], motion, over_gap, near=False))
    at = grid(*over_gap.shape[:2]) + over_gap
    speed = sample(across.velocity.flow, at)
    steps = np.float32(across.time_step * (len(across.colours) - 1))
    witnesses.append(
        Witness(across.colours[-1], None, as_field(over_gap + speed * steps), near=False)
    )
    return witnesses


def _turned(pair: Pair) -> Pair:
    """The same pair, told from the second picture."""
    inverse = np.asarray(cv2.invertAffineTransform(pair.motion), np.float64)
    return Pair(pair.second, pair.first, inverse)


def _ground_way(
    flow: VectorField, trust: Field, movers: list[Mover], pairs: list[Pair]
) -> VectorField:
    """The ground's way over the gap: nothing counts that goes a mover's way, as a plain ground beside it does."""
    height, width = trust.shape
    free = np.ones((height, width), np.float32)
    for pair in pairs:
        around = pair.first.box.grown(_CLAIM_PX, within=(height, width)).slices
        way = global_flow(pair.motion, height=height, width=width)[around]
        apart = np.linalg.norm(flow[around] - way, axis=2)
        free[around] *= apart > 1.0 + 0.1 * np.linalg.norm(way, axis=2)
    return ground_flow(flow, as_field(trust * free), movers)


def _ground_velocity(side: Sight, movers: list[Mover]) -> Velocity:
    flow, trust = side.velocity.flow, side.velocity.trust
    near = near_movers(movers, shape=(trust.shape[0], trust.shape[1]))
    return Velocity(ground_flow(flow, trust, movers), as_field(trust * ~near))


def _agreed(
    pictures: tuple[ColourProxy, ColourProxy],
    pair: Pair,
    mattes: tuple[Matte, Matte],
    rest: tuple[Mask, Mask],
) -> tuple[Matte, Matte]:
    """Let each matte take over what the other has, where the two pictures show the same there.

    Close to another mover, where one may have been taken for the other, it also gives up what the other side shows
    not to be there.
    """
    height, width = mattes[0].cover.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    near = np.ones((2 * _MINGLE_PX + 1, 2 * _MINGLE_PX + 1), np.uint8)
    agreed = []
    for side, motion in ((0, pair.motion), (1, _turned(pair).motion)):
        here, there = pictures[side], pictures[1 - side]
        own, across = mattes[side].cover, mattes[1 - side].cover
        moved = cv2.warpAffine(there, motion, (width, height), flags=flags)
        apart = blur(as_field(cv2.absdiff(here, np.asarray(moved, np.uint8)).mean(axis=2)), 1.0)
        same = blur(as_field(apart < _SAME_LEVELS), 0.6)
        told = as_field(cv2.warpAffine(across, motion, (width, height), flags=flags))
        cover = np.maximum(own, told * same)
        covered = cv2.warpAffine(
            rest[1 - side].astype(np.float32), motion, (width, height), flags=flags, borderValue=1.0
        )
        doubtful = cv2.dilate(rest[side].astype(np.uint8), near) > 0
        doubtful &= cv2.dilate(as_field(covered), np.ones((9, 9), np.uint8)) < 0.5
        cover = np.where(doubtful & (told < 0.1) & (same < 0.5), 0, cover)
        agreed.append(replace(mattes[side], cover=as_field(cover)))
    return agreed[0], agreed[1]


def _own_way(mover: Mover, motion: Affine, ground: VectorField) -> float:
    x, y = mover.centre
    moved = motion[:, :2] @ mover.centre + motion[:, 2] - mover.centre
    return float(np.linalg.norm(moved - ground[int(y), int(x)]))


def _rest(movers: list[Mover], mover: Mover) -> Mask:
    others = np.zeros(mover.seed.shape, np.bool_)
    for other in movers:
        if other is not mover:
            others |= other.seed
    return others


def _plausible(matte: Matte) -> bool:
    cover = matte.cover > 0.5
    at_border = cover[0].any() or cover[-1].any() or cover[:, 0].any() or cover[:, -1].any()
    share = float(cover.mean())
    sized = _LEAST_AREA <= share <= _MOST_AREA and not at_border
    return bool(sized and matte.proof >= _LEAST_PROOF and matte.overrun <= _MOST_OVERRUN)


def _back_to_front(roles: list[Role]) -> tuple[Role, ...]:
    """Order by who hides whom where they meet; else the one that stands lower is nearer."""

    def hides(one: Role, other: Role) -> float:
        return _shown(one, other) - _shown(other, one)

    def height(role: Role) -> int:
        return int(np.flatnonzero((role.first.cover > 0.5).any(axis=1))[-1])

    ordered: list[Role] = []
    for role in sorted(roles, key=height):
        place = len(ordered)
        while place and hides(role, ordered[place - 1]) < 0:
            place -= 1
        ordered.insert(place, role)
    return tuple(ordered)


def _shown(one: Role, other: Role) -> float:
    """Pixels of `one` that are seen where `other` should be as well, on both sides together."""
    width_height = (one.first.cover.shape[1], one.first.cover.shape[0])
    flags = cv2.INTER_LINEAR
    at_second = cv2.warpAffine(other.first.cover, other.motion, width_height, flags=flags)
    flags |= cv2.WARP_INVERSE_MAP
    at_first = cv2.warpAffine(other.second.cover, other.motion, width_height, flags=flags)
    return float((one.second.cover * at_second).sum() + (one.first.cover * at_first).sum())
