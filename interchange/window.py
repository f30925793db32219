"""Which frames an engine makes to fill a window, and what is kept beside them; decision 5 of the design. Pure.

A model makes frames in groups: `step` of them to a latent, but only `offset` in the first latent of a canvas.
Where kept frames lead in, they take that first latent, and what is made is a whole number of groups; where
nothing is kept before, what is made begins with it. An editor's window has any length, so a superset is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from interchange.model.directive import Edge
from interchange.model.engine import EngineLimits
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.timebase import TimeRange


@dataclass(frozen=True, slots=True)
class KeptContext:
    """How many frames beside a window stay as they are and may be read, in unbroken runs that touch it.

    Args:
        before: Up to the frame before the first one made.
        after: From the frame after the last one made on.
    """

    before: int
    after: int


def kept_context(request: GenerationRequest) -> KeptContext:
    """What is kept beside the frames to fill.

    Args:
        request: Its sources say what may be read. Shots that are made anew as a whole keep nothing.
    """
    made = request.made_range
    match request.spec:
        case RetakeSpec(source=source):
            return KeptContext(_frames_before(made, source), _frames_after(made, source))
        case BridgeSpec(outgoing=outgoing, incoming=incoming):
            return KeptContext(_frames_before(made, outgoing), _frames_after(made, incoming))
        case ExtendSpec(source=source, edge=Edge.TAIL):
            return KeptContext(_frames_before(made, source), 0)
        case ExtendSpec(source=source):
            return KeptContext(0, _frames_after(made, source))
        case RegenerateSpec() | GenerateSpec() | RestyleSpec() | ReframeSpec():
            return KeptContext(0, 0)


def generate_range(request: GenerationRequest, limits: EngineLimits) -> TimeRange:
    """The superset of the frames to fill that an engine can make, less than one `step` longer.

    The extra frames lie where they cost no kept context; with context on both sides, where there is more of it,
    at the tail where that is equal. So the edge without them falls on the border of a latent.

    Args:
        request: What is wanted.
        limits: Of the engine, for its frame grid.

    Returns:
        In record frames. With context before it, its length is a multiple of `step`, and the frame before it is
        kept; without, it is `step` * n + `offset`.
    """
    made, kept = request.made_range, kept_context(request)
    step, offset = limits.frame_grid
    lead_in = max(1, offset)
    if kept.before < lead_in:
        extra = (offset - made.length) % step if made.length > offset else offset - made.length
        return made.padded(extra, 0) if kept.after else made.padded(0, extra)
    extra = -made.length % step
    if 0 < kept.after < kept.before and kept.before - extra >= lead_in:
        return made.padded(extra, 0)
    return made.padded(0, extra)


def _frames_before(made: TimeRange, source: SourceSpan) -> int:
    readable = source.record_range
    touches = readable.start < made.start <= readable.end
    return made.start - readable.start if touches else 0


def _frames_after(made: TimeRange, source: SourceSpan) -> int:
    readable = source.record_range
    touches = readable.start <= made.end < readable.end
    return readable.end - made.end if touches else 0
