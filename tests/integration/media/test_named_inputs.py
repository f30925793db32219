"""The files a mark names: `image=`, `audio_file=` and `matte=`, as the engine gets them."""

from __future__ import annotations

import wave
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from support.model_examples import example_request
from support.numbered import write_numbered_movie

from interchange.errors import InvalidInputError, NotFoundError, UnsupportedError
from interchange.model.directive import Box
from interchange.model.media import Raster
from interchange.model.request import BridgeSpec, GenerateSpec, RestyleSpec
from interchange.timebase import FrameRate, TimeRange
from sidecar.media.inputs import open_inputs

RATE = FrameRate(24000, 1001)
RASTER = Raster(96, 54)
START = 86420


def request_of(spec=None, **changes):
    """Frames 86420 to 86444, with handles that are the source's own."""
    request = example_request(raster=RASTER)
    return replace(request, spec=spec or request.spec, **changes)


def generating(**named):
    return request_of(GenerateSpec(**{key: str(path) for key, path in named.items()}))


def masked(path, **changes):
    plain = example_request()
    return request_of(replace(plain.spec, matte=str(path)), **changes)


def write_still(path, rgb, *, size=(54, 96), scale=255, kind=np.uint8):
    picture = np.zeros((*size, 3), kind)
    picture[:] = np.round(np.array(rgb[::-1]) * scale)
    assert cv2.imwrite(str(path), picture)
    return path


def opened(request):
    with open_inputs(request) as inputs:
        return inputs


# image=


@pytest.mark.parametrize("suffix", ["png", "tiff", "jpg"])
def test_a_still_of_the_rasters_size_is_its_own_values(tmp_path, suffix):
    path = write_still(tmp_path / f"still.{suffix}", (0.25, 0.5, 0.75))
    image = opened(generating(image=path)).image
    assert image.shape == (54, 96, 3)
    assert image.dtype == np.float32
    assert np.abs(image - np.array([0.25, 0.5, 0.75])).max() < (0.02 if suffix == "jpg" else 0.003)


def test_sixteen_bits_are_kept(tmp_path):
    path = write_still(tmp_path / "s.png", (0.1, 0.2, 0.3), scale=65535, kind=np.uint16)
    assert np.abs(opened(generating(image=path)).image - [0.1, 0.2, 0.3]).max() < 1 / 65535


def test_a_still_of_another_shape_is_fitted_and_never_squeezed(tmp_path):
    path = write_still(tmp_path / "tall.png", (1, 1, 1), size=(540, 480))
    image = opened(generating(image=path)).image
    lit = image[27, :, 0] > 0.5
    assert lit.sum() == 48  # 480 x 540 into 54 lines
    assert np.flatnonzero(lit)[0] == 24


def test_what_is_no_still_is_refused(tmp_path):
    (tmp_path / "s.png").write_bytes(b"no picture")
    with pytest.raises(InvalidInputError, match="still image"):
        opened(generating(image=tmp_path / "s.png"))
    with pytest.raises(NotFoundError):
        opened(generating(image=tmp_path / "gone.png"))


# audio_file=


def write_wav(path, samples, rate):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def ramp(count, channels):
    codes = np.arange(count * channels, dtype=np.int64).reshape(count, channels)
    return codes % 60_000 - 30_000


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (22_050, 6)])
@pytest.mark.parametrize("seconds", [0.4, 3.0])
def test_sound_is_the_files_own_samples_then_silence(tmp_path, rate, channels, seconds):
    samples = ramp(round(seconds * rate), channels)
    path = write_wav(tmp_path / "s.wav", samples, rate)
    sound = opened(generating(audio_file=path)).sound
    assert sound.sample_rate_hz == rate
    # Nothing is kept around a generated shot, but the example keeps handles: 24 frames at 24000/1001.
    wanted = round(Fraction(24 * 1001, 24000) * rate)
    assert sound.samples.shape == (wanted, channels)
    there = min(wanted, len(samples))
    assert np.array_equal(np.rint(sound.samples[:there] * 32768).astype(int), samples[:there])
    assert not sound.samples[there:].any()


def test_sound_of_a_movie_that_starts_late_starts_with_its_first_sample(tmp_path):
    path = tmp_path / "late.mov"
    samples = (ramp(24_000, 1) / 32768).astype(np.float32)
    write_numbered_movie(path, rate=RATE, count=24, size=(96, 64), sound=(samples, 48_000))
    late = tmp_path / "later.mov"
    with av.open(str(path)) as source, av.open(str(late), "w") as target:
        pair = {
            s.index: target.add_stream_from_template(s)
            for s in (source.streams.video[0], source.streams.audio[0])
        }
        for packet in source.demux(list(source.streams.video) + list(source.streams.audio)):
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                packet.pts += 12_000
                packet.dts += 12_000
            packet.stream = pair[packet.stream.index]
            target.mux(packet)
    for named in (path, late):
        sound = opened(generating(audio_file=named)).sound
        assert np.array_equal(sound.samples[:20_000], samples[:20_000])


@pytest.mark.parametrize("suffix", ["aiff", "flac", "m4a", "mp3"])
def test_sound_files_of_editors_are_read(tmp_path, suffix):
    path = tmp_path / f"s.{suffix}"
    times = np.arange(96_000) / 48_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * times) * 32767).astype(np.int16)
    with av.open(str(path), "w") as container:
        codec = {"aiff": "pcm_s16be", "flac": "flac", "m4a": "aac", "mp3": "libmp3lame"}[suffix]
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0  # from 0, so that the delay is written down
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    sound = opened(generating(audio_file=path)).sound
    exact = suffix in {"aiff", "flac"}
    # From the first sample on, without the silence that encoders put before it.
    error = np.abs(sound.samples[:40_000, 0] - tone[:40_000] / 32768)
    assert error[100:].max() < (1e-9 if exact else 0.05)


@pytest.mark.parametrize(("rate", "channels"), [(2**31 - 1, 1), (768_001, 2), (48_000, 60_000)])
def test_sound_that_claims_to_be_vast_is_refused(tmp_path, rate, channels):
    path = write_wav(tmp_path / "s.wav", ramp(1000, 2), 48_000)
    head = bytearray(path.read_bytes())
    head[22:24] = channels.to_bytes(2, "little")
    head[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(head)
    with pytest.raises((InvalidInputError, UnsupportedError)):
        opened(generating(audio_file=path))


def test_a_file_without_sound_is_refused(tmp_path):
    path = write_numbered_movie(tmp_path / "mute.mov", rate=RATE, count=3, size=(96, 64))
    with pytest.raises(UnsupportedError, match="no sound to follow"):
        opened(generating(audio_file=path))


# matte=


def test_a_still_matte_holds_for_every_frame(tmp_path):
    grey = np.zeros((54, 96), np.uint8)
    grey[:, 48:] = 255
    grey[:, :24] = 51
    cv2.imwrite(str(tmp_path / "m.png"), grey)
    request = masked(tmp_path / "m.png")
    with open_inputs(request) as inputs:
        pictures = [inputs.matte.picture(frame) for frame in (START, START + 23)]
        pictures[0][:] = 9  # the array is the caller's own
        assert np.array_equal(inputs.matte.picture(START), pictures[1])
    matte = pictures[1]
    assert matte.shape == (54, 96, 3)
    assert np.allclose(matte[:, :24], 0.2)
    assert set(np.unique(matte[:, 24:])) == {0.0, 1.0}


def test_a_coloured_matte_counts_by_its_brightness(tmp_path):
    path = write_still(tmp_path / "m.png", (0, 1, 0))
    with open_inputs(masked(path)) as inputs:
        assert np.allclose(inputs.matte.picture(START), 0.7152, atol=1e-3)


def test_what_is_around_a_fitted_matte_stays(tmp_path):
    path = write_still(tmp_path / "m.png", (1, 1, 1), size=(540, 480))
    with open_inputs(masked(path)) as inputs:
        assert inputs.matte.picture_box == Box(24, 0, 48, 54)
        assert not inputs.matte.picture(START)[:, :20].any()


def write_matte_movie(path, shades):
    """Flat grey pictures of limited range."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"crf": "0", "g": "3"}
        for shade in shades:
            frame = av.VideoFrame(96, 64, "yuv420p")
            for plane, value in zip(frame.planes, (shade, 128, 128), strict=True):
                np.frombuffer(memoryview(plane), np.uint8)[:] = value
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_movie_matte_runs_frame_by_frame_from_the_window_and_holds_its_last(tmp_path):
    shades = [16, 235, 16, 71, 235, 126]
    path = write_matte_movie(tmp_path / "m.mov", shades)
    with open_inputs(masked(path, raster=Raster(96, 64))) as inputs:
        matte = inputs.matte
        assert matte.record_range == TimeRange(START, START + 6, RATE)
        shown = [float(matte.picture(START + n)[32, 48, 0]) for n in (-3, 0, 1, 2, 3, 4, 5, 6, 20)]
        assert matte.sound(matte.record_range) is None
    expected = [(shades[n] - 16) / 219 for n in (0, 0, 1, 2, 3, 4, 5, 5, 5)]
    assert shown == pytest.approx(expected, abs=1e-5)


def test_restyles_take_mattes_and_other_kinds_open_nothing(tmp_path):
    source = example_request().spec.source
    path = write_still(tmp_path / "m.png", (1, 1, 1))
    with open_inputs(request_of(RestyleSpec(source, matte=str(path)))) as inputs:
        assert inputs.matte.picture(START).min() == 1
    for spec in (RestyleSpec(source), BridgeSpec(source, source, cut=START), GenerateSpec()):
        inputs = opened(request_of(spec))
        assert (inputs.image, inputs.sound, inputs.matte) == (None, None, None)


def test_a_matte_that_is_neither_still_nor_movie_is_refused(tmp_path):
    (tmp_path / "m.mov").write_bytes(b"nothing of the kind")
    with pytest.raises((InvalidInputError, UnsupportedError)):
        opened(masked(tmp_path / "m.mov"))
