"""The pictures of a gap with movers: the ground as one, each mover laid over it as another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sidecar.pipelines.animatic.clean import Behind, without_movers
from sidecar.pipelines.animatic.cutout import Cutout, Passage, in_picture_pixels
from sidecar.pipelines.animatic.fields import Field
from sidecar.pipelines.animatic.flow import WorkingSize
from sidecar.pipelines.animatic.inbetween import Inbetween
from sidecar.pipelines.animatic.matte import Matte
from sidecar.pipelines.animatic.staging import Cast, hidden, known_parts, moved_by
from sidecar.pipelines.base import Picture

_RIM_PX: Final = 4  # how far beyond its matte a mover is taken out of the ground
_NEAR_WEIGHT: Final = 1.0  # of the same shot's pictures when the ground is filled
_FAR_WEIGHT: Final = 0.05  # of the other shot's


@dataclass(frozen=True, slots=True)
class Edges:
    """Pictures at full size.

    Args:
        first: The last before the gap.
        first_neighbour: The farthest one looked at before it.
        second: The first after the gap.
        second_neighbour: The farthest one looked at after it.
    """

    first: Picture
    first_neighbour: Picture
    second: Picture
    second_neighbour: Picture


@dataclass(frozen=True, slots=True)
class Stage:
    """The pictures between two others, movers and all.

    Args:
        ground: The pictures without the movers.
        passages: The movers, the farthest back first.
    """

    ground: Inbetween
    passages: tuple[Passage, ...]

    def picture(self, moment: float) -> Picture:
        """Make the picture at a moment between 0 and 1."""
        picture = self.ground.picture(moment)
        for passage in self.passages:
            passage.lay_over(picture, moment)
        return picture


def clear(edges: Edges, cast: Cast) -> tuple[Picture, Picture]:
    """Both edge pictures without the movers."""
    first_hole = hidden([role.first for role in cast.roles], grow_px=_RIM_PX)
    second_hole = hidden([role.second for role in cast.roles], grow_px=_RIM_PX)
    first_away = moved_by(first_hole, [role.first_neighbour for role in cast.roles])
    second_away = moved_by(second_hole, [role.second_neighbour for role in cast.roles])
    first = without_movers(
        edges.first,
        first_hole,
        [
            Behind(edges.first_neighbour, cast.first_flow, first_away, _NEAR_WEIGHT),
            Behind(edges.second, cast.there, second_hole, _FAR_WEIGHT),
        ],
    )
    second = without_movers(
        edges.second,
        second_hole,
        [
            Behind(edges.second_neighbour, cast.second_flow, second_away, _NEAR_WEIGHT),
            Behind(edges.first, cast.back, first_hole, _FAR_WEIGHT),
        ],
    )
    return first, second


def plan_passages(
    edges: Edges, cast: Cast, *, size: WorkingSize, interval: int
) -> tuple[Passage, ...]:
    """Cut the movers out of both edge pictures and plan their ways."""
    scale = np.array([size.scale_x, size.scale_y])
    passages = []
    for index, role in enumerate(cast.roles):
        first = _cut(edges.first, role.first, known_parts(cast.roles, index, second=False))
        second = _cut(edges.second, role.second, known_parts(cast.roles, index, second=True))
        if first is None or second is None:
            continue
        height, width = first.known.shape
        passages.append(
            Passage(
                first,
                second,
                in_picture_pixels(role.motion, size),
                np.array([first.left + width / 2, first.top + height / 2]),
                role.leaving * scale * interval,
                role.arriving * scale * interval,
            )
        )
    return tuple(passages)


def _cut(picture: Picture, matte: Matte, known: Field) -> Cutout | None:
    box = matte.box
    return None if box is None else Cutout.of(picture, matte.cover, known, box=box)
