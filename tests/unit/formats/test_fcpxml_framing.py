"""A take sits in the frame as its original does: copied bytes, keyframes on the take's own clock."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from lxml import etree
from support.fcpxml_builder import Clip, Document, Mark, Raw
from support.placements import place

from interchange.errors import InvalidInputError, Reason
from interchange.formats.fcpxml import apply_takes, read_fcpxml
from interchange.formats.fcpxml.times import parse_time
from interchange.formats.xml_splice import apply_splices
from interchange.model.media import Raster
from interchange.timebase import FrameRate, TimeRange
from interchange.verify import verify_delivery

RATE = FrameRate(24000, 1001)
RETAKE = Mark(10, "LTX: retake len=8")
WINDOW = TimeRange(10, 18, RATE)
STATIC = (
    '<adjust-crop mode="trim"><trim-rect left="3.5"/></adjust-crop><adjust-conform type="fill"/>'
    "<adjust-transform  position='1 2' scale=\"1.5 1.5\" />"
    '<adjust-blend amount="0.5" mode="overlay"/>'
)
KEYED = (
    '<adjust-transform><param name="position" key="2"><keyframeAnimation>'
    '<keyframe time="0s" value="0 0"/><keyframe time="1001/2400s" value="5 5" curve="linear"/>'
    "</keyframeAnimation></param></adjust-transform>"
)


def applied(
    clip: Clip | Raw, *, asset_start: int = 0, **how: object
) -> tuple[etree._Element, tuple[str, ...], bytes]:
    """Place a take on the only marked clip; returns it, the notes, and the delivered bytes."""
    raw = Document(
        RATE, [clip], asset_start=asset_start, more='<effect id="e1" name="Blur" uid="x"/>'
    ).xml()
    segment = read_fcpxml(raw).segments[0]
    placements = [place(segment, WINDOW, **how)]  # type: ignore[arg-type]
    patch = apply_takes(raw, placements)
    # The gate works out anew what is inherited, and on which clock.
    verify_delivery(
        raw, patch.data, placements, splices=patch.splices, lane_changes=patch.lane_changes
    )
    (take,) = etree.fromstring(patch.data).iterfind(".//asset-clip[@srcEnable='video']")
    return take, patch.notes, patch.data


def test_adjustments_and_filters_are_copied_byte_for_byte() -> None:
    blur = (
        '<filter-video ref="e1"  name=\'Blur\'><param name="r" value="&lt;3&gt;"/></filter-video>'
    )
    mark = RETAKE.xml(0, RATE)
    take, notes, data = applied(
        Clip(50, inside=STATIC + '<adjust-volume amount="3dB"/>', after=mark + blur)
    )
    assert [child.tag for child in take] == [
        "adjust-crop", "adjust-conform", "adjust-transform", "adjust-blend", "filter-video",
    ]  # fmt: skip
    for piece in (b"<adjust-transform  position='1 2' scale=\"1.5 1.5\" />", blur.encode()):
        assert data.count(piece) == 2
    assert notes == ()


def test_framing_can_be_left_out() -> None:
    take, _, _ = applied(Clip(50, inside=STATIC, marks=(RETAKE,)), copy_framing=False)
    assert len(take) == 0


def test_keyframes_stay_as_written_where_the_clocks_agree() -> None:
    _, _, data = applied(Clip(50, inside=KEYED, marks=(RETAKE,)))
    assert data.count(KEYED.encode()) == 2


def test_keyframes_move_by_the_exact_difference_where_they_do_not() -> None:
    take, _, _ = applied(Clip(50, inside=KEYED, marks=(RETAKE,)), start=100, handles=4)
    times = [parse_time(key.get("time", "")) for key in take.iter("keyframe")]
    # The original's own time at the take's first frame is 10, the take's 104.
    assert times == [RATE.seconds(94), RATE.seconds(94) + Fraction(1001, 2400)]


def test_keyframes_of_a_conformed_clip_run_on_the_takes_clock() -> None:
    rate = FrameRate(24)
    keyed = '<conform-rate srcFrameRate="25"/>' + KEYED
    raw = Document(rate, [Clip(50, inside=keyed, name="LTX: retake")]).xml()
    (segment,) = read_fcpxml(raw).segments
    data = apply_takes(raw, [place(segment, TimeRange(0, 50, rate), start=0, handles=0)]).data
    (take,) = etree.fromstring(data).iterfind(".//asset-clip[@srcEnable='video']")
    times = [parse_time(key.get("time", "")) for key in take.iter("keyframe")]
    assert times == [0, Fraction(1001, 2400) * Fraction(25, 24)]
    assert take.find("conform-rate") is None


def test_retime_and_conform_are_not_copied() -> None:
    retime = '<timeMap><timept time="0s" value="0s"/><timept time="9s" value="18s"/></timeMap>'
    take, _, _ = applied(Clip(50, inside=retime, marks=(RETAKE,)))
    assert len(take) == 0


def test_fade_at_an_edge_the_take_lacks_is_left_out_and_said() -> None:
    fade = (
        '<adjust-blend><param name="amount"><fadeIn type="easeIn" duration="1s"/>'
        '<fadeOut type="easeIn" duration="1s"/></param></adjust-blend>'
    )
    take, notes, _ = applied(Clip(50, inside=fade, marks=(RETAKE,)))
    assert take.find(".//fadeIn") is None
    assert take.find(".//fadeOut") is None
    assert any("fades" in note for note in notes)
    whole, notes, _ = applied(Clip(8, inside=fade, name="LTX: retake"))
    assert whole.find(".//fadeIn") is None


def test_fades_stay_where_the_take_has_the_clips_edges() -> None:
    fade = '<adjust-blend><param name="amount"><fadeIn type="easeIn" duration="1s"/></param></adjust-blend>'
    raw = Document(RATE, [Clip(8, inside=fade, name="LTX: retake")]).xml()
    (segment,) = read_fcpxml(raw).segments
    patch = apply_takes(raw, [place(segment, TimeRange(0, 8, RATE))])
    assert patch.data.count(b"<fadeIn") == 2
    assert patch.notes == ()


def test_ken_burns_on_a_part_is_left_out_and_said() -> None:
    pan = '<adjust-crop mode="pan"><pan-rect left="1"/><pan-rect left="9"/></adjust-crop>'
    take, notes, _ = applied(Clip(50, inside=pan, marks=(RETAKE,)))
    assert take.find("adjust-crop") is None
    assert any("Ken Burns" in note for note in notes)


def test_keywords_follow_the_takes_frames_but_never_our_own_marks() -> None:
    keywords = (
        Mark(0, "whole", length=50, tag="keyword"),
        Mark(12, "inside", length=2, note="n", tag="keyword"),
        Mark(30, "past", length=5, tag="keyword"),
        Mark(10, "LTX: retake", length=8, tag="keyword"),
    )
    take, _, _ = applied(Clip(50, source_in=7, marks=keywords))
    found = [
        (key.get("value"), parse_time(key.get("start", "")), parse_time(key.get("duration", "")))
        for key in take.iter("keyword")
    ]
    assert found == [
        ("whole", RATE.seconds(17), RATE.seconds(8)),
        ("inside", RATE.seconds(19), RATE.seconds(2)),
    ]
    assert take.find("marker") is None


def test_metadata_and_role_are_inherited() -> None:
    metadata = '<metadata><md key="scene" value="12"/></metadata>'
    take, _, _ = applied(
        Clip(50, after=RETAKE.xml(0, RATE) + metadata, attributes='videoRole="video.vfx"')
    )
    assert take.get("videoRole") == "video.vfx"
    assert [child.tag for child in take] == ["metadata"]


@pytest.mark.parametrize("outer", ["", "<adjust-transform scale='2 2'/>"])
def test_adjustments_of_the_video_inside_a_clip_are_inherited(outer: str) -> None:
    inner = '<video ref="r2" offset="0s" duration="9s" role="vfx"><adjust-transform scale="3 3"/></video>'
    clip = Raw(
        f'<clip name="X" offset="0s" duration="4s">{outer}{inner}{RETAKE.xml(0, RATE)}</clip>'
    )
    take, notes, _ = applied(clip)
    transforms = [child.get("scale") for child in take.iter("adjust-transform")]
    assert transforms == (["2 2"] if outer else ["3 3"])
    assert bool(notes) is bool(outer)
    assert take.get("videoRole") == "vfx"


def test_keyframes_of_a_video_without_start_count_from_its_asset() -> None:
    """The picture inside begins at its media's own start, so a keyframe there is one at the clip's zero."""
    asset_start = 2_400  # frames; 100.1 s
    key = '<keyframe time="1001/10s" value="1 1"/>'
    moved = (
        '<video ref="r2" offset="0s" duration="9s"><adjust-transform><param name="position">'
        f"<keyframeAnimation>{key}</keyframeAnimation></param></adjust-transform></video>"
    )
    clip = Raw(f'<clip name="X" offset="0s" duration="4s">{moved}{RETAKE.xml(0, RATE)}</clip>')
    take, _, _ = applied(clip, asset_start=asset_start)
    (keyframe,) = take.iterfind(".//keyframe")
    # Ten frames before the take's first picture, as on the original.
    assert parse_time(keyframe.get("time") or "") == parse_time(take.get("start") or "") - 10 * (
        RATE.frame_duration
    )


REFRAMED = Raster(384, 684)


def test_take_of_another_size_gets_a_format_of_its_own_and_no_framing() -> None:
    """A reframed take: fitted into the sequence, as everything is that has no framing of its own."""
    take, _, data = applied(
        Clip(50, inside=STATIC, marks=(RETAKE,)), copy_framing=False, raster=REFRAMED
    )
    root = etree.fromstring(data)
    (asset,) = root.iterfind(f".//asset[@id='{take.get('ref')}']")
    (form,) = root.iterfind(f".//format[@id='{take.get('format')}']")
    assert asset.get("format") == form.get("id")
    assert (form.get("width"), form.get("height")) == ("384", "684")
    assert len(take) == 0


@pytest.mark.parametrize(
    ("was", "instead"),
    [
        (b'height="684"', b'height="216"'),
        (b'srcEnable="video"/>', b'srcEnable="video"><adjust-conform type="fill"/></asset-clip>'),
    ],
    ids=["format", "framing"],
)
def test_gate_refuses_a_reframed_take_of_another_format_or_framing(
    was: bytes, instead: bytes
) -> None:
    raw = Document(RATE, [Clip(50, marks=(RETAKE,))]).xml()
    placements = [place(read_fcpxml(raw).segments[0], WINDOW, copy_framing=False, raster=REFRAMED)]
    patch = apply_takes(raw, placements)
    assert patch.data.count(was) == 1
    splices = [
        replace(splice, replacement=splice.replacement.replace(was, instead))
        for splice in patch.splices
    ]
    with pytest.raises(InvalidInputError) as caught:
        verify_delivery(raw, apply_splices(raw, splices), placements, splices=splices)
    assert caught.value.reason is Reason.DELIVERY_UNFAITHFUL
