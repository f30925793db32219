"""Which picture sizes each codec is refused: exactly those its encoder cannot write, before it is tried."""

import numpy as np
import pytest

from interchange.errors import Reason, UnsupportedError
from interchange.model.media import BT709, ColourTags, Raster
from interchange.model.request import Codec
from interchange.timebase import FrameRate
from sidecar.filesystem import FileSystem
from sidecar.media.delivery import refuse_unfit
from sidecar.media.encode import EncodeSpec, TakeWriter
from sidecar.quality.check import check_take

HQ, P4444, DNXHR, H264 = Codec

FITTING = [
    *((codec, size) for codec in (HQ, P4444) for size in ((2, 1), (16, 15), (384, 215), (8194, 2))),
    *((DNXHR, size) for size in ((256, 120), (257, 121), (383, 215), (8193, 120), (256, 8192))),
    *((H264, size) for size in ((2, 2), (384, 216), (16384, 2))),
]
UNFIT = [
    *((codec, size) for codec in (HQ, P4444) for size in ((1, 1), (383, 215), (65536, 16))),
    *((codec, (16, 65536)) for codec in (HQ, P4444)),
    *((codec, (16384, 16382)) for codec in (HQ, P4444, H264)),
    *((DNXHR, size) for size in ((255, 120), (256, 119), (65536, 120), (256, 8193))),
    *((H264, size) for size in ((383, 216), (384, 215), (16386, 16), (16, 16386))),
]


@pytest.mark.parametrize(("codec", "size"), FITTING)
def test_size_that_fits_is_written_and_read_back(tmp_path, codec, size):
    raster = Raster(*size)
    refuse_unfit(raster, BT709, codec)
    spec = EncodeSpec(
        frame_rate=FrameRate(25),
        raster=raster,
        colour=BT709,
        codec=codec,
        start_frame=0,
        drop_frame=False,
        reel="",
        frame_count=1,
    )
    path = tmp_path / "take.mov"
    with TakeWriter(path, spec, filesystem=FileSystem()) as writer:
        writer.write(np.full((size[1], size[0], 3), 0.5, np.float32))
    assert not check_take(path, spec).problems


@pytest.mark.parametrize(("codec", "size"), UNFIT)
def test_size_that_does_not_fit_is_refused_with_what_to_do(codec, size):
    with pytest.raises(UnsupportedError) as caught:
        refuse_unfit(Raster(*size), BT709, codec)
    assert caught.value.reason is Reason.TARGET_UNSUPPORTED
    assert f"{size[0]}x{size[1]}" in str(caught.value)


@pytest.mark.parametrize(
    ("codec", "size", "colour", "advice"),
    [
        (HQ, (383, 215), BT709, "--codec dnxhrhqx"),
        (H264, (384, 215), BT709, "--codec prores422hq"),
        (DNXHR, (192, 108), BT709, "--codec prores422hq"),
        (DNXHR, (384, 216), ColourTags(9, 16, 9), "--codec prores422hq"),
        (HQ, (191, 108), BT709, "NLE"),
        (HQ, (383, 215), ColourTags(9, 16, 9), "NLE"),
    ],
)
def test_advice_is_a_codec_that_fits_or_another_size(codec, size, colour, advice):
    with pytest.raises(UnsupportedError, match=advice):
        refuse_unfit(Raster(*size), colour, codec)
