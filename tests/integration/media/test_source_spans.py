"""Spans: record frames to source frames, conform, sound, and files that changed since planning."""

import dataclasses
import itertools
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest
from support.numbered import numbered_picture, read_number, write_numbered_movie

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.media import BT709, ColourTags, Raster
from interchange.model.request import SourceSpan
from interchange.timebase import FrameRate, TimeRange
from sidecar.media.audio import read_sound
from sidecar.media.source import open_span
from sidecar.media.stills import encode_png, read_picture, read_still

SIZE = (192, 108)
RATE = FrameRate(25)


def span_of(
    path, *, rate=RATE, record=(1000, 1020), first=Fraction(5), step=Fraction(1), **changes
):
    status = path.stat()
    span = SourceSpan(
        path=str(path),
        media_rate=rate,
        record_range=TimeRange(*record, RATE),
        first_frame=first,
        step=step,
        colour=BT709,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
    )
    return dataclasses.replace(span, **changes)


def opened(span, *, raster=None, colour=BT709, frame_rate=RATE):
    return open_span(span, frame_rate=frame_rate, raster=raster or Raster(*SIZE), colour=colour)


def tone(count, channels=2):
    """Every sample different, and exact in 16 bits."""
    codes = np.arange(count * channels).reshape(count, channels) % 60000 - 30000
    return (codes / 32768).astype(np.float32)


@pytest.fixture
def movie(tmp_path):
    return write_numbered_movie(
        tmp_path / "clip.mov", rate=RATE, count=40, size=SIZE, sound=(tone(40 * 1920), 48000)
    )


def test_picture_is_the_one_the_span_names_and_is_held_outside(movie):
    with opened(span_of(movie)) as reader:
        assert read_number(reader.picture(1000)) == (1, 5)
        assert read_number(reader.picture(1019)) == (1, 24)
        assert read_number(reader.picture(1007)) == (1, 12)
        assert read_number(reader.picture(990)) == (1, 5)
        assert read_number(reader.picture(2000)) == (1, 24)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Fraction(2), 5 + 8),
        (Fraction(1, 2), 5 + 2),
        (Fraction(-1), 5 - 4),
        (Fraction(24, 25), 5 + 3),
    ],
)
def test_picture_at_other_speeds_follows_the_exact_step(movie, step, expected):
    with opened(span_of(movie, step=step)) as reader:
        assert read_number(reader.picture(1004)) == (1, expected)
        assert reader.sound(TimeRange(1000, 1004, RATE)) is None


def test_picture_belongs_to_the_caller(movie):
    with opened(span_of(movie)) as reader:
        reader.picture(1003)[:] = 0
        assert read_number(reader.picture(1003)) == (1, 8)


def test_native_planes_are_the_decoders_own(movie):
    with opened(span_of(movie)) as reader:
        native = reader.native(1002)
    with av.open(str(movie)) as container:
        stored = list(container.decode(video=0))[7]
    words = np.frombuffer(stored.planes[0], np.uint8).reshape(stored.planes[0].height, -1)
    assert np.array_equal(native.planes[0], words[:, : SIZE[0]])
    assert (native.chroma, native.bit_depth) == ("420", 8)


@pytest.mark.parametrize(
    "raster", [Raster(192, 216), Raster(384, 108), Raster(96, 54), Raster(480, 270)]
)
def test_another_raster_is_fitted_inside_never_squeezed(movie, raster):
    with opened(span_of(movie), raster=raster) as reader:
        picture = reader.picture(1000)
        native = reader.native(1000)
    assert picture.shape == (raster.height_px, raster.width_px, 3)
    assert native.planes[0].shape == picture.shape[:2]
    scale = min(Fraction(raster.width_px, 192), Fraction(raster.height_px, 108))
    width, height = int(192 * scale), int(108 * scale)
    left, top = (raster.width_px - width) // 2, (raster.height_px - height) // 2
    assert read_number(picture[top : top + height, left : left + width]) == (1, 5)
    outside = picture.copy()
    outside[top : top + height, left : left + width] = 0
    assert not outside.any()


def test_a_pixel_aspect_is_honoured(movie):
    """Square pixels into a raster of half-width ones: the picture needs twice the columns."""
    with opened(span_of(movie), raster=Raster(384, 108, Fraction(1, 2))) as reader:
        picture = reader.picture(1000)
    assert read_number(picture) == (1, 5)
    assert picture[:, 0].any()


@pytest.mark.program("ffmpeg")
@pytest.mark.parametrize("turned", [90, -90, 180])
def test_rotation_is_applied_as_ffmpeg_does(tmp_path, turned):
    path = tmp_path / "turned.mov"
    drawn = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    drawn[: SIZE[1] // 2, : SIZE[0] // 2] = 255
    with av.open(str(path), "w") as container:
        video = container.add_stream("prores", rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv422p10le"
        video.set_display_rotation(turned)
        frame = av.VideoFrame.from_ndarray(drawn, format="rgb24").reformat(format="yuv422p10le")
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
    raster = Raster(*SIZE) if turned == 180 else Raster(*SIZE[::-1])
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    expected = np.frombuffer(raw, np.uint8).reshape(raster.height_px, raster.width_px) > 128
    span = span_of(path, record=(0, 1), first=Fraction(0))
    with opened(span, raster=raster) as reader:
        found = reader.picture(0)[..., 1] > 0.5
    assert (found == expected).mean() > 0.99


def test_a_file_changed_since_planning_is_refused(movie):
    for changed in (
        span_of(movie, size_bytes=movie.stat().st_size + 1),
        span_of(movie, modified_ns=1),
    ):
        with pytest.raises(InvalidInputError) as caught, opened(changed):
            pass
        assert caught.value.reason is Reason.MEDIA_CHANGED


def test_hdr_next_to_sdr_is_refused(movie):
    with pytest.raises(UnsupportedError), opened(span_of(movie), colour=ColourTags(9, 16, 9)):
        pass


def test_another_matrix_is_converted_on_the_way(movie):
    other = dataclasses.replace(BT709, matrix=6)
    with opened(span_of(movie), colour=other) as reader:
        assert read_number(reader.picture(1000)) == (1, 5)


def test_sound_is_the_right_samples_and_silent_outside(movie):
    with opened(span_of(movie)) as reader:
        inside = reader.sound(TimeRange(1002, 1004, RATE))
        across = reader.sound(TimeRange(998, 1001, RATE))
        elsewhere = reader.sound(TimeRange(5000, 5001, RATE))
    whole = tone(40 * 1920)
    assert np.array_equal(inside.samples, whole[7 * 1920 : 9 * 1920])
    assert np.array_equal(across.samples[2 * 1920 :], whole[5 * 1920 : 6 * 1920])
    assert not across.samples[: 2 * 1920].any()
    assert elsewhere.samples.shape == (1920, 2)
    assert not elsewhere.samples.any()


@pytest.mark.parametrize("first_pts", [0, 7])
@pytest.mark.parametrize("suffix", ["mov", "mkv"])
def test_sound_counts_from_the_first_picture(tmp_path, suffix, first_pts):
    path = write_numbered_movie(
        tmp_path / f"late.{suffix}",
        rate=RATE,
        count=20,
        size=SIZE,
        first_pts=first_pts,
        sound=(tone(20 * 1920), 48000),
    )
    read = read_sound(path, start=Fraction(3, 25), duration=Fraction(4, 25))
    assert np.array_equal(read.samples, tone(20 * 1920)[3 * 1920 : 7 * 1920])


def test_sound_ranges_meet_without_gap_or_overlap(tmp_path):
    """At 29.97 a frame is 1601.6 samples: neighbouring ranges still share each edge."""
    rate = FrameRate(30000, 1001)
    path = write_numbered_movie(
        tmp_path / "clip.mov", rate=rate, count=20, size=SIZE, sound=(tone(33000), 48000)
    )
    parts = [
        read_sound(path, start=rate.seconds(n), duration=rate.frame_duration).samples
        for n in range(15)
    ]
    joined = np.concatenate(parts)
    assert np.array_equal(joined, tone(33000)[: len(joined)])
    assert len(joined) == 24024


def test_every_range_inside_the_span_is_the_sources_own_to_its_last_sample(tmp_path):
    """At 44.1 kHz and 29.97 the rounded length is often one more than lies between the rounded edges."""
    rate = FrameRate(30000, 1001)
    whole = tone(44200, 1)
    path = write_numbered_movie(
        tmp_path / "clip.mov", rate=rate, count=30, size=SIZE, sound=(whole, 44100)
    )
    span = span_of(path, rate=rate, record_range=TimeRange(100, 125, rate), first=Fraction(2))
    with opened(span, frame_rate=rate) as reader:
        for start, length in itertools.product(range(100, 118), (1, 2, 6)):
            frames = TimeRange.of_length(start, length, rate)
            first = int(rate.seconds(start - 98) * 44100 + Fraction(1, 2))
            count = int(rate.seconds(length) * 44100 + Fraction(1, 2))
            found = reader.sound(frames).samples
            assert np.array_equal(found, whole[first : first + count]), frames
        outside = reader.sound(TimeRange(124, 127, rate)).samples
    first, end = (int(rate.seconds(frame) * 44100 + Fraction(1, 2)) for frame in (26, 27))
    assert np.array_equal(outside[: end - first], whole[first:end])
    assert not outside[end - first :].any()


@pytest.mark.program("ffmpeg")
def test_compressed_sound_is_placed_as_ffmpeg_places_it(tmp_path):
    """AAC starts with encoder delay that the edit list hides; a range equals that part of the whole."""
    seconds = np.arange(48000 * 2) / 48000
    wave = (0.5 * np.sin(2 * np.pi * (200 + 300 * seconds) * seconds)).astype(np.float32)[:, None]
    path = write_numbered_movie(
        tmp_path / "aac.mp4", rate=RATE, count=50, size=SIZE, sound=(wave, 48000), sound_codec="aac"
    )
    command = ["ffmpeg", "-v", "error", "-i", path, "-vn", "-f", "f32le", "-c:a", "pcm_f32le", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    whole = np.frombuffer(raw, np.float32)
    for start in (0, 7, 20, 31):
        read = read_sound(path, start=Fraction(start, 25), duration=Fraction(5, 25))
        expected = whole[start * 1920 : (start + 5) * 1920]
        assert np.abs(read.samples[: len(expected), 0] - expected).max() < 1e-4


def test_no_sound_is_none_and_several_tracks_are_channels(tmp_path):
    silent = write_numbered_movie(tmp_path / "silent.mov", rate=RATE, count=2, size=SIZE)
    assert read_sound(silent, start=Fraction(0), duration=Fraction(1, 25)) is None
    path = tmp_path / "tracks.mov"
    left, right = tone(1920, 1), -tone(1920, 1)
    with av.open(str(path), "w") as container:
        video = container.add_stream("prores", rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv422p10le"
        tracks = [container.add_stream("pcm_s24le", rate=48000, layout="mono") for _ in range(2)]
        container.mux(video.encode(av.VideoFrame(*SIZE, "yuv422p10le")))
        container.mux(video.encode(None))
        for track, samples in zip(tracks, (left, right), strict=True):
            words = (samples.astype(np.float64) * (1 << 31)).astype(np.int32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(words, format="s32", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    read = read_sound(path, start=Fraction(0), duration=Fraction(1, 25))
    assert np.array_equal(read.samples, np.concatenate([left, right], axis=1))


def test_stills_for_people(movie, tmp_path):
    assert read_number(read_picture(movie, 17)) == (1, 17)
    picture = numbered_picture(9, size=SIZE)
    path = tmp_path / "still.png"
    path.write_bytes(encode_png(picture, max_width_px=96))
    still = read_still(path)
    assert still.shape == (54, 96, 3)
    assert read_number(still) == (1, 9)
    colour = np.zeros((4, 4, 3), np.float32)
    colour[...] = (1.0, 0.5, 0.0)
    path.write_bytes(encode_png(colour, max_width_px=4))
    assert np.abs(read_still(path) - colour).max() < 0.003
    path.write_text("no picture")
    with pytest.raises(InvalidInputError):
        read_still(path)
