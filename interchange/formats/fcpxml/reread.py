"""A second, shorter reading of where things stand in an FCPXML document, for the gate only.

On purpose it shares no code with `timeline` but the times' syntax and the conform rule: a mistake there must
not hide itself here. One pass over the elements in document order, parents before children.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import NamedTuple

from interchange.errors import BridgeError, InvalidInputError, Reason
from interchange.formats.fcpxml.document import predefined_rate
from interchange.formats.fcpxml.times import conform_scale, parse_time
from interchange.formats.xml_splice import Element, XmlIndex
from interchange.timebase import FrameRate

_ZERO = Fraction(0)
_ONE = Fraction(1)

CLIP_TAGS = frozenset(
    {
        "asset-clip", "audio", "audition", "caption", "clip", "gap", "live-drawing", "mc-clip",
        "ref-clip", "sync-clip", "title", "video",
    }
)  # fmt: skip

Connected = tuple[Fraction, Fraction, int, tuple[int, ...]]
"""Something on a lane: start and end in seconds, element index, lanes from the primary storyline outward."""


class Place(NamedTuple):
    """Where an item stands.

    Args:
        start: Seconds of the sequence.
        duration: Seconds.
        own_start: The item's own time there.
        own_rate: Seconds of own time in a second of the sequence.
        sequence: Index of the sequence element.
        lanes: Lanes from the primary storyline outward.
    """

    start: Fraction
    duration: Fraction
    own_start: Fraction
    own_rate: Fraction
    sequence: int
    lanes: tuple[int, ...]


class Reread:
    """A document and where its items stand, worked out in one pass over the elements in order.

    Args:
        xml: The document.
        times: Times read so far, by how they are written; may be shared between documents.
    """

    def __init__(self, xml: XmlIndex, times: dict[str, Fraction]) -> None:
        self.xml = xml
        self._times = times
        self.by_id: dict[str, Element] = {}
        resources = self.xml.root.find("resources")
        for element in resources.children if resources is not None else ():
            identifier = element.attributes.get("id")
            if identifier is not None:
                self.by_id.setdefault(identifier, element)
        self.places: dict[int, Place] = {}
        self._ends: dict[int, tuple[Fraction, Fraction]] = {}
        for element in self.xml.elements:
            if element.tag == "sequence":
                self._sequence(element)
            elif element.parent is not None and (
                element.tag in CLIP_TAGS
                or (element.tag == "spine" and element.parent.tag != "spine")
            ):
                self._item(element, element.parent)

    def time(self, element: Element, name: str) -> Fraction | None:
        """An attribute's time in seconds, None where it is not written."""
        text = element.attributes.get(name)
        if text is None:
            return None
        seconds = self._times.get(text)
        if seconds is None:
            seconds = self._times[text] = parse_time(text)
        return seconds

    def _sequence(self, element: Element) -> None:
        start = self.time(element, "tcStart") or _ZERO
        self.places[element.index] = Place(start, _ZERO, start, _ONE, element.index, ())

    def _item(self, element: Element, parent: Element) -> None:
        around = self.places.get(parent.index)
        if around is None:
            return
        offset = self.time(element, "offset")
        lanes = around.lanes
        if parent.tag == "sequence":
            # The primary storyline counts in the sequence's own time, so its zero is at time zero.
            self._ends[element.index] = (around.start, _ZERO)
            self._put(element, _ZERO, around.sequence, ())
            return
        if parent.tag == "audition":
            if any(each is element for each in parent.children[:1]):
                self._put(element, around.start, around.sequence, lanes)
            return
        if parent.tag == "spine":
            if offset is None:
                start = sum(self._ends[parent.index], _ZERO)
            else:
                start = around.start + offset if lanes else offset
            place = self._put(element, start, around.sequence, lanes)
            self._ends[parent.index] = (start, place.duration)
            return
        if "lane" not in element.attributes:
            return
        start = around.start
        if offset is not None:
            start += (offset - around.own_start) / around.own_rate
        lanes = (*lanes, _lane(element))
        if element.tag == "spine":
            self._ends[element.index] = (start, _ZERO)
        self._put(element, start, around.sequence, lanes)

    def _put(
        self, element: Element, start: Fraction, sequence: int, lanes: tuple[int, ...]
    ) -> Place:
        rate = self._own_rate(element, sequence)
        place = Place(
            start, self._duration(element), self.own_start(element), rate, sequence, lanes
        )
        self.places[element.index] = place
        return place

    def own_start(self, element: Element) -> Fraction:
        """An element's own time where it begins, in seconds."""
        start = self.time(element, "start")
        if start is None and element.tag in {"asset-clip", "video", "audio"}:
            asset = self.by_id.get(element.attributes.get("ref", ""))
            if asset is not None and asset.tag == "asset":
                start = self.time(asset, "start")
        return start or _ZERO

    def _duration(self, element: Element) -> Fraction:
        if element.tag == "audition":
            return self._duration(element.children[0]) if element.children else _ZERO
        duration = self.time(element, "duration")
        if duration is None:
            resource = self.by_id.get(element.attributes.get("ref", ""))
            if resource is not None and resource.tag == "media":
                resource = resource.find("sequence") or resource
            duration = None if resource is None else self.time(resource, "duration")
        return duration or _ZERO

    def _own_rate(self, element: Element, sequence: int) -> Fraction:
        if not element.children:
            return _ONE
        conform = element.find("conform-rate")
        if conform is None or conform.get("scaleEnabled") == "0":
            return _ONE
        rate = self.frame_rate(sequence)
        source = conform.get("srcFrameRate")
        if rate is None or source is None:
            return _ONE
        try:
            return conform_scale(rate, FrameRate.parse(source))[0]
        except BridgeError:
            return _ONE

    def frame_rate(self, sequence: int) -> FrameRate | None:
        """The rate of a sequence, by its element index."""
        form = self.by_id.get(self.xml.elements[sequence].attributes.get("format", ""))
        if form is None:
            return None
        duration = self.time(form, "frameDuration")
        if duration is None:
            return predefined_rate(form.get("name"))
        return FrameRate.from_frame_duration(duration)

    def connections(self) -> dict[int, list[Connected]]:
        """By sequence, everything on a lane: start, end, element index, lanes; by start."""
        found: dict[int, list[Connected]] = defaultdict(list)
        for index, place in self.places.items():
            if place.lanes and self.xml.elements[index].tag != "spine":
                end = place.start + place.duration
                found[place.sequence].append((place.start, end, index, place.lanes))
        for entries in found.values():
            entries.sort()
        return found


def _lane(element: Element) -> int:
    text = element.attributes["lane"]
    try:
        return int(text[:9])
    except ValueError as error:
        raise InvalidInputError(
            f"lane={text[:20]!r} of <{element.tag}> is not a whole number.",
            reason=Reason.DOCUMENT_MALFORMED,
        ) from error
