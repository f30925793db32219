"""Sample-exact sound: any half-open range of time, counted from the file's first picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from interchange.errors import Reason, UnsupportedError
from interchange.timebase import round_half_up
from sidecar.media.container import (
    channel_count,
    damaged,
    open_media,
    picture_stream,
    unsupported,
)
from sidecar.media.frame_index import index_frames
from sidecar.pipelines.base import Sound

# AAC and its kin need some packets before the wanted one to decode it exactly.
_PREROLL = Fraction(1, 4)
# More than any recorder or mixer delivers.
_HIGHEST_RATE_HZ = 768_000
_MOST_CHANNELS = 256


def read_sound(
    path: Path, *, start: Fraction, duration: Fraction, first_picture: Fraction | None = None
) -> Sound | None:
    """Read a range of a file's sound; its tracks lie side by side as channels.

    Encoder delay and edit lists are honoured: samples are placed by their presentation time. Where the file
    has none, there is silence.

    Args:
        path: Absolute path, already checked against the allowed roots.
        start: Seconds from the file's first picture; may be negative.
        duration: Seconds.
        first_picture: When that picture is shown, in seconds of the container's clock, if known already.

    Returns:
        float32 samples from round(start * rate) to round((start + duration) * rate), halves upwards;
        None where the file has no sound.

    Raises:
        InvalidInputError: The sound is damaged (MEDIA_DAMAGED).
        UnsupportedError: The tracks' sample rates differ, or are out of all reason (MEDIA_UNSUPPORTED).
    """
    with open_media(path, for_sound=True) as container:
        tracks = [track for track in container.streams.audio if track.codec_context is not None]
        if not tracks:
            return None
        if first_picture is None:
            first_picture = index_frames(
                container, picture_stream(container, path), path
            ).start_time
        rates = {track.codec_context.sample_rate for track in tracks}
        if len(rates) > 1:
            raise UnsupportedError(
                f"The sound tracks of {path} have different sample rates "
                f"({', '.join(str(rate) for rate in sorted(rates))} Hz). Transcode it in your NLE with one "
                "sample rate and relink the clip.",
                reason=Reason.MEDIA_UNSUPPORTED,
                metadata={"path": str(path)},
            )
        rate = rates.pop()
        _refuse_vast(rate, sum(channel_count(track) for track in tracks), path)
        first = round_half_up(start * rate)
        count = round_half_up((start + duration) * rate) - first
        origin = round_half_up(first_picture * rate) + first
        parts = [_read_track(container, track, path, origin, count) for track in tracks]
        return Sound(np.concatenate(parts, axis=1), rate)


def _refuse_vast(sample_rate_hz: int, channels: int, path: Path) -> None:
    """A damaged header can claim more samples a second than there is memory for."""
    if not 0 < sample_rate_hz <= _HIGHEST_RATE_HZ or channels > _MOST_CHANNELS:
        raise unsupported(
            path, f"it claims sound of {channels} channels at {sample_rate_hz} samples a second"
        )


def sound_start(path: Path) -> Fraction:
    """When a file's first sample is heard, in seconds of its clock: encoder delay and edit lists lie before it.

    Args:
        path: Absolute path, already checked against the allowed roots.

    Returns:
        0 where the file has no sound, or does not say.
    """
    with open_media(path, for_sound=True) as container:
        starts = [
            track.start_time * Fraction(track.time_base or 1)
            for track in container.streams.audio
            if track.start_time is not None
        ]
    return min(starts, default=Fraction(0))


def _read_track(
    container: InputContainer, track: AudioStream, path: Path, origin: int, count: int
) -> NDArray[np.float32]:
    """Samples [origin, origin + count) of one track, counted on the container's clock."""
    rate = track.codec_context.sample_rate
    channels = channel_count(track)
    # Numbered, not named: a frame's own layout is freed twice where its order is custom (see `channel_count`).
    track.codec_context.options = {"ch_layout": f"{channels}C"}
    samples = np.zeros((count, channels), dtype=np.float32)
    time_base = Fraction(track.time_base or Fraction(1, rate))
    # A clock coarser than the samples (Matroska: 1 ms) cannot place a block: those are counted from the
    # first one instead, and only a step of more than a tick is a gap.
    coarse = time_base * rate > 1
    tolerance = int(time_base * rate) + 1 if coarse else 0
    following: int | None = None
    try:
        container.seek(_seek_time(track, None if coarse else origin), stream=track, backward=True)
        for frame in container.decode(track):
            if frame.pts is None:
                continue
            position = round_half_up(frame.pts * Fraction(frame.time_base or time_base) * rate)
            position -= origin
            if following is not None and abs(position - following) <= tolerance:
                position = following
            following = position + frame.samples
            if position >= count:
                break
            if following > 0:
                _place(samples, _floats(frame, path), position)
    except av.FFmpegError as error:
        raise damaged(path, "its sound cannot be decoded") from error
    return samples


def _seek_time(track: AudioStream, origin: int | None) -> int:
    """Where to start decoding so that sample `origin` comes out exact; None for the very start."""
    entries = track.index_entries
    # The index knows packets before the start time: encoder delay, which the decoder needs to see.
    first = min(entries[0].timestamp if len(entries) else 0, track.start_time or 0)
    if origin is None:
        return first
    wanted = Fraction(origin, track.codec_context.sample_rate) - _PREROLL
    return max(first, (wanted / Fraction(track.time_base or 1)).__floor__())


def _place(samples: NDArray[np.float32], block: NDArray[np.float32], position: int) -> None:
    start, end = max(position, 0), min(position + len(block), len(samples))
    samples[start:end] = block[start - position : end - position]


def _floats(frame: av.AudioFrame, path: Path) -> NDArray[np.float32]:
    """Samples of a decoded frame as float32 [S, C], full scale at 1."""
    channels = len(frame.layout.channels)
    stored = frame.to_ndarray()
    block = stored.T if frame.format.is_planar else stored.reshape(-1, channels)
    if block.shape[1] != channels:
        raise damaged(path, "its sound changes its channels on the way")
    if block.dtype == np.uint8:
        return ((block.astype(np.float32) - 128) / 128).astype(np.float32)
    if block.dtype.kind == "i":
        full_scale = np.float64(1 << (8 * block.dtype.itemsize - 1))
        return (block / full_scale).astype(np.float32)
    return block.astype(np.float32)


def count_samples(path: Path) -> int:
    """Samples in a file's first sound track by its packets, without decoding; 0 where it has none.

    Args:
        path: Absolute path of a file with uncompressed sound, where a packet's length is exact.
    """
    with open_media(path) as container:
        if not container.streams.audio:
            return 0
        track = container.streams.audio[0]
        try:
            ticks = sum(packet.duration or 0 for packet in container.demux(track))
        except av.FFmpegError as error:
            raise damaged(path, "its sound breaks off") from error
        time_base = Fraction(track.time_base or 1)
        return round_half_up(ticks * time_base * track.codec_context.sample_rate)
