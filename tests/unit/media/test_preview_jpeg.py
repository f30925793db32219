"""Previews always fit, and are the picture they were made from."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from interchange.errors import InternalError
from interchange.model.job import LONGEST_PREVIEW_BYTES
from sidecar.media.stills import PREVIEW_BYTES, encode_jpeg


def decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_small_picture_keeps_size_and_colours():
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48] = (220, 30, 40)
    picture[:, 48:] = (20, 60, 200)
    again = decoded(encode_jpeg(picture))
    assert again.shape == picture.shape
    assert np.abs(again[:, :40].astype(int) - picture[:, :40]).max() < 12
    assert np.abs(again[:, 56:].astype(int) - picture[:, 56:]).max() < 12


@pytest.mark.parametrize("size", [(540, 960), (2160, 3840), (8, 60_000)])
def test_even_noise_fits(size):
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    jpeg = encode_jpeg(noise)
    assert len(jpeg) <= PREVIEW_BYTES < LONGEST_PREVIEW_BYTES
    height, width = decoded(jpeg).shape[:2]
    assert width / height == pytest.approx(size[1] / size[0], rel=0.15)


def test_quality_goes_before_size():
    noise = np.random.default_rng(1).integers(0, 256, (160, 240, 3), np.uint8)
    best = encode_jpeg(noise)
    less = encode_jpeg(noise, longest_bytes=len(best) - 1)
    assert len(less) < len(best)
    assert decoded(less).shape == noise.shape


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(InternalError, match="not uint8"):
        encode_jpeg(picture)


def test_what_cannot_fit_is_refused():
    with pytest.raises(InternalError, match="10 bytes"):
        encode_jpeg(np.zeros((64, 64, 3), np.uint8), longest_bytes=10)
