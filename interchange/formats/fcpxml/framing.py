"""Makes a take sit in the frame as the original does: its adjustments, filters, keywords and metadata.

They are copied byte for byte. Only keyframes count in a clip's own time; where the take's differs from the
original's they are moved by the exact difference, as are keyword ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from interchange.formats.fcpxml.clips import picture_part
from interchange.formats.fcpxml.document import FcpxmlDocument
from interchange.formats.fcpxml.marks import names_us
from interchange.formats.fcpxml.resources import write_tag
from interchange.formats.fcpxml.timeline import StoryItem, local_start
from interchange.formats.fcpxml.times import parse_time, write_time
from interchange.formats.xml_splice import Element, Splice, apply_splices
from interchange.model.take import Take

_ADJUSTMENT_ORDER = (
    "adjust-crop", "adjust-corners", "adjust-conform", "adjust-transform", "adjust-blend",
    "adjust-stabilization", "adjust-rollingShutter", "adjust-360-transform", "adjust-reorient",
    "adjust-orientation", "adjust-colorConform", "adjust-stereo-3D",
)  # fmt: skip
ADJUSTMENTS = frozenset(_ADJUSTMENT_ORDER)
"""Picture adjustments that mean the same on a take. `adjust-cinematic` needs the camera's depth data."""
FILTERS = frozenset({"filter-video", "filter-video-mask"})


@dataclass(frozen=True, slots=True)
class Framing:
    """What a take inherits, in the order the format's DTD asks for.

    Args:
        children: Child elements, each as bytes of the document's encoding.
        video_role: The original's role, None where it has none.
        notes: What could not be inherited.
    """

    children: tuple[bytes, ...]
    video_role: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Clock:
    """From an original's own time to the take's: take = (own - origin) / rate + start."""

    origin: Fraction
    rate: Fraction
    start: Fraction

    @property
    def same(self) -> bool:
        return self.rate == 1 and self.origin == self.start

    def to_take(self, local: Fraction) -> Fraction:
        return (local - self.origin) / self.rate + self.start


def inherit_framing(
    document: FcpxmlDocument, original: StoryItem, take: Take, *, copy_framing: bool
) -> Framing:
    """Collect what the take inherits from the clip it covers.

    Args:
        document: The document both are in.
        original: The clip.
        take: Covers frames of the clip, or beside it.
        copy_framing: Whether adjustments and filters apply (else only keywords, metadata and role).
    """
    copier = _Copier(document, original, take)
    if copy_framing:
        copier.copy_all()
    metadata = original.element.find("metadata")
    return Framing(
        children=(
            *(copy for _, copy in sorted(copier.adjustments, key=lambda entry: entry[0])),
            *_keywords(document, original, take, copier.clock),
            *copier.filters,
            *(() if metadata is None else (document.xml.source(metadata),)),
        ),
        video_role=original.element.get("videoRole") or picture_part(original).get("role"),
        notes=tuple(copier.notes),
    )


class _Copier:
    """Copies one clip's adjustments and filters for one take."""

    def __init__(self, document: FcpxmlDocument, original: StoryItem, take: Take) -> None:
        self.adjustments: list[tuple[int, bytes]] = []
        self.filters: list[bytes] = []
        self.notes: list[str] = []
        self._document = document
        self._original = original
        start = take.record_range.start_seconds
        end = start + take.record_range.duration_seconds
        self.clock = _Clock(
            original.local_time(start), original.local_rate, take.source_range.start_seconds
        )
        self._covers_all = start <= original.start and original.end <= end
        self._lost_fades = {"fadeIn": start != original.start, "fadeOut": end != original.end}
        self._name = f"Clip {original.element.get('name') or original.element.tag!r}"

    def copy_all(self) -> None:
        """Copy what applies, of the clip and of the `video` inside it."""
        outer = self._original.element
        outer_tags = {child.tag for child in outer.children}
        for child in outer.children:
            self._copy(child, self.clock)
        picture = picture_part(self._original)
        if picture is not outer:
            clock = self._inner_clock(picture)
            for child in picture.children:
                if child.tag in FILTERS or child.tag not in outer_tags:
                    self._copy(child, clock)
                elif child.tag in ADJUSTMENTS and child.tag != "adjust-colorConform":
                    self.notes.append(
                        f"{self._name} is adjusted twice ({child.tag}); the take has the outer one."
                    )
        if outer.find("adjust-cinematic") is not None:
            self.notes.append(f"{self._name} uses Cinematic focus, which a take cannot have.")

    def _copy(self, element: Element, clock: _Clock) -> None:
        if element.tag in FILTERS:
            self.filters.append(self._copied(element, clock))
        elif element.tag == "adjust-crop" and element.get("mode") == "pan" and not self._covers_all:
            self.notes.append(
                f"{self._name} has a Ken Burns crop, which runs over the whole clip; the take covers a "
                "part of it and has none."
            )
        elif element.tag in ADJUSTMENTS:
            order = _ADJUSTMENT_ORDER.index(element.tag)
            self.adjustments.append((order, self._copied(element, clock)))

    def _inner_clock(self, picture: Element) -> _Clock:
        """The clock of the `video` inside a `clip`, whose own time starts at its own `start`."""
        start = local_start(self._document, picture)
        offset = self._document.time(picture, "offset") or Fraction(0)
        return _Clock(self.clock.origin - offset + start, self.clock.rate, self.clock.start)

    def _copied(self, element: Element, clock: _Clock) -> bytes:
        """Copy with keyframes on the take's clock and without fades at edges the take lacks."""
        xml = self._document.xml
        splices: list[Splice] = []
        for each in xml.subtree(element):
            time = each.get("time")
            if each.tag == "keyframe" and time is not None and not clock.same:
                begin, end = xml.attribute_span(each, "time")
                moved = write_time(clock.to_take(parse_time(time))).encode()
                splices.append(Splice(begin - element.start, end - element.start, moved))
            elif self._lost_fades.get(each.tag):
                splices.append(
                    Splice(each.start - element.start, xml.end(each) - element.start, b"")
                )
                self.notes.append(
                    f"{self._name} fades at an edge that the take does not have; the take does not fade."
                )
        return apply_splices(xml.source(element), splices)


def _keywords(
    document: FcpxmlDocument, original: StoryItem, take: Take, clock: _Clock
) -> list[bytes]:
    """The original's keywords that apply to the take's frames; never our own marks, or they would act again."""
    start = take.source_range.start_seconds
    end = start + take.source_range.duration_seconds
    copied: list[bytes] = []
    for child in original.element.children:
        if child.tag != "keyword" or names_us(child.get("value")) or names_us(child.get("note")):
            continue
        attributes = {}
        first, length = document.time(child, "start"), document.time(child, "duration")
        if first is not None and length is not None:
            begin = max(start, clock.to_take(first))
            stop = min(end, clock.to_take(first + length))
            if stop <= begin:
                continue
            attributes = {"start": write_time(begin), "duration": write_time(stop - begin)}
        for name in ("value", "note"):
            value = child.get(name)
            if value is not None:
                attributes[name] = value
        copied.append(document.xml.encode(write_tag("keyword", attributes)))
    return copied
