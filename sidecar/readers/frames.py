"""Calls for frames and sound one after the other, as the reader's process answers them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from interchange.errors import BridgeError
from sidecar.media.audio import read_sound
from sidecar.media.container import damaged, media_status
from sidecar.media.decode import FrameReader
from sidecar.media.span import changed_since
from sidecar.readers.calls import FrameLayout, OneFrame, SoundLayout, SoundRange
from sidecar.readers.files import held_open, renamed

_Identity = tuple[str, int, int]


class FrameCalls:
    """Decodes frames; a file stays open until another one is asked for, so that its decoder can go on."""

    def __init__(self) -> None:
        self._closing = ExitStack()
        self._open: tuple[_Identity, Path, FrameReader] | None = None

    def __call__(self, call: OneFrame, _content: bytes) -> tuple[FrameLayout, bytes]:
        """Decode a frame."""
        stand_in, reader = self._opened(call)
        try:
            frame = reader.frame(call.number)
        except BridgeError as error:
            raise renamed(error, stand_in, Path(call.path)) from error
        if frame.planes[0].shape != (call.height_px, call.width_px):
            raise damaged(Path(call.path), "its pictures change size on the way")
        content = b"".join(np.ascontiguousarray(plane).data for plane in frame.planes)
        return FrameLayout(frame.chroma, frame.bit_depth), content

    def _opened(self, call: OneFrame) -> tuple[Path, FrameReader]:
        identity = (call.path, call.size_bytes, call.modified_ns)
        if self._open is not None and self._open[0] == identity:
            return self._open[1:]
        self._open = None
        self._closing.close()
        with ExitStack() as stack:
            stand_in = stack.enter_context(held_open(Path(call.path)))
            _refuse_other_file(stand_in, identity)
            reader = stack.enter_context(FrameReader(stand_in))
            self._closing = stack.pop_all()
        self._open = (identity, stand_in, reader)
        return stand_in, reader


def sound(call: SoundRange, _content: bytes) -> tuple[SoundLayout, bytes]:
    """Decode a range of sound."""
    with held_open(Path(call.path)) as path:
        _refuse_other_file(path, (call.path, call.size_bytes, call.modified_ns))
        found = read_sound(path, start=call.start, duration=call.duration)
    if found is None:
        return SoundLayout(channels=0, sample_rate_hz=0), b""
    layout = SoundLayout(found.samples.shape[1], found.sample_rate_hz)
    return layout, np.ascontiguousarray(found.samples).tobytes()


def _refuse_other_file(stand_in: Path, identity: _Identity) -> None:
    status = media_status(stand_in)
    if (status.st_size, status.st_mtime_ns) != identity[1:]:
        raise changed_since(stand_in)
