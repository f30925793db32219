"""Decision 5: the superset an engine makes of an editor's window, and what is kept beside it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.marked import OPTIONS, clip, engines, facts, limits, plan, segment, sequence
from support.strategies import rates

from interchange.geometry import plan_geometry
from interchange.model.directive import Edge
from interchange.window import KeptContext, generate_range, kept_context

LTX = {"frame_grid": (8, 1), "context_frames": 40}
LENGTH, SOURCE_IN = 200, 100


def planned_for(text, *, source_in=SOURCE_IN, after=100, at=None, options=OPTIONS, **neighbours):
    """A take of a clip of 200 frames from 1000 on, its file reaching `source_in` before and `after` after it."""
    use = clip(start=1000, length=LENGTH, source_in=source_in)
    media = facts(count=source_in + LENGTH + after)
    mark = segment(f"LTX: {text}", use, at=at, **neighbours)
    return plan(mark, media, options=options, using=engines(**LTX))[0]


def extras(planned):
    """Frames made before and after the ones to fill."""
    made, generated = planned.request.made_range, planned.geometry.generate_range
    return made.start - generated.start, generated.end - made.end


def with_source(request, start, end):
    """The same request with a source that may be read from one record frame to another."""
    span = request.spec.source
    span = replace(span, record_range=replace(span.record_range, start=start, end=end))
    return replace(request, spec=replace(request.spec, source=span))


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (100, 100, (0, 4)),  # as much on both sides: the tail
        (100, 20, (4, 0)),  # less at the tail: the head has frames to spare
        (100, 0, (0, 4)),  # nothing is kept at the tail, so nothing is lost there
        (20, 100, (0, 4)),
        (4, 2, (0, 4)),  # the head cannot spare four: one must lead in
        (5, 2, (4, 0)),
        (0, 100, (5, 0)),  # nothing before: what is made begins with the grid's single frame
        (0, 0, (0, 5)),
    ],
)
def test_extra_frames_lie_where_they_cost_least(before, after, wanted):
    request = planned_for("retake len=20", at=1050).request
    request = with_source(request, 1050 - before, 1070 + after)
    assert kept_context(request) == KeptContext(before, after)
    generated = generate_range(request, limits(**LTX))
    assert (1050 - generated.start, generated.end - 1070) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("extend len=20", (0, 4)),
        ("extend len=20 edge=head", (5, 0)),
        ("regenerate", (0, 1)),
        ("restyle", (0, 1)),
        ("reframe aspect=1:1", (0, 1)),
        ("generate len=20", (0, 5)),
    ],
)
def test_shots_made_as_a_whole_begin_with_the_grids_single_frame(text, wanted):
    assert extras(planned_for(text)) == wanted


def test_bridge_keeps_the_outgoing_shot_before_it():
    following = clip("B", start=1000 + LENGTH, length=50)
    planned = planned_for("bridge len=20", at=1199, following=following)
    assert extras(planned) == (0, 4)
    assert kept_context(planned.request).before >= 40
    assert kept_context(planned.request).after >= 40 + 4


def test_generated_handles_longer_than_the_clip_leave_nothing_to_lead_in():
    use = clip(start=1000, length=10, source_in=0)
    options = replace(OPTIONS, generated_handle_frames=12)
    planned = plan(
        segment("LTX: extend len=20", use), facts(count=10), options=options, using=engines(**LTX)
    )[0]
    assert kept_context(planned.request).before == 0
    assert planned.geometry.generate_range.length % 8 == 1


@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [
        (900, 1000, (0, 0)),
        (1080, 1100, (0, 0)),
        (1050, 1070, (0, 0)),
        (1000, 1060, (50, 0)),
        (1060, 1090, (0, 20)),
    ],
)
def test_only_frames_that_touch_the_window_are_context(start, end, kept):
    request = planned_for("retake len=20", at=1050).request
    assert kept_context(with_source(request, start, end)) == KeptContext(*kept)


def test_both_ranges_are_said():
    planned = planned_for("retake len=20", at=1050)
    (note,) = [note for note in planned.notes if "makes 24 frames" in note]
    assert "(00:00:42:00 - 00:00:42:24) to fill 20 (00:00:42:00 - 00:00:42:20)" in note
    assert "the 4 extra after them are not delivered" in note
    one = planned_for("retake len=23", at=1050)
    assert any("the 1 extra after them is not delivered" in note for note in one.notes)


@st.composite
def windows(draw):
    """A planned take of any verb, at any rate, with any window and any media around it."""
    rate = draw(rates)
    length = draw(st.integers(1, 120))
    source_in, after = draw(st.integers(0, 60)), draw(st.integers(0, 60))
    use = clip(start=1000, length=length, source_in=source_in, rate=rate)
    beside = clip("B", start=1000 + length, length=draw(st.integers(1, 60)), rate=rate)
    media = facts(rate=rate, count=source_in + length + after)
    other = facts(
        "/media/b.mov", rate=rate, count=50 + beside.record_range.length + draw(st.integers(0, 60))
    )
    verb = draw(
        st.sampled_from(["retake", "regenerate", "bridge", "extend", "generate", "restyle"])
    )
    at, text = None, verb
    if verb == "retake":
        at = draw(st.integers(1000, 1000 + length - 1))
        text = f"retake len={draw(st.integers(1, 1000 + length - at))}"
    elif verb == "bridge":
        at = 1000 + length - 1
        most = min(2 * length + 1, 2 * beside.record_range.length)
        text = f"bridge len={draw(st.integers(1, most))}"
        if at - 1000 < length - (at + 1 - 1000):
            at = None
    elif verb == "extend":
        text = f"extend len={draw(st.integers(1, 200))} edge={draw(st.sampled_from(Edge))}"
    elif verb == "generate":
        text = f"generate len={draw(st.integers(1, 200))}"
    options = replace(
        OPTIONS,
        handle_frames=draw(st.integers(0, 24)),
        generated_handle_frames=draw(st.integers(0, 24)),
    )
    mark = segment(
        f"LTX: {text}", use, at=at, following=beside,
        previous=clip("Z", start=900, length=100, rate=rate), sequence=sequence(rate=rate),
    )  # fmt: skip
    files = (media, other) if verb == "bridge" else (media,)
    grid = draw(st.sampled_from([(8, 1), (8, 1), (4, 3), (1, 0), (6, 0)]))
    engine = limits(frame_grid=grid, context_frames=draw(st.sampled_from([0, 5, 40])))
    return plan(mark, *files, options=options, using={"previz": engine})[0], engine


@settings(max_examples=200)
@given(windows())
def test_superset_is_on_the_grid_and_never_a_step_longer(drawn):
    planned, engine = drawn
    request, geometry = planned.request, planned.geometry
    step, offset = engine.frame_grid
    made, generated = request.made_range, geometry.generate_range
    # What is delivered is exactly what was asked for, and all of it is made or kept.
    assert geometry.deliver_range == request.file_range
    assert request.file_range.covers(request.record_range)
    assert generated.covers(made)
    assert generated.length - made.length < max(step, offset)
    assert generated.start == made.start or generated.end == made.end
    kept = kept_context(replace_window(request, generated))
    if kept.before >= max(1, offset):
        assert generated.length % step == 0
    else:
        assert generated.length >= offset
        assert (generated.length - offset) % step == 0
    # Both doors say the same.
    assert plan_geometry(request, engine) == geometry


def replace_window(request, generated):
    """The same request as if all that is generated had been asked for, to look at what is left beside it."""
    return replace(
        request,
        record_range=generated,
        head_handle_frames=0,
        tail_handle_frames=0,
        keep_handles=True,
    )
