"""What was added to a document, attribute by attribute: for the gate only.

Each added element is held to what its placement asks for, worked out here anew from the original document. An
attribute or a child that nobody asked for is as wrong as one that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn
from urllib.parse import unquote

from interchange.errors import InvalidInputError, Reason
from interchange.formats.fcpxml.document import pixel_aspect
from interchange.formats.fcpxml.recheck_framing import framing_fault
from interchange.formats.fcpxml.reread import CLIP_TAGS, Place, Reread
from interchange.formats.xml_splice import Element
from interchange.model.directive import JobKind
from interchange.model.segment import Segment
from interchange.model.take import Placement

_REC_709 = "1-1-1 (Rec. 709)"
_Expected = Mapping[str, str | Fraction | None]


def unfaithful(what: str) -> NoReturn:
    """Refuse the delivery; `what` completes "The patched timeline is not delivered, because ...".

    Raises:
        InvalidInputError: Always, `DELIVERY_UNFAITHFUL`.
    """
    raise InvalidInputError(
        f"The patched timeline is not delivered, because {what}. The takes are safe on disk. This is a "
        "fault of ours; please report it with the timeline.",
        reason=Reason.DELIVERY_UNFAITHFUL,
    )


def name_of(element: Element) -> str:
    """An element in words."""
    return (
        f"<{element.tag} {element.get('name') or element.get('value') or element.get('id') or ''}>"
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The document before and after, and which elements of the one are which of the other.

    Args:
        before: The original.
        after: The document to deliver.
        kept: Index in the original to index in the delivered document.
    """

    before: Reread
    after: Reread
    kept: Mapping[int, int]

    def original_of(self, segment: Segment) -> Element | None:
        """The clip a take was made from, as in the original; None where it was made from none."""
        clip = segment.clip or segment.previous or segment.following
        if clip is None or segment.directive.verb is JobKind.GENERATE:
            return None
        return self.before.xml.elements[int(clip.element_id)]

    def base_lanes(self, segment: Segment) -> tuple[int, ...]:
        """The lanes of the clip a mark is on, from the primary storyline outward, as they are now."""
        clip = segment.clip or segment.previous or segment.following
        place = None
        if clip is not None:
            place = self.after.places.get(self.kept.get(int(clip.element_id), -1))
        return () if place is None else place.lanes


def check_asset(comparison: Comparison, asset: Element, placement: Placement) -> None:
    """Hold an added asset, and the format it names, to its take.

    Raises:
        InvalidInputError: It says something else.
    """
    after, take = comparison.after, placement.take
    has_media_rep = after.xml.root.get("version") != "1.8"
    link = {"kind": "original-media", "src": placement.url}
    expected: dict[str, str | Fraction | None] = {
        "id": asset.get("id"),
        "name": _file_name(placement.url),
        "start": take.media_range.start_seconds,
        "duration": take.media_range.duration_seconds,
        "hasVideo": "1",
        "format": asset.get("format"),
    }
    expected |= {"videoSources": "1"} if has_media_rep else {"src": placement.url}
    if take.audio_channels > 0:
        expected |= {
            "hasAudio": "1",
            "audioSources": "1",
            "audioChannels": str(take.audio_channels),
            "audioRate": str(take.audio_sample_rate_hz),
        }
    children = [(child.tag, child.attributes) for child in asset.children]
    if (
        not _says(after, asset, expected)
        or children != ([("media-rep", link)] if has_media_rep else [])
        or not all(_holds_nothing(after, child) for child in asset.children)
        or not _only_space_between(after, asset)
    ):
        unfaithful(f"the asset of {placement.url!r} does not describe the take")
    form = after.by_id.get(asset.get("format") or "")
    if form is None or form.tag != "format" or not _describes(comparison, form, placement):
        unfaithful(f"the format of {placement.url!r} does not describe the take")


def check_clip(comparison: Comparison, clip: Element, asset: Element, placement: Placement) -> None:
    """Hold an added connected clip to its placement: its time, its attributes and its framing.

    Raises:
        InvalidInputError: It is something else, or somewhere else.
    """
    after, take = comparison.after, placement.take
    place = after.places.get(clip.index)
    wanted = comparison.kept.get(int(placement.segment.sequence.sequence_id))
    if place is None or place.sequence != wanted:
        unfaithful(f"{name_of(clip)} does not stand in its sequence")
    if (
        place.start != take.record_range.start_seconds
        or place.duration != take.record_range.duration_seconds
        or place.own_start != take.source_range.start_seconds
        or after.frame_rate(place.sequence) != take.record_range.rate
    ):
        unfaithful(f"{name_of(clip)} does not stand on the frames it was made for")
    if (clip.get("enabled") == "0") is placement.active:
        unfaithful(f"{name_of(clip)} is switched on or off against what was asked")
    original = comparison.original_of(placement.segment)
    if not _says(after, clip, _expected_clip(clip, asset, original, placement)):
        unfaithful(f"{name_of(clip)} is not labelled as what it is")
    _check_lane(comparison, clip, place, placement)
    if not _only_space_between(after, clip):
        unfaithful(f"{name_of(clip)} holds text")
    framed = original if clip.get("srcEnable") == "video" else None
    fault = framing_fault(comparison.before, after, clip, framed, placement)
    if fault:
        unfaithful(f"{name_of(clip)} {fault}")


def check_gap(after: Reread, gap: Element) -> None:
    """Hold an added gap to its one purpose: takes that run past the end of a storyline hang on it.

    Raises:
        InvalidInputError: It is elsewhere, or holds or covers anything else.
    """
    spine = gap.parent
    place = after.places.get(gap.index)
    siblings = [] if spine is None else [each for each in spine.children if each.tag in CLIP_TAGS]
    if place is None or place.lanes or siblings[-1] is not gap:
        unfaithful("a gap was added elsewhere than at the end of a storyline")
    if len(siblings) > 1:
        last = after.places[siblings[-2].index]
        if place.start != last.start + last.duration:
            unfaithful("the added gap does not begin where the storyline ended")
    if not gap.children or any(child.tag != "asset-clip" for child in gap.children):
        unfaithful("the added gap holds something else than takes")
    held = [after.places[child.index] for child in gap.children if child.index in after.places]
    end = max((each.start + each.duration for each in held), default=place.start)
    expected: _Expected = {
        "name": "Gap",
        "offset": place.start,
        "start": Fraction(0),
        "duration": end - place.start,
    }
    if not _says(after, gap, expected) or not _only_space_between(after, gap):
        unfaithful("the added gap is not exactly as long as the takes on it")


def _describes(comparison: Comparison, form: Element, placement: Placement) -> bool:
    """Whether a format is the take's; one that the original has may have a name and more."""
    after, raster = comparison.after, placement.take.raster
    aspect = raster.pixel_aspect
    colour = _colour_space(comparison, placement)
    expected: dict[str, str | Fraction | None] = {
        "id": form.get("id"),
        "frameDuration": placement.take.media_range.rate.frame_duration,
        "width": str(raster.width_px),
        "height": str(raster.height_px),
        "paspH": None if aspect == 1 else str(aspect.numerator),
        "paspV": None if aspect == 1 else str(aspect.denominator),
        "colorSpace": colour,
    }
    if (form.get("id") or "") not in comparison.before.by_id:
        return _says(after, form, expected) and _holds_nothing(after, form)
    plain = not any(form.get(name) for name in ("fieldOrder", "projection", "stereoscopic"))
    stated = (
        after.time(form, "frameDuration"),
        form.get("width"),
        form.get("height"),
        pixel_aspect(form),
        form.get("colorSpace") or None,
    )
    return plain and stated == (
        expected["frameDuration"],
        expected["width"],
        expected["height"],
        aspect,
        colour,
    )


def _colour_space(comparison: Comparison, placement: Placement) -> str | None:
    """That of the media a take was made from; what was made from none is BT.709."""
    original = comparison.original_of(placement.segment)
    if original is None:
        return _REC_709
    resources = comparison.before.by_id
    asset = resources.get(_picture_of(original).get("ref") or "")
    form = None if asset is None else resources.get(asset.get("format") or "")
    return None if form is None else form.get("colorSpace") or None


def _picture_of(original: Element) -> Element:
    """The element with the picture: the first `video` a `clip` contains, else the clip itself."""
    if original.tag != "clip":
        return original
    inside = (child for child in original.children if child.tag == "video")
    return next((child for child in inside if child.get("lane") is None), original)


def _expected_clip(
    clip: Element, asset: Element, original: Element | None, placement: Placement
) -> _Expected:
    take = placement.take
    is_sound = clip.get("srcEnable") == "audio"
    expected: dict[str, str | Fraction | None] = {
        "ref": asset.get("id"),
        "lane": clip.get("lane"),
        "offset": clip.get("offset") or "missing",
        "name": _file_name(placement.url),
        "start": take.source_range.start_seconds,
        "duration": take.record_range.duration_seconds,
        "enabled": None if placement.active else "0",
        "format": asset.get("format"),
        "tcFormat": "DF" if take.drop_frame else "NDF",
        "srcEnable": "audio" if is_sound else "video",
    }
    if is_sound:
        role = None if original is None else original.get("audioRole")
        expected["audioRole"] = role or "dialogue"
    elif original is not None:
        expected["videoRole"] = (
            original.get("videoRole") or _picture_of(original).get("role") or None
        )
    return expected


def _check_lane(comparison: Comparison, clip: Element, place: Place, placement: Placement) -> None:
    lanes = comparison.base_lanes(placement.segment)
    base = lanes[0] if lanes else 0
    lane = place.lanes[0]
    is_sound = clip.get("srcEnable") == "audio"
    wrong = lane >= 0 if is_sound else (lane <= base or (lane > 0) != (base >= 0))
    if len(place.lanes) != 1 or wrong:
        unfaithful(f"{name_of(clip)} is not on a lane above its original")


def _says(reading: Reread, element: Element, expected: _Expected) -> bool:
    """Whether an element has exactly these attributes; times are compared as times, None is absence."""
    wanted = {name: value for name, value in expected.items() if value is not None}
    return element.attributes.keys() == wanted.keys() and all(
        (reading.time(element, name) if isinstance(value, Fraction) else element.get(name)) == value
        for name, value in wanted.items()
    )


def _only_space_between(reading: Reread, element: Element) -> bool:
    """Whether an element holds elements and white space, but no text and no comment."""
    xml = reading.xml
    if xml.is_empty(element):
        return True
    position = xml.start_tag_end(element)
    for child in element.children:
        if xml.raw[position : child.start].strip():
            return False
        position = xml.end(child)
    return not xml.raw[position : element.closing].strip()


def _holds_nothing(reading: Reread, element: Element) -> bool:
    return not element.children and _only_space_between(reading, element)


def _file_name(url: str) -> str:
    """The last part of a `file:` URL, or of a path as it stands."""
    text = unquote(url) if "://" in url else url.replace("\\", "/")
    return text.rstrip("/").rpartition("/")[2] or "take"
