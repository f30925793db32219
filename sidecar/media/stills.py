"""Still pictures for people to look at: report thumbnails, contact sheets and live previews."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from interchange.errors import InternalError, InvalidInputError, Reason, UnsupportedError
from sidecar.media.colour import to_rgb
from sidecar.media.container import media_status, refuse_vast
from sidecar.media.decode import FrameReader
from sidecar.media.frames import NativeFrame
from sidecar.pipelines.base import Picture

PREVIEW_BYTES = 48 << 10
"""Most bytes of a live preview: a quarter below what a client takes."""

_STILL_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")  # PNG, JPEG, TIFF
_JPEG_QUALITIES = (85, 70, 50, 30)


def encode_png(picture: Picture, *, max_width_px: int) -> bytes:
    """Encode a picture as an 8-bit PNG.

    Args:
        picture: float32 [H, W, 3] R'G'B'; clipped to 0..1.
        max_width_px: Wider pictures are reduced to this width, never enlarged.

    Raises:
        InternalError: The encoder refuses it.
    """
    height, width = picture.shape[:2]
    if width > max_width_px:
        size = (max_width_px, max(1, round(height * max_width_px / width)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
    codes = np.rint(np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8)
    done, png = cv2.imencode(".png", codes[..., ::-1])
    if not done:
        raise InternalError("A still could not be encoded as PNG.")
    return png.tobytes()


def encode_jpeg(picture: NDArray[np.uint8], *, longest_bytes: int = PREVIEW_BYTES) -> bytes:
    """Encode a picture as a JPEG that has its size: less quality, then less picture, until it fits.

    Args:
        picture: uint8 [H, W, 3] R'G'B'.
        longest_bytes: Most bytes it may have.

    Raises:
        InternalError: It is no such picture, or not even a small poor one fits.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InternalError(
            f"A preview is {picture.dtype} {list(picture.shape)}, not uint8 [height, width, 3]."
        )
    pixels = np.ascontiguousarray(picture[..., ::-1])
    while True:
        for quality in _JPEG_QUALITIES:
            done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if done and len(jpeg) <= longest_bytes:
                return jpeg.tobytes()
        size = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        if min(size) == 0:
            raise InternalError(f"A preview does not fit into {longest_bytes} bytes.")
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def read_picture(path: Path, frame_index: int, *, max_width_px: int | None = None) -> Picture:
    """Decode one frame of a movie.

    Args:
        path: Absolute path, already checked against the allowed roots.
        frame_index: Counted from the file's first picture.
        max_width_px: Reduce it to no less than this before it is converted: an 8K picture takes 2 GB in
            R'G'B', and 0.4 as it is stored. None leaves it as it is.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is damaged or has no such frame.
        UnsupportedError: It is of a kind we do not read.
    """
    with FrameReader(path) as reader:
        frame = reader.frame(frame_index)
    width = frame.planes[0].shape[1]
    if max_width_px is not None and width >= 2 * max_width_px:
        frame = _reduced(frame, width // max_width_px)
    return to_rgb(frame)


def _reduced(frame: NativeFrame, factor: int) -> NativeFrame:
    """A frame with every plane averaged down to one size; what is linear may be averaged before as after."""
    height, width = frame.planes[0].shape
    size = (max(1, width // factor), max(1, height // factor))
    return NativeFrame(
        planes=tuple(
            np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.uint16)
            for plane in frame.planes
        ),
        chroma="444" if frame.chroma in {"420", "422"} else frame.chroma,
        bit_depth=frame.bit_depth,
        colour=frame.colour,
    )


def is_still(path: Path) -> bool:
    """Whether a file begins as the stills do that `read_still` reads.

    Raises:
        NotFoundError: There is no such file.
        UnsupportedError: It is a folder, a pipe or a device (MEDIA_UNSUPPORTED).
    """
    media_status(path)
    with path.open("rb") as file:
        return file.read(8).startswith(_STILL_SIGNATURES)


def read_still(path: Path) -> Picture:
    """Read a still image: PNG, TIFF or JPEG, 8 or 16 bits; an alpha channel is dropped.

    Args:
        path: Absolute path, already checked against the allowed roots.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is damaged (MEDIA_DAMAGED).
        UnsupportedError: It is no 8- or 16-bit picture, or too large a one (MEDIA_UNSUPPORTED).
    """
    media_status(path)
    try:
        stored = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, ValueError):
        stored = None
    if stored is None:
        raise InvalidInputError(
            f"{path} is not a still image that can be read. Export it again as PNG or TIFF.",
            reason=Reason.MEDIA_DAMAGED,
            metadata={"path": str(path)},
        )
    pixels = np.asarray(stored)
    refuse_vast(pixels.shape[1], pixels.shape[0], path)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnsupportedError(
            f"{path} is neither an 8-bit nor a 16-bit still. Export it again as PNG or TIFF.",
            reason=Reason.MEDIA_UNSUPPORTED,
            metadata={"path": str(path)},
        )
    white = 255.0 if pixels.dtype == np.uint8 else 65535.0
    values = np.asarray(pixels / white, dtype=np.float32)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    return np.ascontiguousarray(values[..., 2::-1], dtype=np.float32)
