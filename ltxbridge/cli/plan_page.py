"""How a plan is printed, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from interchange.model.request import SourceSpan
from interchange.model.segment import Problem
from interchange.plan import Plan, PlannedTake, describe_take
from interchange.timebase import TimeRange

SCHEMA = "ltxbridge.Plan.1"


def plan_lines(plan: Plan) -> Iterator[str]:
    """The plan as text, a paragraph for each take and each mark that cannot be met."""
    for planned in plan.takes:
        text = describe_take(planned)
        several = planned.segment.directive.takes > 1
        yield f"{text.shot}  {text.kind}" + (f"  take {text.take}" if several else "")
        yield f"  where     {text.where}"
        yield f"  timeline  {text.timeline}  ({text.frames} frames)"
        for source in text.sources:
            yield f"  source    {source}"
        yield f"  file      {text.file_timecode}, handles {text.handles}"
        yield f"  makes     {text.generates}, {text.picture}"
        yield f"  engine    {text.engine}, seed {text.seed}"
        for note in text.notes:
            yield f"  note      {note}"
        yield ""
    for problem in plan.problems:
        yield from problem_lines(problem)
        yield ""
    yield f"{len(plan.takes)} to make, {len(plan.problems)} that cannot be met."


def problem_lines(problem: Problem) -> Iterator[str]:
    """One mark that cannot be met."""
    yield f"NOT MET  {problem.where}"
    yield f"  mark      {problem.text}"
    yield f"  why       {problem.error.message}"


def plan_document(plan: Plan) -> dict[str, object]:
    """The plan for scripts: exact numbers beside the words. Ranges are half-open, in record frames."""
    return {
        "schema": SCHEMA,
        "takes": [_take(planned) for planned in plan.takes],
        "problems": [problem_document(problem) for problem in plan.problems],
    }


def problem_document(problem: Problem) -> dict[str, object]:
    """One mark that cannot be met, for scripts."""
    return {
        "where": problem.where,
        "mark": problem.text,
        "reason": problem.error.reason.value,
        "message": problem.error.message,
        "metadata": problem.error.metadata,
    }


def _take(planned: PlannedTake) -> dict[str, object]:
    request, geometry = planned.request, planned.geometry
    return {
        "segment": planned.segment.segment_id,
        "sequence": request.sequence_name,
        "mark": planned.segment.directive.text,
        "take": planned.take_number,
        "rate": f"{request.frame_rate.numerator}/{request.frame_rate.denominator}",
        "drop_frame": request.drop_frame,
        "record_range": _range(request.record_range),
        "file_range": _range(request.file_range),
        "generate_range": _range(geometry.generate_range),
        "head_handle_frames": request.head_handle_frames,
        "tail_handle_frames": request.tail_handle_frames,
        "timecode_start_frame": request.start_frame,
        "raster": str(geometry.deliver_raster),
        "generate_raster": str(geometry.generate_raster),
        "codec": request.output.codec.value,
        "seed": request.seed,
        "sources": [_span(span) for span in request.sources],
        "references": [_span(span) for span in request.references],
        "words": asdict(describe_take(planned)),
    }


def _span(span: SourceSpan) -> dict[str, object]:
    return {
        "path": span.path,
        "record_range": _range(span.record_range),
        "first_frame": str(span.first_frame),
        "frames_per_record_frame": str(span.step),
    }


def _range(frames: TimeRange) -> list[int]:
    return [frames.start, frames.end]
