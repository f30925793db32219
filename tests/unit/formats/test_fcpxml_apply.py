"""Takes on the timeline: where they hang, on which lane, as what; and that nothing else changes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from support.fcpxml_builder import Clip, Document, Mark, Raw, Storyline, seconds
from support.placements import place

from interchange.errors import UnsupportedError
from interchange.formats.base import Patch
from interchange.formats.fcpxml import apply_takes, read_fcpxml
from interchange.formats.fcpxml.times import parse_time
from interchange.model.segment import Segment
from interchange.model.take import Placement
from interchange.timebase import FrameRate, TimeRange
from interchange.verify import verify_delivery

RATES = [
    FrameRate(24000, 1001),
    FrameRate(30000, 1001),
    FrameRate(60000, 1001),
    FrameRate(120000, 1001),
    FrameRate(25),
]
RETAKE = Mark(5, "LTX: retake len=8")


def segment_of(raw: bytes) -> Segment:
    reading = read_fcpxml(raw)
    assert reading.problems == ()
    return reading.segments[0]


def patched(raw: bytes, *placements: Placement) -> tuple[Patch, etree._Element]:
    """Apply, let the gate check it, and let another parser read it."""
    patch = apply_takes(raw, placements)
    verify_delivery(
        raw, patch.data, placements, splices=patch.splices, lane_changes=patch.lane_changes
    )
    return patch, etree.fromstring(patch.data)


def take_in(root: etree._Element, *, name: str = "A shot_LTX_v001.mov") -> etree._Element:
    (take,) = root.iterfind(f".//asset-clip[@name='{name}'][@srcEnable='video']")
    return take


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_take_hangs_on_the_clip_in_its_own_time(rate: FrameRate) -> None:
    document = Document(
        rate, [Clip(50), Clip(40, source_in=11, marks=(RETAKE,))], start=86_400, asset_start=900
    )
    raw = document.xml()
    segment = segment_of(raw)
    patch, root = patched(raw, place(segment, TimeRange(86_455, 86_463, rate)))
    take = take_in(root)
    parent = take.getparent()
    assert parent is not None
    assert parent.get("start") == seconds(911, rate)
    assert take.get("lane") == "1"
    assert parse_time(take.get("offset", "")) == rate.seconds(916)
    assert parse_time(take.get("start", "")) == rate.seconds(916)
    assert parse_time(take.get("duration", "")) == rate.seconds(8)
    asset = root.find(f"resources/asset[@id='{take.get('ref')}']")
    assert asset is not None
    assert parse_time(asset.get("start", "")) == rate.seconds(912)
    assert parse_time(asset.get("duration", "")) == rate.seconds(16)
    assert asset.get("name") == "A shot_LTX_v001.mov"
    assert asset.get("format") == "r1"
    assert patch.lane_changes == ()
    assert all(splice.start == splice.end for splice in patch.splices)


def test_take_comes_before_markers_and_filters_as_the_dtd_asks() -> None:
    raw = Document(FrameRate(25), [Clip(40, marks=(RETAKE,), inside="<adjust-crop/>")]).xml()
    _, root = patched(raw, place(segment_of(raw), TimeRange(5, 13, FrameRate(25))))
    (clip,) = root.iterfind(".//spine/asset-clip")
    assert [child.tag for child in clip] == ["adjust-crop", "asset-clip", "marker"]


@pytest.mark.parametrize(("version", "has_rep"), [("1.8", False), ("1.9", True), ("1.14", True)])
def test_asset_links_as_the_version_does(version: str, has_rep: bool) -> None:
    raw = Document(FrameRate(25), [Clip(40, marks=(RETAKE,))], version=version).xml()
    _, root = patched(raw, place(segment_of(raw), TimeRange(5, 13, FrameRate(25))))
    asset = root.findall("resources/asset")[-1]
    representation = asset.find("media-rep")
    assert (representation is not None) == has_rep
    assert (asset.get("src") is None) == has_rep
    assert (asset.get("videoSources") == "1") == has_rep
    assert root.get("version") == version


def test_format_is_added_once_where_none_fits() -> None:
    rate = FrameRate(25)
    raw = Document(
        rate, [Clip(40, marks=(RETAKE,)), Clip(40, marks=(RETAKE,))], size=(1920, 1080)
    ).xml()
    first, second = read_fcpxml(raw).segments
    _, root = patched(
        raw,
        place(first, TimeRange(5, 13, rate)),
        place(second, TimeRange(45, 53, rate), url="file:///b.mov"),
    )
    formats = root.findall("resources/format")
    assert len(formats) == 2
    assert (formats[1].get("width"), formats[1].get("frameDuration")) == ("384", "1/25s")
    assert formats[1].get("colorSpace") == "1-1-1 (Rec. 709)"


def test_new_ids_step_aside_for_any_id_in_the_document() -> None:
    rate = FrameRate(25)
    title = Raw('<title ref="r1" offset="0s" duration="0s"><text-style-def id="ltx1"/></title>')
    raw = Document(rate, [title, Clip(40, marks=(RETAKE,))]).xml()
    _, root = patched(raw, place(segment_of(raw), TimeRange(5, 13, rate)))
    assert take_in(root).get("ref") == "ltx2"


def test_second_take_lies_switched_off_above_the_first() -> None:
    rate = FrameRate(25)
    raw = Document(rate, [Clip(40, marks=(RETAKE,))]).xml()
    segment = segment_of(raw)
    window = TimeRange(5, 13, rate)
    _, root = patched(
        raw, place(segment, window), place(segment, window, url="file:///v2.mov", active=False)
    )
    second = take_in(root, name="v2.mov")
    assert (second.get("lane"), second.get("enabled")) == ("2", "0")
    assert take_in(root).get("enabled") is None


def test_what_is_in_the_way_goes_up_a_lane_and_keeps_its_order() -> None:
    rate = FrameRate(25)
    connected = (
        Clip(10, name="above", lane=1, at=2),
        Clip(10, name="title", lane=2, at=8),
        Clip(10, name="elsewhere", lane=1, at=25),
        Clip(30, name="below", lane=-1, at=0),
    )
    raw = Document(rate, [Clip(40, marks=(RETAKE,), connected=connected)]).xml()
    patch, root = patched(raw, place(segment_of(raw), TimeRange(5, 13, rate)))
    lanes = {clip.get("name"): clip.get("lane") for clip in root.iterfind(".//asset-clip[@lane]")}
    assert lanes == {
        "A shot_LTX_v001.mov": "1", "above": "2", "title": "3", "elsewhere": "1", "below": "-1",
    }  # fmt: skip
    assert [(change.name, change.before, change.after) for change in patch.lane_changes] == [
        ("above", 1, 2), ("title", 2, 3),
    ]  # fmt: skip


def test_what_hangs_on_another_clip_is_in_the_way_too() -> None:
    rate = FrameRate(25)
    title = Clip(30, name="title", lane=1, at=15)
    raw = Document(rate, [Clip(20, connected=(title,)), Clip(40, marks=(RETAKE,))]).xml()
    patch, _ = patched(raw, place(segment_of(raw), TimeRange(25, 33, rate)))
    assert [change.name for change in patch.lane_changes] == ["title"]


def test_take_of_a_connected_clip_hangs_on_the_primary_above_it() -> None:
    rate = FrameRate(30000, 1001)
    connected = Clip(
        60, source_in=9, name="C", lane=1, at=10, marks=(Mark(45, "LTX: retake len=4"),)
    )
    raw = Document(
        rate, [Clip(30, connected=(connected,)), Clip(60, source_in=70, name="next")]
    ).xml()
    _, root = patched(raw, place(segment_of(raw), TimeRange(55, 59, rate)))
    take = take_in(root)
    parent = take.getparent()
    assert parent is not None
    assert parent.get("name") == "next"
    assert take.get("lane") == "2"
    assert parse_time(take.get("offset", "")) == rate.seconds(70 + 25)


def test_take_of_a_secondary_storyline_clip_lies_above_the_storyline() -> None:
    rate = FrameRate(25)
    storyline = Storyline(1, (Clip(10), Clip(10, name="Y", marks=(RETAKE,))), at=5)
    above = Clip(30, name="above", lane=2, at=4)
    raw = Document(rate, [Clip(60, connected=(storyline, above))]).xml()
    patch, root = patched(raw, place(segment_of(raw), TimeRange(20, 24, rate)))
    assert take_in(root).get("lane") == "2"
    assert [(change.name, change.after) for change in patch.lane_changes] == [("above", 3)]


def test_storyline_in_the_way_is_raised_as_a_whole() -> None:
    rate = FrameRate(25)
    storyline = Storyline(1, (Clip(10), Clip(10)), at=0)
    raw = Document(rate, [Clip(60, marks=(RETAKE,), connected=(storyline,))]).xml()
    patch, root = patched(raw, place(segment_of(raw), TimeRange(5, 13, rate)))
    (spine,) = root.iterfind(".//spine[@lane]")
    assert spine.get("lane") == "2"
    assert len(patch.lane_changes) == 1


def test_clip_below_the_primary_with_no_room_is_refused_with_what_to_do() -> None:
    rate = FrameRate(25)
    below = Clip(30, lane=-1, marks=(RETAKE,))
    raw = Document(rate, [Clip(60, connected=(below,))]).xml()
    with pytest.raises(UnsupportedError, match="Move the clip above"):
        apply_takes(raw, [place(segment_of(raw), TimeRange(5, 13, rate))])


def test_clip_below_the_primary_with_room_gets_its_take() -> None:
    rate = FrameRate(25)
    below = Clip(30, lane=-2, marks=(RETAKE,))
    raw = Document(rate, [Clip(60, connected=(below,))]).xml()
    _, root = patched(raw, place(segment_of(raw), TimeRange(5, 13, rate)))
    assert take_in(root).get("lane") == "-1"


@pytest.mark.parametrize("tail", [Clip(40, marks=(Mark(39, "LTX: extend len=8"),))])
def test_take_past_the_end_hangs_on_an_appended_gap(tail: Clip) -> None:
    rate = FrameRate(24000, 1001)
    raw = Document(rate, [Clip(20), tail], start=1000).xml()
    segment = segment_of(raw)
    _, root = patched(raw, place(segment, TimeRange(1060, 1068, rate)))
    (gap,) = root.iterfind(".//spine/gap")
    assert gap.getnext() is None
    assert parse_time(gap.get("offset", "")) == rate.seconds(1060)
    assert parse_time(gap.get("duration", "")) == rate.seconds(8)
    assert take_in(root).getparent() is gap


def test_take_on_an_empty_sequence_hangs_on_a_gap() -> None:
    rate = FrameRate(25)
    raw = Document(rate, [], note="LTX: generate len=8", start=90).xml()
    _, root = patched(raw, place(segment_of(raw), TimeRange(90, 98, rate)))
    assert take_in(root).get("offset") == "0s"


def test_take_before_the_start_is_refused() -> None:
    rate = FrameRate(25)
    raw = Document(rate, [Clip(20, marks=(RETAKE,))], start=90).xml()
    with pytest.raises(UnsupportedError, match="begins before"):
        apply_takes(raw, [place(segment_of(raw), TimeRange(80, 90, rate))])


def test_new_sound_is_a_clip_of_its_own_on_a_free_lane_below() -> None:
    rate = FrameRate(25)
    music = Clip(40, name="music", lane=-1)
    raw = Document(
        rate, [Clip(60, marks=(RETAKE,), connected=(music,), attributes='audioRole="dialogue.x"')]
    ).xml()
    _, root = patched(raw, place(segment_of(raw), TimeRange(5, 13, rate), channels=2))
    (sound,) = root.iterfind(".//asset-clip[@srcEnable='audio']")
    assert sound.get("lane") == "-2"
    assert sound.get("audioRole") == "dialogue.x"
    assert sound.get("ref") == take_in(root).get("ref")
    asset = root.find(f"resources/asset[@id='{sound.get('ref')}']")
    assert asset is not None
    assert (asset.get("hasAudio"), asset.get("audioChannels"), asset.get("audioRate")) == (
        "1",
        "2",
        "48000",
    )


def test_host_with_conformed_rate_gets_the_offset_in_its_own_time() -> None:
    rate = FrameRate(24)
    conform = '<conform-rate srcFrameRate="25"/>'
    raw = Document(rate, [Clip(54, source_in=24, inside=conform, name="LTX: retake")]).xml()
    _, root = patched(raw, place(segment_of(raw), TimeRange(6, 12, rate)))
    assert parse_time(take_in(root).get("offset", "")) == 1 + Fraction(6, 24) * Fraction(24, 25)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1"])
def test_additions_follow_the_documents_own_layout(line_end: str, encoding: str) -> None:
    rate = FrameRate(25)
    raw = Document(
        rate, [Clip(40, marks=(RETAKE,), name="caf\u00e9")], line_end=line_end, encoding=encoding
    ).xml()
    placement = place(segment_of(raw), TimeRange(5, 13, rate), url="file:///caf%C3%A9/\u4e2d.mov")
    patch, root = patched(raw, placement)
    assert take_in(root, name="\u4e2d.mov").get("lane") == "1"
    lines = patch.data.decode(encoding).split(line_end)
    before = raw.decode(encoding).split(line_end)
    added = [line for line in lines if line not in before]
    assert len(lines) == len(before) + 4
    assert len(added) == 4
    assert added[-1].startswith(" " * 20 + '<asset-clip ref="ltx1"')
    assert not any("\n" in line or "\r" in line for line in lines)


def test_document_without_line_breaks_stays_without() -> None:
    rate = FrameRate(25)
    raw = Document(rate, [Clip(40, marks=(RETAKE,))], line_end="").xml()
    squeezed = raw.replace(b"    ", b"")
    patch, _ = patched(squeezed, place(segment_of(squeezed), TimeRange(5, 13, rate)))
    assert b"\n" not in patch.data


def test_nothing_to_place_changes_nothing() -> None:
    raw = Document(FrameRate(25), [Clip(40)]).xml()
    assert apply_takes(raw, []).data == raw


def test_title_beside_an_earlier_take_is_raised_above_a_later_and_longer_one() -> None:
    """The later take lies on the earlier one, so a lane that was free for the title is under it now."""
    rate = FrameRate(25)
    title = Clip(5, name="title", lane=1, at=20)
    raw = Document(rate, [Clip(40, connected=(title,), marks=(RETAKE,))]).xml()
    segment = segment_of(raw)
    _, root = patched(
        raw,
        place(segment, TimeRange(5, 13, rate), url="file:///1.mov"),
        place(segment, TimeRange(5, 25, rate), url="file:///2.mov"),
        place(segment, TimeRange(20, 24, rate), url="file:///3.mov"),
    )
    lanes = {clip.get("name"): clip.get("lane") for clip in root.iterfind(".//spine//asset-clip")}
    assert lanes == {"A": None, "1.mov": "1", "2.mov": "2", "3.mov": "3", "title": "4"}


@pytest.mark.parametrize(("lane", "covered"), [(1, True), (-1, False)])
def test_take_that_would_cover_what_hangs_on_its_connected_clip_is_refused(
    lane: int, covered: bool
) -> None:
    rate = FrameRate(25)
    nested = Clip(10, name="inset", lane=lane, at=6)
    marked = Clip(30, name="b-roll", lane=1, connected=(nested,), marks=(RETAKE,))
    raw = Document(rate, [Clip(40, connected=(marked,))]).xml()
    placement = place(segment_of(raw), TimeRange(5, 13, rate))
    if covered:
        with pytest.raises(UnsupportedError, match=r"'inset' is connected above .* 'b-roll'"):
            apply_takes(raw, [placement])
    else:
        patched(raw, placement)


def test_generated_shot_is_no_take_of_the_clip_it_covers() -> None:
    """No framing, metadata, role or colour of that clip: it was made from nothing, in BT.709."""
    rate = FrameRate(25)
    hdr = Clip(
        40,
        inside='<adjust-transform scale="2 2"/>',
        after='<metadata><md key="scene" value="7"/></metadata>',
        attributes='videoRole="video.x" audioRole="effects"',
        marks=(Mark(5, "LTX: generate len=8"),),
    )
    raw = Document(rate, [hdr]).xml().replace(b"1-1-1 (Rec. 709)", b"9-16-9 (Rec. 2020 PQ)")
    placement = place(segment_of(raw), TimeRange(5, 13, rate), channels=2)
    _, root = patched(raw, placement)
    take = take_in(root)
    assert len(take) == 0
    assert take.get("videoRole") is None
    (form,) = root.iterfind(f"resources/format[@id='{take.get('format')}']")
    assert form.get("colorSpace") == "1-1-1 (Rec. 709)"
    (sound,) = root.iterfind(".//asset-clip[@srcEnable='audio']")
    assert sound.get("audioRole") == "dialogue"


ITEMS = st.lists(
    st.tuples(
        st.integers(8, 40),
        st.lists(
            st.tuples(st.integers(-2, 4).filter(bool), st.integers(-5, 30), st.integers(1, 30)),
            max_size=3,
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(st.sampled_from(RATES), ITEMS, st.data())
def test_any_take_on_any_timeline_leaves_everything_else_where_it_was(
    rate: FrameRate, items: list[tuple[int, list[tuple[int, int, int]]]], data: st.DataObject
) -> None:
    """The gate, which has its own reading of time and lanes, must accept whatever the patcher makes."""
    spine = [
        Clip(
            length,
            source_in=50 * place_,
            marks=(Mark(data.draw(st.integers(0, length - 1)), "LTX: retake len=4"),),
            connected=tuple(
                Clip(size, lane=lane, at=at, name=f"c{lane}") for lane, at, size in connected
            ),
        )
        for place_, (length, connected) in enumerate(items)
    ]
    raw = Document(rate, spine, start=data.draw(st.integers(0, 10**6))).xml()
    segments = read_fcpxml(raw).segments
    placements = [
        place(
            segment,
            TimeRange.of_length(segment.mark_range.start, data.draw(st.integers(1, 50)), rate),
            url=f"file:///{number}.mov",
            active=data.draw(st.booleans()),
        )
        for number, segment in enumerate(data.draw(st.lists(st.sampled_from(segments), max_size=4)))
    ]
    patch, root = patched(raw, *placements)
    assert len(root.findall("resources/asset")) == 1 + len(placements)
    assert len(read_fcpxml(patch.data).segments) == len(segments)
