"""Colour against a float64 oracle written straight from H.273, sharing no code with the product."""

import numpy as np
import pytest

from interchange.errors import Reason, UnsupportedError
from interchange.model.media import BT709, ColourTags
from sidecar.media.colour import from_rgb, to_layout, to_rgb
from sidecar.media.frames import NativeFrame

WEIGHTS = {
    1: (0.2126, 0.0722),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


def oracle_to_rgb(y, cb, cr, *, depth, matrix, full_range):
    kr, kb = WEIGHTS[matrix]
    y, cb, cr = (np.asarray(values, np.float64) for values in (y, cb, cr))
    if full_range:
        top = 2**depth - 1
        y, cb, cr = y / top, (cb - 2 ** (depth - 1)) / top, (cr - 2 ** (depth - 1)) / top
    else:
        unit = 2 ** (depth - 8)
        y = (y - 16 * unit) / (219 * unit)
        cb, cr = ((c - 128 * unit) / (224 * unit) for c in (cb, cr))
    red = y + 2 * (1 - kr) * cr
    blue = y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], axis=-1)


def oracle_from_rgb(rgb, *, depth, matrix):
    kr, kb = WEIGHTS[matrix]
    red, green, blue = (rgb[..., i].astype(np.float64) for i in range(3))
    unit = 2 ** (depth - 8)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    return 16 * unit + 219 * unit * y, 128 * unit + 224 * unit * cb, 128 * unit + 224 * unit * cr


def tags(matrix, *, full_range=False):
    return ColourTags(primaries=1, transfer=1, matrix=matrix, full_range=full_range)


def flat(codes, *, chroma, depth, colour, size=(8, 8)):
    height, width = size
    rows = height // 2 if chroma == "420" else height
    columns = width if chroma == "444" else width // 2
    shapes = ((height, width), (rows, columns), (rows, columns))
    planes = tuple(
        np.full(shape, code, np.uint16) for shape, code in zip(shapes, codes, strict=True)
    )
    return NativeFrame(planes, chroma, depth, colour)


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize(
    ("depth", "white", "black"), [(8, 235, 16), (10, 940, 64), (12, 3760, 256)]
)
def test_to_rgb_nominal_levels_are_exact(chroma, depth, white, black):
    neutral = 1 << (depth - 1)
    bright = to_rgb(flat((white, neutral, neutral), chroma=chroma, depth=depth, colour=BT709))
    dark = to_rgb(flat((black, neutral, neutral), chroma=chroma, depth=depth, colour=BT709))
    assert np.unique(bright).tolist() == [1.0]
    assert np.unique(dark).tolist() == [0.0]


def test_to_rgb_super_white_is_kept():
    picture = to_rgb(flat((1019, 512, 512), chroma="422", depth=10, colour=BT709))
    assert picture.max() == pytest.approx((1019 - 64) / 876, abs=1e-6)


@pytest.mark.parametrize("matrix", sorted(WEIGHTS))
@pytest.mark.parametrize("full_range", [False, True])
def test_to_rgb_agrees_with_the_oracle(matrix, full_range):
    codes = np.random.default_rng(1).integers(64, 941, (3, 16, 16), dtype=np.uint16)
    frame = NativeFrame(tuple(codes), "444", 10, tags(matrix, full_range=full_range))
    expected = oracle_to_rgb(*codes, depth=10, matrix=matrix, full_range=full_range)
    assert np.abs(to_rgb(frame) - expected).max() < 2e-6


@pytest.mark.parametrize("matrix", sorted(WEIGHTS))
@pytest.mark.parametrize(("depth", "chroma"), [(8, "420"), (10, "422"), (10, "444"), (12, "444")])
def test_flat_patches_come_back_to_their_own_codes(matrix, depth, chroma):
    generator = np.random.default_rng(2)
    unit = 1 << (depth - 8)
    for _ in range(40):
        codes = tuple(int(code) for code in generator.integers(unit, 255 * unit, 3))
        frame = flat(codes, chroma=chroma, depth=depth, colour=tags(matrix))
        again = from_rgb(to_rgb(frame), chroma=chroma, bit_depth=depth, colour=tags(matrix))
        found = tuple(np.unique(plane).tolist() for plane in again.planes)
        assert found == tuple([code] for code in codes)


def test_from_rgb_is_within_one_code_of_the_oracle_everywhere():
    picture = np.random.default_rng(3).random((32, 32, 3)).astype(np.float32)
    planes = from_rgb(picture, chroma="444", bit_depth=10, colour=BT709).planes
    for plane, expected in zip(planes, oracle_from_rgb(picture, depth=10, matrix=1), strict=True):
        assert np.abs(plane - expected).max() <= 0.5 + 1e-3


def test_from_rgb_left_sited_chroma_is_filtered_around_the_even_column():
    picture = np.zeros((2, 8, 3), np.float32)
    picture[:, 4] = (0.0, 0.0, 1.0)
    cb = from_rgb(picture, chroma="422", bit_depth=10, colour=BT709).planes[1][0]
    _, full, _ = oracle_from_rgb(picture, depth=10, matrix=1)
    expected = [512, 512, 512 + (full[0, 4] - 512) / 2, 512]
    assert np.abs(cb - np.array(expected)).max() <= 1


def test_to_rgb_chroma_is_interpolated_between_its_sites():
    """Left-sited: even columns take their own sample, odd ones the mean; rows weigh 3 to 1."""
    luma = np.full((4, 4), 502, np.uint16)
    cb = np.array([[512, 612], [412, 712]], np.uint16)
    frame = NativeFrame((luma, cb, np.full((2, 2), 512, np.uint16)), "420", 10, BT709)
    rows = np.array([cb[0], cb[0] * 0.75 + cb[1] * 0.25, cb[0] * 0.25 + cb[1] * 0.75, cb[1]])
    columns = np.stack([rows[:, 0], rows.mean(axis=1), rows[:, 1], rows[:, 1]], axis=1)
    expected = oracle_to_rgb(
        luma, columns, np.full((4, 4), 512), depth=10, matrix=1, full_range=False
    )
    assert np.abs(to_rgb(frame) - expected).max() < 2e-6


def test_from_rgb_keeps_clear_of_reserved_codes():
    wild = np.array([[[9.0, -9.0, 9.0], [-9.0, -9.0, -9.0]]], np.float32)
    for plane in from_rgb(wild, chroma="444", bit_depth=10, colour=BT709).planes:
        assert plane.min() >= 4
        assert plane.max() <= 1019


def test_rgb_planes_are_stored_green_first():
    planes = tuple(np.full((2, 2), code, np.uint16) for code in (4095, 0, 2048))
    picture = to_rgb(NativeFrame(planes, "rgb", 12, ColourTags(1, 1, 0, full_range=True)))
    assert picture[0, 0].tolist() == pytest.approx([2048 / 4095, 1.0, 0.0])


def test_grey_is_neutral():
    frame = NativeFrame((np.full((2, 2), 940, np.uint16),), "gray", 10, BT709)
    assert np.unique(to_rgb(frame)).tolist() == [1.0]
    laid = to_layout(frame, chroma="422", bit_depth=10, colour=BT709)
    assert [np.unique(plane).tolist() for plane in laid.planes] == [[940], [512], [512]]


def test_an_unknown_matrix_is_refused():
    with pytest.raises(UnsupportedError) as caught:
        to_rgb(flat((502, 512, 512), chroma="444", depth=10, colour=tags(8)))
    assert caught.value.reason is Reason.MEDIA_UNSUPPORTED


def test_to_layout_same_layout_gives_the_very_same_planes():
    frame = flat((502, 300, 700), chroma="422", depth=10, colour=BT709)
    laid = to_layout(frame, chroma="422", bit_depth=10, colour=BT709)
    assert all(a is b for a, b in zip(laid.planes, frame.planes, strict=True))


@pytest.mark.parametrize("height", [8, 7])
def test_to_layout_8_bit_420_to_10_bit_422_is_exact(height):
    """Nothing is rounded: luma is shifted, and quarter codes of chroma are whole at two bits more."""
    generator = np.random.default_rng(4)
    luma = generator.integers(0, 256, (height, 6), dtype=np.uint16)
    rows = (height + 1) // 2
    cb = generator.integers(0, 256, (rows, 3), dtype=np.uint16)
    laid = to_layout(
        NativeFrame((luma, cb, cb), "420", 8, BT709), chroma="422", bit_depth=10, colour=BT709
    )
    assert np.array_equal(laid.planes[0], luma * 4)
    near = cb[np.arange(height) // 2].astype(int)
    far_row = np.clip(np.arange(height) // 2 + np.where(np.arange(height) % 2, 1, -1), 0, rows - 1)
    assert np.array_equal(laid.planes[1], 3 * near + cb[far_row])


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (("444", 12), ("422", 10)),
        (("422", 10), ("444", 10)),
        (("420", 10), ("444", 12)),
        (("444", 16), ("420", 8)),
    ],
)
def test_to_layout_agrees_with_the_way_through_rgb_to_one_code(source, wanted):
    generator = np.random.default_rng(5)
    (chroma, depth), (wanted_chroma, wanted_depth) = source, wanted
    height, width = 12, 16
    shape = {"420": (height // 2, width // 2), "422": (height, width // 2), "444": (height, width)}
    low, high = 100 << (depth - 8), 150 << (depth - 8)  # mid-range: nothing clips on the way
    planes = (
        generator.integers(low, high, (height, width), dtype=np.uint16),
        *(generator.integers(low, high, shape[chroma], dtype=np.uint16) for _ in range(2)),
    )
    frame = NativeFrame(planes, chroma, depth, BT709)
    direct = to_layout(frame, chroma=wanted_chroma, bit_depth=wanted_depth, colour=BT709)
    around = from_rgb(to_rgb(frame), chroma=wanted_chroma, bit_depth=wanted_depth, colour=BT709)
    for one, other in zip(direct.planes, around.planes, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_to_layout_422_to_420_is_the_mean_of_two_rows():
    cb = np.array([[400, 500], [403, 500], [100, 101], [101, 103]], np.uint16)
    frame = NativeFrame((np.full((4, 4), 502, np.uint16), cb, cb), "422", 10, BT709)
    laid = to_layout(frame, chroma="420", bit_depth=10, colour=BT709)
    assert laid.planes[1].tolist() == [[402, 500], [101, 102]]


def test_to_layout_converts_between_matrices():
    source = flat((120, 90, 200), chroma="444", depth=8, colour=tags(6))
    laid = to_layout(source, chroma="444", bit_depth=10, colour=BT709)
    rgb = oracle_to_rgb(120, 90, 200, depth=8, matrix=6, full_range=False)
    expected = oracle_from_rgb(rgb, depth=10, matrix=1)
    for plane, code in zip(laid.planes, expected, strict=True):
        assert abs(int(plane[0, 0]) - code) <= 0.51


def test_to_layout_full_range_becomes_limited():
    source = flat((255, 128, 128), chroma="420", depth=8, colour=tags(1, full_range=True))
    laid = to_layout(source, chroma="422", bit_depth=10, colour=BT709)
    assert np.unique(laid.planes[0]).tolist() == [940]
