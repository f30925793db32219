"""The call for a picture, as the reader's process answers it."""

from __future__ import annotations

from pathlib import Path

from sidecar.media.stills import encode_png, read_picture
from sidecar.readers.calls import StillPicture, Verdict
from sidecar.readers.files import held_open


def still(call: StillPicture, _content: bytes) -> tuple[Verdict, bytes]:
    """Decode a frame."""
    with held_open(Path(call.path)) as path:
        picture = read_picture(path, call.frame_index, max_width_px=call.max_width_px)
    return Verdict(holds=True), encode_png(picture, max_width_px=call.max_width_px)
