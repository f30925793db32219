"""What holds before any model: tiles, padding, working ahead."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interchange.model.media import Raster
from sidecar.pipelines.ltx23.ahead import made_ahead
from sidecar.pipelines.ltx23.padding import cropped, padded
from sidecar.pipelines.ltx23.tiles import TileSize, spans, weights

_AXES = st.tuples(st.integers(1, 90), st.integers(2, 20), st.integers(1, 19)).filter(
    lambda axis: 2 * axis[2] <= axis[1] + 1 and axis[2] < axis[1]
)


@given(_AXES)
def test_spans_cover_an_axis_in_equal_parts(axis: tuple[int, int, int]) -> None:
    length, size, overlap = axis
    parts = spans(length, size=size, overlap=overlap)
    assert (parts[0].start, parts[-1].end) == (0, length)
    assert {part.length for part in parts} == {min(size, length)}
    for before, after in pairwise(parts):
        assert before.start < after.start
        assert before.end - after.start >= overlap


@given(_AXES, st.sampled_from([1, 8, 32]))
def test_weights_are_one_together_and_exactly_one_alone(
    axis: tuple[int, int, int], scale: int
) -> None:
    length, size, overlap = axis
    parts = [part.scaled(scale) for part in spans(length, size=size, overlap=overlap)]
    total = np.zeros(length * scale)
    count = np.zeros(length * scale, dtype=int)
    for part, weight in zip(parts, weights(tuple(parts)), strict=True):
        total[part.slice] += weight
        count[part.slice] += 1
    assert np.abs(total - 1.0).max() < 1e-6
    assert (total[count == 1] == 1.0).all()


def test_weights_fall_towards_the_edge_of_a_tile() -> None:
    first, second = weights(spans(12, size=8, overlap=4))
    assert (np.diff(first[4:]) < 0).all()
    assert (np.diff(second[:4]) > 0).all()


@pytest.mark.parametrize(
    "size",
    [
        (96, 100, 33, 32, 8),
        (96, 96, 32, 32, 8),
        (96, 96, 33, 32, 4),
        (96, 96, 33, 64, 8),
        (96, 96, 33, 32, 24),
        (96, 96, 33, 0, 8),
        (96, 96, 33, 32, 0),
        (0, 96, 33, 32, 8),
    ],
)
def test_a_tile_off_the_grid_is_refused(size: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="latent grid"):
        TileSize(*size)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_padding_mirrors_as_numpy_does_and_crops_back(
    height: int, width: int, below: int, right: int, several: bool
) -> None:
    shape = (2, height, width, 3) if several else (height, width, 3)
    picture = np.random.default_rng(height * width).normal(size=shape).astype(np.float32)
    larger = padded(picture, Raster(width + right, height + below))
    before = ((0, 0),) * (picture.ndim - 3)
    expected = np.pad(picture, (*before, (0, below), (0, right), (0, 0)), mode="reflect")
    assert np.array_equal(larger, expected)
    assert larger.flags.c_contiguous
    back = cropped(larger, Raster(width, height))
    assert np.array_equal(back, picture)
    assert not np.shares_memory(back, larger)


def test_padding_never_shrinks() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        padded(np.zeros((9, 9, 3), dtype=np.float32), Raster(8, 32))


def _named_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ltx23-ahead"]


def test_things_made_ahead_come_in_order_and_leave_no_thread() -> None:
    assert list(made_ahead(lambda: iter(range(50)), most_waiting=3)) == list(range(50))
    assert _named_threads() == []


def test_no_more_is_made_ahead_than_was_asked() -> None:
    made: list[int] = []
    third = threading.Event()

    def things() -> Iterator[int]:
        for thing in range(10):
            made.append(thing)
            if len(made) == 3:
                third.set()
            yield thing

    reader = made_ahead(things, most_waiting=2)
    assert next(reader) == 0
    assert third.wait(5)  # the next two are made while the first is looked at
    assert made == [0, 1, 2]
    reader.close()
    assert made == [0, 1, 2]
    assert _named_threads() == []


def test_an_error_made_ahead_keeps_nothing_alive() -> None:
    """Out of memory: what the failed step held must go before the next try, without waiting for a collection."""

    class Large:
        pass

    held: list[weakref.ref[Large]] = []

    def things() -> Iterator[int]:
        large = Large()
        held.append(weakref.ref(large))
        yield 1
        raise MemoryError

    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(MemoryError):
            list(made_ahead(things))
        assert held[0]() is None
    finally:
        gc.enable()


def test_an_error_made_ahead_comes_after_what_was_made_before_it() -> None:
    def things() -> Iterator[int]:
        yield 1
        raise RuntimeError("the device is gone")

    reader = made_ahead(things, most_waiting=5)
    assert next(reader) == 1
    with pytest.raises(RuntimeError, match="the device is gone"):
        next(reader)
    assert _named_threads() == []
