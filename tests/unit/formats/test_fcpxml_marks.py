"""Every way to mark, what becomes of it, and marks that cannot be met."""

from __future__ import annotations

import pytest
from support.fcpxml_builder import Clip, Document, Gap, Mark, Raw, seconds

from interchange.errors import Reason
from interchange.formats.fcpxml import read_fcpxml
from interchange.model.directive import JobKind
from interchange.model.segment import Problem, Segment
from interchange.timebase import FrameRate, TimeRange

RATE = FrameRate(24000, 1001)


def segments(*spine: Clip | Gap | Raw, note: str = "") -> tuple[Segment, ...]:
    reading = read_fcpxml(Document(RATE, spine, note=note).xml())
    assert reading.problems == ()
    return reading.segments


def problem(*spine: Clip | Gap | Raw, note: str = "") -> Problem:
    reading = read_fcpxml(Document(RATE, spine, note=note).xml())
    assert reading.segments == ()
    (found,) = reading.problems
    return found


@pytest.mark.parametrize("tag", ["marker", "chapter-marker"])
def test_marker_gives_verb_in_its_name_and_keys_in_its_note(tag: str) -> None:
    mark = Mark(7, "LTX: retake", note='len=16 prompt="wider" seed=7', tag=tag)
    (segment,) = segments(Clip(50, source_in=30, marks=(mark,)))
    assert segment.directive.verb is JobKind.RETAKE
    assert (segment.directive.length, segment.directive.seed) == (16, 7)
    assert segment.where == "marker"
    assert segment.mark_range == TimeRange(7, 8, RATE)


def test_to_do_marker_counts_too() -> None:
    todo = f'<marker start="0s" duration="{seconds(1, RATE)}" value="LTX: retake" completed="0"/>'
    (segment,) = segments(Clip(50, after=todo))
    assert segment.mark_range.start == 0


def test_keyword_range_has_a_length() -> None:
    mark = Mark(10, "LTX: retake", length=12, tag="keyword")
    (segment,) = segments(Clip(50, source_in=5, marks=(mark,)))
    assert segment.mark_range == TimeRange(10, 22, RATE)
    assert segment.mark_has_length
    assert segment.where == "keyword range"
    assert segment.notes == ()


def test_keyword_range_is_cut_to_what_the_clip_shows() -> None:
    mark = Mark(-20, "LTX: retake", length=30, tag="keyword")
    (segment,) = segments(Clip(50, source_in=25, marks=(mark,)))
    assert segment.mark_range == TimeRange(0, 10, RATE)
    assert any("visible part" in note for note in segment.notes)


@pytest.mark.parametrize(
    "mark",
    [
        Mark(-20, "LTX: retake", length=20, tag="keyword"),
        Mark(-1, "LTX: retake"),
        Mark(50, "LTX: retake"),
    ],
)
def test_mark_on_a_part_that_is_not_shown_is_a_problem(mark: Mark) -> None:
    found = problem(Clip(50, source_in=25, marks=(mark,)))
    assert found.error.reason is Reason.RANGE_INVALID
    assert "'A' at 00:00:00:00" in found.where
    assert found.text == "LTX: retake"


def test_clip_name_and_note_mark_the_clip() -> None:
    first, second = segments(
        Clip(50, name="LTX: regenerate seed=3"), Clip(20, note="LTX: extend len=9")
    )
    assert first.where == "clip name"
    assert first.mark_range == TimeRange(0, 50, RATE)
    assert not first.mark_has_length
    assert second.where == "note"
    assert second.mark_range == TimeRange(50, 70, RATE)


def test_mark_on_a_gap_knows_the_gap_and_both_sides() -> None:
    (segment,) = segments(
        Clip(20, name="A"), Gap(10, marks=(Mark(3, "LTX: bridge"),)), Clip(20, name="B")
    )
    assert segment.clip is None
    assert segment.gap_range == TimeRange(20, 30, RATE)
    assert segment.previous is not None
    assert segment.following is not None
    assert (segment.previous.name, segment.following.name) == ("A", "B")


def test_one_clip_may_carry_several_marks_each_with_its_own_id() -> None:
    marks = (
        Mark(3, "LTX: retake len=4"),
        Mark(20, "LTX: retake len=4"),
        Mark(20, "LTX: retake len=4"),
    )
    found = segments(Clip(50, marks=marks))
    assert [each.mark_range.start for each in found] == [3, 20, 20]
    assert len({each.segment_id for each in found}) == 3


def test_segment_id_stays_when_other_things_are_marked() -> None:
    (alone,) = segments(Clip(50, marks=(Mark(20, "LTX: retake len=4"),)))
    both = segments(Clip(50, marks=(Mark(3, "LTX: extend len=4"), Mark(20, "LTX: retake len=4"))))
    assert alone.segment_id == both[1].segment_id
    assert both[0].segment_id != both[1].segment_id


def test_name_selector_gives_a_segment_for_each_clip() -> None:
    found = segments(
        Clip(20, name="shot_010"), Clip(20, name="other"), Clip(20, name="Shot_020"),
        note="LTX: regenerate clips=name:shot_*",
    )  # fmt: skip
    assert [each.clip and each.clip.name for each in found] == ["shot_010", "Shot_020"]
    assert [each.mark_range.start for each in found] == [0, 40]
    assert {each.where for each in found} == {"sequence note"}


def test_colour_selector_says_that_fcpxml_keeps_none() -> None:
    found = problem(Clip(20), note="LTX: regenerate clips=colour:orange")
    assert found.error.reason is Reason.TARGET_UNSUPPORTED
    assert "colours" in str(found.error)


def test_selector_that_finds_nothing_is_a_problem() -> None:
    assert "no clip" in str(problem(Clip(20), note="LTX: retake clips=name:zzz").error).lower()


def test_note_on_the_sequence_marks_all_of_it() -> None:
    (segment,) = segments(Clip(20), note="LTX: generate len=24 prompt=sunrise")
    assert segment.clip is None
    assert segment.mark_range == TimeRange(0, 20, RATE)
    assert not segment.mark_has_length


def test_bad_directive_is_a_problem_and_stops_nothing_else() -> None:
    marks = (Mark(3, "LTX: retaek len=4"), Mark(20, "LTX: retake len=4"))
    reading = read_fcpxml(Document(RATE, [Clip(50, marks=marks)]).xml())
    assert len(reading.segments) == 1
    (found,) = reading.problems
    assert found.error.reason is Reason.DIRECTIVE_INVALID
    assert "retake" in str(found.error)


def test_mark_in_the_browser_is_a_problem_not_silence() -> None:
    raw = Document(RATE, [Clip(50)]).xml()
    browser = b'<event name="E"><clip name="b"><marker start="0s" value="LTX: retake"/></clip>'
    (found,) = read_fcpxml(raw.replace(b'<event name="E">', browser)).problems
    assert "browser" in str(found.error)


@pytest.mark.parametrize("text", ["A4X: no", "ltx camera", "", "L T X: retake"])
def test_other_texts_are_left_alone(text: str) -> None:
    assert segments(Clip(50, name=text, marks=(Mark(3, text, note=text),), note=text)) == ()


def test_curly_quotes_and_references_are_read() -> None:
    (segment,) = segments(
        Clip(50, marks=(Mark(0, "LTX: retake prompt=\u201cR&D <b> \u2014\u201d"),))
    )
    assert segment.directive.prompt == "R&D <b> \u2014"
