from fractions import Fraction

from support.marked import OPTIONS, clip, engines, facts, limits, plan, segment, sequence

from interchange.errors import InvalidInputError, NotFoundError, Reason
from interchange.model.segment import Problem, Reading
from interchange.plan import describe_take, plan_reading
from interchange.timebase import FrameRate

A = clip("shot A", start=1000, length=100)
B = clip("shot B", start=1100, length=40)


def planned(*segments, problems=(), facts_of=lambda _link: facts()):
    reading = Reading((sequence(),), segments, problems)
    return plan_reading(reading, facts_of=facts_of, engines=engines(), options=OPTIONS)


def test_mark_that_cannot_be_met_stops_no_other():
    bad = segment("LTX: retake len=500", A, at=1010)
    plan_ = planned(segment("LTX: retake", A), bad, segment("LTX: regenerate", B))
    assert [take.request.kind for take in plan_.takes] == ["retake", "regenerate"]
    (problem,) = plan_.problems
    assert problem.segment_id == bad.segment_id
    assert problem.where == "marker on 'shot A' at 00:00:40:10 in 'Reel 1'"
    assert problem.text == "LTX: retake len=500"
    assert problem.error.reason is Reason.RANGE_INVALID


def test_missing_media_is_a_problem_of_that_mark():
    def facts_of(link):
        if link.name == "shot A.mov":
            raise NotFoundError("No such file.", reason=Reason.MEDIA_NOT_FOUND)
        return facts()

    plan_ = planned(segment("LTX: retake", A), segment("LTX: retake", B), facts_of=facts_of)
    assert [take.request.shot for take in plan_.takes] == ["shot_B"]
    assert [problem.error.reason for problem in plan_.problems] == [Reason.MEDIA_NOT_FOUND]


def test_problem_without_a_clip_names_the_sequence():
    (problem,) = planned(segment("LTX: retake", at=25)).problems
    assert problem.where == "marker of 'Reel 1' at 00:00:01:00"


def test_problems_of_the_reader_are_passed_on():
    known = Problem("", "x", "LTX: regen", InvalidInputError("No."))
    assert planned(problems=(known,)).problems == (known,)


def test_two_marks_on_a_clip_get_takes_of_their_own():
    first = segment("LTX: retake len=20 takes=2", A, at=1010, segment_id="1")
    second = segment("LTX: retake len=20", A, at=1020, segment_id="2")
    takes = planned(first, second).takes
    assert [(take.request.shot, take.take_number) for take in takes] == [
        ("shot_A", 1), ("shot_A", 2), ("shot_A_02", 1),
    ]  # fmt: skip
    assert all(take.request.reel == take.request.shot for take in takes)


def test_take_is_described_in_timeline_and_source_timecode():
    text = describe_take(plan(segment("LTX: retake len=20 seed=7 takes=2", A, at=1010))[1])
    assert (text.shot, text.kind) == ("shot_A", "retake")
    assert text.where.startswith("marker on 'shot A' at ")
    assert (text.engine, text.seed, text.take) == ("previz", "8", "2 of 2")
    assert text.timeline == "00:00:40:10 - 00:00:41:05"
    assert text.frames == "20"
    assert text.handles == "12 + 12, the source's own"
    assert text.sources == ("a.mov 10:00:02:10 - 10:00:03:05",)
    assert text.reads == ("a.mov 10:00:01:23 - 10:00:03:17",)
    assert text.file_timecode == "00:00:01:23 - 00:00:03:17"
    assert text.generates == "00:00:40:10 - 00:00:41:05 (20 frames)"
    assert text.picture == "1920x1080"


def test_padding_and_generated_handles_are_described():
    padded = engines(size_multiple_px=32, frame_grid=(8, 1))
    options = OPTIONS.__class__(output_directory="/o", engine="previz", generated_handle_frames=5)
    text = describe_take(
        plan(segment("LTX: generate len=20", at=100), options=options, using=padded)[0]
    )
    assert text.handles == "5 + 5, generated"
    assert text.picture == "1920x1080, made at 1920x1088"
    assert text.generates.endswith("(33 frames)")
    assert text.sources == text.reads == ()
    assert describe_take(plan(segment("LTX: regenerate", A))[0]).handles == "none"


def test_source_is_described_at_its_own_rate_and_count():
    ntsc = FrameRate.parse("29.97")
    file = facts(rate=ntsc, count=500, start_frame=1799, drop_frame=True)
    text = describe_take(plan(segment("LTX: regenerate", clip(source_in=0)), file)[0])
    assert text.sources == ("a.mov 00:00:59;29 - 00:01:04;00",)


def test_source_without_timecode_is_described_in_frames():
    text = describe_take(plan(segment("LTX: regenerate", A), facts(start_frame=None))[0])
    assert text.sources == ("a.mov frame 50 - frame 150",)


def test_drop_frame_flag_at_a_rate_without_it_is_ignored():
    text = describe_take(plan(segment("LTX: regenerate", A), facts(drop_frame=True))[0])
    assert text.sources == ("a.mov 10:00:02:00 - 10:00:06:00",)


def test_backward_source_is_described_from_low_to_high():
    back = clip(speed=Fraction(-1), source_offset=Fraction(6))
    text = describe_take(plan(segment("LTX: regenerate", back))[0])
    assert text.sources == ("a.mov 10:00:02:00 - 10:00:06:00, backwards",)


def test_source_without_pictures_there_says_so():
    planned_take = plan(segment("LTX: extend len=10", A), facts(count=150))[0]
    assert describe_take(planned_take).sources == ("a.mov has no picture there",)


def test_windows_paths_are_shortened_too():
    text = describe_take(plan(segment("LTX: retake", A), facts("C:\\media\\a.mov"))[0])
    assert text.sources[0].startswith("a.mov ")


def test_other_engines_are_known_to_the_plan():
    reading = Reading((sequence(),), (segment("LTX: retake engine=other", A),), ())
    both = engines(limits("other"))
    plan_ = plan_reading(reading, facts_of=lambda _link: facts(), engines=both, options=OPTIONS)
    assert plan_.takes[0].request.engine == "other"


def test_takes_that_hide_each_other_say_so():
    marks = (
        segment("LTX: retake len=10", A, at=1010, segment_id="m1"),
        segment("LTX: retake len=10 takes=2", A, at=1019, segment_id="m2"),
        segment("LTX: retake len=10", A, at=1029, segment_id="m3"),
    )
    noted = [
        (take.segment.segment_id, any("hides the other" in note for note in take.notes))
        for take in planned(*marks).takes
    ]
    assert noted == [("m1", True), ("m2", True), ("m2", True), ("m3", False)]
