"""One progress that only rises, whatever an engine says and in whichever order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sidecar.jobs.meter import GENERATED, Meter

steps = st.tuples(
    st.sampled_from(["loading", "encoding", "denoising", "denoising, part 2 of 2", "decoding"]),
    st.integers(-1, 9),
    st.integers(0, 8),
)


def meter_of(seen, *, total):
    return Meter(
        seen.append, total=total, encode_preview=lambda picture: b"J" + bytes(picture.shape)
    )


@given(before=st.lists(steps, max_size=12), between=st.lists(steps, max_size=3))
def test_fraction_only_rises_and_the_frames_fill_what_is_left(before, between):
    seen = []
    meter = meter_of(seen, total=4)
    for step in before:
        meter.engine(*step)
    assert all(progress.fraction < 0.6 + 1e-9 for progress in seen)
    for _ in range(4):
        meter.frame()
        for step in between:
            meter.engine(*step)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert abs(fractions[-1] - GENERATED) < 1e-9


def test_denoising_is_nearly_all_of_what_comes_before_the_first_frame():
    seen = []
    meter = meter_of(seen, total=10)
    meter.engine("loading", 1, 1)
    for done in range(9):
        meter.engine("denoising", done, 8)
    assert [(p.phase, p.done, p.total) for p in seen[1:]] == [
        ("denoising", done, 8) for done in range(9)
    ]
    assert seen[0].fraction < 0.07
    assert seen[-1].fraction > 0.5
    meter.engine("denoising", 0, 3)  # the second stage: it goes on from here
    assert seen[-1].fraction == seen[-2].fraction
    meter.engine("denoising", 3, 3)
    assert seen[-2].fraction < seen[-1].fraction < 0.6


def test_an_engine_without_phases_gives_the_frames_everything():
    seen = []
    meter = meter_of(seen, total=3)
    for _ in range(3):
        meter.frame()
    assert [round(progress.fraction, 9) for progress in seen] == [0.3, 0.6, 0.9]


def test_between_frames_only_the_long_phase_is_told():
    seen = []
    meter = meter_of(seen, total=2)
    meter.frame()
    meter.engine("make pictures", 1, 2)
    meter.engine("denoising, part 2 of 2", 3, 8)
    assert [(p.phase, p.done, p.fraction) for p in seen] == [
        ("generating", 1, 0.45),
        ("denoising, part 2 of 2", 3, 0.45),
    ]


def test_a_preview_goes_with_the_step_it_shows():
    seen = []
    meter = meter_of(seen, total=2)
    meter.engine("denoising", 3, 8)
    meter.preview(np.zeros((2, 4, 3), np.uint8))
    told, shown = seen
    assert (shown.phase, shown.done, shown.fraction) == ("denoising", 3, told.fraction)
    assert (told.preview, shown.preview) == (b"", b"J\x02\x04\x03")
