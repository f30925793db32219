"""Which record frames each verb covers, and which clips it reads. Nothing about media or engines.

Where a mark has a length of its own and the directive has `len=`, both must say the same; one that is not
meant would otherwise be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.directive import Edge, JobKind
from interchange.model.segment import ClipUse, Segment
from interchange.plan.sources import check_clip, frames_text
from interchange.timebase import TimeRange, format_timecode


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a mark asks for, in record frames.

    Args:
        record_range: The frames a take covers.
        clips: Whose pictures are read: one; outgoing and incoming; or none.
        cut: For a bridge, the record frame from which the incoming clip is on screen.
        notes: What it does that may surprise, one sentence each.
    """

    record_range: TimeRange
    clips: tuple[ClipUse, ...]
    cut: int | None = None
    notes: tuple[str, ...] = ()


def cover(segment: Segment) -> Coverage:
    """Work out what a mark covers.

    Raises:
        InvalidInputError: `RANGE_INVALID` for a length that is missing, contradicts itself or does not fit.
        UnsupportedError: `TARGET_UNSUPPORTED` where the mark stands on nothing that the verb can work on.
    """
    match segment.directive.verb:
        case JobKind.RETAKE:
            return _cover_retake(segment)
        case JobKind.REGENERATE | JobKind.RESTYLE | JobKind.REFRAME:
            clip = _marked_clip(segment)
            return Coverage(clip.record_range, (clip,))
        case JobKind.BRIDGE:
            return _cover_bridge(segment)
        case JobKind.EXTEND:
            return _cover_extend(segment)
        case JobKind.GENERATE:
            return _cover_generate(segment)


def record_timecode(segment: Segment, record_frame: int) -> str:
    """Name a record frame for people."""
    sequence = segment.sequence
    return format_timecode(record_frame, sequence.frame_rate, drop_frame=sequence.drop_frame)


def place_of(segment: Segment) -> str:
    """Where a mark is, in words: how it was made, on what, and when."""
    at = record_timecode(segment, segment.mark_range.start)
    if segment.clip is not None:
        return f"{segment.where} on {segment.clip.name!r} at {at} in {segment.sequence.name!r}"
    if segment.gap_range is not None:
        return f"{segment.where} on a gap at {at} in {segment.sequence.name!r}"
    return f"{segment.where} of {segment.sequence.name!r} at {at}"


def _cover_retake(segment: Segment) -> Coverage:
    clip = _marked_clip(segment)
    length = _asked_length(segment)
    if length is None:
        return Coverage(clip.record_range, (clip,))
    window = TimeRange.of_length(segment.mark_range.start, length, segment.mark_range.rate)
    if clip.record_range.covers(window):
        return Coverage(window, (clip,))
    before = max(0, clip.record_range.start - window.start)
    after = max(0, window.end - clip.record_range.end)
    sides = [f"{frames_text(before)} before its head"] if before else []
    sides += [f"{frames_text(after)} past its tail"] if after else []
    raise InvalidInputError(
        f"The window {_span(segment, window)} reaches out of {clip.name!r} "
        f"({_span(segment, clip.record_range)}): {' and '.join(sides)}. "
        f"Shorten it by {frames_text(before + after)}, or mark each clip by itself.",
        reason=Reason.RANGE_INVALID,
        metadata={"frames_before": str(before), "frames_after": str(after)},
    )


def _cover_bridge(segment: Segment) -> Coverage:
    clip, mark = segment.clip, segment.mark_range
    if clip is None:
        if segment.gap_range is None:
            raise _no_target(
                "bridge needs a gap or a cut; put the mark on a gap, or on a clip near the cut"
            )
        outgoing, incoming = segment.previous, segment.following
    elif mark.start - clip.record_range.start < clip.record_range.end - mark.end:
        outgoing, incoming = segment.previous, clip
    else:
        outgoing, incoming = clip, segment.following
    if outgoing is None or incoming is None:
        side = "before" if outgoing is None else "after"
        raise _no_target(
            f"there is no clip {side} the marked cut or gap to bridge with; mark another cut, or extend"
        )
    check_clip(outgoing)
    check_clip(incoming)
    if outgoing.record_range.end < incoming.record_range.start:
        return _bridge_gap(segment, outgoing, incoming)
    return _bridge_cut(segment, outgoing, incoming)


def _bridge_gap(segment: Segment, outgoing: ClipUse, incoming: ClipUse) -> Coverage:
    gap = TimeRange(
        outgoing.record_range.end, incoming.record_range.start, segment.sequence.frame_rate
    )
    length = segment.directive.length
    if length is not None and length != gap.length:
        raise InvalidInputError(
            f"The gap between {outgoing.name!r} and {incoming.name!r} is {frames_text(gap.length)} long, and a "
            f"bridge fills all of it. Leave len={length} out.",
            reason=Reason.RANGE_INVALID,
        )
    notes = []
    if segment.mark_has_length and segment.mark_range != gap:
        notes.append(
            f"The bridge fills the whole gap of {frames_text(gap.length)}, not only the mark."
        )
    cut = gap.start + gap.length // 2
    return Coverage(gap, (outgoing, incoming), cut=cut, notes=tuple(notes))


def _bridge_cut(segment: Segment, outgoing: ClipUse, incoming: ClipUse) -> Coverage:
    cut = incoming.record_range.start
    names = f"{outgoing.name!r} and {incoming.name!r}"
    if outgoing.tail_transition or incoming.head_transition:
        raise UnsupportedError(
            f"There is a transition on the cut between {names}. Take it off first; the bridge replaces it.",
            reason=Reason.TARGET_UNSUPPORTED,
        )
    length = _asked_length(segment)
    if length is None:
        raise _no_length(f"A bridge on the cut between {names} needs a length")
    most = min(2 * outgoing.record_range.length + 1, 2 * incoming.record_range.length)
    if length > most:
        raise InvalidInputError(
            f"A bridge of {frames_text(length)} on the cut between {names} is longer than they allow "
            f"({outgoing.record_range.length} and {incoming.record_range.length} frames). "
            f"At most {most} frames fit: write len={most} or less.",
            reason=Reason.RANGE_INVALID,
            metadata={"most": str(most)},
        )
    start = cut - length // 2
    record_range = TimeRange.of_length(start, length, segment.sequence.frame_rate)
    return Coverage(record_range, (outgoing, incoming), cut=cut)


def _cover_extend(segment: Segment) -> Coverage:
    clip = _marked_clip(segment)
    length = _asked_length(segment)
    if length is None:
        raise _no_length(f"To extend {clip.name!r}, a length is needed")
    sequence, used = segment.sequence, clip.record_range
    if segment.directive.edge is Edge.HEAD:
        window = TimeRange(used.start - length, used.start, used.rate)
        neighbour = segment.previous
        short = sequence.record_range.start - window.start
        if short > 0:
            raise InvalidInputError(
                f"Extended by {frames_text(length)} at its head, {clip.name!r} would begin {frames_text(short)} before "
                f"the sequence does ({record_timecode(segment, sequence.record_range.start)}). "
                f"Shorten it by {frames_text(short)}, or move the clip.",
                reason=Reason.RANGE_INVALID,
                metadata={"frames_before": str(short)},
            )
    else:
        window = TimeRange.of_length(used.end, length, used.rate)
        neighbour = segment.following
    notes = _past_sequence_end(segment, window)
    covered = neighbour.record_range.intersect(window) if neighbour else None
    if neighbour and covered:
        every = "all " if covered == neighbour.record_range else ""
        notes.insert(
            0, f"The extension covers {every}{frames_text(covered.length)} of {neighbour.name!r}."
        )
    return Coverage(window, (clip,), notes=tuple(notes))


def _cover_generate(segment: Segment) -> Coverage:
    length = _asked_length(segment)
    if length is None:
        raise _no_length("To generate a shot, a length is needed")
    window = TimeRange.of_length(segment.mark_range.start, length, segment.sequence.frame_rate)
    return Coverage(window, (), notes=tuple(_past_sequence_end(segment, window)))


def _marked_clip(segment: Segment) -> ClipUse:
    if segment.clip is None:
        place = "on a gap" if segment.gap_range is not None else "on no clip"
        raise _no_target(
            f"{segment.directive.verb} needs a clip, and the mark stands {place}; move it onto one"
        )
    check_clip(segment.clip)
    return segment.clip


def _asked_length(segment: Segment) -> int | None:
    """Frames asked for, by the mark's own length or by `len=`."""
    length = segment.directive.length
    if not segment.mark_has_length:
        return length
    marked = segment.mark_range.length
    if length is not None and length != marked:
        raise InvalidInputError(
            f"The mark is {frames_text(marked)} long, but it says len={length}. Make them the same, or leave len= out.",
            reason=Reason.RANGE_INVALID,
        )
    return marked


def _past_sequence_end(segment: Segment, window: TimeRange) -> list[str]:
    past = window.end - max(window.start, segment.sequence.record_range.end)
    return [f"The take runs {frames_text(past)} past the end of the sequence."] if past > 0 else []


def _span(segment: Segment, span: TimeRange) -> str:
    return f"{record_timecode(segment, span.start)} to {record_timecode(segment, span.end)}"


def _no_length(what: str) -> InvalidInputError:
    return InvalidInputError(
        f"{what}. Write how many frames, such as len=24.", reason=Reason.RANGE_INVALID
    )


def _no_target(why: str) -> UnsupportedError:
    return UnsupportedError(f"{why[0].upper()}{why[1:]}.", reason=Reason.TARGET_UNSUPPORTED)
