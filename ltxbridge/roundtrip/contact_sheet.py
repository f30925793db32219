"""Stills for the report: what the timeline showed before, and what the take shows now."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

from interchange.errors import BridgeError
from interchange.model.media import MediaFacts
from interchange.model.segment import ClipUse, MediaLink, Segment
from interchange.model.take import Take
from interchange.plan.sources import sampling
from interchange.timebase import TimeRange, format_timecode
from ltxbridge.report.values import Still, StillRole
from sidecar.readers.box import ReaderBox

_STILLS = 5
_WIDTH_PX = 320


def stills_before(
    segment: Segment,
    record_range: TimeRange,
    *,
    facts_of: Callable[[MediaLink], MediaFacts],
    box: ReaderBox,
) -> tuple[Still, ...]:
    """What the clips around the mark show over a range of record frames; empty where nothing does."""
    clips = [
        clip for clip in (segment.clip, segment.previous, segment.following) if clip is not None
    ]
    stills = []
    for frame in _spread(record_range):
        clip = next((clip for clip in clips if frame in clip.record_range), None)
        png = _original_png(clip, frame, facts_of=facts_of, box=box) if clip is not None else b""
        stills.append(Still(png, _label(segment, frame), StillRole.ORIGINAL))
    return tuple(stills)


def stills_after(segment: Segment, take: Take, *, box: ReaderBox) -> tuple[Still, ...]:
    """The take's own frames, with one from the middle of each handle it has."""
    covered, file_range = take.record_range, take.file_range
    path = Path(os.path.realpath(take.path))
    frames = list(_spread(covered))
    if file_range.start < covered.start:
        frames.insert(0, (file_range.start + covered.start) // 2)
    if covered.end < file_range.end:
        frames.append((covered.end + file_range.end) // 2)
    return tuple(
        Still(
            _png(path, frame - file_range.start, box=box),
            _label(segment, frame),
            StillRole.TAKE if frame in covered else StillRole.HANDLE,
        )
        for frame in frames
    )


def _spread(record_range: TimeRange) -> list[int]:
    last = record_range.length - 1
    steps = min(_STILLS, record_range.length)
    if steps <= 1:
        return list(record_range.frames)
    return [record_range.start + last * step // (steps - 1) for step in range(steps)]


def _original_png(
    clip: ClipUse,
    record_frame: int,
    *,
    facts_of: Callable[[MediaLink], MediaFacts],
    box: ReaderBox,
) -> bytes:
    if clip.media is None or clip.obstacle is not None:
        return b""
    try:
        facts = facts_of(clip.media)
    except BridgeError:
        return b""
    position, step = sampling(clip, facts.frame_rate)
    index = math.floor(position + (record_frame - clip.record_range.start) * step)
    return _png(Path(facts.path), min(max(index, 0), facts.frame_count - 1), box=box)


def _png(path: Path, frame_index: int, *, box: ReaderBox) -> bytes:
    try:
        return box.still_png(path, frame_index, max_width_px=_WIDTH_PX)
    except BridgeError:
        # A picture for people; what is wrong with the media is said where it is used.
        return b""


def _label(segment: Segment, record_frame: int) -> str:
    sequence = segment.sequence
    return format_timecode(record_frame, sequence.frame_rate, drop_frame=sequence.drop_frame)
