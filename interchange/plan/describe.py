"""A planned take in words: ranges in timeline and source timecode, for `plan` and reports.

A range is written `IN - OUT`, OUT being the first frame after it, as an editor's record out is.
"""

from __future__ import annotations

from dataclasses import dataclass

from interchange.conform import fitted_box
from interchange.model.media import MediaFacts
from interchange.model.request import ReframeSpec, SourceSpan
from interchange.plan.coverage import place_of
from interchange.plan.sources import source_timecode
from interchange.plan.values import PlannedTake
from interchange.timebase import TimeRange, format_timecode


@dataclass(frozen=True, slots=True)
class TakeText:
    """What `plan` shows of a take; every field is ready to print.

    Args:
        shot: Shot name; the file is `SHOT_LTX_vNNN`.
        kind: Verb.
        where: How the mark was made, on what, and when.
        engine: Engine name.
        seed: Seed of this take.
        take: `1 of 3`.
        timeline: Covered frames in record timecode.
        frames: How many those are.
        handles: `12 + 12, the source's own`, or `none`.
        sources: Covered frames in source timecode, one per file; empty where there are none.
        reads: All frames that may be read, in source timecode, one per file.
        file_timecode: The file's own timecode, handles included.
        generates: Frames the engine makes, in record timecode, with their number.
        picture: Delivered size; the original's and where it lies, for a reframe; the size worked at where that
            differs.
        notes: One sentence each.
    """

    shot: str
    kind: str
    where: str
    engine: str
    seed: str
    take: str
    timeline: str
    frames: str
    handles: str
    sources: tuple[str, ...]
    reads: tuple[str, ...]
    file_timecode: str
    generates: str
    picture: str
    notes: tuple[str, ...]


def describe_take(planned: PlannedTake) -> TakeText:
    """Put a planned take into words."""
    request, geometry, segment = planned.request, planned.geometry, planned.segment
    spans = list(zip(request.sources, planned.media, strict=True))
    generated = geometry.generate_range
    drop_frame = segment.sequence.drop_frame
    return TakeText(
        shot=request.shot,
        kind=str(request.kind),
        where=place_of(segment),
        engine=request.engine,
        seed=str(request.seed),
        take=f"{planned.take_number} of {segment.directive.takes}",
        timeline=timecode_range(request.record_range, drop_frame=drop_frame),
        frames=str(request.record_range.length),
        handles=_handles(planned),
        sources=tuple(_covered(span, facts, request.record_range) for span, facts in spans),
        reads=tuple(source_range(span, facts, span.record_range) for span, facts in spans),
        file_timecode=timecode_range(request.media_range, drop_frame=request.drop_frame),
        generates=f"{timecode_range(generated, drop_frame=drop_frame)} ({generated.length} frames)",
        picture=_picture(planned),
        notes=planned.notes,
    )


def _picture(planned: PlannedTake) -> str:
    geometry = planned.geometry
    text = str(geometry.deliver_raster)
    if isinstance(planned.request.spec, ReframeSpec):
        own = planned.media[0].raster
        box = fitted_box(own, geometry.deliver_raster)
        text += f" around the original's {own} at {box.x},{box.y}"
    if geometry.generate_raster != geometry.deliver_raster:
        text += f", made at {geometry.generate_raster}"
    return text


def timecode_range(frames: TimeRange, *, drop_frame: bool) -> str:
    """Write a range of timecode frames as `IN - OUT`, OUT being the first frame after it."""
    start, end = (
        format_timecode(frame, frames.rate, drop_frame=drop_frame)
        for frame in (frames.start, frames.end)
    )
    return f"{start} - {end}"


def source_range(span: SourceSpan, facts: MediaFacts, record_range: TimeRange) -> str:
    """Write which pictures of a file are shown over a range of record frames.

    Args:
        span: The file laid along the record time line.
        facts: Of the file, for its timecode.
        record_range: At least one frame, within `span.record_range`.

    Returns:
        File name and `IN - OUT` in its source timecode; from the last picture down to the first where it
        plays backwards.
    """
    first = span.source_frame(record_range.start)
    last = span.source_frame(record_range.end - 1)
    low, high = min(first, last), max(first, last)
    backwards = ", backwards" if span.step < 0 else ""
    name = facts.path.replace("\\", "/").rpartition("/")[2]
    return f"{name} {source_timecode(facts, low)} - {source_timecode(facts, high + 1)}{backwards}"


def _covered(span: SourceSpan, facts: MediaFacts, record_range: TimeRange) -> str:
    inside = span.record_range.intersect(record_range)
    if inside is None:
        name = facts.path.replace("\\", "/").rpartition("/")[2]
        return f"{name} has no picture there"
    return source_range(span, facts, inside)


def _handles(planned: PlannedTake) -> str:
    request = planned.request
    head, tail = request.head_handle_frames, request.tail_handle_frames
    if not head and not tail:
        return "none"
    whose = "the source's own" if request.keep_handles else "generated"
    return f"{head} + {tail}, {whose}"
