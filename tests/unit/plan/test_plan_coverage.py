"""What each verb covers: the rules of the design, one by one, at 25 frames a second."""

from dataclasses import replace

import pytest
from support.marked import HD, RATE, clip, engines, facts, limits, plan, segment, sequence

from interchange.errors import InvalidInputError, NotFoundError, Reason, UnsupportedError
from interchange.model.directive import Edge, JobKind
from interchange.model.media import BT709, ColourTags, Raster
from interchange.model.request import BridgeSpec, ExtendSpec, GenerateSpec
from interchange.plan import PlanOptions

A = clip("shot A", start=1000, length=100)
B = clip("shot B", start=1100, length=40)
AFTER_GAP = clip("shot B", start=1113, length=40)
WITH_HANDLES = PlanOptions(output_directory="/out", engine="previz", generated_handle_frames=8)


def covered(mark, *media, **keywords):
    request = plan(mark, *media, **keywords)[0].request
    return request.record_range.start, request.record_range.end


def refused(mark, *media, kind=InvalidInputError, reason=Reason.RANGE_INVALID, **keywords):
    with pytest.raises(kind) as caught:
        plan(mark, *media, **keywords)
    assert caught.value.reason is reason
    return caught.value.message


def unsupported(mark, *media, **keywords):
    return refused(
        mark, *media, kind=UnsupportedError, reason=Reason.TARGET_UNSUPPORTED, **keywords
    )


# retake


def test_retake_covers_the_mark_if_it_has_a_length():
    assert covered(segment("LTX: retake", A, at=1010, marked=20)) == (1010, 1030)


def test_retake_covers_len_from_the_mark():
    assert covered(segment("LTX: retake len=20", A, at=1010)) == (1010, 1030)


def test_retake_without_a_length_covers_the_clip():
    assert covered(segment("LTX: retake", A, at=1010)) == (1000, 1100)


def test_retake_may_fill_the_clip_to_its_edges():
    assert covered(segment("LTX: retake", A, at=1000, marked=100)) == (1000, 1100)


def test_mark_length_and_len_must_agree():
    assert covered(segment("LTX: retake len=20", A, at=1010, marked=20)) == (1010, 1030)
    message = refused(segment("LTX: retake len=21", A, at=1010, marked=20))
    assert "20 frames long, but it says len=21" in message


@pytest.mark.parametrize(
    ("at", "length", "say"),
    [
        (1090, 15, ["5 frames past its tail", "Shorten it by 5", "00:00:43:15 to 00:00:44:05"]),
        (995, 20, ["5 frames before its head", "Shorten it by 5"]),
        (995, 200, ["5 frames before its head and 95 frames past its tail", "by 100"]),
    ],
)
def test_retake_out_of_the_clip_says_by_how_much(at, length, say):
    message = refused(segment("LTX: retake", A, at=at, marked=length))
    assert all(part in message for part in say)


def test_retake_carries_the_sources_own_handles():
    request = plan(segment("LTX: retake", A, at=1010, marked=20))[0].request
    assert (request.head_handle_frames, request.tail_handle_frames) == (12, 12)
    assert request.keep_handles


def test_retake_handles_end_where_the_media_ends_and_it_is_said():
    tight = clip("tight", start=1000, length=100, source_in=3)
    planned = plan(segment("LTX: retake", tight), facts(count=110))[0]
    assert (planned.request.head_handle_frames, planned.request.tail_handle_frames) == (3, 7)
    assert "The media has only 3 of 12 handle frames at the head." in planned.notes
    assert "The media has only 7 of 12 handle frames at the tail." in planned.notes


def test_retake_handles_are_as_many_as_asked_for():
    options = PlanOptions(output_directory="/out", engine="previz", handle_frames=0)
    planned = plan(segment("LTX: retake", A), options=options)[0]
    assert planned.request.file_range == A.record_range
    assert planned.notes == ()


# regenerate


def test_regenerate_covers_the_clip_without_handles():
    request = plan(segment("LTX: regenerate", A, at=1050))[0].request
    assert request.file_range == request.record_range == A.record_range
    assert not request.keep_handles


def test_regenerate_gets_generated_handles_if_asked():
    request = plan(segment("LTX: regenerate", A), options=WITH_HANDLES)[0].request
    assert (request.file_range.start, request.file_range.end) == (992, 1108)
    assert not request.keep_handles


def test_negative_handles_are_refused():
    with pytest.raises(InvalidInputError):
        PlanOptions(output_directory="/out", engine="previz", handle_frames=-1)


# bridge


@pytest.mark.parametrize(
    ("length", "window"), [(1, (1100, 1101)), (24, (1088, 1112)), (25, (1088, 1113))]
)
def test_bridge_is_centred_on_the_cut_odd_frame_on_bs_side(length, window):
    mark = segment(f"LTX: bridge len={length}", A, at=1090, following=B)
    assert covered(mark) == window
    spec = plan(mark)[0].request.spec
    assert isinstance(spec, BridgeSpec)
    assert spec.cut == 1100
    assert spec.outgoing.record_range.end == spec.incoming.record_range.start == 1100


def test_bridge_takes_the_marks_own_length():
    assert covered(segment("LTX: bridge", A, at=1080, marked=10, following=B)) == (1095, 1105)


@pytest.mark.parametrize(("at", "cut"), [(1000, 1000), (1049, 1000), (1050, 1100), (1099, 1100)])
def test_bridge_goes_to_the_cut_nearest_to_the_mark(at, cut):
    before = clip("before", start=900, length=100)
    mark = segment("LTX: bridge len=10", A, at=at, previous=before, following=B)
    assert plan(mark)[0].request.spec.cut == cut


def test_bridge_in_the_very_middle_goes_to_the_tail():
    odd = clip("odd", start=1000, length=101)
    before, after = clip("before", start=900), clip("after", start=1101)
    mark = segment("LTX: bridge len=10", odd, at=1050, previous=before, following=after)
    assert plan(mark)[0].request.spec.cut == 1101


def test_bridge_by_the_clips_name_goes_to_the_tail():
    named = replace(
        segment("LTX: bridge len=10", A, previous=clip("before", start=900), following=B),
        mark_range=A.record_range,
        mark_has_length=False,
    )
    assert plan(named)[0].request.spec.cut == A.record_range.end


def test_bridge_on_a_cut_needs_a_length():
    assert "len=24" in refused(segment("LTX: bridge", A, at=1090, following=B))


def test_bridge_may_take_all_of_a_neighbour_but_no_more():
    mark = segment("LTX: bridge len=80", A, at=1090, following=B)
    assert covered(mark) == (1060, 1140)
    message = refused(segment("LTX: bridge len=81", A, at=1090, following=B))
    assert "At most 80 frames fit" in message
    short = clip("short", start=1090, length=10)
    assert covered(segment("LTX: bridge len=21", short, at=1099, following=B)) == (1090, 1111)
    assert "At most 21 frames fit" in refused(
        segment("LTX: bridge len=22", short, at=1099, following=B)
    )


@pytest.mark.parametrize("on_gap", [True, False])
def test_bridge_over_a_gap_fills_it(on_gap):
    if on_gap:
        gap = AFTER_GAP.record_range.__class__(1100, 1113, RATE)
        mark = segment("LTX: bridge", at=1105, gap_range=gap, previous=A, following=AFTER_GAP)
    else:
        mark = segment("LTX: bridge len=13", A, at=1099, following=AFTER_GAP)
    planned = plan(mark)[0]
    assert (planned.request.record_range.start, planned.request.record_range.end) == (1100, 1113)
    assert planned.request.spec.cut == 1106
    assert planned.notes == ()


def test_bridge_over_a_gap_has_no_other_length():
    assert "13 frames long" in refused(
        segment("LTX: bridge len=12", A, at=1099, following=AFTER_GAP)
    )
    planned = plan(segment("LTX: bridge", A, at=1090, marked=5, following=AFTER_GAP))[0]
    assert "The bridge fills the whole gap of 13 frames, not only the mark." in planned.notes


def test_bridge_without_a_neighbour_is_refused():
    assert "no clip after" in unsupported(segment("LTX: bridge len=5", A, at=1090))
    assert "no clip before" in unsupported(segment("LTX: bridge len=5", A, at=1001, following=B))
    assert "gap or a cut" in unsupported(segment("LTX: bridge len=5", at=5))


@pytest.mark.parametrize("side", ["A", "B"])
def test_bridge_on_a_transition_is_refused(side):
    left = clip("shot A", start=1000, length=100, tail_transition=side == "A")
    right = clip("shot B", start=1100, head_transition=side == "B")
    message = unsupported(segment("LTX: bridge len=10", left, at=1090, following=right))
    assert "transition" in message


def test_transitions_at_other_cuts_do_not_matter():
    left = clip("shot A", start=1000, length=100, head_transition=True)
    right = clip("shot B", start=1100, tail_transition=True)
    assert covered(segment("LTX: bridge len=10", left, at=1090, following=right)) == (1095, 1105)


def test_bridge_of_equal_pictures_keeps_the_framing():
    small = Raster(1280, 720)
    planned = plan(
        segment("LTX: bridge len=10", A, at=1090, following=B),
        facts(raster=small),
        facts(raster=small),
    )[0]
    assert planned.copy_framing
    assert planned.request.raster == small


def test_bridge_of_unequal_pictures_takes_the_sequences_and_says_so():
    mark = segment("LTX: bridge len=10", A, at=1090, following=B)
    planned = plan(mark, facts(raster=Raster(3840, 2160)), facts())[0]
    assert not planned.copy_framing
    assert planned.request.raster == HD
    assert any("3840x2160" in note and "without their framing" in note for note in planned.notes)
    unknown = segment("LTX: bridge len=10", A, at=1090, following=B, sequence=sequence(raster=None))
    assert "picture size" in unsupported(unknown, facts(raster=Raster(3840, 2160)), facts())


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (ColourTags(9, 16, 9), "BT.2020 PQ"), (ColourTags(9, 18, 9), "BT.2020 HLG"),
        (ColourTags(12, 1, 1), "P3"), (ColourTags(22, 13, 1), "primaries 22 transfer 13"),
    ],
)  # fmt: skip
def test_bridge_between_colours_is_refused(other, name):
    mark = segment("LTX: bridge len=10", A, at=1090, following=B)
    message = unsupported(mark, facts(), facts(colour=other))
    assert f"'shot B' is {name};" in message
    assert "Convert" in message


def test_bridge_between_names_of_the_same_colour_is_made():
    mark = segment("LTX: bridge len=10", A, at=1090, following=B)
    same = ColourTags(1, 14, 9, full_range=True)
    assert plan(mark, facts(), facts(colour=same))[0].request.colour == BT709


# extend


def test_extend_goes_past_the_tail_unless_told():
    planned = plan(segment("LTX: extend len=30", A))[0]
    assert planned.request.spec.edge is Edge.TAIL
    assert (planned.request.record_range.start, planned.request.record_range.end) == (1100, 1130)
    assert planned.copy_framing


def test_extend_at_the_head_ends_where_the_clip_begins():
    planned = plan(segment("LTX: extend len=30 edge=head", A))[0]
    assert isinstance(planned.request.spec, ExtendSpec)
    assert planned.request.spec.edge is Edge.HEAD
    assert (planned.request.record_range.start, planned.request.record_range.end) == (970, 1000)


def test_extend_needs_a_length():
    assert "len=24" in refused(segment("LTX: extend", A))
    assert covered(segment("LTX: extend", A, at=1050, marked=7)) == (1100, 1107)


def test_extend_says_what_it_covers():
    planned = plan(segment("LTX: extend len=10", A, following=B))[0]
    assert planned.notes == ("The extension covers 10 frames of 'shot B'.",)
    planned = plan(segment("LTX: extend len=60", A, following=B), facts(count=300))[0]
    assert planned.notes == ("The extension covers all 40 frames of 'shot B'.",)
    planned = plan(segment("LTX: extend len=10 edge=head", B, previous=A), facts())[0]
    assert planned.notes == ("The extension covers 10 frames of 'shot A'.",)


def test_extend_into_a_gap_covers_nothing():
    assert plan(segment("LTX: extend len=13", A, following=AFTER_GAP))[0].notes == ()


def test_extend_before_the_sequence_is_refused():
    place = sequence(start=990)
    message = refused(segment("LTX: extend len=25 edge=head", A, sequence=place))
    assert "15 frames before the sequence" in message
    assert covered(segment("LTX: extend len=10 edge=head", A, sequence=place)) == (990, 1000)


def test_extend_past_the_sequence_is_said():
    planned = plan(segment("LTX: extend len=25", A, sequence=sequence(end=1100)))[0]
    assert "The take runs 25 frames past the end of the sequence." in planned.notes


def test_extend_past_the_media_says_how_many_frames_are_held():
    planned = plan(segment("LTX: extend len=60", A), facts(count=160))[0]
    assert (
        "The media of 'shot A' has no picture for 50 of 60 frames; the take goes on from the nearest."
        in planned.notes
    )
    planned = plan(segment("LTX: extend len=60 edge=head", A), facts(count=160))[0]
    assert any("no picture for 10 of 60" in note for note in planned.notes)


# generate


def test_generate_makes_len_frames_of_the_sequences_picture():
    planned = plan(
        segment("LTX: generate len=48 prompt=sea image=a.png", at=10), path_of="/root/{}".format
    )[0]
    request = planned.request
    assert (request.record_range.start, request.record_range.end) == (10, 58)
    assert (request.raster, request.colour) == (HD, BT709)
    assert request.spec == GenerateSpec(image="/root/a.png")
    assert request.sources == ()
    assert not planned.copy_framing


def test_generate_takes_the_marks_length_and_needs_one():
    assert covered(segment("LTX: generate", at=10, marked=5)) == (10, 15)
    assert "len=24" in refused(segment("LTX: generate", at=10))


def test_generate_needs_the_sequences_picture_size():
    unsupported(segment("LTX: generate len=5", at=10, sequence=sequence(raster=None)))


def test_generate_past_the_sequence_is_said():
    planned = plan(segment("LTX: generate len=5", at=98, sequence=sequence(end=100)))[0]
    assert planned.notes == ("The take runs 3 frames past the end of the sequence.",)


# every verb


@pytest.mark.parametrize("verb", ["retake", "regenerate", "extend len=5"])
def test_verbs_that_need_a_clip_say_so(verb):
    assert "on no clip" in unsupported(segment(f"LTX: {verb}", at=5))
    gap = A.record_range
    assert "on a gap" in unsupported(segment(f"LTX: {verb}", at=5, gap_range=gap))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"obstacle": "its speed varies; render it first"}, "its speed varies; render it first"),
        ({"media": None}, "it has no media"),
        ({"speed": 0}, "freeze frame"),
        ({"length": 0}, "shorter than one frame"),
    ],
)
def test_clips_that_cannot_be_used_say_why(changes, why):
    bad = clip("bad", **changes)
    assert why in unsupported(segment("LTX: retake", bad))
    assert why in unsupported(segment("LTX: bridge len=4", A, at=1090, following=bad))


@pytest.mark.parametrize("text", ["restyle", "reframe aspect=9:16"])
def test_restyle_and_reframe_cover_the_clip_without_handles(text):
    request = plan(segment(f"LTX: {text}", A, at=1050))[0].request
    assert request.file_range == request.record_range == A.record_range
    assert not request.keep_handles
    longer = plan(segment(f"LTX: {text}", A), options=WITH_HANDLES)[0].request
    assert (longer.file_range.start, longer.file_range.end) == (992, 1108)
    assert longer.sources[0].record_range.covers(longer.file_range)


@pytest.mark.parametrize("verb", ["restyle", "reframe"])
def test_verb_the_engine_lacks_is_refused_and_another_engine_named(verb):
    some = engines(limits("able"), kinds=frozenset({JobKind.RETAKE}))
    message = refused(
        segment(f"LTX: {verb}", A), kind=UnsupportedError, reason=Reason.ENGINE_LIMIT, using=some
    )
    assert f"previz cannot {verb}. It can: retake." in message
    assert "engine=able" in message


def test_unknown_engine_names_those_there_are():
    message = refused(
        segment("LTX: retake engine=ltx99", A), kind=NotFoundError, reason=Reason.ENGINE_NOT_FOUND
    )
    assert "There are: previz." in message
    options = PlanOptions(output_directory="/out", engine="gone")
    assert "none" in refused(
        segment("LTX: retake", A),
        kind=NotFoundError,
        reason=Reason.ENGINE_NOT_FOUND,
        options=options,
        using={"x": engines(test_only=True)["previz"]},
    )
