"""Whether a take sits in the frame as its original does: for the gate only.

What is copied is compared word by word with the original's own bytes. Only two differences are allowed, and
both are worked out here anew: keyframes stand at the same frame on the take's clock, and a fade at an edge
that the take does not have is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from interchange.formats.fcpxml.reread import Place, Reread
from interchange.formats.fcpxml.times import parse_time
from interchange.formats.xml_splice import Element
from interchange.model.take import Placement

_PICTURE_ADJUSTMENTS = (
    "adjust-crop", "adjust-corners", "adjust-conform", "adjust-transform", "adjust-blend",
    "adjust-stabilization", "adjust-rollingShutter", "adjust-360-transform", "adjust-reorient",
    "adjust-orientation", "adjust-colorConform", "adjust-stereo-3D",
)  # fmt: skip
"""In the order of the format's DTD."""
_FILTERS = ("filter-video", "filter-video-mask")
_TOKEN = re.compile(rb"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>|[^<]+|<")
_KEYFRAME_TIME = re.compile(rb"(<keyframe\s(?:[^<>]*\s)?time\s*=\s*)([\"'])([^\"']*)\2")


@dataclass(frozen=True, slots=True)
class _Clock:
    """From the original's own time to the take's, in seconds."""

    origin: Fraction
    rate: Fraction
    start: Fraction

    def __call__(self, own: Fraction) -> Fraction:
        return self.start + (own - self.origin) / self.rate


@dataclass(frozen=True, slots=True)
class _Copy:
    """An element of the original that a take is to have, and the clock its keyframes count on."""

    source: Element
    clock: _Clock


def framing_fault(
    before: Reread, after: Reread, clip: Element, original: Element | None, placement: Placement
) -> str:
    """What is wrong with the children of a take's connected clip.

    Args:
        before: The original document.
        after: The delivered one.
        clip: The take's connected clip in it.
        original: The clip whose framing it takes over; None where it has none, and sound has none.
        placement: What was asked for.

    Returns:
        A predicate for a sentence, empty where all is well.
    """
    if original is None:
        return "holds something, although it frames nothing" if clip.children else ""
    place = before.places[original.index]
    take = placement.take
    start = take.record_range.start_seconds
    clock = _Clock(
        place.own_start + (start - place.start) * place.own_rate,
        place.own_rate,
        take.source_range.start_seconds,
    )
    adjustments: list[_Copy] = []
    filters: list[_Copy] = []
    if placement.copy_framing:
        adjustments, filters = _wanted(before, original, placement, clock)
    keywords = list(_wanted_keywords(before, original, placement, clock))
    metadata = [_Copy(each, clock) for each in original.children if each.tag == "metadata"][:1]
    children = list(clip.children)
    wanted: list[_Copy | dict[str, str | Fraction]] = [
        *adjustments, *keywords, *filters, *metadata,
    ]  # fmt: skip
    if len(children) != len(wanted):
        return "does not have the framing of its original, no more and no less"
    lost = _lost_fades(place, placement)
    for child, expected in zip(children, wanted, strict=True):
        same = (
            _same_words(before, after, child, expected, lost)
            if isinstance(expected, _Copy)
            else _same_keyword(after, child, expected)
        )
        if not same:
            return f"has a <{child.tag}> that is not its original's"
    return ""


def _wanted(
    before: Reread, original: Element, placement: Placement, clock: _Clock
) -> tuple[list[_Copy], list[_Copy]]:
    """Adjustments in the DTD's order, and filters as they are applied: the clip's, then the picture's inside."""
    sources = [_Copy(each, clock) for each in original.children]
    outer = {each.tag for each in original.children}
    inside = next(
        (each for each in original.children if each.tag == "video" and each.get("lane") is None),
        None,
    )
    if original.tag == "clip" and inside is not None:
        moved = before.own_start(inside) - (before.time(inside, "offset") or Fraction(0))
        inner = _Clock(clock.origin + moved, clock.rate, clock.start)
        sources += [
            _Copy(each, inner)
            for each in inside.children
            if each.tag in _FILTERS or each.tag not in outer
        ]
    place, take = before.places[original.index], placement.take.record_range
    covered = (
        take.start_seconds <= place.start
        and place.start + place.duration <= take.start_seconds + take.duration_seconds
    )
    adjustments = [
        each
        for tag in _PICTURE_ADJUSTMENTS
        for each in sources
        if each.source.tag == tag
        and (covered or tag != "adjust-crop" or each.source.get("mode") != "pan")
    ]
    return adjustments, [each for each in sources if each.source.tag in _FILTERS]


def _wanted_keywords(
    before: Reread, original: Element, placement: Placement, clock: _Clock
) -> Iterator[dict[str, str | Fraction]]:
    """The original's keywords over the take's frames, without our own marks."""
    window = placement.take.source_range
    first = window.start_seconds
    last = first + window.duration_seconds
    for keyword in original.children:
        words: dict[str, str | Fraction] = {
            name: keyword.attributes[name]
            for name in ("value", "note")
            if name in keyword.attributes
        }
        if keyword.tag != "keyword" or _names_us(keyword):
            continue
        start, duration = before.time(keyword, "start"), before.time(keyword, "duration")
        if start is None or duration is None:
            yield words
            continue
        begin, end = max(first, clock(start)), min(last, clock(start + duration))
        if begin < end:
            yield {"start": begin, "duration": end - begin, **words}


def _names_us(keyword: Element) -> bool:
    return any("ltx" in (keyword.get(name) or "").lower() for name in ("value", "note"))


def _same_keyword(after: Reread, child: Element, expected: dict[str, str | Fraction]) -> bool:
    return (
        child.tag == "keyword"
        and after.xml.is_empty(child)
        and child.attributes.keys() == expected.keys()
        and all(
            (after.time(child, name) if isinstance(value, Fraction) else child.get(name)) == value
            for name, value in expected.items()
        )
    )


def _lost_fades(place: Place, placement: Placement) -> frozenset[bytes]:
    """The fades at edges of the original that are not the take's."""
    take = placement.take.record_range
    start = take.start_seconds
    lost = set()
    if start != place.start:
        lost.add(b"fadeIn")
    if start + take.duration_seconds != place.start + place.duration:
        lost.add(b"fadeOut")
    return frozenset(lost)


def _same_words(
    before: Reread, after: Reread, child: Element, copy: _Copy, lost: frozenset[bytes]
) -> bool:
    wanted = _words(before.xml.source(copy.source), lost, copy.clock)
    return list(wanted) == list(_words(after.xml.source(child), frozenset(), None))


def _words(
    source: bytes, lost: frozenset[bytes], clock: _Clock | None
) -> Iterator[bytes | tuple[bytes, Fraction, bytes]]:
    """Tags and texts of an element; a keyframe as what stands around its time and the time itself."""
    inside_lost = b""
    for token in _TOKEN.findall(source):
        name = re.split(rb"[\s/>]", token[1:], maxsplit=1)[0] if token.startswith(b"<") else b""
        if inside_lost:
            if token.startswith(b"</" + inside_lost):
                inside_lost = b""
        elif name in lost:
            inside_lost = b"" if token.endswith(b"/>") else name
        elif (keyframe := _KEYFRAME_TIME.match(token)) is not None:
            time = parse_time(keyframe[3].decode())
            yield keyframe[1], time if clock is None else clock(time), token[keyframe.end() :]
        elif token.strip():
            yield token
