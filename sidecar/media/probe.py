"""What a media file is, found out without decoding more than its first picture."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.media import AudioTrack, MediaFacts, Raster
from interchange.timebase import FrameRate, parse_timecode
from sidecar.media.container import (
    channel_count,
    damaged,
    media_status,
    open_media,
    picture_stream,
    seek_back,
    unsupported,
)
from sidecar.media.frame_index import FrameIndex, index_frames
from sidecar.media.pixels import LAYOUTS, read_tags
from sidecar.media.timecode_track import timecode_rate

_MATRIX = struct.Struct("=5i")  # the upper left four numbers of 3x3, and one between them
_FIRST_INTERLACED_ORDER = 2  # AVFieldOrder: 0 unknown, 1 progressive, above that interlaced


def probe_media(path: Path) -> MediaFacts:
    """Find out everything the planner needs about a media file.

    Costs one pass over the packets of a short file, or the container's index of a long one, and the decoding
    of one picture.

    Args:
        path: Absolute path, already checked against the allowed roots.

    Returns:
        Facts; frame numbers count from the first picture that can be shown, after the edit list.

    Raises:
        NotFoundError: There is no such file (MEDIA_NOT_FOUND).
        InvalidInputError: It is damaged, empty or no media (MEDIA_DAMAGED).
        UnsupportedError: Variable rate, interlaced, or a container, codec or pixel layout we do not
            read (MEDIA_VARIABLE_RATE, MEDIA_INTERLACED, MEDIA_UNSUPPORTED).
    """
    status = media_status(path)
    with open_media(path) as container:
        stream = picture_stream(container, path)
        # One picture needs no threads, and starting them costs more than it does.
        stream.thread_type = "NONE"
        index = index_frames(container, stream, path)
        first = _first_picture(container, stream, path, index)
        _refuse_interlaced(stream, first, path)
        layout = LAYOUTS.get(first.format.name)
        if layout is None:
            raise unsupported(path, f"its pixel layout {first.format.name} is not one we read")
        rotation = _clockwise_rotation(first, path)
        start_frame, drop_frame = _start_timecode(container, stream, index.rate, path)
        return MediaFacts(
            path=str(path.resolve()),
            frame_rate=index.rate,
            frame_count=index.frame_count,
            raster=_upright_raster(stream, first, rotation),
            start_frame=start_frame,
            drop_frame=drop_frame,
            reel=_reel(container),
            colour=read_tags(first, layout),
            bit_depth=layout.bit_depth,
            chroma=layout.chroma,
            has_alpha=layout.has_alpha,
            rotation=rotation,
            codec=stream.codec_context.name,
            audio=tuple(_audio_tracks(container)),
            size_bytes=status.st_size,
            modified_ns=status.st_mtime_ns,
        )


def _audio_tracks(container: InputContainer) -> Iterator[AudioTrack]:
    for track in container.streams.audio:
        if track.codec_context is not None:
            yield AudioTrack(
                index=track.index,
                channels=channel_count(track),
                sample_rate_hz=track.codec_context.sample_rate,
                codec=track.codec_context.name,
            )


def _first_picture(
    container: InputContainer, stream: VideoStream, path: Path, index: FrameIndex
) -> av.VideoFrame:
    """Picture 0 as `FrameReader` would find it: what is only decodable in another way is no use later."""
    wanted = index.pts[0]
    nothing = "no picture in it can be decoded"
    try:
        for position in range(max(index.key_position_before(0), 0), -1, -1):
            seek_back(container, stream, index.key_times[position], path)
            for frame in container.decode(stream):
                at = frame.pts if frame.pts is not None else frame.dts
                if at == wanted:
                    return frame
                nothing = "its first picture cannot be decoded"
                if at is not None and at > wanted:
                    break
    except av.error.DecoderNotFoundError as error:
        raise unsupported(path, "there is no decoder for it") from error
    except av.FFmpegError as error:
        raise damaged(path, "its first picture cannot be decoded") from error
    raise damaged(path, nothing)


def _refuse_interlaced(stream: VideoStream, first: av.VideoFrame, path: Path) -> None:
    if first.interlaced_frame or stream.codec_context.field_order >= _FIRST_INTERLACED_ORDER:
        raise UnsupportedError(
            f"{path} is interlaced. Deinterlace it in your NLE to progressive frames at the sequence's "
            "rate and relink the clip.",
            reason=Reason.MEDIA_INTERLACED,
            metadata={"path": str(path)},
        )


def _clockwise_rotation(first: av.VideoFrame, path: Path) -> int:
    """Degrees a player turns the picture, read from the whole matrix: FFmpeg's own figure ignores mirroring."""
    matrix = first.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return 0
    a, b, _, c, d = _MATRIX.unpack_from(bytes(matrix))
    turns = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 90, (-1, 0, 0, -1): 180, (0, -1, 1, 0): 270}
    scale = max(abs(a), abs(b)) or 1
    rotation = turns.get((a / scale, b / scale, c / scale, d / scale))
    if rotation is None:
        how = "mirror it" if a * d - b * c < 0 else "skew or stretch it, or turn it by an odd angle"
        raise unsupported(path, f"it asks players to {how}")
    return rotation


def _upright_raster(stream: VideoStream, first: av.VideoFrame, rotation: int) -> Raster:
    aspect = Fraction(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    if aspect <= 0:
        aspect = Fraction(1)
    if rotation in {90, 270}:
        return Raster(first.height, first.width, 1 / aspect)
    return Raster(first.width, first.height, aspect)


def _start_timecode(
    container: InputContainer, stream: VideoStream, rate: FrameRate, path: Path
) -> tuple[int | None, bool]:
    """The file's start timecode in frames of its own rate; (None, False) where it has none."""
    counted_at, frames_each = rate, 1
    if "mov" in container.format.name:
        track_rate = timecode_rate(path)
        if track_rate is not None and rate.nominal % track_rate.nominal == 0:
            counted_at, frames_each = track_rate, rate.nominal // track_rate.nominal
    tracks = [track.metadata for track in container.streams.data]
    for metadata in (*tracks, stream.metadata, container.metadata):
        text = metadata.get("timecode")
        if text is None:
            continue
        try:
            frame, drop_frame = parse_timecode(text, counted_at)
        except InvalidInputError:
            continue  # a label this rate does not have counts something else
        # Drop-frame leaves out the same moments at 29.97 and its multiples.
        return frame * frames_each, drop_frame
    return None, False


def _reel(container: InputContainer) -> str:
    for track in container.streams.data:
        if reel := track.metadata.get("reel_name", ""):
            return _printable(reel)
    for key in ("reel_name", "com.apple.proapps.reel", "reel"):
        if reel := container.metadata.get(key, ""):
            return _printable(reel)
    return ""


def _printable(text: str) -> str:
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff]", "", text).strip()[:64]
