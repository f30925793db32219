"""Which mover on one side of a gap is which on the other, and how it lies there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from sidecar.pipelines.animatic.alignment import Affine
from sidecar.pipelines.animatic.fields import as_field
from sidecar.pipelines.animatic.flow import one_thread
from sidecar.pipelines.animatic.movers import Box, ColourProxy, Mover

_MOST_APART: Final = (
    24.0  # difference, in 8-bit levels, that most of one and the same thing stays below
)
_STRAY_COST: Final = 20.0  # levels added where a pair lies a whole picture width off its prediction
_SIZE_COST: Final = 4.0  # levels added per factor of two in size
_SCALES: Final = (0.6, 1.6)  # how far something may have grown or shrunk over a gap
_PAYS: Final = 0.9  # part of the difference a refinement must leave at most
_ECC_STEPS: Final = 40


@dataclass(frozen=True, slots=True)
class Pair:
    """One mover, seen on both sides.

    Args:
        first: As seen before the gap.
        second: As seen after it.
        motion: From the first picture to the second.
    """

    first: Mover
    second: Mover
    motion: Affine


def pair_movers(
    first: ColourProxy,
    second: ColourProxy,
    movers: tuple[list[Mover], list[Mover]],
    *,
    interval: int,
) -> list[Pair]:
    """Pair movers one to one, the most alike first; what has no counterpart is in no pair."""
    found: list[tuple[float, int, int, Affine]] = []
    for i, one in enumerate(movers[0]):
        for k, other in enumerate(movers[1]):
            difference, motion = _compare(first, second, one, other)
            stray = _stray(one, other, motion, interval) / first.shape[1]
            cost = difference + _STRAY_COST * stray
            cost += _SIZE_COST * abs(float(np.log2(one.area_px / other.area_px)))
            if difference < _MOST_APART and cost < 1.5 * _MOST_APART:
                found.append((cost, i, k, motion))
    pairs: list[Pair] = []
    for _, i, k, motion in sorted(found, key=lambda candidate: candidate[:3]):
        one, other = movers[0][i], movers[1][k]
        if not any(pair.first is one or pair.second is other for pair in pairs):
            pairs.append(Pair(one, other, _refined(first, second, one, motion)))
    return pairs


def _stray(one: Mover, other: Mover, motion: Affine, interval: int) -> float:
    """How far a pair's way is from what the speeds on the two sides make likely, in pixels."""
    way = motion[:, :2] @ one.centre + motion[:, 2] - one.centre
    expected = (one.speed + other.speed) / 2 * interval
    return float(np.linalg.norm(way - expected))


def _compare(
    first: ColourProxy, second: ColourProxy, one: Mover, other: Mover
) -> tuple[float, Affine]:
    """Look for each in the other picture and keep the better find: either may be hidden in part."""
    onward, shift = _search(first, second, one, other.box)
    homeward, shift_back = _search(second, first, other, one.box)
    if homeward < onward:
        return homeward, np.column_stack((np.eye(2), -shift_back))
    return onward, np.column_stack((np.eye(2), shift))


def _search(
    here: ColourProxy, there: ColourProxy, mover: Mover, around: Box
) -> tuple[float, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Slide a mover over the other picture; returns the difference where it fits best, and the shift."""
    box = mover.box
    height, width = box.bottom - box.top, box.right - box.left
    middle_x, middle_y = (around.left + around.right) // 2, (around.top + around.bottom) // 2
    window = Box(middle_x - width // 2, middle_y - height // 2, 0, 0)
    window = Box(window.left, window.top, window.left + width, window.top + height)
    window = window.grown(max(height, width) // 2 + 16, within=there.shape[:2])
    searched = there[window.slices]
    if searched.shape[0] < height or searched.shape[1] < width:
        return float("inf"), np.zeros(2)
    template = here[box.slices].astype(np.float32)
    inner = cv2.erode(mover.seed[box.slices].astype(np.uint8), np.ones((7, 7), np.uint8))
    mask = (inner if inner.any() else mover.seed[box.slices]).astype(np.float32)
    costs = cv2.matchTemplate(
        searched.astype(np.float32),
        template,
        cv2.TM_SQDIFF,
        mask=np.repeat(mask[..., None], 3, axis=2),
    )
    _, _, (x, y), _ = cv2.minMaxLoc(costs)
    apart = np.abs(searched[y : y + height, x : x + width].astype(np.float32) - template)
    typical = float(np.percentile(apart.mean(axis=2)[mask > 0], 70))
    return typical, np.array([window.left + x - box.left, window.top + y - box.top], np.float64)


def _refined(first: ColourProxy, second: ColourProxy, mover: Mover, motion: Affine) -> Affine:
    """Turn, scale and shift a little, as far as that makes the two look more alike."""
    margin = 16
    box = mover.box.grown(margin, within=first.shape[:2])
    origin = np.array([box.left, box.top], np.float64)
    height, width = box.bottom - box.top, box.right - box.left
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = motion.copy()
    moved[:, 2] += moved[:, :2] @ origin
    luma = np.array([0.2126, 0.7152, 0.0722], np.float32)
    aligned = cv2.warpAffine(
        second, moved, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    there = as_field(aligned.astype(np.float32) @ luma)
    here = as_field(first[box.slices].astype(np.float32) @ luma)
    mask = cv2.dilate(mover.seed[box.slices].astype(np.uint8), np.ones((5, 5), np.uint8))
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ECC_STEPS, 1e-4)
    start = np.eye(2, 3, dtype=np.float32)
    try:
        with one_thread():
            _, found = cv2.findTransformECC(
                there, here, start, cv2.MOTION_AFFINE, criteria, mask, 3
            )
    except cv2.error:  # did not converge: nothing in it to hold on to
        return motion
    # It leads from `aligned` back to the first picture.
    turned = np.asarray(cv2.invertAffineTransform(found), np.float64)
    scales = np.linalg.svd(turned[:, :2], compute_uv=False)
    centre = np.array([width / 2, height / 2])
    moves = float(np.linalg.norm(turned[:, :2] @ centre + turned[:, 2] - centre))
    if scales[1] < _SCALES[0] or scales[0] > _SCALES[1] or moves > margin:
        return motion
    local = np.column_stack((turned[:, :2], turned[:, 2] + origin - turned[:, :2] @ origin))
    refined = np.column_stack(
        (motion[:, :2] @ local[:, :2], motion[:, :2] @ local[:, 2] + motion[:, 2])
    )
    better = _difference(first, second, mover, refined)
    return refined if better < _PAYS * _difference(first, second, mover, motion) else motion


def _difference(first: ColourProxy, second: ColourProxy, mover: Mover, motion: Affine) -> float:
    """Mean difference between a mover and where a motion leads it, in 8-bit levels."""
    height, width = mover.seed.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(second, motion, (width, height), flags=flags)
    inner = cv2.erode(mover.seed.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    if not inner.any():
        return 0.0
    return float(cv2.absdiff(moved, first)[inner].mean())
