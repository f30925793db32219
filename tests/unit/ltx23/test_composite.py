"""Parts of pictures: what is kept is the source's own to the bit, what is made has no hard edge."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from interchange.model.directive import Box
from interchange.model.media import Raster
from sidecar.pipelines.ltx23.composite import (
    beyond_box,
    composited,
    filled_around,
    outlines,
    part_of_picture,
    soft_share,
    surrounded,
)

HEIGHT, WIDTH = 54, 96
RASTER = Raster(WIDTH, HEIGHT)


def noise(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.5, 0.6, (HEIGHT, WIDTH, 3)).astype(np.float32)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    return Box(x, y, draw(st.integers(1, WIDTH - x)), draw(st.integers(1, HEIGHT - y)))


@settings(deadline=None)
@given(boxes())
def test_outside_a_box_every_pixel_is_the_sources_own(box: Box) -> None:
    own, made = noise(1), noise(2)
    mask = part_of_picture(None, box, RASTER)(0)
    result = composited(made, own, mask)
    assert np.array_equal(result[mask == 0.0], own[mask == 0.0])


@settings(deadline=None)
@given(boxes())
def test_inside_a_reframes_box_every_pixel_is_the_sources_own(box: Box) -> None:
    own, made = noise(1), noise(2)
    result = surrounded(made, own, box)
    rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
    assert np.array_equal(result[rows, columns], own[rows, columns])
    mask = beyond_box(box, RASTER)(0)
    assert mask.sum() == HEIGHT * WIDTH - box.width * box.height


def test_a_soft_edge_rises_within_the_mask_and_not_at_the_pictures_border() -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[:, 40:] = 1.0
    share = soft_share(mask)[..., 0]
    assert not share[:, :40].any()
    assert 0.0 < share[0, 40] < 1.0
    assert (np.diff(share[27, 39:60]) >= 0.0).all()
    assert (share[:, -10:] == 1.0).all()


def test_colour_is_carried_outwards_so_that_no_step_is_left() -> None:
    own = np.full((HEIGHT, WIDTH, 3), 0.6, np.float32)
    made = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    box = Box(30, 0, 30, HEIGHT)
    row = surrounded(made, own, box)[27, :, 0]
    assert abs(row[60] - row[59]) < 0.04
    assert abs(row[29] - row[30]) < 0.04
    assert row[0] == np.float32(0.5)
    assert (np.abs(np.diff(row)) < 0.04).all()


def test_what_the_model_sees_around_a_box_is_its_mirror_image() -> None:
    own = noise(3)
    box = Box(30, 0, 20, HEIGHT)
    seen = filled_around(lambda _frame: own, box)(0)
    assert np.array_equal(seen[:, 30:50], own[:, 30:50])
    assert np.array_equal(seen[:, 29], own[:, 30])
    assert np.array_equal(seen[:, 50], own[:, 49])


def test_outlines_are_white_where_something_ends() -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    picture[:, 48:] = 1.0
    drawn = outlines(lambda _frame: picture)(0)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert drawn[:, 46:50].any()
    assert not drawn[:, :40].any()
