"""A decoder that was taken over: probes as it should, then does what the movie's name says."""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

from sidecar.readers.calls import (
    FileDigest,
    FrameLayout,
    OneFrame,
    ProbeMedia,
    StillImage,
    StillLayout,
)
from sidecar.readers.child import main


def decode(call: OneFrame, _content: bytes) -> tuple[FrameLayout, bytes]:
    """Do what the movie's name says."""
    layout = FrameLayout("420", 8)
    right = layout.size_bytes(call.width_px, call.height_px)
    match Path(call.path).stem:
        case "short":
            return layout, bytes(right - 2)
        case "long":
            return layout, bytes(1 << 30)
        case "none":
            return FrameLayout("none", 8), b""
        case "strange":
            return FrameLayout("444", 8), bytes(right)
        case "shallow":
            return FrameLayout("420", 99), bytes(right)
        case "crash":
            ctypes.string_at(0)
        case "sleep":
            time.sleep(600)
    sys.exit("no such deed")


def image(call: StillImage, _content: bytes) -> tuple[StillLayout, bytes]:
    """Do what the still's name says."""
    match Path(call.path).stem:
        case "short":
            return StillLayout(16, 9), bytes(16 * 9 * 3 - 1)
        case "long":
            return StillLayout(16, 9), bytes(1 << 30)
        case "wide":
            return StillLayout(call.long_side_px + 1, 1), bytes(3 * (call.long_side_px + 1))
        case "negative":
            return StillLayout(-16, -9), bytes(16 * 9 * 3)
    return StillLayout(0, 0), b""


CALLS = {
    ProbeMedia: "sidecar.readers.media:probe",
    FileDigest: "sidecar.readers.media:digest",
    OneFrame: "__main__:decode",
    StillImage: "__main__:image",
}

if __name__ == "__main__":
    main("__main__:CALLS")
