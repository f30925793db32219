"""Where every item of a sequence stands, in exact seconds; one walk, no item visited twice.

Times in FCPXML are local: an item in a spine is placed in the spine's time, an anchored item (one with a
`lane`) in the own time of the item it hangs on, which starts at that item's `start`. A spine may leave
offsets out; then its items follow each other.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from fractions import Fraction

from interchange.errors import InvalidInputError, Reason
from interchange.formats.fcpxml.document import FcpxmlDocument
from interchange.formats.fcpxml.times import conform_scale
from interchange.formats.xml_splice import Element
from interchange.model.segment import SequenceFacts
from interchange.timebase import FrameRate, TimeRange

STORY_TAGS = frozenset(
    {
        "asset-clip", "audio", "audition", "caption", "clip", "gap", "live-drawing", "mc-clip",
        "ref-clip", "sync-clip", "title", "video",
    }
)  # fmt: skip
_ZERO = Fraction(0)
_ONE = Fraction(1)
_ANCHORED_TAGS = STORY_TAGS | {"spine"}
_RATE = re.compile(r"\d{1,4}(\.\d{1,4})?")


@dataclass(eq=False, slots=True)
class Connection:
    """Something that hangs on the primary storyline: a connected clip or a secondary storyline.

    Args:
        element: The element that carries `lane`.
        lane: Its lane.
        spans: Everything it and what hangs on it covers, in seconds of the sequence.
    """

    element: Element
    lane: int
    spans: list[tuple[Fraction, Fraction]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class StoryItem:
    """One item of a storyline, or one that is connected to another.

    Args:
        element: The item; of an audition its active pick.
        start: Where it stands, in seconds of the sequence.
        duration: Seconds of the sequence.
        local_start: Its own time at `start`, in seconds.
        local_rate: Seconds of its own time that pass in a second of the sequence.
        local_rate_certain: Whether the format lets us be sure of that.
        connection: What it belongs to, None in the primary storyline.
        previous: The clip before it in its storyline; a gap may lie between.
        following: The clip after it, likewise.
        head_transition: Whether a transition lies over its head.
        tail_transition: Whether one lies over its tail.
    """

    element: Element
    start: Fraction
    duration: Fraction
    local_start: Fraction
    local_rate: Fraction
    local_rate_certain: bool
    connection: Connection | None
    previous: StoryItem | None = None
    following: StoryItem | None = None
    head_transition: bool = False
    tail_transition: bool = False

    @property
    def end(self) -> Fraction:
        """First instant after it."""
        return self.start + self.duration

    @property
    def lane(self) -> int:
        """Lane on the primary storyline of what it belongs to."""
        return 0 if self.connection is None else self.connection.lane

    @property
    def is_gap(self) -> bool:
        """Whether it is a gap."""
        return self.element.tag == "gap"

    def local_time(self, seconds: Fraction) -> Fraction:
        """The item's own time at a time of the sequence."""
        return self.local_start + (seconds - self.start) * self.local_rate

    def sequence_time(self, local: Fraction) -> Fraction:
        """The time of the sequence at a time of the item's own."""
        return self.start + (local - self.local_start) / self.local_rate


class Timeline:
    """One sequence with all its items placed.

    Args:
        document: The document.
        element: The `sequence`.

    Raises:
        InvalidInputError: The sequence has no frame rate, or a time that is none.
    """

    def __init__(self, document: FcpxmlDocument, element: Element) -> None:
        self.document = document
        self.element = element
        rate = document.frame_rate(element)
        if rate is None:
            raise InvalidInputError(
                f"The sequence {sequence_name(element)!r} names no format with a frame rate. Set the "
                "project's rate and export again.",
                reason=Reason.DOCUMENT_MALFORMED,
            )
        self.rate: FrameRate = rate
        self.tc_start = document.time(element, "tcStart") or _ZERO
        self.items: list[StoryItem] = []
        self.primary: list[StoryItem] = []
        self.connections: list[Connection] = []
        self.spine = element.find("spine")
        self.end = self.tc_start
        if self.spine is not None:
            self.primary, self.end = self._storyline(self.spine, self.tc_start, None)
        self._primary_starts = [item.start for item in self.primary]

    @property
    def facts(self) -> SequenceFacts:
        """The sequence for the planner; an extent off the frame grid is widened to whole frames."""
        start = self.rate.frame_at(self.tc_start)
        end = max(start, -((-self.end * self.rate.fraction).__floor__()))
        return SequenceFacts(
            sequence_id=str(self.element.index),
            name=sequence_name(self.element),
            frame_rate=self.rate,
            drop_frame=self.element.get("tcFormat") == "DF" and self.rate.drop_frame_capable,
            record_range=TimeRange(start, end, self.rate),
            raster=self.document.raster(self.element),
        )

    def host_at(self, seconds: Fraction) -> StoryItem | None:
        """The item of the primary storyline on which something at a time hangs; None before the first."""
        place = bisect_right(self._primary_starts, seconds) - 1
        return self.primary[place] if place >= 0 else None

    def _storyline(
        self, spine: Element, origin: Fraction, connection: Connection | None
    ) -> tuple[list[StoryItem], Fraction]:
        """Place the items of a spine that begins at `origin`; returns where it ends, too."""
        items: list[StoryItem] = []
        clip: StoryItem | None = None
        transition_pending = False
        for element in spine.children:
            if element.tag == "transition":
                transition_pending = True
                if items:
                    items[-1].tail_transition = True
                continue
            if element.tag not in STORY_TAGS:
                continue
            offset = self.document.time(element, "offset")
            if offset is None:
                start = items[-1].end if items else origin
            else:
                # The primary storyline counts in the sequence's own time.
                start = offset if connection is None else origin + offset
            item = self._item(element, start, connection)
            if item is None:
                continue
            item.head_transition = transition_pending
            transition_pending = False
            items.append(item)
            item.previous = clip
            if not item.is_gap:
                clip = item
        following: StoryItem | None = None
        for item in reversed(items):
            item.following = following
            if not item.is_gap:
                following = item
        return items, items[-1].end if items else origin

    def _item(
        self, carrier: Element, start: Fraction, connection: Connection | None
    ) -> StoryItem | None:
        element: Element | None = carrier
        if carrier.tag == "audition":
            element = next((each for each in carrier.children if each.tag in STORY_TAGS), None)
        if element is None:
            return None
        local_rate, certain = self._local_rate(element)
        item = StoryItem(
            element=element,
            start=start,
            duration=self._duration(element),
            local_start=local_start(self.document, element),
            local_rate=local_rate,
            local_rate_certain=certain,
            connection=connection,
        )
        self.items.append(item)
        if connection is not None:
            connection.spans.append((item.start, item.end))
        for child in element.children:
            if child.tag in _ANCHORED_TAGS and "lane" in child.attributes:
                self._anchored(child, item)
        return item

    def _anchored(self, element: Element, host: StoryItem) -> None:
        offset = self.document.time(element, "offset")
        start = host.start if offset is None else host.sequence_time(offset)
        connection = host.connection
        if connection is None:
            connection = Connection(element, self._lane(element))
            self.connections.append(connection)
        if element.tag == "spine":
            self._storyline(element, start, connection)
        else:
            self._item(element, start, connection)

    def _lane(self, element: Element) -> int:
        text = element.attributes["lane"].strip()
        try:
            return int(text[:9])
        except ValueError as error:
            raise InvalidInputError(
                f"lane={text[:20]!r} of <{element.tag}> is not a whole number.",
                reason=Reason.DOCUMENT_MALFORMED,
            ) from error

    def _duration(self, element: Element) -> Fraction:
        duration = self.document.time(element, "duration")
        if duration is None:
            resource = self.document.resource(element)
            if resource is not None and resource.tag == "media":
                resource = resource.find("sequence") or resource
            duration = None if resource is None else self.document.time(resource, "duration")
        return duration or _ZERO

    def _local_rate(self, element: Element) -> tuple[Fraction, bool]:
        # conform-rate comes first but for a note; looking no further keeps the walk linear.
        conform: Element | None = None
        for child in element.children:
            if child.tag == "conform-rate":
                conform = child
                break
            if child.tag not in {"note", "param"}:
                break
        if conform is None or conform.get("scaleEnabled") == "0":
            return _ONE, True
        source = self._source_rate(element, conform)
        return (_ONE, False) if source is None else conform_scale(self.rate, source)

    def _source_rate(self, element: Element, conform: Element) -> FrameRate | None:
        stated = conform.get("srcFrameRate")
        if stated is not None:
            if not _RATE.fullmatch(stated):
                return None
            try:
                return FrameRate.parse(stated)
            except InvalidInputError:
                return None
        asset = self.document.resource(element)
        return None if asset is None else self.document.frame_rate(asset)


def local_start(document: FcpxmlDocument, element: Element) -> Fraction:
    """An element's own time where it begins: `start`, else that of its asset, else zero; in seconds."""
    start = document.time(element, "start")
    if start is None and element.tag in {"asset-clip", "video", "audio"}:
        asset = document.resource(element)
        if asset is not None and asset.tag == "asset":
            start = document.time(asset, "start")
    return start or _ZERO


class Timelines:
    """The sequences of one document, each placed in time once.

    Args:
        document: The document.
    """

    def __init__(self, document: FcpxmlDocument) -> None:
        self.document = document
        self._timelines: dict[int, Timeline] = {}

    def of(self, element: Element) -> Timeline:
        """The timeline of a `sequence` element.

        Raises:
            InvalidInputError: The sequence has no frame rate, or a time that is none.
        """
        known = self._timelines.get(element.index)
        if known is None:
            known = self._timelines[element.index] = Timeline(self.document, element)
        return known


def sequence_name(element: Element) -> str:
    """The name of the project or compound clip a sequence belongs to."""
    parent = element.parent
    return element.get("name") or (parent.get("name") if parent is not None else None) or "Untitled"
