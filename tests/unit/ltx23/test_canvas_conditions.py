"""What each kind of job shows the model: only the source's own pictures, each at its exact frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ltx_plans import canvases_of, planned

from interchange.model.directive import Edge, JobKind, StartFrom
from interchange.model.media import Raster
from interchange.timebase import FrameRate
from sidecar.pipelines.ltx23.canvas import MOST_HEAD_FRAMES
from sidecar.pipelines.ltx23.conditions import Clip, conditions_of
from sidecar.pipelines.ltx23.grid import LatentGrid

RATES = st.sampled_from(["23.976", "24", "25", "29.97", "30", "59.94"])
SMALL = LatentGrid(1, 2, 2)
"""Of a 64 x 36 picture padded to 64 x 64, but for its frames."""


@settings(max_examples=200, deadline=None)
@given(
    length=st.integers(1, 400),
    rate=RATES,
    context=st.tuples(st.integers(0, 60), st.integers(0, 60)),
)
def test_a_retake_delivers_exactly_its_window_and_shows_the_source_bit_for_bit(
    length: int, rate: str, context: tuple[int, int]
) -> None:
    job = planned(JobKind.RETAKE, rate=FrameRate.parse(rate), length=length, context=context)
    parts = canvases_of(job)
    assert [f for part in parts for f in part.deliver.frames] == list(job.made_range.frames)
    generated = parts[-1].generate.end - parts[0].generate.start
    assert generated - length <= 7
    assert (parts[0].generate.start, parts[-1].generate.end) == (
        job.geometry.generate_range.start,
        job.geometry.generate_range.end,
    ), "what is made must be what `plan` said"
    source = job.sources[0]
    first = parts[0]
    shown = conditions_of(job, first, made={}, reference=None).shown
    assert shown is not None
    assert shown.frames == first.frames.frames
    for frame in {*shown.frames[:3], *shown.frames[-3:], *first.head.frames, *first.tail.frames}:
        assert np.array_equal(shown.picture(frame), source.picture(frame))
    kept = source.record_range
    assert first.head.length == 0 or kept.covers(first.head)
    assert first.tail.length == 0 or kept.covers(first.tail)


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(list(JobKind)),
    edge=st.sampled_from(list(Edge)),
    start=st.sampled_from(list(StartFrom)),
    length=st.integers(1, 600),
    handles=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    rate=RATES,
)
def test_any_job_is_planned_as_it_is_made(
    kind: JobKind, edge: Edge, start: StartFrom, length: int, handles: tuple[int, int], rate: str
) -> None:
    job = planned(
        kind,
        rate=FrameRate.parse(rate),
        length=length,
        handles=handles,
        keep_handles=kind is JobKind.RETAKE,
        edge=edge,
        start_from=start,
    )
    parts = canvases_of(job)
    assert [f for part in parts for f in part.deliver.frames] == list(job.made_range.frames)
    assert parts[0].generate.start == job.geometry.generate_range.start
    assert parts[-1].generate.end == job.geometry.generate_range.end
    for part in parts:
        found = conditions_of(job, part, made={}, reference=None)
        for clip in (found.shown, *found.keyframes):
            assert clip is None or len(clip.frames) % 8 == 1
            assert clip is None or clip.place == clip.frames[0] - part.frames.start


def _clip_frames(clips: tuple[Clip, ...]) -> list[tuple[int, int]]:
    return [(clip.frames.start, clip.frames.stop) for clip in clips]


def test_a_bridge_keeps_the_outgoing_tail_and_passes_through_the_incoming_head() -> None:
    job = planned(JobKind.BRIDGE, length=13, context=(40, 30))
    (canvas,) = canvases_of(job)
    window = job.request.record_range
    found = conditions_of(job, canvas, made={}, reference=None)
    assert found.shown is not None
    assert canvas.head.length == MOST_HEAD_FRAMES
    assert (window.end, window.end + 17) in _clip_frames(found.keyframes)
    incoming = next(clip for clip in found.keyframes if clip.frames.start == window.end)
    assert np.array_equal(incoming.picture(window.end), job.sources[1].picture(window.end))


@pytest.mark.parametrize(("length", "beside"), [(16, []), (13, [(0, 17)])])
def test_a_retake_off_the_latents_is_led_to_the_frames_it_must_meet(
    length: int, beside: list[tuple[int, int]]
) -> None:
    job = planned(JobKind.RETAKE, length=length, context=(60, 60))
    (canvas,) = canvases_of(job)
    end = job.request.record_range.end
    found = conditions_of(job, canvas, made={}, reference=None)
    assert _clip_frames(found.keyframes) == [(end + a, end + b) for a, b in beside]


def test_a_still_lies_at_exactly_the_first_frame_after_the_handles() -> None:
    job = planned(JobKind.GENERATE, length=9, handles=(12, 12), beside=frozenset({"image"}))
    (canvas,) = canvases_of(job)
    (still,) = conditions_of(job, canvas, made={}, reference=None).keyframes
    assert canvas.frames.start + still.place == job.request.record_range.start
    job = planned(JobKind.GENERATE, length=9, beside=frozenset({"image"}))
    (canvas,) = canvases_of(job)
    found = conditions_of(job, canvas, made={}, reference=None)
    assert found.keyframes == ()
    opening = found.opening(replace(SMALL, frames=canvas.latent_count))
    assert not opening[0].any()
    assert opening[1:].all()


def test_neighbouring_shots_lie_at_their_own_time() -> None:
    job = planned(JobKind.RETAKE, length=8, context=(9, 9), beside=frozenset({"context"}))
    (canvas,) = canvases_of(job)
    before, after = job.references
    found = conditions_of(job, canvas, made={}, reference=None)
    places = {clip.place for clip in found.keyframes}
    assert before.record_range.start - canvas.frames.start in places
    assert after.record_range.start - canvas.frames.start in places
    assert min(places) < 0


def test_a_matte_opens_every_latent_that_has_a_white_pixel() -> None:
    job = planned(
        JobKind.RETAKE, length=8, raster=Raster(128, 64), context=(9, 8), beside=frozenset({"matte"})
    )  # fmt: skip
    (canvas,) = canvases_of(job)
    opening = conditions_of(job, canvas, made={}, reference=None).opening
    # Nine frames before are two latents, the window is one, the eight after it one more.
    keep, open_ = [[0.0] * 4] * 2, [[0.0, 0.0, 1.0, 1.0]] * 2
    assert opening(LatentGrid(canvas.latent_count, 2, 4)).tolist() == [keep, keep, open_, keep]
    half = opening(LatentGrid(canvas.latent_count, 1, 2))
    assert half[:, 0].tolist() == [[0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]


def test_what_a_window_of_a_long_take_goes_on_from_was_made() -> None:
    job = planned(JobKind.GENERATE, length=500)
    first, second, *_ = canvases_of(job)
    made = {frame: np.full((36, 64, 3), 0.5, np.float32) for frame in second.head.frames}
    shown = conditions_of(job, second, made=made, reference=None).shown
    assert shown is not None
    assert shown.frames == second.head.frames
    assert shown.picture(second.head.start) is made[second.head.start]
    assert second.head.end == first.deliver.end
