"""Writing pictures as a take is written; needs PyAV, which a bare machine has not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interchange.model.media import BT709, Raster
from interchange.model.request import Codec
from interchange.timebase import FrameRate
from sidecar.filesystem import FileSystem
from sidecar.media.encode import EncodeSpec, TakeWriter


def encode(pictures: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """Write pictures, uint8 [H, W, 3], as ProRes 422 HQ."""
    path.unlink(missing_ok=True)
    height, width = pictures[0].shape[:2]
    spec = EncodeSpec(
        frame_rate=FrameRate(24),
        raster=Raster(width, height),
        colour=BT709,
        codec=Codec.PRORES_422_HQ,
        start_frame=0,
        drop_frame=False,
        reel="",
        frame_count=len(pictures),
    )
    with TakeWriter(path, spec, filesystem=FileSystem()) as writer:
        for picture in pictures:
            writer.write(picture.astype(np.float32) / np.float32(255))
