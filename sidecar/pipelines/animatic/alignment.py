"""The one affine motion that best explains how a whole picture moved; the start for finer flow."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
"""float64 [2, 3]: maps a point of the first picture to the second."""

_FEATURES: Final = 1200
_LEAST_MATCHES: Final = 12
_LEAST_OVERLAP: Final = 0.25
_IDENTITY: Final = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def find_alignment(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Affine:
    """Find the global motion between two pictures of the same size.

    Candidates are standing still, a shift by phase correlation and an affine motion from matched features;
    the one under which the pictures look most alike wins, so a wrong candidate does no harm.
    """
    still = np.array(_IDENTITY)
    candidates = [still, _shift(first, second)]
    by_features = _feature_motion(first, second)
    if by_features is not None:
        candidates.append(by_features)
    costs = [_cost(first, second, candidate) for candidate in candidates]
    costs[0] *= 0.97  # moving must pay
    return candidates[int(np.argmin(costs))]


def fit_affine(flow: NDArray[np.float32], weight: NDArray[np.float32]) -> Affine:
    """Fit one affine motion to a flow, robustly against parts that move on their own.

    Args:
        flow: [h, w, 2] displacements in pixels.
        weight: [h, w] how much each pixel counts.

    Returns:
        The motion; standing still where nothing counts.
    """
    height, width = weight.shape
    step = max(1, min(height, width) // 48)
    ys, xs = np.mgrid[0:height:step, 0:width:step]
    x, y = xs.ravel().astype(np.float64), ys.ravel().astype(np.float64)
    shift = flow[::step, ::step].reshape(-1, 2).astype(np.float64)
    trust = weight[::step, ::step].ravel().astype(np.float64)
    centre_x, centre_y, size = width / 2, height / 2, max(width, height)
    basis = np.stack(((x - centre_x) / size, (y - centre_y) / size, np.ones_like(x)), axis=1)
    counts = trust + 1e-6
    solution = np.zeros((3, 2))
    for _ in range(8):
        weighted = basis * counts[:, None]
        # A little ridge on the linear part: little texture must not make a wild zoom.
        normal = weighted.T @ basis + np.diag([5e-4, 5e-4, 1e-9]) * counts.sum()
        solution = np.linalg.solve(normal, weighted.T @ shift)
        error = np.linalg.norm(shift - basis @ solution, axis=1)
        scale = 1.5 * float(np.median(error)) + 0.05
        counts = (trust + 1e-6) / (1 + np.square(error / scale))
    linear = solution[:2].T / size
    constant = solution[2] - linear @ np.array([centre_x, centre_y])
    return np.concatenate((np.eye(2) + linear, constant[:, None]), axis=1)


def _shift(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Affine:
    height, width = first.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(first.astype(np.float32), second.astype(np.float32), window)
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def _feature_motion(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Affine | None:
    detector = cv2.SIFT.create(nfeatures=_FEATURES, contrastThreshold=0.02)
    points_1, words_1 = detector.detectAndCompute(first, None)
    points_2, words_2 = detector.detectAndCompute(second, None)
    if min(len(points_1), len(points_2)) < _LEAST_MATCHES:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(words_1, words_2, k=2)
    good = [
        pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < 0.75 * pair[1].distance
    ]
    if len(good) < _LEAST_MATCHES:
        return None
    here = np.array([points_1[match.queryIdx].pt for match in good], np.float32)
    there = np.array([points_2[match.trainIdx].pt for match in good], np.float32)
    motion, inliers = cv2.estimateAffine2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=2.0, maxIters=2000, refineIters=20
    )
    if motion is None or int(inliers.sum()) < _LEAST_MATCHES:
        return None
    scales = np.linalg.svd(motion[:, :2], compute_uv=False)
    plausible = scales[1] > 0.3 and scales[0] < 3.0 and np.linalg.det(motion[:, :2]) > 0
    return np.asarray(motion, np.float64) if plausible else None


def _cost(first: NDArray[np.uint8], second: NDArray[np.uint8], motion: Affine) -> float:
    """Mean difference where the pictures overlap, blurred so that small errors do not decide."""
    height, width = first.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    soft_1 = cv2.GaussianBlur(first, (0, 0), 2.0).astype(np.float32)
    soft_2 = cv2.GaussianBlur(second, (0, 0), 2.0).astype(np.float32)
    warped = cv2.warpAffine(soft_2, motion, (width, height), flags=flags, borderValue=-1.0)
    overlap = warped >= 0
    share = float(overlap.mean())
    if share < _LEAST_OVERLAP:
        return float("inf")
    difference = np.minimum(np.abs(warped - soft_1)[overlap], 60.0)
    return float(difference.mean()) + 4.0 * (1 - share)
