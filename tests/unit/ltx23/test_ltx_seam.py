"""Colour meets at a seam, and nothing changes where it met already."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sidecar.pipelines.base import Picture
from sidecar.pipelines.ltx23.seam import STRONGEST, Seam, edge_offset

_STEP = 1 / 1023
_SHIFTS = st.tuples(*[st.floats(-STRONGEST, STRONGEST)] * 3)


def _pictures(count: int, height: int = 45, width: int = 80, seed: int = 0) -> list[Picture]:
    generator = np.random.default_rng(seed)
    return [generator.uniform(size=(height, width, 3)).astype(np.float32) for _ in range(count)]


def _moved(pictures: list[Picture], shift: tuple[float, ...]) -> list[Picture]:
    return [picture + np.float32(shift) for picture in pictures]


@given(_SHIFTS, st.integers(1, 30), st.booleans(), st.booleans())
def test_a_shift_is_removed_at_the_seam(
    shift: tuple[float, ...], frame_count: int, at_head: bool, upright: bool
) -> None:
    size = (80, 45) if upright else (45, 80)
    own = _pictures(3, *size)
    offset = edge_offset(_moved(own, shift), own)
    seam = Seam(offset if at_head else None, None if at_head else offset, frame_count)
    static = own[0]
    made = _moved([static], shift)[0]
    at_the_seam = seam.corrected(made, 0 if at_head else frame_count - 1)
    assert at_the_seam.dtype == np.float32
    assert np.abs(at_the_seam - static).max() < _STEP


@given(_SHIFTS, st.integers(1, 30))
def test_a_shift_at_both_ends_is_removed_everywhere(
    shift: tuple[float, ...], frame_count: int
) -> None:
    own = _pictures(2)
    offset = edge_offset(_moved(own, shift), own)
    seam = Seam(offset, offset, frame_count)
    made = _moved(own[:1], shift)[0]
    for index in range(frame_count):
        assert np.abs(seam.corrected(made, index) - own[0]).max() < _STEP


def test_two_shifts_are_blended_in_time() -> None:
    own = _pictures(1)
    head = edge_offset(_moved(own, (0.04, 0.0, 0.0)), own)
    tail = edge_offset(_moved(own, (0.0, -0.04, 0.0)), own)
    seam = Seam(head, tail, 9)
    grey = np.full((45, 80, 3), 0.5, dtype=np.float32)
    course = np.array([seam.corrected(grey, index)[20, 40] - 0.5 for index in range(9)])
    assert np.allclose(course[:, 0], np.linspace(-0.04, 0.0, 9), atol=1e-6)
    assert np.allclose(course[:, 1], np.linspace(0.0, 0.04, 9), atol=1e-6)
    assert np.allclose(course[:, 2], 0.0)


def test_one_edge_fades_away_from_it() -> None:
    own = _pictures(1)
    offset = edge_offset(_moved(own, (0.03, 0.03, 0.03)), own)
    grey = np.full((45, 80, 3), 0.5, dtype=np.float32)
    towards = [Seam(offset, None, 5).corrected(grey, i)[20, 40, 0] - 0.5 for i in range(5)]
    backwards = [Seam(None, offset, 5).corrected(grey, i)[20, 40, 0] - 0.5 for i in range(5)]
    assert np.allclose(towards, [-0.03, -0.0225, -0.015, -0.0075, 0.0], atol=1e-6)
    assert np.allclose(backwards, towards[::-1], atol=1e-6)


@given(st.integers(1, 12), st.booleans(), st.booleans())
def test_nothing_is_corrected_where_nothing_differs(
    frame_count: int, head: bool, tail: bool
) -> None:
    own = _pictures(4)
    offset = edge_offset([picture.copy() for picture in own], own)
    assert not offset.any()
    seam = Seam(offset if head else None, offset if tail else None, frame_count)
    for picture in _pictures(2, seed=1):
        for index in range(frame_count):
            assert seam.corrected(picture, index) is picture


def test_a_shift_of_one_region_stays_there() -> None:
    own = _pictures(1, 90, 160)
    decoded = own[0].copy()
    decoded[:, :40] -= np.float32(0.05)
    seam = Seam(edge_offset([decoded], own), None, 1)
    corrected = seam.corrected(decoded, 0)
    assert np.abs(corrected[:, :30] - own[0][:, :30]).max() < _STEP
    assert np.array_equal(corrected[:, 60:], decoded[:, 60:])


def test_detail_that_was_lost_is_no_colour() -> None:
    """A blurred picture has the same colour: the correction must not draw its edges."""
    checks = np.indices((90, 160)).sum(axis=0) % 2
    own = [np.repeat(checks[:, :, None], 3, axis=2).astype(np.float32)]
    flat = [np.full_like(own[0], 0.5)]
    assert np.abs(edge_offset(flat, own)).max() < _STEP


def test_another_picture_is_not_pulled_over() -> None:
    black, white = np.zeros((45, 80, 3), np.float32), np.ones((45, 80, 3), np.float32)
    offset = edge_offset([black], [white])
    assert offset.max() == np.float32(STRONGEST)
    corrected = Seam(offset, None, 3).corrected(black, 0)
    assert np.abs(corrected).max() <= np.float32(STRONGEST)


def test_small_pictures_have_fewer_cells() -> None:
    own = _pictures(1, 4, 6)
    offset = edge_offset(_moved(own, (0.01, 0.02, 0.03)), own)
    assert offset.shape == (4, 6, 3)
