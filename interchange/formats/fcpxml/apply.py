"""Puts takes into a document: each a connected clip directly above the clip it answers.

Nothing of the original moves. Where the lane above a clip is taken, what lies there goes up a lane, which is
declared; past the end of the storyline a gap is appended for the take to hang on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import zip_longest

from interchange.errors import InternalError, Reason, UnsupportedError
from interchange.formats.base import LaneChange, Patch
from interchange.formats.fcpxml.clips import asset_of
from interchange.formats.fcpxml.document import FcpxmlDocument
from interchange.formats.fcpxml.framing import inherit_framing
from interchange.formats.fcpxml.lanes import LaneStack, Occupant
from interchange.formats.fcpxml.layout import Block, Layout
from interchange.formats.fcpxml.resources import REC_709, NewResources, file_name, write_tag
from interchange.formats.fcpxml.timeline import Connection, StoryItem, Timeline, Timelines
from interchange.formats.fcpxml.times import write_time
from interchange.formats.xml_splice import Element, Splice, apply_splices
from interchange.model.directive import JobKind
from interchange.model.take import Placement
from interchange.timebase import format_timecode

AFTER_ANCHORED = frozenset(
    {
        "analysis-marker", "audio-channel-source", "audio-role-source", "chapter-marker", "filter-audio",
        "filter-video", "filter-video-mask", "hidden-clip-marker", "keyword", "marker", "metadata",
        "rating", "reserved", "sync-source",
    }
)  # fmt: skip
"""What the format's DTD puts after connected items."""


@dataclass(slots=True)
class _New:
    """A connected clip to write; its lane is final only when all takes are placed."""

    host: StoryItem | None
    occupant: Occupant
    attributes: dict[str, str]
    children: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Sequence:
    """One sequence while takes are placed on it."""

    timeline: Timeline
    lanes: LaneStack
    items: dict[str, StoryItem]
    new: list[_New] = field(default_factory=list)
    tail_end: Fraction = Fraction(0)


def apply_takes(raw: bytes, placements: Sequence[Placement]) -> Patch:
    """Put takes into a document; see `apply_to`."""
    return apply_to(Timelines(FcpxmlDocument(raw)), placements)


def apply_to(timelines: Timelines, placements: Sequence[Placement]) -> Patch:
    """Put takes into a document.

    Args:
        timelines: The sequences of the very document the placements' segments were read from; unchanged.
        placements: What goes where.

    Returns:
        The new document, and all that differs.

    Raises:
        UnsupportedError: A take cannot be placed without changing an original.
        InternalError: A segment is not of this document.
    """
    document = timelines.document
    resources = NewResources(document)
    sequences: dict[str, _Sequence] = {}
    notes: list[str] = []
    for placement in placements:
        identifier = placement.segment.sequence.sequence_id
        if identifier not in sequences:
            sequences[identifier] = _open_sequence(timelines, identifier)
        notes += _place(document, resources, sequences[identifier], placement)
    layout = Layout(document.xml)
    splices: list[Splice] = []
    lane_changes: list[LaneChange] = []
    if resources.entries:
        blocks = [_block(document, entry) for entry in resources.entries]
        splices.append(layout.insert(document.resources, blocks, None))
    for sequence in sequences.values():
        splices += _write_sequence(document, layout, sequence)
        changes = [_lane_change(each) for each in sequence.lanes.raised()]
        for connection, change in changes:
            start, end = document.xml.attribute_span(connection.element, "lane")
            splices.append(Splice(start, end, str(change.after).encode()))
            lane_changes.append(change)
    ordered = tuple(sorted(splices, key=lambda splice: (splice.start, splice.end)))
    return Patch(
        data=apply_splices(document.xml.raw, ordered),
        splices=ordered,
        lane_changes=tuple(lane_changes),
        notes=tuple(dict.fromkeys(notes)),
    )


def _open_sequence(timelines: Timelines, identifier: str) -> _Sequence:
    place = int(identifier) if identifier.isdecimal() else -1
    elements = timelines.document.xml.elements
    if not 0 <= place < len(elements) or elements[place].tag != "sequence":
        raise InternalError("A take is meant for a sequence that this document does not have.")
    timeline = timelines.of(elements[place])
    if timeline.spine is None:
        raise UnsupportedError(
            f"The sequence {timeline.facts.name!r} has no storyline a take could be connected to.",
            reason=Reason.TARGET_UNSUPPORTED,
        )
    items = {str(item.element.index): item for item in timeline.items}
    return _Sequence(timeline, LaneStack(timeline.connections), items, tail_end=timeline.end)


def _place(
    document: FcpxmlDocument, resources: NewResources, sequence: _Sequence, placement: Placement
) -> tuple[str, ...]:
    take, segment, timeline = placement.take, placement.segment, sequence.timeline
    if take.record_range.rate != timeline.rate or take.media_range.rate != timeline.rate:
        raise InternalError("A take is counted at another rate than its sequence.")
    clip = segment.clip or segment.previous or segment.following
    original = None if clip is None else sequence.items.get(clip.element_id)
    if clip is not None and original is None:
        raise InternalError(f"The clip {clip.name!r} of a take is not in this document.")
    start = take.record_range.start_seconds
    span = (start, start + take.record_range.duration_seconds)
    host = _host(sequence, span)
    base = None if original is None else original.connection
    if original is not None and base is not None:
        _refuse_hidden_above(sequence, original, span)
    occupant = sequence.lanes.place_above(base, span)
    # What is generated lies above a clip, but it is no take of it.
    model = None if segment.directive.verb is JobKind.GENERATE else original
    identifier, form = resources.add_asset(placement, _colour_space(document, model))
    common = {
        "name": file_name(placement.url),
        "start": write_time(take.source_range.start_seconds),
        "duration": write_time(take.record_range.duration_seconds),
        **({} if placement.active else {"enabled": "0"}),
        "format": form,
        "tcFormat": "DF" if take.drop_frame else "NDF",
    }
    framing = None
    if model is not None:
        framing = inherit_framing(document, model, take, copy_framing=placement.copy_framing)
    role = {"videoRole": framing.video_role} if framing is not None and framing.video_role else {}
    picture = {"ref": identifier, **common, **role, "srcEnable": "video"}
    sequence.new.append(_New(host, occupant, picture, framing.children if framing else ()))
    if take.audio_channels > 0:
        audio_role = None if model is None else model.element.get("audioRole")
        sound = {
            "ref": identifier,
            **common,
            "audioRole": audio_role or "dialogue",
            "srcEnable": "audio",
        }
        sequence.new.append(_New(host, sequence.lanes.place_sound(span), sound))
    return framing.notes if framing is not None else ()


def _refuse_hidden_above(
    sequence: _Sequence, original: StoryItem, span: tuple[Fraction, Fraction]
) -> None:
    """Refuse a take that would cover what is connected to its connected clip; the two share one lane outside."""
    lanes = _lane_path(original.element)
    for item in sequence.items.values():
        if (
            item.connection is original.connection
            and item.start < span[1]
            and span[0] < item.end
            and _is_above(_lane_path(item.element), lanes)
        ):
            raise UnsupportedError(
                f"{item.element.get('name') or item.element.tag!r} is connected above the connected clip "
                f"{original.element.get('name') or original.element.tag!r}, and a take would cover it. Connect it to "
                "the primary storyline instead.",
                reason=Reason.TARGET_UNSUPPORTED,
            )


def _lane_path(element: Element) -> tuple[int, ...]:
    """The lanes of a connected element from the primary storyline outward."""
    lanes: list[int] = []
    at: Element | None = element
    while at is not None and at.tag != "sequence":
        if "lane" in at.attributes:
            lanes.append(int(at.attributes["lane"]))
        at = at.parent
    return tuple(reversed(lanes))


def _is_above(one: tuple[int, ...], two: tuple[int, ...]) -> bool:
    differences = (a - b for a, b in zip_longest(one, two, fillvalue=0))
    return next(filter(None, differences), 0) > 0


def _colour_space(document: FcpxmlDocument, model: StoryItem | None) -> str:
    """That of the media a take was made from, empty where it is not stated; what was made from none is BT.709."""
    if model is None:
        return REC_709
    asset = asset_of(document, model)
    form = None if asset is None else document.resource(asset, attribute="format")
    return (form.get("colorSpace") if form is not None else None) or ""


def _host(sequence: _Sequence, span: tuple[Fraction, Fraction]) -> StoryItem | None:
    """The item of the primary storyline a take hangs on; None for the gap appended at the end."""
    timeline = sequence.timeline
    start, end = span
    if start < timeline.tc_start:
        timecode = format_timecode(
            timeline.facts.record_range.start, timeline.rate, drop_frame=timeline.facts.drop_frame
        )
        raise UnsupportedError(
            f"The take begins before the sequence does, at {timecode}. Move the cut to the right, or mark "
            "fewer frames.",
            reason=Reason.TARGET_UNSUPPORTED,
        )
    host = timeline.host_at(start) if start < timeline.end else None
    if host is None:
        sequence.tail_end = max(sequence.tail_end, end)
    return host


def _write_sequence(document: FcpxmlDocument, layout: Layout, sequence: _Sequence) -> list[Splice]:
    timeline = sequence.timeline
    splices: list[Splice] = []
    by_host: dict[int, tuple[Element, list[Block]]] = {}
    tail: list[Block] = []
    for new in sequence.new:
        if new.host is None:
            # The appended gap's own time starts at zero.
            tail.append(_clip_block(document, new, new.occupant.spans[0][0] - timeline.end))
            continue
        offset = new.host.local_time(new.occupant.spans[0][0])
        entry = by_host.setdefault(new.host.element.index, (new.host.element, []))
        entry[1].append(_clip_block(document, new, offset))
    for element, blocks in by_host.values():
        before = next((child for child in element.children if child.tag in AFTER_ANCHORED), None)
        splices.append(layout.insert(element, blocks, before))
    if tail and timeline.spine is not None:
        opening = write_tag(
            "gap",
            {
                "name": "Gap",
                "offset": write_time(timeline.end),
                "start": "0s",
                "duration": write_time(sequence.tail_end - timeline.end),
            },
            close=False,
        )
        gap = Block(document.xml.encode(opening), tuple(tail), b"</gap>")
        splices.append(layout.insert(timeline.spine, [gap], None))
    return splices


def _clip_block(document: FcpxmlDocument, new: _New, offset: Fraction) -> Block:
    attributes = {
        "ref": new.attributes["ref"],
        "lane": str(new.occupant.lane),
        "offset": write_time(offset),
        **{name: value for name, value in new.attributes.items() if name != "ref"},
    }
    opening = write_tag("asset-clip", attributes, close=not new.children)
    children = tuple(Block(child) for child in new.children)
    return Block(document.xml.encode(opening), children, b"</asset-clip>" if children else b"")


def _block(document: FcpxmlDocument, lines: list[str]) -> Block:
    first, *rest = (Block(document.xml.encode(line)) for line in lines)
    if not rest:
        return first
    return Block(first.opening, tuple(rest[:-1]), rest[-1].opening)


def _lane_change(occupant: Occupant) -> tuple[Connection, LaneChange]:
    connection = occupant.original
    if connection is None:
        raise InternalError("A take was listed as an original.")
    element = connection.element
    return connection, LaneChange(
        element_id=str(element.index),
        name=element.get("name") or element.tag,
        before=connection.lane,
        after=occupant.lane,
    )
