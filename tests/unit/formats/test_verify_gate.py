"""The gate lets a faithful patch through and nothing else, however the bytes were changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fcpxml_builder import Clip, Document, Gap, Mark
from support.placements import place

from interchange.errors import InvalidInputError, Reason
from interchange.formats.base import LaneChange, Patch
from interchange.formats.fcpxml import apply_takes, read_fcpxml
from interchange.formats.xml_splice import Splice
from interchange.model.take import Placement
from interchange.timebase import FrameRate, TimeRange
from interchange.verify import verify_delivery

RATE = FrameRate(24000, 1001)


def case(*, tail: bool = False) -> tuple[bytes, Patch, list[Placement]]:
    """A document with a faithful patch that raises a title and, on demand, appends a gap."""
    raw = Document(
        RATE,
        [
            Clip(20, name="first", connected=(Clip(30, name="title", lane=1, at=4),)),
            Gap(5),
            Clip(40, name="second", marks=(Mark(5, "LTX: retake len=8"),)),
        ],
        start=86_400,
    ).xml()
    (segment,) = read_fcpxml(raw).segments
    placements = [place(segment, TimeRange(86_430, 86_438, RATE))]
    if tail:
        placements.append(place(segment, TimeRange(86_465, 86_470, RATE), url="file:///t.mov"))
    return raw, apply_takes(raw, placements), placements


def check(raw: bytes, patch: Patch, placements: list[Placement]) -> None:
    verify_delivery(
        raw, patch.data, placements, splices=patch.splices, lane_changes=patch.lane_changes
    )


def refused(raw: bytes, patch: Patch, placements: list[Placement]) -> str:
    with pytest.raises(InvalidInputError) as caught:
        check(raw, patch, placements)
    assert caught.value.reason is Reason.DELIVERY_UNFAITHFUL
    return str(caught.value)


def spliced(patch: Patch, raw: bytes, change: Callable[[bytes], bytes]) -> Patch:
    """A patcher that writes something else and declares it honestly: one splice over everything."""
    data = change(patch.data)
    assert data != patch.data
    return replace(patch, data=data, splices=(Splice(0, len(raw), data),))


def redone(patch: Patch, raw: bytes, old: bytes, new: bytes) -> Patch:
    """The patch with other bytes in its own splices, declared as such."""
    splices = [
        replace(each, replacement=each.replacement.replace(old, new)) for each in patch.splices
    ]
    assert splices != list(patch.splices)
    position, pieces = 0, []
    for each in splices:
        pieces += [raw[position : each.start], each.replacement]
        position = each.end
    return replace(patch, data=b"".join([*pieces, raw[position:]]), splices=tuple(splices))


@pytest.mark.parametrize("tail", [False, True])
def test_faithful_patch_passes(tail: bool) -> None:
    raw, patch, placements = case(tail=tail)
    assert len(patch.lane_changes) == 1
    check(raw, patch, placements)


def test_undeclared_byte_is_refused() -> None:
    raw, patch, placements = case()
    tampered = replace(patch, data=patch.data.replace(b'name="second"', b'name="Second"'))
    assert "bytes outside" in refused(raw, tampered, placements)


@pytest.mark.parametrize(
    ("pattern", "new", "why"),
    [
        (
            rb'(<asset-clip ref="r2" offset=")[^"]*(" name="second")',
            rb"\g<1>86431s\2",
            "missing or changed",
        ),
        (rb"<marker [^>]*/>", b"", "missing or changed"),
        (rb'(<marker [^>]*value=")LTX', rb"\1ltx", "missing or changed"),
        (rb"<gap [^>]*/>", b"", "missing or changed"),
        (rb'(name="title" start=")0s', rb"\g<1>1s", "missing or changed"),
        (rb'lane="2"', b'lane="4"', "missing or changed"),
        (rb"</spine>", b'<gap offset="0s" duration="1s"/></spine>', "something else"),
        (rb"</resources>", b'<asset id="x"/></resources>', "something else"),
        (rb"<spine>", b"<!-- hello --><spine>", "something else"),
    ],
)
def test_changed_original_is_refused_even_when_declared(
    pattern: bytes, new: bytes, why: str
) -> None:
    raw, patch, placements = case()
    changed = spliced(patch, raw, lambda data: re.sub(pattern, new, data, count=1))
    assert why in refused(raw, changed, placements)


def seconds(frame: int) -> bytes:
    exact = RATE.seconds(frame)
    return f'"{exact.numerator}/{exact.denominator}s"'.encode()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"offset=" + seconds(5), b"offset=" + seconds(6), "frames it was made for"),
        (b"duration=" + seconds(8), b"duration=" + seconds(9), "frames it was made for"),
        (b"duration=" + seconds(8), b"duration=" + seconds(7), "frames it was made for"),
        (b"duration=" + seconds(16), b"duration=" + seconds(17), "does not describe"),
        (b"A%20shot", b"B%20shot", "does not describe"),
        (b'srcEnable="video"', b'srcEnable="all"', "exactly once"),
        (b'srcEnable="video"', b'srcEnable="video" enabled="0"', "switched"),
        (b'lane="1"', b'lane="-1"', "lane"),
        (b'lane="1"', b'lane="2"', "lane"),
        (b'format="r1"', b'format="r2"', "does not describe"),
        (b'id="ltx1"', b'id="r2"', "unfaithful|shows no take|twice|exactly once"),
        (b"</asset>", b'</asset><effect id="e"/>', "nobody asked for"),
        (b"</asset>", b'</asset><format id="ltx9"/>', "not used"),
        (b"</asset>", b"</asset>surprise", "something else"),
        (
            b'srcEnable="video"/>',
            b'srcEnable="video"><marker/></asset-clip>',
            "framing of its original",
        ),
    ],
)
def test_addition_other_than_asked_is_refused(old: bytes, new: bytes, why: str) -> None:
    raw, patch, placements = case()
    assert re.search(why, refused(raw, redone(patch, raw, old, new), placements))


def test_take_too_few_or_too_many_is_refused() -> None:
    raw, patch, placements = case()
    assert "takes were to be added" in refused(raw, patch, [])
    assert "takes were to be added" in refused(raw, patch, placements * 2)


def test_take_in_another_sequence_or_not_above_its_clip_is_refused() -> None:
    raw, patch, (placement,) = case()
    segment = placement.segment
    assert segment.clip is not None
    (change,) = patch.lane_changes
    elsewhere = replace(segment, sequence=replace(segment.sequence, sequence_id="0"))
    wrong = refused(raw, patch, [replace(placement, segment=elsewhere)])
    assert "in its sequence" in wrong
    raised = replace(segment, clip=replace(segment.clip, element_id=change.element_id))
    wrong = refused(raw, patch, [replace(placement, segment=raised)])
    assert "above its original" in wrong


def test_lane_change_must_be_declared_and_upwards() -> None:
    raw, patch, placements = case()
    (change,) = patch.lane_changes
    assert "missing or changed" in refused(raw, replace(patch, lane_changes=()), placements)
    wrong: list[LaneChange] = [
        replace(change, after=3),
        replace(change, before=0),
        replace(change, element_id="0"),
    ]
    for each in wrong:
        refused(raw, replace(patch, lane_changes=(each,)), placements)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            b'name="Gap" offset=' + seconds(86_465),
            b'name="Gap" offset=' + seconds(86_466),
            "where the storyline ended",
        ),
        (b"</gap>", b'<marker start="0s" value="x"/></gap>', "something else than takes"),
    ],
)
def test_appended_gap_must_follow_and_hold_takes_only(old: bytes, new: bytes, why: str) -> None:
    raw, patch, placements = case(tail=True)
    assert why in refused(raw, redone(patch, raw, old, new), placements)


def test_take_that_covers_what_lay_above_is_refused() -> None:
    """Order, not only lanes: a take above a title it should be below."""
    raw, patch, placements = case()
    unraised = tuple(each for each in patch.splices if each.start == each.end)
    lower = redone(
        replace(patch, splices=unraised, lane_changes=()), raw, b'lane="1"', b'lane="1" '
    )
    assert "shares a lane" in refused(raw, lower, placements)


def test_delivered_document_that_cannot_be_read_is_refused() -> None:
    raw, patch, placements = case()
    broken = spliced(patch, raw, lambda data: data[:-20])
    assert "cannot be read back" in refused(raw, broken, placements)


@given(st.data())
def test_any_single_changed_byte_is_refused(data: st.DataObject) -> None:
    raw, patch, placements = case(tail=True)
    place_ = data.draw(st.integers(0, len(patch.data) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda each: each != patch.data[place_]))
    changed = patch.data[:place_] + bytes([byte]) + patch.data[place_ + 1 :]
    refused(raw, replace(patch, data=changed), placements)


def test_title_left_under_a_take_that_lies_on_another_take_is_refused() -> None:
    """A lane that is free and not shared is not enough: what was above the clip must be above the take."""
    raw, patch, placements = case()
    higher = redone(patch, raw, b'lane="1"', b'lane="5"')
    assert "as it was" in refused(raw, higher, placements)
