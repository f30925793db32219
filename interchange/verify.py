"""The gate before delivery: the patched document is the original plus exactly the takes, each where asked.

It reads both documents again and knows nothing of how the patch was made: it has its own, shorter reading of
time, pairs the elements of both documents itself, and takes from the patcher only what that declared, to hold
it to it. What it checks:

1. Undoing the declared splices gives back the original, byte for byte.
2. Every original element is still there, in order, with the same attributes (but declared lanes) and at the
   same exact time; nothing but elements was put in.
3. What was added is one asset and one connected clip for each take (two where it has sound), new formats that
   they use, and at most one gap at the end of a storyline; each with the media, time and length asked for.
4. Ids stay unique; whatever overlaps keeps its order above one another, and no lane is shared that was not.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NoReturn

from interchange.errors import BridgeError, InvalidInputError, Reason
from interchange.formats.base import LaneChange
from interchange.formats.fcpxml.reread import CLIP_TAGS, Connected, Reread
from interchange.formats.xml_splice import Element, Splice, XmlIndex, apply_splices
from interchange.model.take import Placement

_INHERITED = ("adjust-", "filter-video", "keyword", "metadata")
_OPENED = re.compile(rb">\s*</[\w-]+>")
"""What an empty element becomes when it gets children, less the children."""


def verify_delivery(
    original: bytes,
    delivered: bytes,
    placements: Sequence[Placement],
    *,
    splices: Sequence[Splice],
    lane_changes: Sequence[LaneChange] = (),
    original_index: XmlIndex | None = None,
) -> None:
    """Refuse a patched document that is anything but the original plus the takes.

    Args:
        original: The document as read.
        delivered: The document to deliver.
        placements: The takes that were to be placed.
        splices: Every byte range the patch declares to have changed.
        lane_changes: Originals the patch declares to have raised.
        original_index: The original as read, to save reading it again. Were it wrong, the delivered document,
            which is always read anew, could not agree with it.

    Raises:
        InvalidInputError: `DELIVERY_UNFAITHFUL`, with what differs.
    """
    if _undo(delivered, splices, original) != original:
        _unfaithful("bytes outside the declared changes differ")
    try:
        times: dict[str, Fraction] = {}
        before = Reread(original_index or XmlIndex(original), times)
        after = Reread(XmlIndex(delivered), times)
    except BridgeError as error:
        raise InvalidInputError(
            f"The patched timeline is not delivered, because it cannot be read back: {error}",
            reason=Reason.DELIVERY_UNFAITHFUL,
        ) from error
    raised = {int(change.element_id): change for change in lane_changes}
    kept, added = _pair(before, after, raised)
    _check_residue(original, splices, after, added)
    _check_times(before, after, kept)
    _check_additions(after, kept, added, placements)
    _check_ids(before, after)
    _check_lanes(before, after, kept)


def _unfaithful(what: str) -> NoReturn:
    raise InvalidInputError(
        f"The patched timeline is not delivered, because {what}. The takes are safe on disk. This is a "
        "fault of ours; please report it with the timeline.",
        reason=Reason.DELIVERY_UNFAITHFUL,
    )


def _undo(delivered: bytes, splices: Sequence[Splice], original: bytes) -> bytes:
    """Take the declared splices out of a delivered document again."""
    inverse: list[Splice] = []
    shift = 0
    for splice in sorted(splices, key=lambda each: (each.start, each.end)):
        start = splice.start + shift
        end = start + len(splice.replacement)
        if delivered[start:end] != splice.replacement:
            _unfaithful("a declared change is not where it was declared")
        inverse.append(Splice(start, end, original[splice.start : splice.end]))
        shift += len(splice.replacement) - (splice.end - splice.start)
    return apply_splices(delivered, inverse)


def _pair(
    before: Reread, after: Reread, raised: dict[int, LaneChange]
) -> tuple[dict[int, int], list[Element]]:
    """Find every original element in the delivered document; the rest was added.

    Returns:
        Original to delivered index, and the topmost added elements.
    """
    kept: dict[int, int] = {}
    added: list[Element] = []
    pending = [(before.xml.root, after.xml.root)]
    if not _alike(before.xml.root, after.xml.root, raised):
        _unfaithful("its outermost element differs")
    used = set()
    while pending:
        old, new = pending.pop()
        if _written_alike(before, after, old, new):
            # The same bytes are the same elements; most of a document is.
            kept.update(zip(range(old.index, old.stop), range(new.index, new.stop), strict=True))
            continue
        kept[old.index] = new.index
        change = raised.get(old.index)
        if change is not None:
            used.add(old.index)
        candidates = iter(new.children)
        for child in old.children:
            for candidate in candidates:
                if _alike(child, candidate, raised):
                    pending.append((child, candidate))
                    break
                added.append(candidate)
            else:
                _unfaithful(f"{_name(child)} of the original is missing or changed")
        added += candidates
    if used != set(raised):
        _unfaithful("a lane change was declared for an element that is not there")
    return kept, added


def _written_alike(before: Reread, after: Reread, old: Element, new: Element) -> bool:
    length = old.closing - old.start
    return (
        length == new.closing - new.start
        and old.stop - old.index == new.stop - new.index
        and before.xml.raw.startswith(
            after.xml.raw[new.start : new.closing], old.start, old.closing
        )
    )


def _alike(old: Element, new: Element, raised: dict[int, LaneChange]) -> bool:
    if old.tag != new.tag:
        return False
    change = raised.get(old.index)
    if change is None:
        return old.attributes == new.attributes
    if old.attributes.get("lane") != str(change.before) or change.after <= change.before:
        return False
    return {**old.attributes, "lane": str(change.after)} == new.attributes


def _check_residue(
    original: bytes, splices: Sequence[Splice], after: Reread, added: list[Element]
) -> None:
    """All that was put in must be added elements, white space around them, or a declared lane."""
    spans = sorted((element.start, after.xml.end(element)) for element in added)
    starts = [start for start, _ in spans]
    shift = 0
    for splice in sorted(splices, key=lambda each: (each.start, each.end)):
        removed = original[splice.start : splice.end]
        begin = position = splice.start + shift
        stop = begin + len(splice.replacement)
        shift += len(splice.replacement) - len(removed)
        residue = b""
        for start, end in spans[bisect_left(starts, begin) :]:
            if start >= stop:
                break
            residue += splice.replacement[position - begin : start - begin]
            position = end
        residue += splice.replacement[position - begin :]
        is_lane = removed.lstrip(b"-").isdigit() and residue.isdigit()
        opened = removed == b"/>" and _OPENED.fullmatch(residue)
        if not (is_lane or opened or (not removed and not residue.strip())):
            _unfaithful("something else than takes was written")


def _check_times(before: Reread, after: Reread, kept: dict[int, int]) -> None:
    for index, place in before.places.items():
        now = after.places.get(kept[index])
        # Start, duration, own start and own rate; sequence numbers and lanes may differ.
        if now is None or now[:4] != place[:4]:
            _unfaithful(f"{_name(before.xml.elements[index])} does not stand where it did")


def _check_additions(
    after: Reread, kept: dict[int, int], added: list[Element], placements: Sequence[Placement]
) -> None:
    assets, formats, clips = _sorted_additions(after, added)
    if unused := formats - {asset.get("format") or "" for asset in assets}:
        _unfaithful(f"the format {min(unused)!r} was added and is not used")
    if len(assets) != len(placements):
        _unfaithful(f"{len(placements)} takes were to be added, and {len(assets)} assets were")
    clips_of = defaultdict(list)
    for clip in clips:
        clips_of[clip.get("ref") or ""].append(clip)
    for asset, placement in zip(assets, placements, strict=True):
        _check_asset(after, asset, placement)
        _check_clips(after, kept, clips_of.pop(asset.get("id") or "", []), placement)
    if clips_of:
        _unfaithful("a connected clip was added that shows no take")


def _sorted_additions(
    after: Reread, added: list[Element]
) -> tuple[list[Element], set[str], list[Element]]:
    """The added assets, ids of formats, and connected clips; anything else is refused."""
    assets: list[Element] = []
    clips: list[Element] = []
    formats: set[str] = set()
    for element in added:
        parent = element.parent.tag if element.parent is not None else ""
        if element.tag == "gap" and parent == "spine":
            clips += _appended_gap(after, element)
        elif element.tag == "asset-clip" and parent in CLIP_TAGS:
            clips.append(element)
        elif element.tag == "asset" and parent == "resources":
            assets.append(element)
        elif element.tag == "format" and parent == "resources":
            formats.add(element.get("id") or "")
        else:
            _unfaithful(f"{_name(element)} was added, which nobody asked for")
    return assets, formats, clips


def _appended_gap(after: Reread, gap: Element) -> Sequence[Element]:
    spine = gap.parent
    place = after.places.get(gap.index)
    siblings = [] if spine is None else [each for each in spine.children if each.tag in CLIP_TAGS]
    if place is None or place.lanes or siblings[-1] is not gap:
        _unfaithful("a gap was added elsewhere than at the end of a storyline")
    if len(siblings) > 1:
        last = after.places[siblings[-2].index]
        if place.start != last.start + last.duration:
            _unfaithful("the added gap does not begin where the storyline ended")
    if any(child.tag != "asset-clip" for child in gap.children):
        _unfaithful("the added gap holds something else than takes")
    return gap.children


def _check_asset(after: Reread, asset: Element, placement: Placement) -> None:
    take = placement.take
    link = asset.get("src")
    representation = asset.find("media-rep")
    if representation is not None:
        link = representation.get("src")
    form = after.by_id.get(asset.get("format") or "")
    expected = (
        placement.url,
        take.media_range.start_seconds,
        take.media_range.duration_seconds,
        take.media_range.rate.frame_duration,
        (str(take.raster.width_px), str(take.raster.height_px)),
    )
    found = (
        link,
        after.time(asset, "start"),
        after.time(asset, "duration"),
        None if form is None else after.time(form, "frameDuration"),
        None if form is None else (form.get("width"), form.get("height")),
    )
    if found != expected:
        _unfaithful(f"the asset of {placement.url!r} does not describe the take")


def _check_clips(
    after: Reread, kept: dict[int, int], clips: list[Element], placement: Placement
) -> None:
    take = placement.take
    expected_parts = ["video"] + (["audio"] if take.audio_channels > 0 else [])
    if sorted(clip.get("srcEnable") or "all" for clip in clips) != sorted(expected_parts):
        _unfaithful(f"{placement.url!r} was not added exactly once")
    for clip in clips:
        place = after.places.get(clip.index)
        if place is None or place.sequence != kept.get(int(placement.segment.sequence.sequence_id)):
            _unfaithful(f"{_name(clip)} does not stand in its sequence")
        if (
            place.start != take.record_range.start_seconds
            or place.duration != take.record_range.duration_seconds
            or place.own_start != take.source_range.start_seconds
            or after.frame_rate(place.sequence) != take.record_range.rate
        ):
            _unfaithful(f"{_name(clip)} does not stand on the frames it was made for")
        if (clip.get("enabled") == "0") is placement.active:
            _unfaithful(f"{_name(clip)} is switched on or off against what was asked")
        if not all(child.tag.startswith(_INHERITED) for child in clip.children):
            _unfaithful(f"{_name(clip)} holds more than the framing of its original")
        base = _base_lane(after, kept, placement)
        lane = place.lanes[0]
        is_sound = clip.get("srcEnable") == "audio"
        wrong = lane >= 0 if is_sound else (lane <= base or (lane > 0) != (base >= 0))
        if len(place.lanes) != 1 or wrong:
            _unfaithful(f"{_name(clip)} is not on a lane above its original")


def _base_lane(after: Reread, kept: dict[int, int], placement: Placement) -> int:
    """The lane on which the clip a take answers now lies; 0 for the primary storyline."""
    segment = placement.segment
    clip = segment.clip or segment.previous or segment.following
    if clip is None:
        return 0
    place = after.places.get(kept.get(int(clip.element_id), -1))
    return place.lanes[0] if place is not None and place.lanes else 0


def _check_ids(before: Reread, after: Reread) -> None:
    def repeated(reading: Reread) -> Counter[str]:
        counts = Counter(
            element.attributes["id"]
            for element in reading.xml.elements
            if "id" in element.attributes
        )
        return Counter({name: count for name, count in counts.items() if count > 1})

    for name, count in repeated(after).items():
        if count > repeated(before).get(name, 1):
            _unfaithful(f"the id {name!r} is used twice")


def _check_lanes(before: Reread, after: Reread, kept: dict[int, int]) -> None:
    original_of = {new: old for old, new in kept.items()}
    orders_before: dict[tuple[int, int], tuple[int, int]] = {}
    for entries in before.connections().values():
        for one, two in _overlapping(entries):
            orders_before[_key(one[2], two[2])] = (_order(one, two), one[2])
    for entries in after.connections().values():
        for one, two in _overlapping(entries):
            order = _order(one, two)
            pair = original_of.get(one[2]), original_of.get(two[2])
            if pair[0] is None or pair[1] is None:
                if order == 0:
                    _unfaithful(
                        f"{_name(after.xml.elements[two[2]])} shares a lane with another clip"
                    )
                continue
            was, first = orders_before[_key(pair[0], pair[1])]
            if order != (was if first == pair[0] else -was):
                _unfaithful(
                    f"{_name(after.xml.elements[two[2]])} is not above or below what it was"
                )


def _key(one: int, two: int) -> tuple[int, int]:
    return (one, two) if one < two else (two, one)


def _overlapping(entries: list[Connected]) -> Iterator[tuple[Connected, Connected]]:
    """All pairs that share an instant; entries come by start."""
    open_entries: list[Connected] = []
    for entry in entries:
        open_entries = [each for each in open_entries if each[1] > entry[0]]
        for each in open_entries:
            yield each, entry
        open_entries.append(entry)


def _order(one: Connected, two: Connected) -> int:
    """1 where the first lies above the second, -1 below, 0 on the same lane."""
    size = max(len(one[3]), len(two[3]))
    first = one[3] + (0,) * (size - len(one[3]))
    second = two[3] + (0,) * (size - len(two[3]))
    return (first > second) - (first < second)


def _name(element: Element) -> str:
    return (
        f"<{element.tag} {element.get('name') or element.get('value') or element.get('id') or ''}>"
    )
