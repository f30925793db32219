"""The calls for a picture, as the reader's process answers them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sidecar.media.stills import encode_png, read_picture, read_still
from sidecar.readers.calls import StillImage, StillLayout, StillPicture, Verdict
from sidecar.readers.files import held_open


def still(call: StillPicture, _content: bytes) -> tuple[Verdict, bytes]:
    """Decode a frame."""
    with held_open(Path(call.path)) as path:
        picture = read_picture(path, call.frame_index, max_width_px=call.max_width_px)
    return Verdict(holds=True), encode_png(picture, max_width_px=call.max_width_px)


def image(call: StillImage, _content: bytes) -> tuple[StillLayout, bytes]:
    """Read a still image; 8 bits are what people and models look at."""
    with held_open(Path(call.path)) as path:
        picture = read_still(path)
    codes = np.rint(np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8)
    height, width = codes.shape[:2]
    shrink = call.long_side_px / max(height, width)
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        codes = np.asarray(cv2.resize(codes, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return StillLayout(codes.shape[1], codes.shape[0]), codes.tobytes()
