"""Files that decoders and players read differently: mirrored, vast, many-channelled, transport streams."""

import random
import struct
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from support.numbered import read_number, write_numbered_movie

from interchange.errors import Reason, UnsupportedError
from interchange.timebase import FrameRate
from sidecar.media.container import refuse_vast
from sidecar.media.decode import FrameReader
from sidecar.media.probe import probe_media
from sidecar.media.stills import read_still

SIZE = (192, 108)
ONE = 0x10000


def with_matrix(path, *, a, b, c, d):
    """A movie whose track header asks players for a transformation."""
    write_numbered_movie(path, rate=FrameRate(25), count=3, size=SIZE)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("matrix", "how"),
    [
        ((-ONE, 0, 0, ONE), "mirror"),
        ((ONE, 0, 0, -ONE), "mirror"),
        ((0, ONE, ONE, 0), "mirror"),
        ((2 * ONE, 0, 0, ONE), "stretch"),
        ((ONE, ONE // 2, 0, ONE), "skew"),
        ((0, 0, 0, 0), "stretch"),
    ],
)
def test_picture_that_players_do_more_than_turn_is_refused(tmp_path, matrix, how):
    movie = with_matrix(tmp_path / "m.mov", **dict(zip("abcd", matrix, strict=True)))
    with pytest.raises(UnsupportedError, match=how) as caught:
        probe_media(movie)
    assert caught.value.reason is Reason.MEDIA_UNSUPPORTED
    assert "Transcode" in str(caught.value)


def test_turned_and_evenly_scaled_picture_is_read(tmp_path):
    movie = with_matrix(tmp_path / "m.mov", a=0, b=2 * ONE, c=-2 * ONE, d=0)
    assert probe_media(movie).rotation == 90


def test_vast_picture_is_refused_before_it_is_decoded(tmp_path):
    movie = tmp_path / "strip.mkv"
    with av.open(str(movie), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16_386, 2, "gray"
        for number in range(2):
            picture = av.VideoFrame(16_386, 2, "gray")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with pytest.raises(UnsupportedError, match=r"16386x2.*Scale it down"):
        probe_media(movie)


@pytest.mark.parametrize(
    ("size", "vast"),
    [
        ((15_360, 8_640), False),
        ((16_384, 8_192), False),
        ((11_600, 11_600), True),
        ((16_385, 1), True),
    ],
)
def test_size_limit_is_above_every_camera(tmp_path, size, vast):
    if not vast:
        refuse_vast(*size, tmp_path)
        return
    with pytest.raises(UnsupportedError, match=f"{size[0]}x{size[1]}"):
        refuse_vast(*size, tmp_path)


def test_vast_still_is_refused(tmp_path):
    still = tmp_path / "strip.png"
    pixels = np.zeros((2, 16_386), np.uint8)
    with av.open(str(still), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = pixels.shape[1], pixels.shape[0], "gray"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
        container.mux(stream.encode(None))
    with pytest.raises(UnsupportedError, match="16386x2"):
        read_still(still)


def test_every_frame_of_a_transport_stream_is_found_in_any_order(tmp_path):
    movie = tmp_path / "m.ts"
    write_numbered_movie(movie, rate=FrameRate(25), count=40, size=SIZE, gop=7, open_gop=True)
    assert probe_media(movie).frame_count == 40
    order = list(range(40))
    random.Random(3).shuffle(order)
    with FrameReader(movie) as reader:
        for number in order:
            luma = reader.frame(number).planes[0].astype(np.uint8)
            assert read_number(luma) == (1, number)


@pytest.mark.parametrize("suffix", [".avi", ".mxf"])
def test_container_that_does_not_order_its_b_frames_is_refused(tmp_path, suffix):
    """AVI has no presentation times; FFmpeg writes none into an MXF index. Guessing gave wrong pictures."""
    movie = tmp_path / f"m{suffix}"
    write_numbered_movie(movie, rate=FrameRate(25), count=30, size=SIZE, b_frames=2)
    with pytest.raises(UnsupportedError, match="in which order its pictures are shown"):
        probe_media(movie)


@pytest.mark.parametrize("suffix", [".avi", ".mxf"])
def test_every_frame_without_b_frames_is_found_in_any_order(tmp_path, suffix):
    movie = tmp_path / f"m{suffix}"
    write_numbered_movie(movie, rate=FrameRate(25), count=30, size=SIZE, gop=7, b_frames=0)
    order = list(range(30))
    random.Random(3).shuffle(order)
    with FrameReader(movie) as reader:
        for number in order:
            luma = reader.frame(number).planes[0].astype(np.uint8)
            assert read_number(luma) == (1, number)


READ_EIGHT_CHANNELS = """
import gc, sys
from fractions import Fraction
from pathlib import Path
from sidecar.media.audio import read_sound
from sidecar.media.probe import probe_media
for _ in range(5):
    assert probe_media(Path(sys.argv[1])).audio[0].channels == 8
    sound = read_sound(Path(sys.argv[1]), start=Fraction(0), duration=Fraction(1, 5))
    gc.collect()
print(*(round(float(value), 3) for value in sound.samples[100]))
"""


def test_channels_in_an_order_of_their_own_are_read_side_by_side(tmp_path):
    """In a process of its own: what goes wrong here is memory, and the process with it."""
    movie = tmp_path / "eight.mov"
    levels = np.arange(1, 9, dtype=np.float32) / 10
    with av.open(str(movie), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("pcm_s24le", rate=48_000, layout="7.1")
        for number in range(5):
            picture = av.VideoFrame(*SIZE, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        samples = np.rint(np.tile(levels, 9_600) * (1 << 31)).clip(max=(1 << 31) - 1)
        frame = av.AudioFrame.from_ndarray(
            samples.astype(np.int32).reshape(1, -1), format="s32", layout="7.1"
        )
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    content = bytearray(movie.read_bytes())
    place = content.index(b"chan") + 8
    content[place : place + 4] = struct.pack(">I", (128 << 16) | 8)  # L R C LFE Ls Rs, Lc Rc last
    movie.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", READ_EIGHT_CHANNELS, str(movie)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.split() == [str(round(float(level), 3)) for level in levels]
