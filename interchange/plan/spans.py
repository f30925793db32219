"""Which frames of which files a take may read: its sources with their context, and the shots beside it."""

from __future__ import annotations

from interchange.errors import BridgeError
from interchange.model.directive import Directive, JobKind
from interchange.model.engine import EngineLimits
from interchange.model.request import SourceSpan
from interchange.model.segment import ClipUse, Segment
from interchange.plan.coverage import Coverage
from interchange.plan.picture import DeliveredPicture, same_look
from interchange.plan.sources import PlacedMedia, check_clip, frames_text, place_media
from interchange.plan.values import FactsOf
from interchange.timebase import TimeRange


def source_spans(
    coverage: Coverage,
    placed: tuple[PlacedMedia, ...],
    *,
    handles: tuple[int, int],
    directive: Directive,
    limits: EngineLimits,
) -> tuple[SourceSpan, ...]:
    """The media that may be read: what is delivered or made, and the context around what is made.

    Args:
        coverage: What the mark asks for.
        placed: The media of its clips.
        handles: Frames in the file before and after the covered ones.
        directive: Its verb says whether the handles are made.
        limits: Of the engine: how much context it wants, and by how many frames it may overshoot.

    Returns:
        One span per clip, in record frames.
    """
    window = coverage.record_range
    file_range = window.padded(*handles)
    made = window if directive.verb is JobKind.RETAKE else file_range
    # The seam frame is always there, even for an engine that asks for no context; what the engine makes
    # beyond the window, on either side, takes none of the context away.
    beside = max(1, limits.context_frames) + limits.frame_grid[0] - 1
    context = made.padded(beside, beside)
    needed = TimeRange(
        min(file_range.start, context.start), max(file_range.end, context.end), window.rate
    )
    if coverage.cut is None:
        return tuple(media.span(needed) for media in placed)
    outgoing, incoming = placed
    return (
        outgoing.span(TimeRange(needed.start, coverage.cut, window.rate)),
        incoming.span(TimeRange(coverage.cut, needed.end, window.rate)),
    )


def held_notes(coverage: Coverage, placed: tuple[PlacedMedia, ...]) -> list[str]:
    """Say where a take goes on beyond what its clip's media hold."""
    window, cut = coverage.record_range, coverage.cut
    parts: tuple[TimeRange, ...] = (window,) * len(placed)
    if cut is not None:
        parts = (
            TimeRange(window.start, cut, window.rate),
            TimeRange(cut, window.end, window.rate),
        )
    notes = []
    for media, part in zip(placed, parts, strict=True):
        inside = media.available_range.intersect(part)
        missing = part.length - (inside.length if inside else 0)
        if missing:
            notes.append(
                f"The media of {media.clip.name!r} has no picture for {missing} of {part.length} frames; "
                "the take goes on from the nearest."
            )
    return notes


def reference_spans(
    segment: Segment, picture: DeliveredPicture, *, limits: EngineLimits, facts_of: FactsOf
) -> tuple[tuple[SourceSpan, ...], list[str]]:
    """The shots beside the marked place that `context=sequence` asks the take to look like.

    Args:
        segment: The mark.
        picture: What the take is delivered as; a shot of another colour space is no model for it.
        limits: Of the engine; it looks at no more of a shot than of its own context.
        facts_of: Finds and probes media.

    Returns:
        Spans of the frames nearest to the cuts, the shot before first, in record frames; and what to say
        about them. A shot that cannot be used is left out, and stops nothing.
    """
    if not segment.directive.context_sequence:
        return (), []
    if segment.directive.verb is JobKind.BRIDGE:
        return (), ["A bridge sees the shots it joins in any case; context=sequence adds nothing."]
    spans: list[SourceSpan] = []
    seen, notes = [], []
    most = max(1, limits.context_frames)
    for clip, side in ((segment.previous, "before"), (segment.following, "after")):
        if clip is None:
            continue
        try:
            span = _reference(
                clip, picture, is_before=side == "before", most=most, facts_of=facts_of
            )
        except BridgeError as error:
            notes.append(f"context=sequence leaves out the shot {side} it. {error.message}")
            continue
        if isinstance(span, str):
            notes.append(f"context=sequence leaves out the shot {side} it: {clip.name!r} {span}.")
            continue
        spans.append(span)
        seen.append(f"{frames_text(span.record_range.length)} of {clip.name!r} {side} it")
    if seen:
        notes.insert(0, f"The take is made to look like {' and '.join(seen)}.")
    elif not notes:
        notes = ["There is no shot beside it that context=sequence could look at."]
    return tuple(spans), notes


def _reference(
    clip: ClipUse, picture: DeliveredPicture, *, is_before: bool, most: int, facts_of: FactsOf
) -> SourceSpan | str:
    """The frames of a shot nearest to the mark, or why there are none."""
    check_clip(clip)  # which leaves none without media
    if not clip.enabled or clip.media is None:
        return "is switched off"
    media = place_media(clip, facts_of(clip.media))
    if not same_look(media.colour, picture.colour):
        return "is in another colour space"
    used = clip.record_range
    start = max(used.start, used.end - most) if is_before else used.start
    return media.span(TimeRange(start, min(used.end, start + most), used.rate))
