"""Frame-exact decoding: ask for a frame by its number, get exactly that picture or an error."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from interchange.errors import InvalidInputError, Reason
from interchange.model.media import ColourTags, Raster
from interchange.timebase import FrameRate, TimeRange
from sidecar.media.container import damaged, open_media, picture_stream, seek_back, unsupported
from sidecar.media.frame_index import FrameIndex, index_frames
from sidecar.media.frames import NativeFrame
from sidecar.media.pixels import LAYOUTS, read_planes, read_tags

_WINDOW_BYTES = 256 << 20
_SHORTEST_WINDOW = 4
_LONGEST_WINDOW = 48


class FrameReader:
    """Reads pictures of one file by frame number, counted from the first picture that can be shown.

    Rising order decodes straight on; going back, or far ahead, seeks to the nearest keyframe and decodes up
    to the wanted presentation time. The last frames decoded are kept in a bounded window. Not thread-safe.

    Args:
        path: Absolute path, already checked against the allowed roots.
        colour: The colour to read the file as, where its own tags say nothing or are to be overruled.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is damaged (MEDIA_DAMAGED).
        UnsupportedError: It is of a kind we do not read.
    """

    def __init__(self, path: Path, *, colour: ColourTags | None = None) -> None:
        self._path = path
        self._colour = colour
        with ExitStack() as stack:
            self._container = stack.enter_context(open_media(path))
            self._stream = picture_stream(self._container, path)
            self._stream.thread_type = "AUTO"
            self._index = index_frames(self._container, self._stream, path)
            self._closing = stack.pop_all()
        self._frame_of = {pts: n for n, pts in enumerate(self._index.pts)}
        self._window: OrderedDict[int, NativeFrame] = OrderedDict()
        self._decoding: Iterator[av.VideoFrame] | None = None
        self._last_time: int | None = None  # of the frame the decoder gave last
        self._next = 0  # the frame the decoder gives next, if `_decoding`
        self._damaged_since: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._decoding = None
        self._window.clear()
        self._closing.close()

    @property
    def index(self) -> FrameIndex:
        """The file's presentation times."""
        return self._index

    @property
    def frame_rate(self) -> FrameRate:
        """The file's constant frame rate."""
        return self._index.rate

    @property
    def frame_count(self) -> int:
        """Pictures that can be shown."""
        return self._index.frame_count

    def frames(self, frame_range: TimeRange) -> Iterator[NativeFrame]:
        """Decode a half-open range of source frames in rising order.

        Args:
            frame_range: In source frames, counted from the file's first picture, at the file's rate.

        Raises:
            InvalidInputError: As `frame`.
        """
        for number in frame_range.frames:
            yield self.frame(number)

    def frame(self, number: int) -> NativeFrame:
        """Decode one frame.

        Args:
            number: Counted from the file's first picture.

        Raises:
            InvalidInputError: The file has no such frame (RANGE_PAST_MEDIA), or it, or one it depends on,
                is damaged (MEDIA_DAMAGED).
        """
        if not 0 <= number < self._index.frame_count:
            raise InvalidInputError(
                f"{self._path} has frames 0 to {self._index.frame_count - 1}, not frame {number}. "
                "Shorten the mark or relink the clip to longer media.",
                reason=Reason.RANGE_PAST_MEDIA,
                metadata={"path": str(self._path), "frame": str(number)},
            )
        if number in self._window:
            return self._window[number]
        if self._reaches(number):
            found = self._decode_up_to(number)
            if found is not None:
                return found
        # A keyframe of an open GOP may give nothing before its own time: then start from the one before.
        for position in range(self._index.key_position_before(number), -1, -1):
            self._seek(self._index.key_times[position])
            found = self._decode_up_to(number)
            if found is not None:
                return found
        raise damaged(self._path, f"frame {number} cannot be decoded")

    def _reaches(self, number: int) -> bool:
        """Whether decoding on from here is at least as fast as seeking."""
        if self._decoding is None or number < self._next:
            return False
        here = self._index.key_position_before(self._next)
        return here == self._index.key_position_before(number) or number - self._next < 3

    def _seek(self, time: int) -> None:
        seek_back(self._container, self._stream, time, self._path)
        self._decoding = self._container.decode(self._stream)
        self._last_time = None
        self._damaged_since = None

    def _decode_up_to(self, number: int) -> NativeFrame | None:
        """Decode until a frame comes out; None where the decoder is already past it."""
        wanted = self._index.pts[number]
        while self._decoding is not None:
            try:
                frame = next(self._decoding, None)
            except av.FFmpegError as error:
                self._decoding = None
                raise damaged(self._path, f"frame {number} cannot be decoded") from error
            if frame is None:
                self._decoding = None
                return None
            at = frame.pts if frame.pts is not None else frame.dts
            if at is not None and self._last_time is not None and at < self._last_time:
                raise unsupported(
                    self._path, "it does not say in which order its pictures are shown"
                )
            self._last_time = at if at is not None else self._last_time
            current = self._frame_of.get(at) if at is not None else None
            if current is None:
                # Pictures the index leaves out: leading ones, or a time that is off the grid.
                if at is not None and at > wanted:
                    self._decoding = None
                    return None
                continue
            self._next = current + 1
            self._note_damage(frame, current)
            if current > number:
                return None
            if current == number:
                self._refuse_damage(number)
            # What is passed on the way is often asked for next: handles, context.
            native = (
                self._keep(current, frame)
                if number - current < self._window_length(frame)
                else None
            )
            if current == number:
                return native
        return None

    def _note_damage(self, frame: av.VideoFrame, number: int) -> None:
        """A damaged picture spoils those that refer to it, up to the next clean keyframe."""
        if frame.is_corrupt:
            self._damaged_since = number if self._damaged_since is None else self._damaged_since
        elif frame.key_frame:
            self._damaged_since = None

    def _refuse_damage(self, number: int) -> None:
        if self._damaged_since is None:
            return
        what = f"frame {number} is damaged"
        if self._damaged_since != number:
            what = f"frame {number} depends on frame {self._damaged_since}, which is damaged"
        raise damaged(self._path, what)

    def _window_length(self, frame: av.VideoFrame) -> int:
        frame_bytes = 4 * frame.width * frame.height
        return max(_SHORTEST_WINDOW, min(_LONGEST_WINDOW, _WINDOW_BYTES // frame_bytes))

    def _keep(self, number: int, frame: av.VideoFrame) -> NativeFrame | None:
        if self._damaged_since is not None:
            return None
        layout = LAYOUTS.get(frame.format.name)
        if layout is None:
            raise unsupported(
                self._path, f"its pixel layout {frame.format.name} is not one we read"
            )
        tags = self._colour or read_tags(frame, layout)
        native = NativeFrame(
            planes=read_planes(frame, layout),
            chroma=layout.chroma,
            bit_depth=layout.bit_depth,
            colour=tags.resolved(Raster(frame.width, frame.height)),
        )
        self._window[number] = native
        while len(self._window) > self._window_length(frame):
            self._window.popitem(last=False)
        return native
