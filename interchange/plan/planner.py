"""Marks to requests: what an editor asked for, decided to the frame, or the reason why it cannot be."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from interchange.directive import MAX_SEED
from interchange.errors import BridgeError, NotFoundError, Reason
from interchange.geometry import Engines, check_keys, plan_geometry, refusal
from interchange.model.directive import Directive, JobKind
from interchange.model.engine import EngineLimits
from interchange.model.request import GenerationRequest, OutputSpec
from interchange.model.segment import Problem, Reading, Segment
from interchange.plan.coverage import Coverage, cover, place_of
from interchange.plan.naming import (
    clip_shot_name,
    pair_shot_name,
    place_shot_name,
    unique_names,
)
from interchange.plan.picture import delivered_picture
from interchange.plan.sources import PlacedMedia, media_notes, place_media
from interchange.plan.spans import held_notes, reference_spans, source_spans
from interchange.plan.specs import PathOf, spec_for
from interchange.plan.values import FactsOf, Plan, PlannedTake, PlanOptions
from interchange.timebase import frames_in_a_day

_ALL_SERVE = frozenset({"len", "takes", "engine", "seed", "clips"})
"""Keys that the planner meets by itself, whatever the engine."""

_OVERLAP_NOTE = (
    "Another mark's take covers some of the same frames; there the upper one hides the other."
)


def _as_written(path: str) -> str:
    return path


def plan_reading(
    reading: Reading,
    *,
    facts_of: FactsOf,
    engines: Engines,
    options: PlanOptions,
    path_of: PathOf = _as_written,
) -> Plan:
    """Plan every mark of a document. One that cannot be met becomes a problem and stops no other.

    Args:
        reading: What a format's reader found; its problems are passed on.
        facts_of: Finds and probes media.
        engines: Limits of the engines there are, by name.
        options: What holds where a directive says nothing.
        path_of: Resolves `image=`, `audio_file=` and `matte=`.

    Returns:
        The takes in the order of the marks, shot names unique.
    """
    takes: list[PlannedTake] = []
    problems = list(reading.problems)
    unique = unique_names()
    for segment in reading.segments:
        try:
            planned = plan_segment(
                segment, facts_of=facts_of, engines=engines, options=options, path_of=path_of
            )
        except BridgeError as error:
            problems.append(_problem(segment, error))
            continue
        shot = unique(planned[0].request.shot)
        takes += [
            replace(take, request=replace(take.request, shot=shot, reel=shot)) for take in planned
        ]
    return Plan(tuple(_with_overlaps_noted(takes)), tuple(problems))


def plan_segment(
    segment: Segment,
    *,
    facts_of: FactsOf,
    engines: Engines,
    options: PlanOptions,
    path_of: PathOf = _as_written,
) -> tuple[PlannedTake, ...]:
    """Plan one mark.

    Args:
        segment: The mark and what stands around it, in record frames.
        facts_of: Finds and probes media.
        engines: Limits of the engines there are, by name.
        options: What holds where the directive says nothing.
        path_of: Resolves `image=`, `audio_file=` and `matte=`.

    Returns:
        One take for each of `takes=`, differing in the seed alone.

    Raises:
        InvalidInputError: A range or value that does not fit this place.
        UnsupportedError: The clip, medium or engine cannot do it.
        NotFoundError: No such engine; or, from `facts_of`, no such media.
    """
    directive = segment.directive
    limits = _chosen_engine(directive, engines, options)
    coverage = cover(segment)
    placed = tuple(
        place_media(clip, facts_of(clip.media)) for clip in coverage.clips if clip.media is not None
    )
    handles, handle_notes = _handles(directive, coverage, placed, options)
    picture = delivered_picture(segment, placed)
    spans = source_spans(coverage, placed, handles=handles, directive=directive, limits=limits)
    references, reference_notes = reference_spans(
        segment, picture, limits=limits, facts_of=facts_of
    )
    shot = _shot_name(segment, coverage)
    request = GenerationRequest(
        shot=shot,
        sequence_name=segment.sequence.name,
        frame_rate=segment.sequence.frame_rate,
        record_range=coverage.record_range,
        head_handle_frames=handles[0],
        tail_handle_frames=handles[1],
        keep_handles=directive.verb is JobKind.RETAKE,
        raster=picture.raster,
        colour=picture.colour,
        start_frame=_start_timecode(segment, coverage, head_handle_frames=handles[0]),
        drop_frame=segment.sequence.drop_frame,
        reel=shot,
        spec=spec_for(directive, coverage, spans, path_of=path_of),
        engine=limits.engine,
        seed=_first_seed(segment),
        output=OutputSpec(options.output_directory, options.codec, options.slate),
        prompt=directive.prompt,
        negative_prompt=directive.negative,
        preset=directive.preset or "",
        quality=directive.quality or options.quality,
        references=references,
    )
    geometry = plan_geometry(request, limits, engines=engines)
    notes = [*segment.notes, *coverage.notes, *handle_notes, *picture.notes]
    for media in placed:
        notes += media_notes(media)
    notes += held_notes(coverage, placed)
    notes += reference_notes
    notes += _alike_notes(directive, limits)
    return tuple(
        PlannedTake(
            segment=segment,
            take_number=1 + number,
            request=replace(request, seed=(request.seed + number) & MAX_SEED),
            geometry=geometry,
            copy_framing=picture.copy_framing,
            notes=tuple(dict.fromkeys([*notes, *geometry.notes])),
            media=tuple(media.facts for media in placed),
        )
        for number in range(directive.takes)
    )


def _with_overlaps_noted(takes: list[PlannedTake]) -> list[PlannedTake]:
    """Say of takes of different marks that cover the same frames that only one of them will be seen."""
    places = sorted(
        range(len(takes)),
        key=lambda index: (
            takes[index].segment.sequence.sequence_id,
            takes[index].request.record_range.start,
        ),
    )
    overlapping: set[int] = set()
    for position, index in enumerate(places):
        segment, covered = takes[index].segment, takes[index].request.record_range
        for other in places[position + 1 :]:
            following = takes[other]
            if (
                following.segment.sequence.sequence_id != segment.sequence.sequence_id
                or following.request.record_range.start >= covered.end
            ):
                break
            if following.segment.segment_id != segment.segment_id:
                overlapping |= {index, other}
    return [
        replace(take, notes=(*take.notes, _OVERLAP_NOTE)) if index in overlapping else take
        for index, take in enumerate(takes)
    ]


def _problem(segment: Segment, error: BridgeError) -> Problem:
    return Problem(
        segment_id=segment.segment_id,
        where=place_of(segment),
        text=segment.directive.text,
        error=error,
    )


def _chosen_engine(directive: Directive, engines: Engines, options: PlanOptions) -> EngineLimits:
    """The engine asked for, if it does everything the directive says."""
    name = directive.engine or options.engine
    limits = engines.get(name)
    if limits is None:
        shown = ", ".join(sorted(n for n, other in engines.items() if not other.test_only))
        raise NotFoundError(
            f"There is no engine {name!r}. There are: {shown or 'none'}.",
            reason=Reason.ENGINE_NOT_FOUND,
            metadata={"engine": name},
        )
    verb = directive.verb
    if verb not in limits.kinds:
        raise refusal(
            limits, f"cannot {verb}", serves=lambda engine: verb in engine.kinds, engines=engines,
            otherwise=f"It can: {', '.join(sorted(limits.kinds))}.",
        )  # fmt: skip
    check_keys(directive.keys - _ALL_SERVE, limits=limits, engines=engines)
    return limits


def _handles(
    directive: Directive,
    coverage: Coverage,
    placed: tuple[PlacedMedia, ...],
    options: PlanOptions,
) -> tuple[tuple[int, int], list[str]]:
    """Frames in the file before and after the covered ones, and what to say about them."""
    if directive.verb is not JobKind.RETAKE:
        frames = options.generated_handle_frames
        return (frames, frames), []
    window, available = coverage.record_range, placed[0].available_range
    head = min(options.handle_frames, window.start - available.start)
    tail = min(options.handle_frames, available.end - window.end)
    notes = [
        f"The media has only {there} of {options.handle_frames} handle frames at the {side}."
        for side, there in (("head", head), ("tail", tail))
        if there < options.handle_frames
    ]
    return (head, tail), notes


def _alike_notes(directive: Directive, limits: EngineLimits) -> list[str]:
    """Say when several takes were asked for that will not differ."""
    if directive.takes == 1 or directive.verb in limits.seeded_kinds:
        return []
    return [
        f"{limits.engine} makes the same {directive.verb} whatever the seed; all takes will look alike."
    ]


def _start_timecode(segment: Segment, coverage: Coverage, *, head_handle_frames: int) -> int:
    """Timecode of the file's first picture, in frames since 00:00:00:00.

    A take of one clip counts in the clip's own time, so that it carries the original's source timecode and
    copied keyframes keep theirs. Others, and those whose own time is no timecode, take the record timecode.
    """
    sequence = segment.sequence
    rate = sequence.frame_rate
    first = coverage.record_range.start - head_handle_frames
    day = frames_in_a_day(rate, drop_frame=sequence.drop_frame)
    if len(coverage.clips) == 1:
        clip = coverage.clips[0]
        local = rate.frame_at(clip.local_start + rate.seconds(first - clip.record_range.start))
        if 0 <= local < day:
            return local
    return first % day


def _shot_name(segment: Segment, coverage: Coverage) -> str:
    clips = coverage.clips
    if not clips:
        return place_shot_name(segment.sequence, coverage.record_range.start)
    return clip_shot_name(clips[0]) if len(clips) == 1 else pair_shot_name(*clips)


def _first_seed(segment: Segment) -> int:
    """The seed asked for, else one that is the mark's own: the same in every run, 31 bits."""
    if segment.directive.seed is not None:
        return segment.directive.seed
    digest = hashlib.sha256(segment.segment_id.encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF
