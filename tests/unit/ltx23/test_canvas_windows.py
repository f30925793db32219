"""Canvases over random takes: exactly what was asked is delivered, and hardly more is made."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interchange.errors import InternalError
from interchange.timebase import FrameRate, TimeRange
from sidecar.pipelines.ltx23.canvas import (
    FEWEST_CANVAS_FRAMES,
    MOST_CANVAS_FRAMES,
    MOST_HEAD_FRAMES,
    MOST_TAIL_FRAMES,
    RUN_OUT_FRAMES,
    Canvas,
    canvases,
    widened,
)

RATES = [FrameRate.parse(text) for text in ("23.976", "24", "25", "29.97", "30", "50", "59.94")]


@st.composite
def takes(draw: st.DrawFn) -> tuple[TimeRange, TimeRange, TimeRange, int]:
    """(made, planned superset, kept, most frames) as planners and sources may give them."""
    rate = draw(st.sampled_from(RATES))
    made = TimeRange.of_length(draw(st.integers(-500, 200_000)), draw(st.integers(1, 900)), rate)
    head, tail = draw(st.integers(0, 60)), draw(st.integers(0, 60))
    kept = made.padded(head, tail)
    at_head = draw(st.booleans())
    planned = widened(made, at_head=at_head, after_context=draw(st.booleans()))
    most = draw(st.sampled_from([FEWEST_CANVAS_FRAMES, 65, 97, 121, MOST_CANVAS_FRAMES]))
    return made, planned, kept, most


@settings(max_examples=300)
@given(takes())
def test_canvases_of_any_take_deliver_exactly_what_was_asked(
    take: tuple[TimeRange, TimeRange, TimeRange, int],
) -> None:
    made, planned, kept, most = take
    found = canvases(planned, made=made, kept=kept, most_frames=most)
    assert [frame for canvas in found for frame in canvas.deliver.frames] == list(made.frames)
    generated = found[-1].generate.end - found[0].generate.start
    assert generated - made.length <= 7
    for canvas in found:
        assert canvas.frames.length % 8 == 1
        assert canvas.frames.length <= max(most, FEWEST_CANVAS_FRAMES)
        assert canvas.head.length <= MOST_HEAD_FRAMES
        assert canvas.tail.length <= MOST_TAIL_FRAMES
        assert canvas.tail.length % 8 == 0
        assert canvas.tail.length == 0 or kept.covers(canvas.tail)
    assert found[0].head.length == 0 or kept.covers(found[0].head)
    assert not found[0].continues
    context = (
        min(found[0].generate.start - kept.start, 9),
        min(kept.end - found[-1].generate.end, 8),
    )
    assert found[0].head.length >= context[0] - (context[0] - 1) % 8 or context[0] <= 0
    assert found[-1].tail.length >= context[1] // 8 * 8, "what follows is always met"
    for before, after in pairwise(found):
        assert after.continues
        assert before.deliver.end == after.generate.start
        assert before.generate.end == after.generate.start + RUN_OUT_FRAMES
        assert after.head.length == MOST_HEAD_FRAMES
        assert before.tail.length == 0


@settings(max_examples=200)
@given(takes())
def test_no_latent_holds_both_kept_and_generated_frames(
    take: tuple[TimeRange, TimeRange, TimeRange, int],
) -> None:
    made, planned, kept, most = take
    for canvas in canvases(planned, made=made, kept=kept, most_frames=most):
        pictures = [canvas.pictures_of(latent) for latent in range(canvas.latent_count)]
        assert [frame for held in pictures for frame in held.frames] == list(canvas.frames.frames)
        assert all(held.intersect(canvas.generate) in {None, held} for held in pictures)


@settings(max_examples=200)
@given(takes())
def test_audio_tokens_of_a_window_are_all_that_sound_in_it(
    take: tuple[TimeRange, TimeRange, TimeRange, int],
) -> None:
    """Checked against seconds: a token left out would be an old sound within the window."""
    made, planned, kept, most = take
    canvas = canvases(planned, made=made, kept=kept, most_frames=most)[0]
    count = round(canvas.frames.length / canvas.frames.rate.fraction * 25)
    tokens = canvas.audio_tokens(canvas.deliver, count=count)
    rate = canvas.frames.rate
    start = rate.seconds(canvas.place(canvas.deliver.start)) * 100
    end = rate.seconds(canvas.place(canvas.deliver.end)) * 100
    for token in range(count):  # in mel frames of 10 ms; the first token holds one, the others four
        first, after = max(0, 4 * token - 3), 4 * token + 1
        assert (token in tokens) == (after > start and first < end)


def test_a_planned_superset_on_latents_is_what_is_generated() -> None:
    rate = FrameRate(24)
    made = TimeRange.of_length(1000, 17, rate)
    kept = made.padded(40, 40)
    at_tail = canvases(TimeRange(1000, 1024, rate), made=made, kept=kept)
    assert at_tail == (
        Canvas(TimeRange(967, 1056, rate), TimeRange(1000, 1024, rate), made),
    )  # fmt: skip
    at_head = canvases(TimeRange(993, 1017, rate), made=made, kept=kept)
    assert at_head == (
        Canvas(TimeRange(960, 1049, rate), TimeRange(993, 1017, rate), made),
    )  # fmt: skip


def test_a_window_at_the_head_of_the_media_starts_with_a_latent_of_one_frame() -> None:
    made = TimeRange.of_length(0, 17, FrameRate(25))
    (canvas,) = canvases(made, made=made, kept=made.padded(0, 9))
    assert canvas.frames == made.padded(0, 8)
    held = [list(canvas.pictures_of(latent).frames) for latent in range(canvas.latent_count)]
    assert held == [[0], [*range(1, 9)], [*range(9, 17)], [*range(17, 25)]]


def test_a_long_take_shares_thirty_three_frames_between_even_windows() -> None:
    rate = FrameRate(24)
    made = TimeRange.of_length(0, 1 + 8 * 70, rate)
    found = canvases(made, made=made, kept=TimeRange(0, 0, rate), most_frames=257)
    assert [canvas.deliver.length for canvas in found] == [185, 192, 184]
    assert [canvas.generate.length for canvas in found] == [193, 200, 184]
    assert [canvas.head.length for canvas in found] == [0, 33, 33]


def test_little_room_shortens_the_context_and_leaves_none_out() -> None:
    """A retake at UHD on 24 GB: with its whole context it would not fit, and it has to meet what follows."""
    rate = FrameRate(24)
    made = TimeRange.of_length(1000, 24, rate)
    (canvas,) = canvases(made, made=made, kept=made.padded(40, 40), most_frames=65)
    assert canvas.generate == made
    assert (canvas.head.length, canvas.tail.length) == (17, 24)
    (canvas,) = canvases(made, made=made, kept=made.padded(40, 40), most_frames=49)
    assert (canvas.head.length, canvas.tail.length) == (9, 16)
    assert canvas.frames.length == 49


@pytest.mark.parametrize("planned", [(10, 20), (12, 30)])
def test_a_superset_that_misses_a_frame_is_refused(planned: tuple[int, int]) -> None:
    rate = FrameRate(24)
    with pytest.raises(InternalError):
        canvases(
            TimeRange(*planned, rate), made=TimeRange(10, 30, rate), kept=TimeRange(0, 40, rate)
        )


def test_frames_off_the_latents_are_no_canvas() -> None:
    rate = FrameRate(24)
    with pytest.raises(InternalError):
        Canvas(TimeRange(0, 17, rate), TimeRange(2, 17, rate), TimeRange(2, 17, rate))
