"""Sound keeps its length, its level and its time at any rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidecar.pipelines.ltx23.resample import resampled

_RATES = st.sampled_from([8_000, 11_127, 16_000, 22_050, 24_000, 44_100, 47_952, 48_000, 96_000])


def _sine(count: int, rate_hz: int, frequency_hz: float) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * frequency_hz * np.arange(count) / rate_hz)


@given(_RATES, _RATES, st.integers(0, 400), st.integers(0, 700), st.integers(1, 6))
def test_the_length_is_the_one_asked_for(
    source_hz: int, wanted_hz: int, length: int, count: int, channels: int
) -> None:
    samples = np.zeros((length, channels), dtype=np.float32)
    made = resampled(samples, source_hz=source_hz, wanted_hz=wanted_hz, count=count)
    assert made.shape == (count, channels)
    assert made.dtype == np.float32
    assert not made.any()


@given(_RATES, _RATES)
def test_a_sine_keeps_level_and_time(source_hz: int, wanted_hz: int) -> None:
    """Computed here a second time, from the formula: the same sine sampled at the other rate."""
    length = source_hz // 4
    count = wanted_hz // 4
    left = 0.8 * _sine(length, source_hz, 997.0)
    right = 0.3 * _sine(length, source_hz, 2_750.0)
    samples = np.stack((left, right), axis=1).astype(np.float32)
    made = resampled(samples, source_hz=source_hz, wanted_hz=wanted_hz, count=count)
    expected = np.stack(
        (0.8 * _sine(count, wanted_hz, 997.0), 0.3 * _sine(count, wanted_hz, 2_750.0)), axis=1
    )
    inside = slice(count // 10, -count // 10)  # its ends are a sine that is switched on and off
    assert np.abs(made[inside] - expected[inside]).max() < 2e-3


@given(_RATES, _RATES, st.floats(-0.9, 0.9))
def test_a_constant_stays(source_hz: int, wanted_hz: int, level: float) -> None:
    samples = np.full((source_hz // 5, 1), level, dtype=np.float32)
    made = resampled(samples, source_hz=source_hz, wanted_hz=wanted_hz, count=wanted_hz // 5)
    inside = made[wanted_hz // 20 : -wanted_hz // 20]
    assert np.abs(inside - np.float32(level)).max() < 1e-5


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    """9 kHz would come back as 7 kHz."""
    samples = _sine(48_000, 48_000, 9_000.0).astype(np.float32)[:, None]
    made = resampled(samples, source_hz=48_000, wanted_hz=16_000, count=16_000)
    assert np.abs(made[1_000:-1_000]).max() < 1e-3


def test_the_band_is_flat_up_to_seven_kilohertz() -> None:
    samples = _sine(48_000, 48_000, 7_000.0).astype(np.float32)[:, None]
    made = resampled(samples, source_hz=48_000, wanted_hz=16_000, count=16_000)[1_000:-1_000]
    assert float(np.sqrt((made**2).mean())) == pytest.approx(np.sqrt(0.5), rel=0.01)


@pytest.mark.parametrize("wanted_hz", [16_000, 44_100, 48_000, 96_000])
def test_a_click_stays_where_it_is(wanted_hz: int) -> None:
    samples = np.zeros((48_000, 1), dtype=np.float32)
    samples[24_000] = 1.0
    made = resampled(samples, source_hz=48_000, wanted_hz=wanted_hz, count=wanted_hz)
    assert int(np.abs(made).argmax()) == wanted_hz // 2


def test_the_same_rate_is_bit_exact_and_cut_or_filled() -> None:
    samples = np.random.default_rng(1).normal(size=(100, 2)).astype(np.float32)
    assert np.array_equal(
        resampled(samples, source_hz=48_000, wanted_hz=48_000, count=60), samples[:60]
    )
    longer = resampled(samples, source_hz=48_000, wanted_hz=48_000, count=140)
    assert np.array_equal(longer[:100], samples)
    assert not longer[100:].any()


def test_blocks_do_not_show() -> None:
    """Longer than one block, and the same as in pieces that are one."""
    samples = np.random.default_rng(2).normal(size=(30_000, 1)).astype(np.float32)
    whole = resampled(samples, source_hz=30_000, wanted_hz=44_100, count=44_100)
    short = resampled(samples[:8_000], source_hz=30_000, wanted_hz=44_100, count=10_000)
    assert np.array_equal(whole[:10_000], short)
