"""What a placed item shows: its media, speed and source position, or why it cannot be a target."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from interchange.formats.fcpxml.document import FcpxmlDocument
from interchange.formats.fcpxml.timeline import STORY_TAGS, StoryItem, Timeline, local_start
from interchange.formats.xml_splice import Element
from interchange.model.segment import ClipUse, MediaLink
from interchange.timebase import TimeRange

_OBSTACLES = {
    "audio": "it has no picture",
    "caption": "it is a caption",
    "gap": "it is a gap",
    "mc-clip": "it is a multicam clip; flatten it to its active angle first",
    "ref-clip": "it is a compound clip; mark the clip inside it, or break it apart first",
    "sync-clip": "it is a synchronized clip; break it apart first",
    "title": "it is a title, which has no media",
    "live-drawing": "it is a drawing, which has no media",
}


@dataclass(frozen=True, slots=True)
class _Retime:
    """Own time to media time, where the speed is constant: media = value + (own - time) * slope."""

    time: Fraction
    value: Fraction
    slope: Fraction

    def media_time(self, local: Fraction) -> Fraction:
        return self.value + (local - self.time) * self.slope


@dataclass(frozen=True, slots=True)
class _Source:
    """The picture an item shows: media time as the document counts it, at the item's own time."""

    asset: Element
    retime: _Retime


class _ObstacleError(Exception):
    """Internal: the item cannot be a target, and why."""


def record_frames(item: StoryItem, timeline: Timeline) -> TimeRange:
    """The whole frames that begin inside an item, in record frames."""
    rate = timeline.rate.fraction
    first = -((-item.start * rate).__floor__())
    return TimeRange(first, max(first, -((-item.end * rate).__floor__())), timeline.rate)


def off_grid_note(item: StoryItem, timeline: Timeline) -> str | None:
    """What to say where an item's edges do not lie on frames; None where they do."""
    rate = timeline.rate
    if rate.exact_frame(item.start) is not None and rate.exact_frame(item.end) is not None:
        return None
    return (
        f"{item.element.get('name') or item.element.tag!r} does not begin and end on whole frames; "
        "the frames that begin inside it are taken."
    )


def clip_use(timeline: Timeline, item: StoryItem) -> ClipUse:
    """Describe an item for the planner.

    Returns:
        The clip; its `obstacle` says why it cannot be a target, where it cannot.
    """
    record_range = record_frames(item, timeline)
    local = item.local_time(record_range.start_seconds)
    media, offset, speed, obstacle = None, Fraction(0), Fraction(1), None
    try:
        source = _source(timeline.document, item)
        media = _media_link(timeline.document, source.asset)
        offset = source.retime.media_time(local) - media.start
        speed = source.retime.slope * item.local_rate
        _check_speed(item, speed)
        if record_range.length == 0:
            obstacle = "it is shorter than one frame"
    except _ObstacleError as error:
        obstacle = str(error)
    return ClipUse(
        element_id=str(item.element.index),
        name=item.element.get("name") or item.element.tag,
        record_range=record_range,
        lane=item.lane,
        enabled=item.element.get("enabled") != "0",
        media=media,
        source_offset=offset,
        speed=speed,
        local_start=local,
        obstacle=obstacle,
        head_transition=item.head_transition,
        tail_transition=item.tail_transition,
    )


def picture_part(item: StoryItem) -> Element:
    """The element that holds the picture: the item itself, or the `video` inside a `clip`."""
    if item.element.tag == "clip":
        for child in item.element.children:
            if child.tag == "video" and "lane" not in child.attributes:
                return child
    return item.element


def asset_of(document: FcpxmlDocument, item: StoryItem) -> Element | None:
    """The asset an item shows, None where it shows none."""
    asset = document.resource(picture_part(item))
    return asset if asset is not None and asset.tag == "asset" else None


def _source(document: FcpxmlDocument, item: StoryItem) -> _Source:
    element = item.element
    if element.tag in _OBSTACLES:
        raise _ObstacleError(_OBSTACLES[element.tag])
    if element.get("srcEnable") == "audio":
        raise _ObstacleError("only its sound is used")
    retime = _retime(document, element)
    if element.tag == "clip":
        return _inside_clip(document, item, retime)
    return _Source(_picture_asset(document, element), retime)


def _inside_clip(document: FcpxmlDocument, item: StoryItem, outer: _Retime) -> _Source:
    parts = [
        child
        for child in item.element.children
        if child.tag in STORY_TAGS | {"spine"} and "lane" not in child.attributes
    ]
    if len(parts) != 1 or parts[0].tag != "video":
        what = (
            "no picture" if all(part.tag == "audio" for part in parts) else "several parts inside"
        )
        raise _ObstacleError(f"it has {what}; break it apart first" if parts else "it is empty")
    video = parts[0]
    conform = video.find("conform-rate")
    if conform is not None and conform.get("scaleEnabled") != "0":
        raise _ObstacleError("the picture inside it is conformed to another rate")
    asset = _picture_asset(document, video)
    inner = _retime(document, video)
    # The video's own time at the clip's time t is start + (t - offset).
    start = local_start(document, video)
    offset = document.time(video, "offset") or Fraction(0)
    return _Source(
        asset,
        _Retime(
            outer.time,
            inner.media_time(start + outer.value - offset),
            inner.slope * outer.slope,
        ),
    )


def _picture_asset(document: FcpxmlDocument, element: Element) -> Element:
    asset = document.resource(element)
    if asset is None:
        raise _ObstacleError("its media is not listed in the document")
    if asset.tag != "asset":
        raise _ObstacleError("it is made by a generator or effect, not from media")
    if asset.get("hasVideo") == "0" or (
        "hasVideo" not in asset.attributes and not asset.get("format")
    ):
        raise _ObstacleError("its media has no picture")
    form = document.resource(asset, attribute="format")
    still = form is not None and form.get("name") == "FFVideoFormatRateUndefined"
    if still or (document.time(asset, "duration") or Fraction(0)) <= 0:
        raise _ObstacleError("it is a still image")
    return asset


def _retime(document: FcpxmlDocument, element: Element) -> _Retime:
    mapping = element.find("timeMap")
    if mapping is None:
        return _Retime(Fraction(0), Fraction(0), Fraction(1))
    points = [
        (time, value)
        for point in mapping.children
        if point.tag == "timept"
        and (time := document.time(point, "time")) is not None
        and (value := document.time(point, "value")) is not None
    ]
    slopes = {
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in pairwise(points)
        if after[0] != before[0]
    }
    if len(points) < 2 or len(slopes) != 1:
        raise _ObstacleError("its speed varies; give it one constant speed, or render it first")
    return _Retime(points[0][0], points[0][1], slopes.pop())


def _check_speed(item: StoryItem, speed: Fraction) -> None:
    if speed == 0:
        raise _ObstacleError("it is a freeze frame")
    if not item.local_rate_certain:
        raise _ObstacleError(
            "Final Cut Pro conforms its frame rate in a way that cannot be known exactly; turn off rate "
            "conforming, or render it first"
        )
    if item.local_rate != 1 and item.element.find("timeMap") is not None:
        raise _ObstacleError("it is both conformed to another frame rate and retimed")


def _media_link(document: FcpxmlDocument, asset: Element) -> MediaLink:
    return MediaLink(
        url=media_url(asset),
        name=asset.get("name") or "",
        start=document.time(asset, "start") or Fraction(0),
        duration=document.time(asset, "duration"),
    )


def media_url(asset: Element) -> str:
    """The file an asset links to: its original media where it has several, empty where it names none."""
    representations = [child for child in asset.children if child.tag == "media-rep"]
    for representation in representations:
        if representation.get("kind") in {None, "original-media"}:
            return representation.get("src") or ""
    if representations:
        return representations[0].get("src") or ""
    return asset.get("src") or ""
