"""A written take read back: every frame, the rate, timecode, reel, tags and every sample of sound."""

import dataclasses
import errno
import hashlib
import subprocess

import av
import numpy as np
import pytest
from support.faulty_filesystem import FaultyFileSystem
from support.numbered import numbered_picture, read_movie_numbers, write_numbered_movie

from interchange.errors import (
    ExhaustedError,
    InternalError,
    NotAllowedError,
    Reason,
    UnsupportedError,
)
from interchange.model.media import BT709, ColourTags, Raster
from interchange.model.request import Codec
from interchange.timebase import FrameRate, parse_timecode
from sidecar.filesystem import FileSystem
from sidecar.media.audio import read_sound
from sidecar.media.decode import FrameReader
from sidecar.media.encode import EncodeSpec, TakeWriter
from sidecar.media.frames import NativeFrame
from sidecar.pipelines.base import Sound
from sidecar.quality.check import check_take

SIZE = (384, 216)
RASTER = Raster(*SIZE)


def spec(rate="25", *, codec=Codec.PRORES_422_HQ, timecode="01:00:00:00", count=5, **changes):
    frame_rate = FrameRate.parse(rate)
    start_frame, drop_frame = parse_timecode(timecode, frame_rate)
    values = {
        "frame_rate": frame_rate,
        "raster": RASTER,
        "colour": BT709,
        "codec": codec,
        "start_frame": start_frame,
        "drop_frame": drop_frame,
        "reel": "A001C002",
        "frame_count": count,
    }
    return EncodeSpec(**(values | changes))


def noise(wanted, seed=0):
    channels, rate = wanted.sound
    samples = np.random.default_rng(seed).uniform(-1, 1, (wanted.sample_count, channels))
    codes = np.rint(samples * (1 << 23)).clip(-(1 << 23), (1 << 23) - 1)
    return Sound((codes / (1 << 23)).astype(np.float32), rate)


def write(path, wanted, *, filesystem=None, sound=None):
    with TakeWriter(path, wanted, filesystem=filesystem or FileSystem()) as writer:
        if sound is not None:
            writer.write_sound(sound)
        for number in range(wanted.frame_count):
            writer.write(numbered_picture(number, size=SIZE))
    return path


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize(
    ("rate", "timecode"),
    [
        ("24000/1001", "01:00:10:05"),
        ("24", "01:00:10:05"),
        ("25", "10:00:00:24"),
        ("30000/1001", "01:00:00;02"),
        ("30000/1001", "01:00:00:02"),
        ("30", "23:59:59:29"),
        ("50", "00:00:00:00"),
        ("60000/1001", "01:09:59;59"),
        ("120000/1001", "01:00:00:119"),
        ("120000/1001", "01:01:00;008"),
    ],
)
def test_take_is_exactly_what_was_specified(tmp_path, rate, timecode, codec):
    wanted = spec(rate, codec=codec, timecode=timecode, sound=(2, 48000))
    path = write(tmp_path / "take.mov", wanted, sound=noise(wanted))
    report = check_take(path, wanted)
    assert report.problems == ()
    assert report.frame_count == 5
    assert (report.start_frame, report.drop_frame) == (wanted.start_frame, wanted.drop_frame)
    assert read_movie_numbers(path) == [(1, number) for number in range(5)]


@pytest.mark.parametrize("codec", [Codec.PRORES_422_HQ, Codec.PRORES_4444, Codec.H264])
def test_colour_tags_are_in_the_pictures_and_in_the_container(tmp_path, codec):
    colour = ColourTags(primaries=9, transfer=16, matrix=9)
    path = write(tmp_path / "take.mov", spec(codec=codec, colour=colour))
    content = path.read_bytes()
    at = content.index(b"colr")
    assert content[at + 4 : at + 14] == b"nclc" + bytes((0, 9, 0, 16, 0, 9))
    assert check_take(path, spec(codec=codec, colour=colour)).passed


@pytest.mark.parametrize("codec", [Codec.PRORES_422_HQ, Codec.PRORES_4444, Codec.H264])
@pytest.mark.parametrize(
    ("field", "codes"),
    [
        ("primaries", (1, 4, 5, 6, 7, 9, 11, 12, 22)),
        ("transfer", (1, 4, 6, 8, 13, 14, 15, 16, 18)),
        ("matrix", (1, 4, 5, 6, 7, 9)),
    ],
)
def test_every_colour_a_camera_writes_passes_the_check(tmp_path, codec, field, codes):
    """A code the codec cannot name must not fail a take after it was generated."""
    for code in codes:
        wanted = spec(codec=codec, count=1, colour=dataclasses.replace(BT709, **{field: code}))
        report = check_take(write(tmp_path / f"{code}.mov", wanted), wanted)
        assert report.problems == ()
    assert spec(colour=ColourTags(5, 6, 5)).delivered_colour == ColourTags(5, 1, 6)


def test_kept_pal_pictures_keep_their_codes_under_the_other_name_of_their_matrix(tmp_path):
    planes = tuple(
        np.full((216, width), code, np.uint16)
        for width, code in ((384, 500), (192, 300), (192, 700))
    )
    frame = NativeFrame(planes, "422", 10, ColourTags(5, 6, 5))
    path = tmp_path / "take.mov"
    wanted = spec(count=1, colour=ColourTags(5, 6, 5))
    with TakeWriter(path, wanted, filesystem=FileSystem()) as writer:
        writer.write(frame)
    with FrameReader(path) as reader:
        again = reader.frame(0)
    assert [int(np.median(plane)) for plane in again.planes] == [500, 300, 700]


@pytest.mark.program("ffprobe")
def test_ffprobe_sees_the_same(tmp_path):
    wanted = spec("30000/1001", timecode="01:00:00;02", sound=(2, 48000))
    path = write(tmp_path / "take.mov", wanted, sound=noise(wanted))
    entries = "stream=codec_name,r_frame_rate,nb_frames,color_space,color_primaries,color_transfer"
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries"]
    told = subprocess.run(
        [*command, f"{entries}:stream_tags=timecode", "-of", "default=nw=1", path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert set(told) >= {
        "codec_name=prores", "r_frame_rate=30000/1001", "nb_frames=5", "color_space=bt709",
        "color_primaries=bt709", "color_transfer=bt709", "TAG:timecode=01:00:00;02",
    }  # fmt: skip


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("rate", "count"), [("25", 7), ("24000/1001", 7), ("30000/1001", 3)])
def test_sound_comes_back_sample_for_sample(tmp_path, channels, rate, count):
    wanted = spec(rate, count=count, sound=(channels, 48000))
    sound = noise(wanted)
    path = write(tmp_path / "take.mov", wanted, sound=sound)
    read = read_sound(path, start=0, duration=wanted.frame_rate.seconds(count))
    assert read.sample_rate_hz == 48000
    assert np.array_equal(read.samples, sound.samples)


def test_sample_count_is_rounded_half_up():
    assert spec("24000/1001", count=1, sound=(2, 48000)).sample_count == 2002
    assert spec("30000/1001", count=1, sound=(2, 48000)).sample_count == 1602  # 1601.6
    assert spec("30", count=1, sound=(1, 44115)).sample_count == 1471  # 1470.5
    assert spec().sample_count == 0


def test_the_same_frames_give_the_same_bytes(tmp_path):
    wanted = spec(sound=(2, 48000))
    digests = {
        hashlib.sha256(
            write(tmp_path / f"{n}.mov", wanted, sound=noise(wanted)).read_bytes()
        ).digest()
        for n in range(2)
    }
    assert len(digests) == 1


def test_kept_frames_reach_the_encoder_bit_for_bit(tmp_path, monkeypatch):
    """The seam: 10-bit 4:2:2 in, 10-bit 4:2:2 out, and nothing between touches a code value."""
    source = write_numbered_movie(
        tmp_path / "source.mov", rate=FrameRate(25), count=4, size=SIZE, codec="prores"
    )
    handed_over = []

    def spy(planes, pixel_format, *, bit_depth):
        frame = real(planes, pixel_format, bit_depth=bit_depth)
        handed_over.append(
            [
                np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width].copy()
                for plane in frame.planes
            ]
        )
        return frame

    from sidecar.media import encode

    real = encode.write_planes
    monkeypatch.setattr(encode, "write_planes", spy)
    with FrameReader(source) as reader:
        kept = [reader.frame(number) for number in range(4)]
    with TakeWriter(tmp_path / "take.mov", spec(count=4), filesystem=FileSystem()) as writer:
        for frame in kept:
            writer.write(frame)
    with av.open(str(source)) as container:
        decoded = list(container.decode(video=0))
    for stored, given, frame in zip(decoded, handed_over, kept, strict=True):
        for plane, sent, read in zip(stored.planes, given, frame.planes, strict=True):
            words = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width]
            assert np.array_equal(words, sent)
            assert np.array_equal(words, read)


def test_too_few_frames_leave_no_file(tmp_path):
    path = tmp_path / "take.mov"
    with (
        pytest.raises(InternalError, match="0 pictures"),
        TakeWriter(path, spec(count=5), filesystem=FileSystem()),
    ):
        pass
    assert not path.exists()


@pytest.mark.parametrize("call", ["open_new", "write", "close"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_full_disk_is_said_and_leaves_no_file(tmp_path, call, number):
    """At creation, at each of the first writes, and at closing."""
    path = tmp_path / "take.mov"
    wanted = spec(count=16, raster=Raster(640, 360))
    faulty = FaultyFileSystem(call, errno=errno.ENOSPC, number=number, sticky=True)
    picture = np.random.default_rng(0).random((360, 640, 3)).astype(np.float32)

    def write_all():
        with TakeWriter(path, wanted, filesystem=faulty) as writer:
            for _ in range(16):
                writer.write(picture)

    if call != "write" and number > 1:
        write_all()  # there is only one such call
        assert path.exists()
        return
    with pytest.raises(ExhaustedError) as caught:
        write_all()
    assert caught.value.reason is Reason.DISK_FULL
    assert faulty.failed
    assert not path.exists()


def test_a_failing_caller_leaves_no_file(tmp_path):
    path = tmp_path / "take.mov"

    def fail():
        with TakeWriter(path, spec(), filesystem=FileSystem()) as writer:
            writer.write(numbered_picture(0, size=SIZE))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not path.exists()


def test_a_file_of_that_name_is_not_overwritten(tmp_path):
    path = tmp_path / "take.mov"
    path.write_bytes(b"precious")
    with pytest.raises(NotAllowedError):
        TakeWriter(path, spec(), filesystem=FileSystem())
    assert path.read_bytes() == b"precious"


def test_a_picture_of_another_size_is_a_fault_of_ours(tmp_path):
    with (
        pytest.raises(InternalError, match="192x108"),
        TakeWriter(tmp_path / "take.mov", spec(), filesystem=FileSystem()) as writer,
    ):
        writer.write(numbered_picture(0, size=(192, 108)))


def test_a_codec_that_cannot_hold_the_picture_is_refused(tmp_path):
    path = tmp_path / "take.mov"
    for unfit in (
        spec(codec=Codec.H264, raster=Raster(192, 107)),
        spec(codec=Codec.DNXHR_HQX, raster=Raster(192, 108)),
        spec(codec=Codec.DNXHR_HQX, colour=ColourTags(9, 16, 9)),
    ):
        with pytest.raises(UnsupportedError, match="prores422hq"):
            TakeWriter(path, unfit, filesystem=FileSystem())
        assert not path.exists()


def test_check_names_everything_that_differs(tmp_path):
    path = write(tmp_path / "take.mov", spec("25"))
    other = spec("24", timecode="02:00:00:00", reel="B", count=6, sound=(2, 48000))
    problems = " ".join(check_take(path, other).problems)
    for word in ("pictures", "frames per second", "timecode", "reel", "sound"):
        assert word in problems
    with pytest.raises(InternalError):
        check_take(path, other).require()


def test_check_finds_a_spoilt_picture(tmp_path):
    wanted = spec()
    path = write(tmp_path / "take.mov", wanted)
    with av.open(str(path)) as container:
        start = [packet.pos for packet in container.demux(video=0) if packet.size][3]
    content = bytearray(path.read_bytes())
    content[start : start + 8] = bytes(8)
    path.write_bytes(content)
    report = check_take(path, wanted)
    assert not report.passed
    assert "Picture 3" in report.problems[0]


def test_a_grey_kept_frame_can_be_written(tmp_path):
    frame = NativeFrame((np.full(SIZE[::-1], 180, np.uint16),), "gray", 8, BT709)
    path = tmp_path / "take.mov"
    with TakeWriter(path, spec(count=1), filesystem=FileSystem()) as writer:
        writer.write(frame)
    with FrameReader(path) as reader:
        assert np.abs(reader.frame(0).planes[0].astype(int) - 720).max() <= 1
