"""Cutting a mover out: a soft matte from what only its own motion explains, drawn to the picture's edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sidecar.pipelines.animatic.alignment import Affine
from sidecar.pipelines.animatic.fields import Field, VectorField, as_field, blur, grid, sample
from sidecar.pipelines.animatic.movers import Box, ColourProxy, Mask, Mover

_MARGIN_PX: Final = 28  # how far beyond its seed a mover is looked for at first
_MOST_MARGIN_PX: Final = 100
_MOST_OVERRUN: Final = 0.01
_DECISIVE_LEVELS: Final = 14.0  # difference, in 8-bit levels, that decides for a pixel
_LEAST_ANSWER: Final = 0.3  # part of that below which a difference is grain
_GUESS: Final = 0.4  # weight of what is only taken from the surroundings
_DOUBT: Final = 0.01  # the same where the seed speaks against it
_LEAST_GAP: Final = 0.01  # part of the mover from which a gap in it is one
_REACH_PX: Final = 24.0  # how far an answer is carried over a plain surface
_EDGE_LEVEL: Final = 0.05  # step in R'G'B' 0..1 that stops it
_GRAIN_LEVEL: Final = 0.03  # step that is no edge yet
_SPILL_PX: Final = 19  # twice how far a seed may spill over its mover's outline
_GAP_PX: Final = 6  # gaps of twice this in an outline are closed
_LEAST_SPECK: Final = 0.004  # part of the mover below which a loose speck is none of it


@dataclass(frozen=True, slots=True)
class Witness:
    """Another picture that shows the mover, or what is behind it.

    Args:
        colour: The picture.
        motion: The mover's motion into it; None where it is not known or not there.
        ground: [h, w, 2] the ground's way into it.
        near: It is a neighbour in the same shot, and the ground may be hidden by the mover in all of those.
    """

    colour: ColourProxy
    motion: Affine | None
    ground: VectorField
    near: bool


@dataclass(frozen=True, slots=True)
class Matte:
    """How much of each working pixel a mover covers.

    Args:
        cover: [h, w] 0..1 over the whole working grid.
        proof: 0..1, how much of it is seen to move on its own, rather than taken in from the surroundings.
        overrun: 0..1, how much of the border of the part that was looked at it covers.
    """

    cover: Field
    proof: float
    overrun: float

    @property
    def box(self) -> Box | None:
        """What encloses it; None where it is empty."""
        mask = self.cover > 0.02
        if not mask.any():
            return None
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def cut_out(mover: Mover, picture: ColourProxy, witnesses: list[Witness], others: Mask) -> Matte:
    """Cut a mover out of a picture.

    A pixel is the mover's where other pictures show the same at the place the mover's motion leads to, and none shows
    it where the ground's leads to. On plain surfaces both do; there the answer spreads from where it is known, up
    to the next edge in the picture.

    Args:
        mover: What to cut out.
        picture: The picture it is in.
        witnesses: Other pictures.
        others: Where other movers have been seen; they are not this one.
    """
    margin = _MARGIN_PX
    matte = _cut_out(mover, picture, witnesses, others, margin)
    while matte.overrun > _MOST_OVERRUN and margin < _MOST_MARGIN_PX:
        margin *= 2
        matte = _cut_out(mover, picture, witnesses, others, margin)
    return matte


def _cut_out(
    mover: Mover, picture: ColourProxy, witnesses: list[Witness], others: Mask, margin: int
) -> Matte:
    shape = (picture.shape[0], picture.shape[1])
    box = mover.box.grown(margin, within=shape)
    part = picture[box.slices].astype(np.float32)
    own, ground = _differences(part, box, witnesses)
    answer = np.clip((ground - own) / _DECISIVE_LEVELS, -1, 1)
    seed = mover.seed[box.slices]
    answer = np.where(others[box.slices] & ~seed, -1.0, answer)
    clear = np.abs(answer) > _LEAST_ANSWER
    whole = _enclosed(as_field(answer), seed)
    guide = as_field(cv2.bilateralFilter(part / np.float32(255), 5, 0.12, 2.5))
    told = np.where(whole, 1.0, -1.0)
    # Right at an edge the pictures tell little, as they do not meet to the pixel.
    guess = np.where(seed & ~whole, _DOUBT, _GUESS)
    weight = np.where(clear & ((answer > 0) == whole), np.abs(answer), guess) * _plainness(guide)
    spread = _spread(as_field(told), as_field(weight), guide)
    cover = _without_specks(as_field(np.clip(2.5 * spread + 0.5, 0, 1)), seed)
    full = np.zeros(shape, np.float32)
    full[box.slices] = blur(cover, 0.6)
    inside = cover > 0.5
    proof = float((answer[inside] > _LEAST_ANSWER).mean()) if inside.any() else 0.0
    rim = np.concatenate((cover[0], cover[-1], cover[:, 0], cover[:, -1]))
    return Matte(full, proof, float((rim > 0.5).mean()))


def _enclosed(answer: Field, seed: Mask) -> Mask:
    """What is the mover's, and what that encloses: a plain surface tells of itself at its outline only."""
    core = _without_specks(as_field(answer > _LEAST_ANSWER), seed)
    inner = cv2.erode(seed.astype(np.uint8), np.ones((_SPILL_PX, _SPILL_PX), np.uint8))
    core = np.maximum(core, inner)
    reach = 2 * _GAP_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    padded = cv2.copyMakeBorder(
        (core > 0.5).astype(np.uint8), reach, reach, reach, reach, cv2.BORDER_CONSTANT
    )
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    closed = closed[reach:-reach, reach:-reach]
    _, labels = cv2.connectedComponents(1 - np.pad(closed, 1), connectivity=4)
    whole = labels[1:-1, 1:-1] != labels[0, 0]
    return np.asarray(whole & ~_gaps(whole & (answer < -_LEAST_ANSWER), whole))


def _gaps(ground: Mask, whole: Mask) -> Mask:
    """Where the ground shows through a mover; specks of it are mistakes."""
    opened = cv2.morphologyEx(ground.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, facts, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    large = np.zeros(count, np.bool_)
    large[1:] = facts[1:, cv2.CC_STAT_AREA] > _LEAST_GAP * float(whole.sum())
    return np.asarray(large[labels])


def _differences(
    part: NDArray[np.float32], box: Box, witnesses: list[Witness]
) -> tuple[Field, Field]:
    """How much a part of a picture differs from what the mover's motion leads to, and the ground's."""
    height, width = part.shape[:2]
    origin = np.array([box.left, box.top], np.float64)
    at = grid(height, width) + origin.astype(np.float32)
    by_mover: list[Field] = []
    by_ground_near: list[Field] = []
    by_ground: list[Field] = []
    for witness in witnesses:
        colour = witness.colour.astype(np.float32)
        if witness.motion is not None:
            moved = at @ witness.motion[:, :2].T.astype(np.float32)
            moved += witness.motion[:, 2].astype(np.float32)
            by_mover.append(_apart(part, colour, as_field(moved)))
        apart = _apart(part, colour, as_field(at + witness.ground[box.slices]))
        (by_ground_near if witness.near else by_ground).append(apart)
    own = _mean_of_least(by_mover, (len(by_mover) + 1) // 2)
    ground = [_mean_of_least(by_ground_near, 2)] if by_ground_near else []
    return own, as_field(np.minimum.reduce([*ground, *by_ground]))


def _apart(part: NDArray[np.float32], colour: NDArray[np.float32], at: VectorField) -> Field:
    difference = np.abs(sample(colour, at) - part)
    difference = 0.5 * (difference.mean(axis=2) + difference.max(axis=2))
    return blur(as_field(difference), 1.0)


def _mean_of_least(fields: list[Field], count: int) -> Field:
    ordered = np.sort(np.stack(fields), axis=0)
    return as_field(ordered[:count].mean(axis=0))


def _spread(values: Field, weight: Field, guide: NDArray[np.float32]) -> Field:
    """Carry values to where their weight is small, along plain surfaces and not across edges.

    This is the recursive domain transform (Gastal and Oliveira 2011), normalised by the weight.
    """
    both = np.dstack((values * weight, weight)).astype(np.float32)
    steps_x = _resistance(guide)
    steps_y = _resistance(np.ascontiguousarray(guide.transpose(1, 0, 2)))
    for reach in (_REACH_PX, _REACH_PX / 2, _REACH_PX / 4):
        both = _swept(both, steps_x, reach)
        turned = _swept(np.ascontiguousarray(both.transpose(1, 0, 2)), steps_y, reach)
        both = np.ascontiguousarray(turned.transpose(1, 0, 2))
    return as_field(both[..., 0] / (both[..., 1] + 1e-9))


def _plainness(guide: NDArray[np.float32]) -> Field:
    """1 on plain surfaces, next to nothing at edges."""
    across = np.abs(cv2.Sobel(guide, cv2.CV_32F, 1, 0, scale=1 / 8)).max(axis=2)
    down = np.abs(cv2.Sobel(guide, cv2.CV_32F, 0, 1, scale=1 / 8)).max(axis=2)
    edge = cv2.dilate(np.maximum(across, down), np.ones((3, 3), np.uint8))
    return as_field(np.exp(-np.square(edge / _EDGE_LEVEL)) + 0.03)


def _resistance(guide: NDArray[np.float32]) -> Field:
    """[h, w]: what it takes to step from the pixel on the left to each pixel; 1 on plain surfaces."""
    change = np.zeros(guide.shape[:2], np.float32)
    change[:, 1:] = np.abs(np.diff(guide, axis=1)).max(axis=2)
    edge = np.maximum(change - _GRAIN_LEVEL, 0) / _EDGE_LEVEL
    return as_field(1 + _REACH_PX * edge)


def _swept(both: VectorField, steps: Field, reach: float) -> VectorField:
    """One pass to the right and one back."""
    keep = np.exp(-np.float32(2**0.5) * steps / np.float32(reach))[..., None]
    swept = both.copy()
    for x in range(1, swept.shape[1]):
        swept[:, x] += keep[:, x] * (swept[:, x - 1] - swept[:, x])
    for x in range(swept.shape[1] - 2, -1, -1):
        swept[:, x] += keep[:, x + 1] * (swept[:, x + 1] - swept[:, x])
    return swept


def _without_specks(cover: Field, seed: Mask) -> Field:
    """Drop loose parts that the seed does not touch, or that are tiny; fill tiny holes."""
    solid = (cover > 0.5).astype(np.uint8)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    least = max(12.0, _LEAST_SPECK * float(solid.sum()))
    kept = np.zeros(count, np.uint8)
    touched = np.bincount(labels[seed], minlength=count)
    for label in range(1, count):
        area = int(facts[label, cv2.CC_STAT_AREA])
        kept[label] = area >= least and touched[label] > 0.2 * area
    whole = kept[labels]
    holes, labels, facts, _ = cv2.connectedComponentsWithStats(1 - whole, connectivity=4)
    for label in range(1, holes):
        if facts[label, cv2.CC_STAT_AREA] < least:
            whole[labels == label] = 1
    near = cv2.dilate(whole, np.ones((5, 5), np.uint8))
    return as_field(np.where((whole > 0) & (solid == 0), 1.0, cover * near))
