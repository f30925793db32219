"""Stills that a reader decodes: nothing but pixels of the size it says, and no larger than was asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import support.hostile_decoder

from interchange.errors import BridgeError, InvalidInputError, Reason
from sidecar.readers.box import ReaderBox

HOSTILE = (sys.executable, "-P", support.hostile_decoder.__file__)


@pytest.mark.parametrize(
    ("size", "depth", "seen"),
    [((300, 200), np.uint8, (300, 200)), ((2000, 100), np.uint16, (512, 26)), ((1, 1024), np.uint8, (1, 512))],
)  # fmt: skip
def test_a_still_comes_as_eight_bits_no_larger_than_asked_for(
    tmp_path: Path, size: tuple[int, int], depth: type, seen: tuple[int, int]
) -> None:
    path = tmp_path.resolve() / "still.png"
    white = np.iinfo(depth).max
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), (0, white // 2, white), depth))
    with ReaderBox() as box:
        layout, codes = box.still_image(path, long_side_px=512)
    assert (layout.width_px, layout.height_px) == seen
    pixels = np.frombuffer(codes, np.uint8).reshape(-1, 3)
    assert np.abs(pixels.astype(int) - (255, 128, 0)).max() <= 1


@pytest.mark.parametrize("deed", ["short", "long", "wide", "negative", "empty"])
def test_a_reader_that_lies_about_a_still_is_not_believed(tmp_path: Path, deed: str) -> None:
    path = tmp_path.resolve() / f"{deed}.png"
    path.touch()
    with ReaderBox(program=HOSTILE) as box, pytest.raises(InvalidInputError) as caught:
        box.still_image(path, long_side_px=512)
    assert caught.value.reason is Reason.MEDIA_DAMAGED
    assert str(path) in caught.value.message


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + b"\xff" * 64, b"no picture"])
def test_what_is_no_still_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path.resolve() / "still.png"
    path.write_bytes(content)
    with ReaderBox() as box, pytest.raises(BridgeError, match=r"still\.png"):
        box.still_image(path, long_side_px=512)
