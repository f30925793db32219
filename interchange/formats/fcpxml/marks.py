"""Finds what an editor marked: markers, keyword ranges, clip names and notes; each a segment or a problem."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from fractions import Fraction

from interchange.directive import parse_directive
from interchange.errors import BridgeError, InvalidInputError, Reason, UnsupportedError
from interchange.formats.fcpxml.clips import clip_use, off_grid_note, record_frames
from interchange.formats.fcpxml.timeline import StoryItem, Timeline, sequence_name
from interchange.formats.xml_splice import Element
from interchange.model.directive import Directive
from interchange.model.segment import ClipUse, Problem, Segment, SequenceFacts
from interchange.timebase import TimeRange, format_timecode

MARKER_TAGS = frozenset({"marker", "chapter-marker"})
MARK_TAGS = MARKER_TAGS | {"keyword"}


def names_us(text: str | None) -> bool:
    """Whether a text may hold a directive; cheap, since it is asked of every name in the document."""
    return text is not None and "ltx" in text.lower()


@dataclass(frozen=True, slots=True)
class _Mark:
    """A mark as found, before its place is worked out.

    Args:
        element: The element that carries the text; None for the clip's own name.
        where: How it was made, in words.
        texts: Name and note.
        item: The clip or gap it is on; None on the sequence.
    """

    element: Element | None
    where: str
    texts: tuple[str, ...]
    item: StoryItem | None

    @property
    def text(self) -> str:
        return " ".join(text for text in self.texts if text)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a mark is, in record frames; whether it has a length of its own; what was snapped."""

    mark_range: TimeRange
    has_length: bool = False
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class MarkReader:
    """Collects the segments and problems of a document.

    Args:
        segments: Found so far, in the order of the document.
        problems: Marks that cannot be met.
        seen: Indices of mark elements that belong to a timeline.
    """

    segments: list[Segment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    _ids: Counter[str] = field(default_factory=Counter)

    def read_timeline(self, timeline: Timeline) -> None:
        """Read all marks of one sequence."""
        reader = _TimelineMarks(timeline, self._ids)
        for mark in _marks(timeline):
            if mark.element is not None:
                self.seen.add(mark.element.index)
            if not any(names_us(text) for text in mark.texts):
                continue
            try:
                directive = parse_directive(*mark.texts)
                if directive is not None:
                    self.segments += reader.segments_of(mark, directive)
            except BridgeError as error:
                self.problems.append(Problem("", reader.describe(mark), mark.text, error))

    def skip_marks_of(self, elements: Iterable[Element]) -> bool:
        """Count marks as dealt with; returns whether one of them is meant for us."""
        marks = [element for element in elements if element.tag in MARK_TAGS]
        self.seen.update(element.index for element in marks)
        return any(names_us(mark.get(key)) for mark in marks for key in ("value", "note"))

    def report_stray(self, elements: list[Element]) -> None:
        """Turn marks on things that stand on no timeline into problems, so that none is lost silently."""
        for element in elements:
            if element.tag not in MARK_TAGS or element.index in self.seen:
                continue
            texts = (element.get("value") or "", element.get("note") or "")
            if not any(names_us(text) for text in texts):
                continue
            try:
                if parse_directive(*texts) is None:
                    continue
                error: BridgeError = UnsupportedError(
                    "The mark is not on a clip of a timeline: it is on a clip in the browser, inside a "
                    "multicam or synchronized clip, or on an audition's unused pick. Put it on the clip "
                    "in the project.",
                    reason=Reason.TARGET_UNSUPPORTED,
                )
            except BridgeError as invalid:
                error = invalid
            owner = element.parent
            name = (owner.get("name") if owner is not None else None) or "unnamed"
            text = " ".join(filter(None, texts))
            self.problems.append(Problem("", f"clip {name!r}", text, error))


class _TimelineMarks:
    """Works out the segments of one sequence's marks."""

    def __init__(self, timeline: Timeline, ids: Counter[str]) -> None:
        self._timeline = timeline
        self._facts = timeline.facts
        self._ids = ids
        self._uses: dict[int, ClipUse] = {}

    def segments_of(self, mark: _Mark, directive: Directive) -> list[Segment]:
        """The segment a mark stands for; for `clips=` one for each clip it selects.

        Raises:
            InvalidInputError: The mark is not on what the cut shows, or selects nothing.
            UnsupportedError: It selects by what FCPXML does not keep.
        """
        if directive.clips is None:
            return [self._segment(mark, directive, _spot(self._timeline, self._facts, mark))]
        if directive.clips.by != "name":
            raise UnsupportedError(
                "FCPXML keeps no clip colours, so clips=colour: finds nothing. Use clips=name:GLOB, or "
                "mark the clips themselves.",
                reason=Reason.TARGET_UNSUPPORTED,
            )
        pattern = directive.clips.pattern.lower()
        found = [
            replace(mark, item=item)
            for item in self._timeline.items
            if not item.is_gap and fnmatchcase((item.element.get("name") or "").lower(), pattern)
        ]
        if not found:
            raise InvalidInputError(
                f"No clip of {self._facts.name!r} has a name like {directive.clips.pattern!r}.",
                reason=Reason.DIRECTIVE_INVALID,
            )
        return [
            self._segment(each, directive, _whole_clip_spot(self._timeline, each)) for each in found
        ]

    def describe(self, mark: _Mark) -> str:
        """Where a mark is, for the report."""
        facts = self._facts
        if mark.item is None:
            return f"sequence {facts.name!r}"
        frame = facts.frame_rate.frame_at(mark.item.start)
        timecode = format_timecode(frame, facts.frame_rate, drop_frame=facts.drop_frame)
        name = mark.item.element.get("name") or mark.item.element.tag
        return f"{mark.where} on {name!r} at {timecode} in {facts.name!r}"

    def _segment(self, mark: _Mark, directive: Directive, spot: _Spot) -> Segment:
        item, timeline = mark.item, self._timeline
        on_gap = item is not None and item.is_gap
        grid = None if item is None else off_grid_note(item, timeline)
        return Segment(
            segment_id=self._segment_id(mark, spot),
            sequence=self._facts,
            directive=directive,
            where=mark.where,
            mark_range=spot.mark_range,
            mark_has_length=spot.has_length,
            clip=None if on_gap else self._use(item),
            gap_range=record_frames(item, timeline) if item is not None and on_gap else None,
            previous=self._use(item.previous if item is not None else None),
            following=self._use(item.following if item is not None else None),
            notes=(*spot.notes, grid) if grid else spot.notes,
        )

    def _use(self, item: StoryItem | None) -> ClipUse | None:
        if item is None:
            return None
        known = self._uses.get(item.element.index)
        if known is None:
            known = self._uses[item.element.index] = clip_use(self._timeline, item)
        return known

    def _segment_id(self, mark: _Mark, spot: _Spot) -> str:
        """Name a segment by what it is, so that work elsewhere in the timeline does not rename it."""
        named = self._timeline.element if mark.item is None else mark.item.element
        content = "\0".join(
            (
                self._facts.name,
                mark.where,
                mark.text,
                named.tag,
                named.get("name") or "",
                named.get("ref") or "",
                str(spot.mark_range),
            )
        )
        digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:16]
        self._ids[digest] += 1
        count = self._ids[digest]
        return digest if count == 1 else f"{digest}-{count}"


def _marks(timeline: Timeline) -> Iterator[_Mark]:
    """All marks of a sequence, directives or not."""
    note = timeline.element.find("note")
    if note is not None:
        text = timeline.document.xml.text(note).strip()
        yield _Mark(note, "sequence note", (text,), None)
    if names_us(sequence_name(timeline.element)):
        yield _Mark(None, "sequence name", (sequence_name(timeline.element),), None)
    for item in timeline.items:
        name = item.element.get("name")
        if names_us(name) and name is not None and not item.is_gap:
            yield _Mark(None, "clip name", (name,), item)
        for child in item.element.children:
            if child.tag in MARK_TAGS:
                where = "keyword range" if child.tag == "keyword" else "marker"
                texts = (child.get("value") or "", child.get("note") or "")
                yield _Mark(child, where, texts, item)
            elif child.tag == "note":
                text = timeline.document.xml.text(child).strip()
                yield _Mark(child, "note", (text,), item)


def _whole_clip_spot(timeline: Timeline, mark: _Mark) -> _Spot:
    """All of what a mark without a place of its own is on; its length is not one the editor chose."""
    if mark.item is None:
        return _Spot(timeline.facts.record_range)
    return _Spot(record_frames(mark.item, timeline))


def _spot(timeline: Timeline, facts: SequenceFacts, mark: _Mark) -> _Spot:
    item, element = mark.item, mark.element
    if item is None or element is None or element.tag not in MARK_TAGS:
        return _whole_clip_spot(timeline, mark)
    local = timeline.document.time(element, "start")
    seconds = item.start if local is None else item.sequence_time(local)
    if element.tag == "keyword":
        length = timeline.document.time(element, "duration")
        end = item.end if length is None else seconds + length / item.local_rate
        return _keyword_spot(timeline, item, seconds, end)
    if not item.start <= seconds < item.end:
        raise InvalidInputError(
            "The marker is on a part of the clip that the cut does not show. Move it into the visible part.",
            reason=Reason.RANGE_INVALID,
        )
    # A marker names a moment: the frame on screen then. On a retimed clip that is off the grid by design.
    frame = facts.frame_rate.frame_at(seconds)
    whole = record_frames(item, timeline)
    if whole.length:
        frame = min(max(frame, whole.start), whole.end - 1)
    notes: tuple[str, ...] = ()
    if facts.frame_rate.exact_frame(seconds) is None:
        notes = ("The marker lies between two frames; the frame on screen there is taken.",)
    return _Spot(TimeRange(frame, frame + 1, timeline.rate), notes=notes)


def _keyword_spot(
    timeline: Timeline, item: StoryItem, start_seconds: Fraction, end_seconds: Fraction
) -> _Spot:
    rate = timeline.rate
    whole = record_frames(item, timeline)
    first = rate.frame_at(start_seconds)
    last = -((-end_seconds * rate.fraction).__floor__())
    used = whole.intersect(TimeRange(first, max(first, last), rate))
    if used is None:
        raise InvalidInputError(
            "The keyword range covers no frame that the cut shows of this clip. Set it on the visible part.",
            reason=Reason.RANGE_INVALID,
        )
    notes: list[str] = []
    off_grid = (
        (used.start == first and rate.exact_frame(start_seconds) is None),
        (used.end == last and rate.exact_frame(end_seconds) is None),
    )
    if any(off_grid):
        notes.append(
            "The keyword range does not lie on whole frames; every frame it touches is taken."
        )
    if (first, last) != (used.start, used.end):
        notes.append(
            "The keyword range reaches past what the cut shows; the visible part is taken."
        )
    return _Spot(used, has_length=True, notes=tuple(notes))
