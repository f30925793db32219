"""Every frame read by its number is the right picture: the numbers are in the pixels."""

import random
import struct
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest
from support.numbered import (
    numbered_picture,
    read_movie_numbers,
    read_number,
    write_numbered_movie,
)

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.timebase import FrameRate, TimeRange
from sidecar.media.decode import FrameReader
from sidecar.media.frame_index import FrameIndex
from sidecar.media.probe import probe_media

SIZE = (192, 108)
RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "120000/1001"]


def numbers(path, frames=None):
    with FrameReader(path) as reader:
        wanted = range(reader.frame_count) if frames is None else frames
        return [number_of(reader.frame(n)) for n in wanted]


def number_of(frame):
    return read_number(frame.planes[0], bit_depth=frame.bit_depth)[1]


def assert_every_frame(path, expected):
    assert numbers(path) == expected
    shuffled = list(range(len(expected)))
    random.Random(7).shuffle(shuffled)
    assert numbers(path, shuffled) == [expected[n] for n in shuffled]


@pytest.mark.parametrize("codec", ["h264", "prores"])
@pytest.mark.parametrize("rate", RATES)
def test_frame_at_every_rate_is_the_right_one(tmp_path, rate, codec):
    exact = FrameRate.parse(rate)
    path = write_numbered_movie(
        tmp_path / "clip.mov", rate=exact, count=30, size=SIZE, codec=codec, open_gop=True
    )
    assert_every_frame(path, list(range(30)))
    facts = probe_media(path)
    assert (facts.frame_rate, facts.frame_count) == (exact, 30)


@pytest.mark.parametrize("suffix", ["mov", "mp4", "mkv"])
@pytest.mark.parametrize("open_gop", [False, True])
@pytest.mark.parametrize("first_pts", [0, 5])
@pytest.mark.parametrize("with_sound", [False, True])
def test_frame_with_b_frames_and_a_late_start_is_the_right_one(
    tmp_path, suffix, open_gop, first_pts, with_sound
):
    sound = (np.zeros((96000, 2), np.float32), 48000) if with_sound else None
    path = write_numbered_movie(
        tmp_path / f"clip.{suffix}",
        rate=FrameRate(30000, 1001),
        count=40,
        size=SIZE,
        b_frames=3,
        open_gop=open_gop,
        first_pts=first_pts,
        sound=sound,
    )
    assert_every_frame(path, list(range(40)))
    assert probe_media(path).frame_rate == FrameRate(30000, 1001)


@pytest.mark.parametrize("suffix", ["mov", "mkv"])
@pytest.mark.program("ffmpeg")
@pytest.mark.parametrize(
    ("seconds", "options"),
    [
        ("0.5", []),  # an edit list that hides the keyframe it starts from
        ("0.9", ["-avoid_negative_ts", "make_zero"]),
        ("0.4", ["-copyts"]),
        ("0.8", ["-use_editlist", "0"]),
    ],
)
def test_frame_of_a_file_cut_without_encoding_agrees_with_ffmpeg(
    tmp_path, suffix, seconds, options
):
    whole = write_numbered_movie(
        tmp_path / "whole.mov",
        rate=FrameRate(30000, 1001),
        count=50,
        size=SIZE,
        b_frames=3,
        open_gop=True,
    )
    path = tmp_path / f"cut.{suffix}"
    if suffix == "mkv":
        options = [option for option in options if option not in {"-use_editlist", "0"}]
    command = ["ffmpeg", "-v", "error", "-ss", seconds, "-i", whole, "-c", "copy", *options, path]
    subprocess.run(command, check=True)
    expected = decoded_by_ffmpeg(path)
    assert len(expected) > 20
    assert_every_frame(path, expected)
    assert probe_media(path).frame_count == len(expected)


def decoded_by_ffmpeg(path):
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray"]
    raw = subprocess.run([*command, "-vsync", "passthrough", "-"], check=True, capture_output=True)
    pictures = np.frombuffer(raw.stdout, np.uint8).reshape(-1, SIZE[1], SIZE[0])
    return [read_number(picture)[1] for picture in pictures]


@pytest.mark.program("ffmpeg")
@pytest.mark.parametrize("codec", ["h264", "prores"])
def test_frames_agree_with_ffmpeg(tmp_path, codec):
    path = write_numbered_movie(
        tmp_path / "clip.mov", rate=FrameRate(24), count=40, size=SIZE, codec=codec, open_gop=True
    )
    assert numbers(path) == decoded_by_ffmpeg(path) == list(range(40))


def test_frames_range_is_half_open_and_outlives_the_window(tmp_path):
    path = write_numbered_movie(tmp_path / "clip.mov", rate=FrameRate(25), count=60, size=SIZE)
    with FrameReader(path) as reader:
        first = reader.frame(3)
        read = [number_of(frame) for frame in reader.frames(TimeRange(10, 60, FrameRate(25)))]
        assert read == list(range(10, 60))
        assert number_of(first) == 3


@pytest.mark.parametrize("number", [-1, 12])
def test_frame_past_the_media_is_refused(tmp_path, number):
    path = write_numbered_movie(tmp_path / "clip.mov", rate=FrameRate(25), count=12, size=SIZE)
    with FrameReader(path) as reader, pytest.raises(InvalidInputError) as caught:
        reader.frame(number)
    assert caught.value.reason is Reason.RANGE_PAST_MEDIA


@pytest.mark.parametrize("codec", ["h264", "prores"])
def test_a_large_file_is_indexed_without_reading_it(tmp_path, monkeypatch, codec):
    path = write_numbered_movie(
        tmp_path / "clip.mov",
        rate=FrameRate(24000, 1001),
        count=130,
        size=(96, 54),
        codec=codec,
        open_gop=True,
    )
    with FrameReader(path) as reader:
        scanned = reader.index
    monkeypatch.setattr("sidecar.media.frame_index._SCAN_BYTES", 0)
    with FrameReader(path) as reader:
        assert isinstance(reader.index, FrameIndex)
        assert reader.index.pts == scanned.pts
        assert reader.index.rate == scanned.rate
        assert [number_of(reader.frame(n)) for n in (129, 0, 64, 65, 11, 12)] == [
            129, 0, 64, 65, 11, 12,
        ]  # fmt: skip


PIXEL_FORMATS = [
    ("h264", "yuv420p", "420", 8),
    ("h264", "yuvj420p", "420", 8),
    ("h264", "yuv422p", "422", 8),
    ("h264", "yuv444p", "444", 8),
    ("h264", "yuv420p10le", "420", 10),
    ("h264", "yuv422p10le", "422", 10),
    ("prores", "yuv444p10le", "444", 10),
    ("prores", "yuva444p10le", "444", 10),
]


@pytest.mark.parametrize(("codec", "pixel_format", "chroma", "depth"), PIXEL_FORMATS)
def test_frame_layouts_are_read_as_they_are(tmp_path, codec, pixel_format, chroma, depth):
    options = {"profile": "4"} if codec == "prores" else {"x264-params": "bframes=0"}
    path = write_numbered_movie(
        tmp_path / "clip.mov",
        rate=FrameRate(25),
        count=3,
        size=SIZE,
        codec=codec,
        pixel_format=pixel_format,
        options=options,
    )
    with FrameReader(path) as reader:
        frame = reader.frame(2)
    with av.open(str(path)) as container:
        stored = list(container.decode(video=0))[2]
    if stored.format.name.startswith(("yuv444p12", "yuva444p12")):
        depth = 12  # what the ProRes decoder gives for 4444
    assert (frame.chroma, frame.bit_depth) == (chroma, depth)
    for plane, buffer in zip(frame.planes, stored.planes, strict=False):
        kind = np.uint16 if depth > 8 else np.uint8
        words = np.frombuffer(buffer, kind).reshape(buffer.height, -1)[:, : buffer.width]
        assert np.array_equal(plane, words)
    facts = probe_media(path)
    assert facts.has_alpha == pixel_format.startswith("yuva")
    assert facts.colour.full_range == ("yuvj" in pixel_format)


@pytest.mark.parametrize(
    "pixel_format", ["nv12", "p010le", "rgb24", "bgr24", "rgb48le", "gray", "gbrp10le"]
)
def test_read_planes_of_raw_layouts(pixel_format):
    """Drawn by hand into FFmpeg's own buffers: interleaving, shifts and G, B, R order come out right."""
    from sidecar.media.pixels import LAYOUTS, read_planes

    layout = LAYOUTS[pixel_format]
    frame = av.VideoFrame(8, 4, pixel_format)
    kind = np.uint16 if layout.bit_depth > 8 else np.uint8
    for index, plane in enumerate(frame.planes):
        words = np.frombuffer(plane, kind).reshape(plane.height, -1)
        values = np.arange(words.size).reshape(words.shape) % 200 + 10 * index
        words[:] = values << layout.shift
    planes = read_planes(frame, layout)
    first = np.frombuffer(frame.planes[0], kind).reshape(frame.planes[0].height, -1)
    if layout.packing == "packed":
        green = 1
        assert np.array_equal(planes[0], first[:, green : 8 * 3 : 3])
        red = 2 if pixel_format.startswith("bgr") else 0
        assert np.array_equal(planes[2], first[:, red : 8 * 3 : 3])
    else:
        assert np.array_equal(planes[0], first[:, :8] >> layout.shift)
    if layout.packing == "semi":
        pair = np.frombuffer(frame.planes[1], kind).reshape(frame.planes[1].height, -1)
        assert np.array_equal(planes[2], pair[:, 1:8:2] >> layout.shift)


def test_probe_tells_timecode_reel_tags_and_sound(tmp_path):
    sound = (np.zeros((48000, 2), np.float32), 48000)
    path = write_numbered_movie(
        tmp_path / "clip.mov",
        rate=FrameRate(30000, 1001),
        count=12,
        size=SIZE,
        codec="prores",
        start_timecode="01:00:00;00",
        reel="A001C003",
        sound=sound,
    )
    facts = probe_media(path)
    assert (facts.start_frame, facts.drop_frame, facts.reel) == (107892, True, "A001C003")
    assert (facts.colour.primaries, facts.colour.transfer, facts.colour.matrix) == (1, 1, 1)
    assert (facts.codec, facts.bit_depth, facts.chroma) == ("prores", 10, "422")
    assert [(track.channels, track.sample_rate_hz) for track in facts.audio] == [(2, 48000)]
    assert (facts.size_bytes, facts.modified_ns) == (
        path.stat().st_size,
        path.stat().st_mtime_ns,
    )


def test_probe_timecode_at_half_the_picture_rate_is_scaled(tmp_path):
    """Cameras put 29.97 timecode on 59.94 pictures: label :05 is picture 10 of its second."""
    path = write_numbered_movie(
        tmp_path / "clip.mov",
        rate=FrameRate(60000, 1001),
        count=3,
        size=SIZE,
        codec="prores",
        start_timecode="00:00:10:05",
    )
    assert probe_media(path).start_frame == 605
    content = path.read_bytes()
    entry = content.rindex(b"tmcd" + bytes(7) + b"\x01")
    halved = struct.pack(">IIB", 30000, 1001, 30)
    path.write_bytes(content[: entry + 20] + halved + content[entry + 29 :])
    assert probe_media(path).start_frame == 1210


def test_probe_without_timecode_says_so(tmp_path):
    path = write_numbered_movie(tmp_path / "clip.mov", rate=FrameRate(25), count=3, size=SIZE)
    assert probe_media(path).start_frame is None


@pytest.mark.parametrize(("asked", "clockwise"), [(-90, 90), (90, 270), (180, 180)])
def test_probe_rotation_is_clockwise_and_the_raster_upright(tmp_path, asked, clockwise):
    path = tmp_path / "turned.mov"
    picture = numbered_picture(1, size=SIZE)
    with av.open(str(path), "w") as container:
        video = container.add_stream("prores", rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv422p10le"
        video.set_display_rotation(asked)  # PyAV counts anticlockwise
        frame = av.VideoFrame.from_ndarray((picture * 255).astype(np.uint8), format="rgb24")
        container.mux(video.encode(frame.reformat(format="yuv422p10le")))
        container.mux(video.encode(None))
    facts = probe_media(path)
    assert facts.rotation == clockwise
    upright = SIZE if clockwise == 180 else SIZE[::-1]
    assert (facts.raster.width_px, facts.raster.height_px) == upright


def test_probe_pixel_aspect_is_read(tmp_path):
    path = tmp_path / "wide.mov"
    with av.open(str(path), "w") as container:
        video = container.add_stream("prores", rate=25)
        video.width, video.height, video.pix_fmt = 720, 576, "yuv422p10le"
        video.codec_context.sample_aspect_ratio = Fraction(64, 45)
        container.mux(video.encode(av.VideoFrame(720, 576, "yuv422p10le")))
        container.mux(video.encode(None))
    assert probe_media(path).raster.pixel_aspect == Fraction(64, 45)


@pytest.mark.parametrize("suffix", ["mov", "mkv"])
def test_probe_variable_rate_is_refused_with_what_to_do(tmp_path, suffix):
    path = write_numbered_movie(
        tmp_path / f"clip.{suffix}",
        rate=FrameRate(25),
        count=30,
        size=SIZE,
        skip=frozenset({7, 8, 19}),
        b_frames=0,
    )
    with pytest.raises(UnsupportedError, match="NLE") as caught:
        probe_media(path)
    assert caught.value.reason is Reason.MEDIA_VARIABLE_RATE


def test_probe_interlaced_is_refused(tmp_path):
    path = write_numbered_movie(
        tmp_path / "clip.mov", rate=FrameRate(25), count=6, size=(192, 128), interlaced=True
    )
    with pytest.raises(UnsupportedError) as caught:
        probe_media(path)
    assert caught.value.reason is Reason.MEDIA_INTERLACED


def test_numbered_movies_read_back_by_plain_pyav(tmp_path):
    path = write_numbered_movie(
        tmp_path / "clip.mov", rate=FrameRate(25), count=9, size=SIZE, tag=200, first_number=65530
    )
    assert read_movie_numbers(path)[:6] == [(200, n) for n in range(65530, 65536)]
