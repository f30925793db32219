"""Every real FCPXML: it parses, takes a directive and a take, and keeps every original byte and time.

What a document is compared with here is worked out by lxml and a walker of this test's own, neither of which
the product uses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from lxml import etree
from support.placements import place

from interchange.errors import UnsupportedError
from interchange.formats.fcpxml import apply_takes, read_fcpxml
from interchange.formats.fcpxml.apply import AFTER_ANCHORED
from interchange.formats.fcpxml.clips import clip_use
from interchange.formats.fcpxml.document import FcpxmlDocument
from interchange.formats.fcpxml.framing import ADJUSTMENTS, FILTERS
from interchange.formats.fcpxml.layout import Block, Layout
from interchange.formats.fcpxml.timeline import StoryItem, Timeline
from interchange.formats.fcpxml.times import parse_time, write_time
from interchange.formats.registry import format_for
from interchange.formats.xml_splice import Splice, XmlIndex, apply_splices
from interchange.model.media import Raster
from interchange.model.segment import Segment
from interchange.model.take import Placement
from interchange.timebase import TimeRange
from interchange.verify import verify_delivery
from sidecar.filesystem import FileSystem

pytestmark = pytest.mark.corpus

DOCUMENTS = 79
MARKS_PER_DOCUMENT = 5
BUNDLES = 10
TAKES_PLACED = 150
NOT_ON_A_PART = (b"<fadeIn", b"<fadeOut", b'mode="pan"', b"<keyframe ")
"""Depends on where in the clip a take lies; test_fcpxml_framing has what becomes of these."""

REASONS = {
    "it is a gap": 203,
    "it is a title": 75,
    "its media has no picture": 67,
    "it is a caption": 55,
    "it is a compound clip": 47,
    "it has several parts inside": 45,
    "it is a multicam clip": 43,
    "it is made by a generator": 42,
    "it is a still image": 36,
    "it is a synchronized clip": 9,
    "Final Cut Pro conforms its frame rate": 7,
    "it has no picture": 3,
}
ELIGIBLE_CLIPS = 1404
WITHOUT_TARGET: dict[str, tuple[str, ...]] = {
    "OpenFCPXMLKit__1920x1080.fcpxml": (),
    "OpenFCPXMLKit__4096x2160.fcpxml": (),
    "OpenFCPXMLKit__5120x2160.fcpxml": (),
    "OpenFCPXMLKit__AudioOnly.fcpxml": ("its media has no picture",),
    "OpenFCPXMLKit__AuditionMarkers.fcpxml": ("it is a title",),
    "OpenFCPXMLKit__AuditionMarkers2.fcpxml": ("it is a title",),
    "OpenFCPXMLKit__BasicMarkers.fcpxml": ("it is a title",),
    "OpenFCPXMLKit__BasicMarkers_1HourProjectStart.fcpxml": ("it is a title",),
    "OpenFCPXMLKit__CompoundClips.fcpxml": (
        "it is a compound clip",
        "it is a title",
        "it is made by a generator or effect",
    ),
    "OpenFCPXMLKit__Custom500x500.fcpxml": (),
    "OpenFCPXMLKit__EventsWithKeywords.fcpxml": (),
    "OpenFCPXMLKit__HiddenMarkers.fcpxml": ("it is a title", "it is made by a generator or effect"),
    "OpenFCPXMLKit__ImageSample.fcpxml": ("it is a still image",),
    "OpenFCPXMLKit__MulticamMarkers.fcpxml": ("it is a multicam clip",),
    "OpenFCPXMLKit__MulticamMarkers2.fcpxml": ("it is a multicam clip",),
    "OpenFCPXMLKit__MulticamSample.fcpxml": ("it is a multicam clip",),
    "OpenFCPXMLKit__MulticamSampleWithCuts.fcpxml": ("it is a multicam clip",),
    "OpenFCPXMLKit__Occlusion.fcpxml": ("it is a compound clip", "it is a title"),
    "OpenFCPXMLKit__Occlusion2.fcpxml": ("it is a title",),
    "OpenFCPXMLKit__PhotoshopSample1.fcpxml": ("it is a still image",),
    "OpenFCPXMLKit__PhotoshopSample2.fcpxml": ("it is a still image",),
    "OpenFCPXMLKit__RolesList.fcpxml": ("it is a title", "it is made by a generator or effect"),
    "OpenFCPXMLKit__StandaloneAssetClip.fcpxml": (),
    "OpenFCPXMLKit__Structure.fcpxml": (),
    "OpenFCPXMLKit__SyncClip.fcpxml": ("it is a synchronized clip",),
    "OpenFCPXMLKit__TransitionMarkers1.fcpxml": ("it is a title",),
    "OpenFCPXMLKit__TransitionMarkers2.fcpxml": ("it is a title",),
    "OpenFCPXMLKit__TwoClipsMarkers.fcpxml": ("it is a title",),
    "cutlass__imec.fcpxml": (
        "it is a still image",
        "it is made by a generator or effect",
        "its media has no picture",
    ),
    "cutlass__imessage.fcpxml": ("it is a still image", "it is a title"),
    "cutlass__slide_text.fcpxml": ("it is a still image", "it is a title"),
    "cutlass__three_words.fcpxml": ("it is a still image", "it is a title"),
    "tcx2webvtt__no-spine-1-13.fcpxml": (),
}
"""Documents in which nothing can be retaken, and why; no reason where there are no clips at all."""


@pytest.fixture(scope="module")
def documents(corpus_dir: Path) -> list[Path]:
    return sorted((corpus_dir / "fcpxml").glob("*.fcpxml"))


def all_clips(raw: bytes) -> Iterator[tuple[Timeline, StoryItem]]:
    """Everything on every timeline of a document but gaps."""
    document = FcpxmlDocument(raw)
    for sequence in document.sequences():
        timeline = Timeline(document, sequence)
        for item in timeline.items:
            if not item.is_gap:
                yield timeline, item


def eligible(raw: bytes) -> Iterator[tuple[Timeline, StoryItem]]:
    """Clips that can be a target, spread over the document."""
    found = []
    for timeline, item in all_clips(raw):
        use = clip_use(timeline, item)
        if use.obstacle is None and use.record_range.length >= 4:
            found.append((timeline, item))
    step = max(1, len(found) // MARKS_PER_DOCUMENT)
    yield from found[::step][:MARKS_PER_DOCUMENT]


def mark(timeline: Timeline, item: StoryItem) -> tuple[bytes, TimeRange]:
    """The document with a directive on a clip, and the window it asks for."""
    rate = timeline.rate
    use = clip_use(timeline, item)
    start = use.record_range.start + use.record_range.length // 3
    window = TimeRange(start, min(start + 16, use.record_range.end), rate)
    local = write_time(item.local_time(rate.seconds(start)))
    marker = (
        f'<marker start="{local}" duration="{write_time(rate.frame_duration)}" '
        f'value="LTX: retake len={window.length}" note="prompt=&quot;wider&quot; seed=7"/>'
    )
    before = next((each for each in item.element.children if each.tag in AFTER_ANCHORED), None)
    xml = timeline.document.xml
    splice = Layout(xml).insert(item.element, [Block(marker.encode())], before)
    return apply_splices(xml.raw, [splice]), window


def undone(delivered: bytes, splices: tuple[Splice, ...], original: bytes) -> bytes:
    """The delivered document with each declared range put back."""
    for splice in reversed(splices):
        shift = sum(
            len(each.replacement) - (each.end - each.start)
            for each in splices
            if each.start < splice.start
        )
        begin = splice.start + shift
        delivered = (
            delivered[:begin]
            + original[splice.start : splice.end]
            + delivered[begin + len(splice.replacement) :]
        )
    return delivered


class Walker:
    """Where each clip stands, by a walker that shares nothing with the product.

    Rate conforms scale what hangs on a clip by a factor that cannot be seen in the file, so what hangs on
    such a clip is counted in the clip's own time.
    """

    def __init__(self, raw: bytes) -> None:
        root = etree.fromstring(raw, etree.XMLParser(huge_tree=True))
        self.found: Counter[tuple[object, ...]] = Counter()
        self._ids = {each.get("id"): each for each in root.find("resources")}
        for sequence in root.iter("sequence"):
            for element in sequence.findall("spine"):
                self._spine(element, Fraction(0), time_of(sequence, "tcStart") or Fraction(0))

    def _spine(self, element: etree._Element, base: Fraction, cursor: Fraction) -> None:
        for child in element:
            if isinstance(child.tag, str) and child.tag != "transition":
                offset = time_of(child, "offset")
                start = cursor if offset is None else base + offset
                self._visit(child, start)
                cursor = start + self._duration(child)

    def _visit(self, element: etree._Element, start: Fraction) -> None:
        key = (element.tag, element.get("name"), element.get("ref"), element.get("start"))
        self.found[(*key, start, self._duration(element))] += 1
        for child in element:
            offset = time_of(child, "offset") if isinstance(child.tag, str) else None
            at = start if offset is None else start + offset - self._own_start(element)
            if child.tag == "spine":
                self._spine(child, at, at)
            elif child.get("lane") is not None or element.tag == "audition":
                self._visit(child, at)

    def _own_start(self, element: etree._Element) -> Fraction:
        start = time_of(element, "start")
        if start is None and element.tag in {"asset-clip", "video", "audio"}:
            asset = self._ids.get(element.get("ref"))
            start = time_of(asset, "start") if asset is not None and asset.tag == "asset" else None
        return start or Fraction(0)

    def _duration(self, element: etree._Element) -> Fraction:
        if element.tag == "audition":
            return self._duration(element[0])
        stated = time_of(element, "duration")
        if stated is None and element.get("ref") in self._ids:
            stated = time_of(self._ids[element.get("ref")], "duration")
        return stated or Fraction(0)


def time_of(element: etree._Element, name: str) -> Fraction | None:
    text = element.get(name)
    return None if text is None else Fraction(text.rstrip("s"))


def placement_for(segment: Segment, window: TimeRange) -> Placement:
    return place(segment, window, raster=Raster(1920, 1080))


def test_corpus_is_the_one_these_numbers_are_about(documents: list[Path]) -> None:
    assert len(documents) == DOCUMENTS


def test_every_document_parses_without_a_problem(documents: list[Path]) -> None:
    for path in documents:
        raw = path.read_bytes()
        assert read_fcpxml(raw).problems == (), path.name
        assert apply_takes(raw, []).data == raw


def test_every_clip_is_eligible_or_says_why_not(documents: list[Path]) -> None:
    reasons: Counter[str] = Counter()
    count = 0
    for path in documents:
        document = FcpxmlDocument(path.read_bytes())
        for sequence in document.sequences():
            timeline = Timeline(document, sequence)
            for item in timeline.items:
                use = clip_use(timeline, item)
                if use.obstacle is None:
                    count += 1
                    assert use.media is not None
                    assert use.media.url
                    # What the clip shows lies inside its media: offsets, conforms and retimes are right.
                    end = use.source_offset + use.record_range.duration_seconds * use.speed
                    assert use.source_offset >= 0, path.name
                    assert use.media.duration is not None
                    assert end <= use.media.duration + 2 * timeline.rate.frame_duration, path.name
                else:
                    (known,) = [text for text in REASONS if use.obstacle.startswith(text)]
                    reasons[known] += 1
    assert count == ELIGIBLE_CLIPS
    assert reasons == REASONS


def test_documents_without_a_target_are_listed_with_the_reason(documents: list[Path]) -> None:
    found = {}
    for path in documents:
        raw = path.read_bytes()
        if next(eligible(raw), None) is None:
            uses = [clip_use(timeline, item) for timeline, item in all_clips(raw)]
            reasons = {re.split("[;,]", use.obstacle or "")[0] for use in uses}
            found[path.name] = tuple(sorted(reasons))
    assert found == WITHOUT_TARGET


def test_takes_go_in_and_everything_else_stays(documents: list[Path]) -> None:
    refused: Counter[str] = Counter()
    with_eligible = placed = 0
    for path in documents:
        targets = list(eligible(path.read_bytes()))
        with_eligible += bool(targets)
        for timeline, item in targets:
            raw, window = mark(timeline, item)
            reading = read_fcpxml(raw)
            (segment,) = reading.segments
            assert reading.problems == ()
            assert segment.mark_range.start == window.start, path.name
            assert segment.directive.length == window.length
            assert segment.clip is not None
            placement = placement_for(segment, window)
            try:
                patch = apply_takes(raw, [placement])
            except UnsupportedError as error:
                refused[str(error)] += 1
                continue
            placed += 1
            assert undone(patch.data, patch.splices, raw) == raw, path.name
            verify_delivery(
                raw, patch.data, [placement], splices=patch.splices, lane_changes=patch.lane_changes
            )
            before, after = Walker(raw).found, Walker(patch.data).found
            assert not before - after, path.name
            assert (after - before).total() == 1, path.name
            check_take(patch.data, timeline, item, window)
    assert with_eligible == DOCUMENTS - len(WITHOUT_TARGET)
    # One sampled clip lies on lane -1, where a take would lie under the primary storyline.
    assert [(text.split(" and ")[0], count) for text, count in refused.items()] == [
        ("The clip lies below the primary storyline", 1)
    ]
    assert placed == TAKES_PLACED


def check_take(data: bytes, timeline: Timeline, item: StoryItem, window: TimeRange) -> None:
    """The take's own attributes, and that it is framed as the clip it covers."""
    root = etree.fromstring(data, etree.XMLParser(huge_tree=True))
    (take,) = (
        each for each in root.iter("asset-clip") if each.get("name", "").startswith("A shot_LTX")
    )
    assert parse_time(take.get("duration", "")) == window.duration_seconds
    assert take.get("srcEnable") == "video"
    xml = timeline.document.xml
    wanted = Counter(
        source
        for child in item.element.children
        if child.tag in ADJUSTMENTS | FILTERS
        and not any(word in (source := xml.source(child)) for word in NOT_ON_A_PART)
    )
    (start,) = (
        each.start
        for each in XmlIndex(data).elements
        if each.get("name") == take.get("name") and each.tag == "asset-clip"
    )
    end = data.index(b">", start) if not len(take) else data.index(b"</asset-clip>", start)
    for source, count in wanted.items():
        assert data[start:end].count(source) >= count


def test_ten_documents_round_trip_as_bundles(documents: list[Path], tmp_path: Path) -> None:
    done = 0
    for path in documents:
        targets = list(eligible(path.read_bytes()))
        if not targets or done == BUNDLES:
            continue
        done += 1
        raw, window = mark(*targets[0])
        bundle = tmp_path / f"{path.stem}.fcpxmld"
        bundle.mkdir()
        (bundle / "Info.fcpxml").write_bytes(raw)
        (bundle / "side.bin").write_bytes(b"\0\1\2")
        form = format_for(bundle)
        loaded = form.load(bundle)
        (segment,) = form.read(loaded).segments
        placement = placement_for(segment, window)
        patch = form.apply(loaded, [placement])
        form.verify(loaded, patch, [placement])
        copy = tmp_path / f"{path.stem}_LTX.fcpxmld"
        form.save(bundle, copy, patch.data, writer=FileSystem())
        assert sorted(each.name for each in copy.iterdir()) == ["Info.fcpxml", "side.bin"]
        assert (copy / "side.bin").read_bytes() == b"\0\1\2"
        assert form.load(copy) == patch.data
        assert (bundle / "Info.fcpxml").read_bytes() == raw
    assert done == BUNDLES
