"""Opening media files safely, and saying in the editor's words why one cannot be opened.

The path is always absolute and local: no URL, no playlist, no file that names other files. FFmpeg is told to
speak only the `file` protocol and to consider only these containers, so that a playlist renamed `.mov` or a
`concat` script never makes it open something else.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from interchange.errors import InvalidInputError, NotFoundError, Reason, UnsupportedError

# FFmpeg matches a demuxer if any of its comma-separated names is listed. QuickTime references to other
# files stay off: `enable_drefs` is 0 unless asked for.
_MOVIES = "mov,matroska,mxf,avi,mpegts"
_SOUNDS = f"{_MOVIES},wav,w64,aiff,caf,flac,mp3"

# Stills and slide shows are images to an editor, whatever wraps them.
_STILL_CODECS = frozenset(
    {"png", "bmp", "tiff", "gif", "webp", "apng", "exr", "dpx", "targa", "psd", "svg"}
)

# More than any camera or scan has (16K is 15360x8640); a damaged header can claim far more memory than there is.
_MOST_PX_A_SIDE = 16_384
_MOST_PX = 1 << 27


@contextmanager
def open_media(path: Path, *, for_sound: bool = False) -> Iterator[InputContainer]:
    """Open a local media file for reading.

    Args:
        path: Absolute path, already checked against the roots by whoever got it from a document.
        for_sound: Take a file of sound alone too.

    Raises:
        NotFoundError: There is no such file (MEDIA_NOT_FOUND).
        InvalidInputError: It is empty, cut short or no media at all (MEDIA_DAMAGED).
        UnsupportedError: It is not a regular file, or its container is not one we read (MEDIA_UNSUPPORTED).
    """
    status = media_status(path)
    if status.st_size == 0:
        raise damaged(path, "the file is empty")
    try:
        options = {
            "protocol_whitelist": "file",
            "format_whitelist": _SOUNDS if for_sound else _MOVIES,
        }
        container = av.open(str(path), "r", container_options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        raise _refusal(path, error, for_sound=for_sound) from error
    with container:
        yield container


def media_status(path: Path) -> os.stat_result:
    """Size, time and kind of a media file.

    Raises:
        NotFoundError: There is no such file (MEDIA_NOT_FOUND).
        UnsupportedError: It is a folder, a pipe or a device (MEDIA_UNSUPPORTED).
    """
    if not path.is_absolute():
        raise InvalidInputError(f"{path} is not a full path; media are named by full path only.")
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            f"{path} is not there. Relink the clip, mount its disk, or map its path with --map.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": str(path)},
        ) from error
    except OSError as error:
        raise NotFoundError(
            f"{path} cannot be reached: {error.strerror}. Check its disk and your access to it.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": str(path)},
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise unsupported(path, "it is not a file")
    return status


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream that holds the pictures: the first that is no cover art.

    Raises:
        UnsupportedError: There is none, or it is a still image (MEDIA_UNSUPPORTED).
    """
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise unsupported(path, "it has no pictures")
    stream = streams[0]
    if not stream.frames and not len(stream.index_entries) and stream.codec_context is None:
        raise damaged(path, "its index is cut short")
    if stream.codec_context is None:
        raise unsupported(path, "there is no decoder for its pictures")
    if stream.codec_context.name in _STILL_CODECS:
        raise unsupported(path, f"its pictures are stills ({stream.codec_context.name})")
    refuse_vast(stream.codec_context.width, stream.codec_context.height, path)
    # The pictures themselves may claim another size than the container does.
    stream.codec_context.options = {"max_pixels": str(_MOST_PX)}
    return stream


def refuse_vast(width_px: int, height_px: int, path: Path) -> None:
    """Refuse pictures of a size that would use up the memory, before any is allocated.

    Raises:
        UnsupportedError: More than 16384 pixels a side, or 134 million in all (MEDIA_UNSUPPORTED).
    """
    if max(width_px, height_px) > _MOST_PX_A_SIDE or width_px * height_px > _MOST_PX:
        raise UnsupportedError(
            f"{path} claims pictures of {width_px}x{height_px}; at most {_MOST_PX_A_SIDE} pixels a side and "
            f"{_MOST_PX:,} in all are read. Scale it down in your NLE, or copy it again if that is not its size.",
            reason=Reason.MEDIA_UNSUPPORTED,
            metadata={"path": str(path)},
        )


def channel_count(track: AudioStream) -> int:
    """Channels of a sound track, however its channels are laid out.

    PyAV 18 frees a layout of its own making (`7.1` in QuickTime, as recorders write it) together with the
    codec's, which shares it, and the process aborts. One reference that is never given back prevents that.
    """
    layout = track.codec_context.layout
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout.nb_channels


def seek_back(container: InputContainer, stream: VideoStream, time: int, path: Path) -> None:
    """Go to the last key picture at or before a time, in the stream's time base.

    Raises:
        InvalidInputError: The file cannot be searched (MEDIA_DAMAGED).
    """
    try:
        container.seek(time, stream=stream, backward=True)
    except av.FFmpegError as error:
        raise damaged(path, "its index leads nowhere") from error


def damaged(path: Path, what: str) -> InvalidInputError:
    """The error for media whose content is broken; `what` completes "X cannot be read: ..."."""
    return InvalidInputError(
        f"{path} cannot be read: {what}. Copy it again from the original, or relink the clip.",
        reason=Reason.MEDIA_DAMAGED,
        metadata={"path": str(path)},
    )


def unsupported(path: Path, what: str) -> UnsupportedError:
    """The error for sound media we do not read; `what` completes "X cannot be used: ..."."""
    return UnsupportedError(
        f"{path} cannot be used: {what}. Transcode it in your NLE, to ProRes or DNxHR in QuickTime "
        "for example, and relink the clip.",
        reason=Reason.MEDIA_UNSUPPORTED,
        metadata={"path": str(path)},
    )


def _refusal(path: Path, error: av.FFmpegError, *, for_sound: bool) -> Exception:
    if isinstance(error, av.error.ArgumentError):
        # FFmpeg recognised the file as one of the containers that are switched off.
        sounds = ", nor a WAV, AIFF, CAF, FLAC or MP3 file" if for_sound else ""
        return unsupported(
            path, f"it is not a QuickTime, MP4, MXF, Matroska, AVI or MPEG-TS movie{sounds}"
        )
    if isinstance(error, PermissionError):
        return NotFoundError(
            f"{path} cannot be opened: {error.strerror}. Give yourself read access to it.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": str(path)},
        )
    if isinstance(error, av.error.DecoderNotFoundError):
        return unsupported(path, "there is no decoder for it")
    return damaged(path, "it is damaged, cut short, or no movie at all")
