"""Movies that carry their frame number in the pixels, and how to read it back.

24 equal vertical bars fill the picture; bar k, counted from the left, is R'G'B' 0.75 where bit k of
`(tag << 16) | number` is set and 0.10 where it is not. The number has 16 bits, the tag, which tells movies
apart, 8. A bar is read by the mean of its central half over the middle third of the height, so burnt-in
slates above and below, scaling and heavy compression do not disturb it.

Written and read with plain PyAV, on purpose without any of the product's own media code.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from interchange.timebase import FrameRate

BARS = 24
HIGH = 0.75
LOW = 0.10
THRESHOLD = 0.42

_PIXEL_FORMATS = {"h264": "yuv420p", "prores": "yuv422p10le", "dnxhd": "yuv422p10le"}
_ENCODERS = {"h264": "libx264", "prores": "prores", "dnxhd": "dnxhd"}
_LAYOUTS = {1: "mono", 2: "stereo"}


def numbered_picture(
    number: int, *, tag: int = 1, size: tuple[int, int] = (384, 216)
) -> NDArray[np.float32]:
    """Draw the chart: float32 [H, W, 3] R'G'B'; `size` is (width, height) in pixels."""
    width, height = size
    value = (tag << 16) | number
    bits = np.array([(value >> k) & 1 for k in range(BARS)], dtype=bool)
    row = np.where(bits[np.arange(width) * BARS // width], HIGH, LOW).astype(np.float32)
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def read_number(picture: NDArray[np.generic], *, bit_depth: int | None = None) -> tuple[int, int]:
    """Read (tag, number) from a picture.

    Args:
        picture: float [H, W, 3] or [H, W] R'G'B', 0 to 1; or unsigned integer luma [H, W], limited range.
        bit_depth: Bits of integer luma; 8 for uint8 and 10 for uint16 where not given.
    """
    if picture.dtype.kind == "u":
        bits = bit_depth or (8 if picture.dtype == np.uint8 else 10)
        scale = 1 << (bits - 8)
        values = (picture.astype(np.float64) - 16 * scale) / (219 * scale)
    else:
        values = np.asarray(picture, dtype=np.float64)
    if values.ndim == 3:
        values = values[..., :3].mean(axis=2)
    height, width = values.shape
    row = values[height // 3 : height - height // 3].mean(axis=0)
    value = 0
    for bar in range(BARS):
        left, right = bar * width / BARS, (bar + 1) * width / BARS
        quarter = (right - left) / 4
        centre = row[int(left + quarter) : max(int(left + quarter) + 1, int(right - quarter))]
        value |= int(centre.mean() > THRESHOLD) << bar
    return value >> 16, value & 0xFFFF


def write_numbered_movie(
    path: Path,
    *,
    rate: FrameRate,
    count: int,
    size: tuple[int, int] = (384, 216),
    tag: int = 1,
    start_timecode: str | None = None,
    codec: str = "h264",
    reel: str = "",
    sound: tuple[NDArray[np.float32], int] | None = None,
    sound_codec: str = "pcm_s16le",
    first_number: int = 0,
    gop: int = 12,
    b_frames: int = 2,
    open_gop: bool = False,
    first_pts: int = 0,
    skip: frozenset[int] = frozenset(),
    pixel_format: str = "",
    container_format: str | None = None,
    interlaced: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a movie whose frame n shows the number `first_number + n`.

    Args:
        path: Where to write; the suffix chooses the container unless `container_format` does.
        rate: Exact frame rate.
        count: Number of frames.
        size: (width, height) in pixels.
        tag: Tells this movie from others, 0 to 255.
        start_timecode: `HH:MM:SS:FF`, `;` for drop-frame; goes into a tmcd track.
        codec: `h264`, `prores` or `dnxhd`.
        reel: Reel name; needs a start timecode, whose track carries it.
        sound: (float32 [S, C], samples a second).
        sound_codec: FFmpeg's name of the audio encoder.
        first_number: Number shown by the first frame.
        gop: Distance of keyframes (H.264 only).
        b_frames: B-frames in a row (H.264 only).
        open_gop: Let B-frames before a keyframe refer across it (H.264 only).
        first_pts: Frames of nothing before the first picture: the muxer writes an edit list for it.
        skip: Frame indices left out of the file, which makes its rate variable.
        pixel_format: FFmpeg's name; the codec's usual one where empty.
        container_format: FFmpeg's name of the muxer.
        interlaced: Encode as interlaced (H.264 only).
        options: Further options of the encoder.

    Returns:
        `path`.
    """
    time_base = rate.frame_duration
    with av.open(str(path), "w", format=container_format) as container:
        video = container.add_stream(_ENCODERS[codec], rate=rate.fraction)
        video.width, video.height = size
        video.pix_fmt = pixel_format or _PIXEL_FORMATS[codec]
        video.codec_context.time_base = time_base
        video.codec_context.color_primaries = 1
        video.codec_context.color_trc = 1
        video.codec_context.colorspace = 1
        video.codec_context.color_range = 1
        if codec == "h264":
            video.codec_context.gop_size = gop
            video.codec_context.max_b_frames = b_frames
        video.options = _encoder_options(codec, open_gop, interlaced) | (options or {})
        if start_timecode is not None:
            video.metadata["timecode"] = start_timecode
            video.metadata["reel_name"] = reel
        audio = None
        if sound is not None:
            audio = container.add_stream(
                sound_codec, rate=sound[1], layout=_LAYOUTS[sound[0].shape[1]]
            )
        for index in (index for index in range(count) if index not in skip):
            picture = numbered_picture(first_number + index, tag=tag, size=size)
            frame = _chart_frame(picture, video.pix_fmt)
            frame.pts = first_pts + index
            frame.time_base = time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for block in _sound_frames(*sound, first_pts * time_base):
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def read_movie_numbers(path: Path) -> list[tuple[int, int]]:
    """(tag, number) of every picture in presentation order, decoded with plain PyAV."""
    with av.open(str(path)) as container:
        return [read_frame_number(frame) for frame in container.decode(video=0)]


def read_frame_number(frame: av.VideoFrame) -> tuple[int, int]:
    """(tag, number) from the luma plane of a decoded frame."""
    depth = frame.format.components[0].bits
    wide = depth > 8
    plane = frame.planes[0]
    samples = np.frombuffer(plane, np.uint16 if wide else np.uint8)
    luma = samples.reshape(plane.height, -1)[:, : plane.width]
    return read_number(luma, bit_depth=depth)


def _encoder_options(codec: str, open_gop: bool, interlaced: bool) -> dict[str, str]:
    if codec == "dnxhd":
        return {"profile": "dnxhr_hqx"}
    if codec == "prores":
        return {}
    parameters = f"open-gop={int(open_gop)}:scenecut=0:b-adapt=0:b-pyramid=1"
    if interlaced:
        parameters += ":tff=1"
    return {"preset": "ultrafast", "crf": "12", "x264-params": parameters}


def _chart_frame(picture: NDArray[np.float32], pixel_format: str) -> av.VideoFrame:
    height, width, _ = picture.shape
    frame = av.VideoFrame(width, height, pixel_format)
    depth = frame.format.components[0].bits
    scale = 1 << (depth - 8)
    kind = np.uint16 if depth > 8 else np.uint8
    for index, plane in enumerate(frame.planes):
        padded = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
        if index == 0:
            luma = np.rint((16 + 219 * picture[..., 0].astype(np.float64)) * scale)
            padded[:, :width] = luma.astype(kind)
        elif index == 3:
            padded[:] = (1 << depth) - 1
        else:
            padded[:] = 128 * scale
        plane.update(padded.tobytes())
    frame.colorspace = 1
    frame.color_range = 1
    frame.color_primaries = 1
    frame.color_trc = 1
    return frame


def _sound_frames(
    samples: NDArray[np.float32], sample_rate: int, start: Fraction
) -> Iterator[av.AudioFrame]:
    channels = samples.shape[1]
    first = round(start * sample_rate)
    for position in range(0, len(samples), 1024):
        block = samples[position : position + 1024]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block.reshape(1, -1)),
            format="flt",
            layout=_LAYOUTS[channels],
        )
        frame.sample_rate = sample_rate
        frame.pts = first + position
        frame.time_base = Fraction(1, sample_rate)
        yield frame
