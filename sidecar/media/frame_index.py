"""Which pictures a file presents, in order, and where decoding may start: frame numbers made exact.

Frame n is the n-th presentation time after the container's edit list, never `n / rate`: B-frames, open GOPs,
edit lists and a start other than zero all fall out of that. Nothing is decoded, except a few packets where a
file starts with leading pictures (an open GOP cut at its front), because only the decoder knows whether those
can be shown.

Short files are read packet by packet. From `_SCAN_BYTES` up the container's own index is used where every
picture stands for itself (ProRes, DNxHR: exact) or where it is evenly spaced (long-GOP: the decoder checks
every presentation time it returns against this index, so a wrong guess is an error and never a wrong frame).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from interchange.errors import Reason, UnsupportedError
from interchange.timebase import FrameRate
from sidecar.media.container import damaged, seek_back, unsupported

_SCAN_BYTES = 256 << 20
_LEADING_PACKETS = 64
_HEAD_PACKETS = 96

# Only rates an edit can have; a file whose time base is too coarse to say is matched against these.
_COMMON_RATES = tuple(
    FrameRate.parse(name)
    for name in (
        "24000/1001", "24", "25", "30000/1001", "30", "48000/1001", "48", "50",
        "60000/1001", "60", "100", "120000/1001", "120",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Presentation times of a file's pictures.

    Args:
        time_base: Seconds per tick.
        pts: Ticks at which each picture is shown, rising; the position is the frame number.
        key_pts: Ticks at which keyframes are shown, rising; one that the edit list hides counts too,
            since decoding may start from it.
        key_times: For each of them, the tick to seek to.
        rate: The constant frame rate.
    """

    time_base: Fraction
    pts: tuple[int, ...]
    key_pts: tuple[int, ...]
    key_times: tuple[int, ...]
    rate: FrameRate

    @property
    def frame_count(self) -> int:
        """Number of pictures."""
        return len(self.pts)

    @property
    def start_time(self) -> Fraction:
        """When the first picture is shown, in seconds of the container's own clock."""
        return self.pts[0] * self.time_base

    def key_position_before(self, frame: int) -> int:
        """Position in `key_pts` of the last keyframe at or before a frame; -1 where there is none."""
        return bisect_right(self.key_pts, self.pts[frame]) - 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """A packet's times, whether decoding may start from it, and whether the edit list hides it."""

    pts: int
    dts: int
    is_key: bool
    is_hidden: bool = False


def index_frames(container: InputContainer, stream: VideoStream, path: Path) -> FrameIndex:
    """Build the index; leaves the container anywhere, so seek before decoding.

    Args:
        container: Freshly opened.
        stream: Its pictures.
        path: For messages, and to notice that a file is cut short.

    Raises:
        UnsupportedError: The rate varies (MEDIA_VARIABLE_RATE).
        InvalidInputError: There is no picture, or the file is cut short (MEDIA_DAMAGED).
    """
    _refuse_cut_short(stream, path)
    entries = _entries(container, stream, path)
    _refuse_unordered(container, stream, entries, path)
    entries = _without_undecodable(container, stream, entries, path)
    ordered = sorted(entries, key=lambda entry: entry.pts)
    pts = tuple(entry.pts for entry in ordered if not entry.is_hidden)
    keys = [entry for entry in ordered if entry.is_key]
    time_base = stream.time_base
    if not pts or not keys or time_base is None:
        raise damaged(path, "there is no complete picture in it")
    # MOV, MP4, MPEG-TS and AVI are searched by decoding time, the others by presentation time. (AVI states no
    # other, and the MPEG-2 parser adds presentation times a picture later.)
    by_dts = "mov" in container.format.name or container.format.name in {"mpegts", "avi"}
    return FrameIndex(
        time_base=Fraction(time_base),
        pts=pts,
        key_pts=tuple(entry.pts for entry in keys),
        key_times=tuple(entry.dts if by_dts else entry.pts for entry in keys),
        rate=_constant_rate(pts, stream, path),
    )


def _refuse_cut_short(stream: VideoStream, path: Path) -> None:
    index = stream.index_entries
    if not len(index):
        return
    last = max(index, key=lambda entry: entry.pos)
    size = path.stat().st_size
    if last.size > 0 and last.pos + last.size > size:
        raise damaged(path, "it is cut short; its index names pictures past the end of the file")


def _refuse_unordered(
    container: InputContainer, stream: VideoStream, entries: list[_Entry], path: Path
) -> None:
    """Refuse B-frames in a container that states only the order of decoding, as AVI always does.

    There the times say nothing about which picture is which; the decoder, which knows, gives them unsorted.
    """
    if not stream.codec_context.has_b_frames or all(entry.is_key for entry in entries):
        return
    is_stated = len({entry.pts - entry.dts for entry in entries}) > 1
    if is_stated and container.format.name != "avi":
        return
    seek_back(container, stream, min(entry.dts for entry in entries), path)
    last: int | None = None
    try:
        for _, frame in zip(range(_LEADING_PACKETS), container.decode(stream), strict=False):
            if frame.pts is not None and last is not None and frame.pts < last:
                raise unsupported(path, "it does not say in which order its pictures are shown")
            last = frame.pts if frame.pts is not None else last
    except av.FFmpegError:  # damage is reported when the frames are wanted
        return


def _entries(container: InputContainer, stream: VideoStream, path: Path) -> list[_Entry]:
    if path.stat().st_size >= _SCAN_BYTES and len(stream.index_entries) > 1:
        from_index = _entries_from_index(container, stream, path)
        if from_index is not None:
            return from_index
    return list(_scan(container, stream, path))


def _scan(
    container: InputContainer, stream: VideoStream, path: Path, *, limit: int | None = None
) -> Iterable[_Entry]:
    count = 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            dts = packet.dts if packet.dts is not None else packet.pts
            # AVI knows no presentation times; without B-frames they are the decoding times.
            pts = packet.pts if packet.pts is not None else packet.dts
            if pts is None or dts is None:
                if count > _LEADING_PACKETS:
                    raise unsupported(path, "its pictures carry no times")
                continue  # Matroska cut at the front: leading pictures from before its clock starts
            yield _Entry(pts, dts, packet.is_keyframe, packet.is_discard)
            count += 1
            if count == limit:
                return
    except av.FFmpegError as error:
        raise damaged(path, f"reading stops after {count} pictures") from error


def _entries_from_index(
    container: InputContainer, stream: VideoStream, path: Path
) -> list[_Entry] | None:
    """The container's index, where it says enough; None where the packets must be read."""
    index = list(stream.index_entries)
    if all(entry.is_keyframe for entry in index):
        return [
            _Entry(entry.timestamp, entry.timestamp, is_key=True, is_hidden=entry.is_discard)
            for entry in index
        ]
    if any(entry.is_discard for entry in index):
        return None
    steps = {b.timestamp - a.timestamp for a, b in pairwise(index)}
    head = list(_scan(container, stream, path, limit=_HEAD_PACKETS))
    if len(steps) != 1 or not head:
        return None
    step = steps.pop()
    first = min(entry.pts for entry in head)
    if any((entry.pts - first) % step for entry in head):
        return None
    reorder = head[0].pts - head[0].dts
    # Evenly stored and, as far as read, evenly shown: the n-th picture is shown at first + n * step.
    keys = {entry.timestamp + reorder: entry.timestamp for entry in index if entry.is_keyframe}
    return [
        _Entry(pts, keys.get(pts, pts), pts in keys)
        for pts in range(first, first + len(index) * step, step)
    ]


def _without_undecodable(
    container: InputContainer, stream: VideoStream, entries: list[_Entry], path: Path
) -> list[_Entry]:
    """Drop leading pictures of the first keyframe that the decoder cannot show."""
    first_key = next((n for n, entry in enumerate(entries) if entry.is_key), None)
    if first_key is None:
        return entries
    entries = entries[first_key:]
    key_pts = entries[0].pts
    leading = [
        entry
        for entry in entries[1:_LEADING_PACKETS]
        if entry.pts < key_pts and not entry.is_hidden
    ]
    if not leading:
        return entries
    seek_back(container, stream, entries[0].dts, path)
    shown: set[int] = set()
    try:
        for frame in container.decode(stream):
            if frame.pts is None or frame.pts >= key_pts:
                break
            if not frame.is_corrupt:
                shown.add(frame.pts)
    except av.FFmpegError:  # damage is reported when the frames are wanted
        shown = set()
    return [entry for entry in entries if entry.pts >= key_pts or entry.pts in shown]


def _constant_rate(pts: tuple[int, ...], stream: VideoStream, path: Path) -> FrameRate:
    """The rate at which every picture falls on the frame grid, to less than one tick."""
    time_base = Fraction(stream.time_base or 1)
    stated = [
        FrameRate.of(Fraction(rate))
        for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate)
        if rate
    ]
    if len(pts) == 1:
        if not stated:
            raise unsupported(path, "it holds one picture and states no frame rate")
        return stated[0]
    steps = {b - a for a, b in pairwise(pts)}
    if 0 in steps:
        raise damaged(path, "two pictures are shown at the same time")
    exact = FrameRate.from_frame_duration(steps.pop() * time_base) if len(steps) == 1 else None
    # An even step is the answer where ticks are fine; a coarse clock (Matroska: 1 ms) rounds 23.976 too.
    candidates = [*stated, *_COMMON_RATES]
    if exact is not None and (exact in candidates or time_base <= Fraction(1, 10000)):
        return exact
    for rate in candidates:
        ticks = rate.frame_duration / time_base
        if all(abs(at - pts[0] - n * ticks) < 1 for n, at in enumerate(pts)):
            return rate
    if exact is not None:
        return exact
    raise UnsupportedError(
        f"{path} has a variable frame rate, so its frames cannot be counted exactly. Transcode it to a "
        "constant rate in your NLE (optimised media or a ProRes export) and relink the clip.",
        reason=Reason.MEDIA_VARIABLE_RATE,
        metadata={"path": str(path)},
    )
