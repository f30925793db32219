"""For each kind of job: which pictures to look at, and what to make of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from interchange.errors import Reason, UnsupportedError
from interchange.model.directive import Edge
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
)
from interchange.timebase import TimeRange
from sidecar.pipelines.animatic.camera import CameraMove
from sidecar.pipelines.animatic.card import Card
from sidecar.pipelines.animatic.drift import Drift
from sidecar.pipelines.animatic.flow import (
    WORKING_WIDTH_PX,
    Proxy,
    WorkingSize,
    correspond,
    make_proxies,
)
from sidecar.pipelines.animatic.inbetween import Inbetween
from sidecar.pipelines.animatic.limits import LIMITS
from sidecar.pipelines.animatic.motion import (
    Velocity,
    expect,
    fit_velocity,
    flows_to_neighbours,
)
from sidecar.pipelines.animatic.movers import ColourProxy, Sight, make_colour_proxies
from sidecar.pipelines.animatic.plate import Plate
from sidecar.pipelines.animatic.stage import Edges, Stage, clear, plan_passages
from sidecar.pipelines.animatic.staging import Cast, find_cast
from sidecar.pipelines.animatic.transition import Transition
from sidecar.pipelines.base import EngineJob, Picture, SourcePictures

Shot = Callable[[int], Picture]
"""Makes the picture of a record frame; the array is the caller's own."""

Checkpoint = Callable[[], None]
"""Called between long steps; raises where the job was cancelled."""

_LEAST_AGREEMENT: Final = 0.30
"""Mean trust below which two pictures show different things, and nothing of one is looked for in the other."""

_LONGEST_EASE_S: Final = 2
"""Seconds in which an extended shot has come to rest at the latest."""


@dataclass(frozen=True, slots=True)
class _Side:
    """The kept pictures on one side of the window.

    Args:
        source: Where they come from.
        frames: Their record frames, from the window outward; at least one.
        time_step: -1 before the window, +1 after it.
    """

    source: SourcePictures
    frames: tuple[int, ...]
    time_step: int

    @property
    def edge_frame(self) -> int:
        return self.frames[0]

    def pictures(self) -> list[Picture]:
        """From the window outward, but read in rising order, which is quick."""
        read = {frame: self.source.picture(frame) for frame in sorted(self.frames)}
        return [read[frame] for frame in self.frames]


def prepare_shot(job: EngineJob, *, checkpoint: Checkpoint) -> Shot:
    """Look at the sources and plan the take.

    Args:
        job: What is wanted.
        checkpoint: Called between long steps.

    Returns:
        What makes each picture of `job.made_range`. Record frames outside the window (handles that are to be
        made) show what the sources show there, so that the joints stay where they are.
    """
    window = job.request.record_range
    match job.request.spec:
        case RetakeSpec():
            source = job.sources[0]
            return _fill_window(
                job, _before(source, window), _after(source, window), checkpoint=checkpoint
            )
        case BridgeSpec():
            outgoing, incoming = job.sources
            before = _before(outgoing, window) or _Side(outgoing, (window.start - 1,), -1)
            after = _after(incoming, window) or _Side(incoming, (window.end,), +1)
            return _join(job, before, after, checkpoint)
        case ExtendSpec(edge=Edge.TAIL):
            source = job.sources[0]
            return _fill_window(job, _before(source, window), None, checkpoint=checkpoint)
        case ExtendSpec():
            source = job.sources[0]
            return _fill_window(job, None, _after(source, window), checkpoint=checkpoint)
        case RegenerateSpec():
            return _move_camera(job)
        case GenerateSpec():
            return Card.of(job.request, frames=job.made_range).picture
        case RestyleSpec() | ReframeSpec():
            raise UnsupportedError(
                f"animatic cannot {job.request.kind}. Write engine=ltx-2.3, which can.",
                reason=Reason.ENGINE_LIMIT,
            )
        case spec:
            assert_never(spec)


def _before(source: SourcePictures, window: TimeRange) -> _Side | None:
    has = source.record_range
    end = min(window.start, has.end)
    frames = range(end - 1, max(has.start, end - LIMITS.context_frames) - 1, -1)
    return _Side(source, tuple(frames), -1) if frames else None


def _after(source: SourcePictures, window: TimeRange) -> _Side | None:
    has = source.record_range
    start = max(window.end, has.start)
    frames = range(start, min(has.end, start + LIMITS.context_frames))
    return _Side(source, tuple(frames), +1) if frames else None


def _fill_window(
    job: EngineJob, before: _Side | None, after: _Side | None, *, checkpoint: Checkpoint
) -> Shot:
    if before is not None and after is not None:
        return _join(job, before, after, checkpoint)
    side = before or after
    return _carry_on(job, side) if side is not None else _move_camera(job)


def _working_size(job: EngineJob) -> WorkingSize:
    raster = job.request.raster
    return WorkingSize.of(
        width_px=raster.width_px,
        height_px=raster.height_px,
        longest=WORKING_WIDTH_PX[job.request.quality],
    )


def _join(job: EngineJob, before: _Side, after: _Side, checkpoint: Checkpoint) -> Shot:
    size = _working_size(job)
    pictures_before, pictures_after = before.pictures(), after.pictures()
    edges = Edges(pictures_before[0], pictures_before[-1], pictures_after[0], pictures_after[-1])
    both = [*pictures_before, *pictures_after]
    proxies, colours = make_proxies(both, size), make_colour_proxies(both, size)
    count = len(pictures_before)
    del pictures_before, pictures_after, both
    interval = after.edge_frame - before.edge_frame
    checkpoint()
    leaving = _look(proxies[:count], colours[:count], before.time_step)
    checkpoint()
    arriving = _look(proxies[count:], colours[count:], after.time_step)
    checkpoint()
    match = correspond(
        proxies[0],
        proxies[count],
        expected=expect(_velocity(leaving), _velocity(arriving), interval=interval),
    )
    checkpoint()
    between: Stage | Transition
    if match.agreement >= _LEAST_AGREEMENT:
        cast = None
        if leaving is not None and arriving is not None:
            cast = find_cast(
                leaving, arriving, (proxies[0], proxies[count]), match, interval=interval
            )
            checkpoint()
        if cast is not None:
            between = _staged(edges, cast, size, interval)
        else:
            between = Stage(
                Inbetween.plan(
                    Plate.of(edges.first, size=size),
                    Plate.of(edges.second, size=size),
                    match=match,
                    leaving=_velocity(leaving),
                    arriving=_velocity(arriving),
                    interval=interval,
                ),
                (),
            )
    else:
        ease = float(max(interval, 2))
        first, second = Plate.of(edges.first, size=size), Plate.of(edges.second, size=size)
        between = Transition.plan(
            Drift.plan(first, proxies[:count], time_step=-1, longest_ease=ease),
            Drift.plan(second, proxies[count:], time_step=+1, longest_ease=ease),
            interval=interval,
            proxies=(proxies[0], proxies[count]),
        )

    def shot(record_frame: int) -> Picture:
        if record_frame <= before.edge_frame:
            return before.source.picture(record_frame)
        if record_frame >= after.edge_frame:
            return after.source.picture(record_frame)
        return between.picture((record_frame - before.edge_frame) / interval)

    return shot


def _look(proxies: list[Proxy], colours: list[ColourProxy], time_step: int) -> Sight | None:
    """Measure the motion on one side; None where only one picture of it is known."""
    if len(proxies) < 2:
        return None
    flows = flows_to_neighbours(proxies)
    return Sight(colours, flows, fit_velocity(flows, time_step=time_step), time_step)


def _velocity(side: Sight | None) -> Velocity | None:
    return None if side is None else side.velocity


def _staged(edges: Edges, cast: Cast, size: WorkingSize, interval: int) -> Stage:
    """Match the ground again without the movers, and let those go their own ways over it."""
    first, second = clear(edges, cast)
    proxies = make_proxies([first, second], size)
    expected = expect(cast.leaving, cast.arriving, interval=interval)
    ground = Inbetween.plan(
        Plate.of(first, size=size),
        Plate.of(second, size=size),
        match=correspond(proxies[0], proxies[1], expected=expected),
        leaving=cast.leaving,
        arriving=cast.arriving,
        interval=interval,
    )
    return Stage(ground, plan_passages(edges, cast, size=size, interval=interval))


def _carry_on(job: EngineJob, side: _Side) -> Shot:
    size = _working_size(job)
    pictures = side.pictures()
    ease = float(_LONGEST_EASE_S * job.request.frame_rate.nominal)
    drift = Drift.plan(
        Plate.of(pictures[0], size=size),
        make_proxies(pictures, size),
        time_step=side.time_step,
        longest_ease=min(ease, 1.0 + job.request.record_range.length),
    )

    def shot(record_frame: int) -> Picture:
        away = (side.edge_frame - record_frame) * side.time_step
        return drift.picture(float(away)) if away > 0 else side.source.picture(record_frame)

    return shot


def _move_camera(job: EngineJob) -> Shot:
    size = _working_size(job)
    window, frames = job.request.record_range, job.made_range
    still = job.sources[0].picture(window.start)
    move = CameraMove.plan(
        Plate.of(still, size=size),
        make_proxies([still], size)[0],
        seed=job.request.seed,
        seconds=frames.length / job.request.frame_rate.nominal,
    )
    last = max(frames.length - 1, 1)
    return lambda record_frame: move.picture((record_frame - frames.start) / last)
