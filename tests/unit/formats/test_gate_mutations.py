"""Every small mistake a patcher could make in what it adds is caught: each attribute, each element, one by one.

The mistakes are declared as the patch's own splices, so that the bytes give nothing away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from support.fcpxml_builder import Clip, Document, Gap, Mark
from support.placements import place

from interchange.errors import InvalidInputError, Reason
from interchange.formats.base import Patch
from interchange.formats.fcpxml import apply_takes, read_fcpxml
from interchange.formats.xml_splice import Splice, apply_splices
from interchange.model.media import Raster
from interchange.model.take import Placement
from interchange.timebase import FrameRate, TimeRange
from interchange.verify import verify_delivery

RATE = FrameRate(24000, 1001)
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
TAG = re.compile(r'<(/?)([\w-]+)(?:[^<>"]|"[^"]*")*?(/?)>')

FRAMING = (
    '<adjust-crop mode="trim"><trim-rect left="5"/></adjust-crop>'
    '<adjust-transform position="1 2" scale="1.1 1.1"><param name="p"><keyframeAnimation>'
    '<keyframe time="100s" value="3"/><keyframe time="101s" value="4"/></keyframeAnimation></param>'
    '</adjust-transform><adjust-blend amount="0.5"><param name="amount">'
    '<fadeIn duration="1001/2400s"/><fadeOut duration="1001/2400s"/></param></adjust-blend>'
)
FILTERS = (
    '<filter-video ref="r5" name="Glow"><param name="x" key="1" value="2"/></filter-video>'
    '<metadata><md key="k" value="v"/></metadata>'
)


@pytest.fixture(scope="module")
def case() -> tuple[bytes, Patch, list[Placement]]:
    """A framed clip with sound, two takes, one of a connected clip, and one past the sequence's end."""
    raw = Document(
        RATE,
        [
            Clip(20, name="first", connected=(Clip(30, name="title", lane=1, at=4),)),
            Gap(5),
            Clip(
                40,
                name="second",
                marks=(Mark(5, "LTX: retake len=8"), Mark(3, "Scene", length=20, tag="keyword")),
                inside=FRAMING,
                after=FILTERS,
                attributes='videoRole="video.x" audioRole="dialogue.a"',
                connected=(
                    Clip(12, name="over", lane=2, at=4),
                    Clip(12, name="b", lane=1, at=2, marks=(Mark(2, "LTX: retake len=4"),)),
                ),
            ),
        ],
        start=86_400,
        more='<effect id="r5" uid="u" name="Glow"/>',
    ).xml()
    segments = {each.clip.name: each for each in read_fcpxml(raw).segments if each.clip}
    window = TimeRange(86_430, 86_438, RATE)
    odd = Raster(200, 100, Fraction(4, 3))
    placements = [
        place(segments["second"], window, channels=2, start=500),
        place(segments["second"], window, url="file:///2.mov", active=False),
        place(segments["b"], TimeRange(86_429, 86_433, RATE), url="file:///3.mov", raster=odd),
        place(segments["second"], TimeRange(86_465, 86_470, RATE), url="file:///4.mov"),
    ]
    return raw, apply_takes(raw, placements), placements


def passes(
    raw: bytes, patch: Patch, placements: list[Placement], changed: int, replacement: str
) -> bool:
    """Whether the gate lets the patch through with other bytes in one of its splices."""
    splices = list(patch.splices)
    splices[changed] = replace(splices[changed], replacement=replacement.encode())
    try:
        verify_delivery(
            raw,
            apply_splices(raw, splices),
            placements,
            splices=splices,
            lane_changes=patch.lane_changes,
        )
    except InvalidInputError as error:
        return error.reason is not Reason.DELIVERY_UNFAITHFUL
    return True


def insertions(patch: Patch) -> Iterator[tuple[int, str]]:
    for number, splice in enumerate(patch.splices):
        if splice.start == splice.end:
            yield number, splice.replacement.decode()


def elements(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and tag of every element in a piece of XML."""
    started: list[tuple[str, int]] = []
    for tag in TAG.finditer(text):
        if tag[1]:
            name, start = started.pop()
            yield start, tag.end(), name
        elif tag[3]:
            yield tag.start(), tag.end(), tag[2]
        else:
            started.append((tag[2], tag.start()))


def near(value: str) -> set[str]:
    """Values that a small mistake would give."""
    others = {value + "x", "", "r1", "r2", "r5", "ltx1", "ltx2"}
    if re.fullmatch(r"-?\d+(/\d+)?s", value):
        time = Fraction(value[:-1])
        moves = (RATE.frame_duration, -RATE.frame_duration, Fraction(1))
        others |= {f"{(time + by).numerator}/{(time + by).denominator}s" for by in moves}
    elif re.fullmatch(r"-?\d+", value):
        others |= {str(int(value) + by) for by in (-1, 1, 2)}
    return others - {value}


def test_wrong_missing_or_unasked_attribute_is_refused(
    case: tuple[bytes, Patch, list[Placement]],
) -> None:
    patch = case[1]
    count = 0
    for number, text in insertions(patch):
        for found in ATTRIBUTE.finditer(text):
            start, end = found.span(2)
            mistakes = [text[:start] + value + text[end:] for value in near(found[2])]
            mistakes += [
                text[: found.start()] + text[found.end() :],
                text[: found.end()] + ' bogus="1"' + text[found.end() :],
            ]
            sound = 'srcEnable="audio"' in text[end : text.index(">", end)]
            for mistake in mistakes:
                if sound and found[1] == "lane" and ' lane="-2"' in mistake:
                    continue  # sound may lie on any free lane below
                count += 1
                assert not passes(*case, number, mistake), (
                    found[0],
                    mistake[start - 20 : end + 20],
                )
    assert count > 1_000


def test_dropped_doubled_renamed_or_annotated_element_is_refused(
    case: tuple[bytes, Patch, list[Placement]],
) -> None:
    patch = case[1]
    for number, text in insertions(patch):
        for start, end, tag in elements(text):
            own = text[start:end]
            renamed = re.sub(rf"(</?){tag}\b", r"\1marker", own)
            for new in (
                "", own + own, own + "text", own + "<!-- why -->", own + "<?why?>",
                "<note>why</note>" + own, renamed,
            ):  # fmt: skip
                mistake = text[:start] + new + text[end:]
                assert not passes(*case, number, mistake), (own[:60], new[:80])


def test_swapped_neighbours_are_refused(case: tuple[bytes, Patch, list[Placement]]) -> None:
    """But for resources and connected clips, whose order means nothing."""
    for number, text in insertions(case[1]):
        ordered = sorted(elements(text))
        for one, two in pairwise(ordered):
            if one[1] > two[0] or {one[2], two[2]} <= {"asset", "format", "asset-clip"}:
                continue
            swapped = (
                text[: one[0]] + text[two[0] : two[1]] + text[one[1] : two[0]]
                + text[one[0] : one[1]] + text[two[1] :]
            )  # fmt: skip
            if swapped != text:
                assert not passes(*case, number, swapped), swapped[one[0] : two[1]]


def test_original_may_only_be_raised_as_far_as_its_order_allows(
    case: tuple[bytes, Patch, list[Placement]],
) -> None:
    raw, patch, placements = case
    in_order = sorted(patch.lane_changes, key=lambda change: int(change.element_id))
    lanes = [n for n, splice in enumerate(patch.splices) if splice.end > splice.start]
    for number, change in zip(lanes[-len(in_order) :], in_order, strict=True):
        assert patch.splices[number].replacement == str(change.after).encode()
        for after in range(change.before - 2, change.after):
            splices: list[Splice] = list(patch.splices)
            splices[number] = replace(splices[number], replacement=str(after).encode())
            declared = [
                replace(each, after=after) if each is change else each
                for each in patch.lane_changes
            ]
            with pytest.raises(InvalidInputError):
                verify_delivery(
                    raw,
                    apply_splices(raw, splices),
                    placements,
                    splices=splices,
                    lane_changes=declared,
                )
