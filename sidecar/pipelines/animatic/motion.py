"""How each pixel moves in time: velocities from several frames, and the path from one shot's end to another's start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from sidecar.pipelines.animatic.alignment import fit_affine
from sidecar.pipelines.animatic.fields import Field, VectorField, as_field, blur, fill, grid, sample
from sidecar.pipelines.animatic.flow import Expectation, Proxy, global_flow, measure_flow

_STEADINESS: Final = 0.3  # how strongly a change of speed must show before it is believed
_WAYWARDNESS: Final = 1.5  # how far, in lengths of the whole way, a tangent may depart from it


@dataclass(frozen=True, slots=True)
class Velocity:
    """How the pixels of a picture move at its moment.

    Args:
        flow: [h, w, 2] working pixels a frame, forward in time.
        trust: [h, w] 0..1, how well a steady motion explains all frames looked at.
    """

    flow: VectorField
    trust: Field


def measure_velocity(context: list[Proxy], *, time_step: int) -> Velocity:
    """Fit a motion with steady acceleration to a picture and its neighbours.

    Args:
        context: The picture itself, then its neighbours, nearest first; at least two.
        time_step: -1 where the neighbours lie before the picture, +1 where they follow it.
    """
    return fit_velocity(flows_to_neighbours(context), time_step=time_step)


def fit_velocity(flows_found: list[VectorField], *, time_step: int) -> Velocity:
    """Fit a motion with steady acceleration to the flows from a picture to its neighbours.

    Args:
        flows_found: To each neighbour, nearest first; at least one.
        time_step: -1 where the neighbours lie before the picture, +1 where they follow it.
    """
    times = time_step * np.arange(1, len(flows_found) + 1, dtype=np.float64)
    flows = np.stack(flows_found)
    # position(t) = v t + a t^2 / 2; the ridge on a keeps noise from becoming acceleration.
    basis = np.stack((times, np.square(times) / 2), axis=1)
    ridge = np.diag([0.0, _STEADINESS * float(np.square(times).sum())])
    solve = np.linalg.solve(basis.T @ basis + ridge, basis.T)
    velocity = np.tensordot(solve[0], flows, axes=1).astype(np.float32)
    acceleration = np.tensordot(solve[1], flows, axes=1).astype(np.float32)
    worst = np.zeros(velocity.shape[:2], np.float32)
    for time, flow in zip(times, flows, strict=True):
        error = flow - velocity * np.float32(time) - acceleration * np.float32(time * time / 2)
        worst = np.maximum(worst, np.square(error).sum(axis=2) / np.float32(time * time))
    allowed = 0.15 + 0.02 * np.square(velocity).sum(axis=2)
    trust: Field = np.exp(-worst / (2 * allowed)).astype(np.float32)
    mended = fill(velocity * trust[..., None], trust)
    return Velocity(blur(mended, 1.5), trust)


def flows_to_neighbours(context: list[Proxy]) -> list[VectorField]:
    """Flow from a picture to each neighbour; each starts from the nearer one's, carried on."""
    flows = [measure_flow(context[0], context[1])]
    for steps, neighbour in enumerate(context[2:], start=2):
        start = flows[-1] * np.float32(steps / (steps - 1))
        flows.append(measure_flow(context[0], neighbour, start=start))
    return flows


def expect(
    leaving: Velocity | None, arriving: Velocity | None, *, interval: int
) -> Expectation | None:
    """Say where everything goes over an interval of frames if it keeps its speed; None where that is not known."""
    if leaving is None or arriving is None:
        return None
    there, back = np.float32(interval), np.float32(-interval)
    return Expectation(
        leaving.flow * there,
        arriving.flow * back,
        _departure(leaving) * there,
        _departure(arriving) * back,
    )


def _departure(velocity: Velocity) -> VectorField:
    """What moves on top of the motion of the picture as a whole, a frame; 0 where that is not sure."""
    height, width = velocity.trust.shape
    whole = fit_affine(velocity.flow, velocity.trust)
    departure = velocity.flow - global_flow(whole, height=height, width=width)
    # Away from edges only: there flow mixes the two surfaces' motions.
    sure = cv2.erode((velocity.trust > 0.6).astype(np.uint8), np.ones((9, 9), np.uint8))
    return as_field(departure * sure[..., None])


@dataclass(frozen=True, slots=True)
class Paths:
    """Where every pixel of a picture goes between two moments, 0 and 1.

    The path is a cubic (Hermite) that leaves and arrives with the velocities seen in the shots, so that motion
    carries across both joints.

    Args:
        way: [h, w, 2] from where the pixel is at moment 0 to where it is at moment 1.
        leaving: [h, w, 2] tangent at moment 0, in working pixels per whole interval.
        arriving: [h, w, 2] tangent at moment 1, likewise.
    """

    way: VectorField
    leaving: VectorField
    arriving: VectorField

    def travelled(self, moment: float) -> VectorField:
        """The part of the way covered at a moment: [h, w, 2], 0 at moment 0 and `way` at moment 1."""
        t, t2, t3 = moment, moment**2, moment**3
        travelled: VectorField = (
            np.float32(3 * t2 - 2 * t3) * self.way
            + np.float32(t3 - 2 * t2 + t) * self.leaving
            + np.float32(t3 - t2) * self.arriving
        )
        return travelled


def plan_paths(
    way: VectorField,
    *,
    leaving: Velocity | None,
    arriving: Velocity | None,
    interval: int,
    at_end: bool,
) -> Paths:
    """Join a way with the velocities at its two ends.

    Args:
        way: [h, w, 2] the whole way of each pixel, from moment 0 to 1.
        leaving: Velocity in the first picture, None where only one frame of it is known.
        arriving: Velocity in the second picture, likewise.
        interval: Frames from the first picture to the second.
        at_end: The pixels are the second picture's (the way led to them) rather than the first's.
    """
    at = grid(*way.shape[:2])
    start = at - way if at_end else at
    return Paths(
        way,
        _tangent(way, leaving, start, interval),
        _tangent(way, arriving, start + way, interval),
    )


def _tangent(
    way: VectorField, velocity: Velocity | None, at: VectorField, interval: int
) -> VectorField:
    if velocity is None:
        return way
    departure = sample(velocity.flow, at) * np.float32(interval) - way
    departure *= sample(velocity.trust, at)[..., None]
    length = np.linalg.norm(departure, axis=2)
    diagonal = float(np.hypot(*way.shape[:2]))
    most = _WAYWARDNESS * np.linalg.norm(way, axis=2) + 0.02 * diagonal
    tangent: VectorField = way + departure * np.minimum(1, most / (length + 1e-6))[..., None]
    return tangent
