"""The gate before delivery: the patched document is the original plus exactly the takes, each where asked.

It reads both documents again and knows nothing of how the patch was made: it has its own, shorter reading of
time, pairs the elements of both documents itself, and takes from the patcher only what that declared, to hold
it to it. What it checks:

1. Undoing the declared splices gives back the original, byte for byte.
2. Every original element is still there, in order, with the same attributes (but declared lanes) and at the
   same exact time; nothing but elements was put in.
3. What was added is one asset and one connected clip for each take (two where it has sound), new formats that
   they use, and at most one gap at the end of a storyline; each says exactly what its placement asks for, in
   every attribute, and frames the take as its original is framed.
4. Ids stay unique; whatever overlaps keeps its order above one another, and no lane is shared that was not. A
   take lies directly above its original and its own earlier takes, and under all that lay above those.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction

from interchange.errors import BridgeError, InvalidInputError, Reason
from interchange.formats.base import LaneChange
from interchange.formats.fcpxml.recheck import (
    Comparison,
    check_asset,
    check_clip,
    check_gap,
    name_of,
    unfaithful,
)
from interchange.formats.fcpxml.reread import CLIP_TAGS, Connected, Reread
from interchange.formats.xml_splice import Element, Splice, XmlIndex, apply_splices
from interchange.model.take import Placement

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
        unfaithful("bytes outside the declared changes differ")
    try:
        times: dict[str, Fraction] = {}
        before = Reread(original_index or XmlIndex(original), times)
        after = Reread(XmlIndex(delivered), times)
        _verify(before, after, placements, splices=splices, lane_changes=lane_changes)
    except BridgeError as error:
        if error.reason is Reason.DELIVERY_UNFAITHFUL:
            raise
        raise InvalidInputError(
            f"The patched timeline is not delivered, because it cannot be read back: {error}",
            reason=Reason.DELIVERY_UNFAITHFUL,
        ) from error


def _verify(
    before: Reread,
    after: Reread,
    placements: Sequence[Placement],
    *,
    splices: Sequence[Splice],
    lane_changes: Sequence[LaneChange],
) -> None:
    raised = {int(change.element_id): change for change in lane_changes}
    kept, added = _pair(before, after, raised)
    _check_residue(before.xml.raw, splices, after, added)
    _check_times(before, after, kept)
    comparison = Comparison(before, after, kept)
    takes = _check_additions(comparison, added, placements)
    _check_ids(before, after)
    _check_lanes(comparison, takes)


def _undo(delivered: bytes, splices: Sequence[Splice], original: bytes) -> bytes:
    """Take the declared splices out of a delivered document again."""
    inverse: list[Splice] = []
    shift = 0
    for splice in sorted(splices, key=lambda each: (each.start, each.end)):
        start = splice.start + shift
        end = start + len(splice.replacement)
        if delivered[start:end] != splice.replacement:
            unfaithful("a declared change is not where it was declared")
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
        unfaithful("its outermost element differs")
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
                unfaithful(f"{name_of(child)} of the original is missing or changed")
        added += candidates
    if used != set(raised):
        unfaithful("a lane change was declared for an element that is not there")
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
            unfaithful("something else than takes was written")


def _check_times(before: Reread, after: Reread, kept: dict[int, int]) -> None:
    for index, place in before.places.items():
        now = after.places.get(kept[index])
        # Start, duration, own start and own rate; sequence numbers and lanes may differ.
        if now is None or now[:4] != place[:4]:
            unfaithful(f"{name_of(before.xml.elements[index])} does not stand where it did")


def _check_additions(
    comparison: Comparison, added: list[Element], placements: Sequence[Placement]
) -> dict[int, Placement]:
    """Hold what was added to the placements; returns the takes' pictures by index, in the placements' order."""
    assets, formats, clips = _sorted_additions(comparison.after, added)
    if unused := formats - {asset.get("format") or "" for asset in assets}:
        unfaithful(f"the format {min(unused)!r} was added and is not used")
    if len(assets) != len(placements):
        unfaithful(f"{len(placements)} takes were to be added, and {len(assets)} assets were")
    clips_of = defaultdict(list)
    for clip in clips:
        clips_of[clip.get("ref") or ""].append(clip)
    pictures: dict[int, Placement] = {}
    for asset, placement in zip(assets, placements, strict=True):
        check_asset(comparison, asset, placement)
        own = clips_of.pop(asset.get("id") or "", [])
        expected_parts = ["video"] + (["audio"] if placement.take.audio_channels > 0 else [])
        if sorted(clip.get("srcEnable") or "all" for clip in own) != sorted(expected_parts):
            unfaithful(f"{placement.url!r} was not added exactly once")
        for clip in own:
            check_clip(comparison, clip, asset, placement)
            if clip.get("srcEnable") == "video":
                pictures[clip.index] = placement
    if clips_of:
        unfaithful("a connected clip was added that shows no take")
    return pictures


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
            check_gap(after, element)
            clips += element.children
        elif element.tag == "asset-clip" and parent in CLIP_TAGS:
            clips.append(element)
        elif element.tag == "asset" and parent == "resources":
            assets.append(element)
        elif element.tag == "format" and parent == "resources":
            formats.add(element.get("id") or "")
        else:
            unfaithful(f"{name_of(element)} was added, which nobody asked for")
    return assets, formats, clips


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
            unfaithful(f"the id {name!r} is used twice")


def _check_lanes(comparison: Comparison, takes: dict[int, Placement]) -> None:
    original_of = {new: old for old, new in comparison.kept.items()}
    orders_before: dict[tuple[int, int], tuple[int, int]] = {}
    for entries in comparison.before.connections().values():
        for one, two in _overlapping(entries):
            orders_before[_key(one[2], two[2])] = (_order(one[3], two[3]), one[2])
    stack = _TakeStack(comparison, takes)
    for entries in comparison.after.connections().values():
        for one, two in _overlapping(entries):
            order = _order(one[3], two[3])
            first, second = original_of.get(one[2]), original_of.get(two[2])
            if first is None or second is None:
                stack.check_pair(one, two, order)
                continue
            was, asked = orders_before[_key(first, second)]
            if order != (was if asked == first else -was):
                unfaithful(f"{stack.name(two)} is not above or below what it was")
    stack.check_next_lanes()


class _TakeStack:
    """Holds every take to its place: directly above its original, under all that lay above that.

    Args:
        comparison: Before and after.
        takes: The takes' pictures by index, in the order they were placed.
    """

    def __init__(self, comparison: Comparison, takes: dict[int, Placement]) -> None:
        self._after = comparison.after
        self._ranks = {index: rank for rank, index in enumerate(takes)}
        self._bases = {index: comparison.base_lanes(take.segment) for index, take in takes.items()}
        self._own_beneath: dict[int, set[int]] = defaultdict(set)

    def name(self, connected: Connected) -> str:
        """Something on a lane in words."""
        return name_of(self._after.xml.elements[connected[2]])

    def check_pair(self, one: Connected, two: Connected, order: int) -> None:
        """Check two that overlap, at least one of them added; `order` is `_order` of their lanes."""
        if order == 0:
            unfaithful(f"{self.name(two)} shares a lane with another clip")
        are_takes = one[2] in self._bases, two[2] in self._bases
        if all(are_takes):
            self._check_own(*((one, two) if order > 0 else (two, one)))
        elif any(are_takes):
            take, other = (one, two) if are_takes[0] else (two, one)
            was_above = _order(other[3], self._bases[take[2]]) > 0
            if was_above != (_order(other[3], take[3]) > 0):
                unfaithful(f"{self.name(other)} is not above or below {self.name(take)} as it was")

    def check_next_lanes(self) -> None:
        """No lane may lie between a take and what it is above: its original, or its own earlier takes."""
        for index, base in self._bases.items():
            below = self._after.places[index].lanes[0] - 1
            if below != (base[0] if base else 0) and below not in self._own_beneath[index]:
                unfaithful(
                    f"{name_of(self._after.xml.elements[index])} is not directly above its clip"
                )

    def _check_own(self, upper: Connected, lower: Connected) -> None:
        if self._bases[upper[2]] != self._bases[lower[2]]:
            return
        self._own_beneath[upper[2]].add(lower[3][0])
        if self._ranks[upper[2]] < self._ranks[lower[2]]:
            unfaithful(f"{self.name(lower)} lies under an earlier take")


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


def _order(one: tuple[int, ...], two: tuple[int, ...]) -> int:
    """1 where the first lies above the second, -1 below, 0 on the same lane."""
    size = max(len(one), len(two))
    first = one + (0,) * (size - len(one))
    second = two + (0,) * (size - len(two))
    return (first > second) - (first < second)
