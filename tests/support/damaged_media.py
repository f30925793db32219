"""Damages media files, each time in the same way: cut, flipped, blanked, with wrong sizes and swapped parts."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from support.numbered import write_numbered_movie

from interchange.timebase import FrameRate

_RATE = FrameRate(25)
_SIZE = (192, 108)
_PADDED_BYTES = 32 << 20
_HD = (1280, 720)  # DNxHR has no smaller rasters that every muxer takes


@dataclass(frozen=True)
class Damaged:
    """One damaged file.

    Args:
        name: What was done to what.
        path: The file.
    """

    name: str
    path: Path


def write_healthy(folder: Path) -> list[Path]:
    """Movies in every container and codec that is read, sound files and stills."""
    tone = np.sin(np.arange(12 * 1920) / 20).astype(np.float32)[:, None] * 0.2
    movies = [
        write_numbered_movie(folder / "h264.mov", rate=_RATE, count=12, size=_SIZE, sound=(tone, 48_000)),
        write_numbered_movie(folder / "h264.mp4", rate=_RATE, count=12, size=_SIZE),
        write_numbered_movie(folder / "h264.mkv", rate=_RATE, count=12, size=_SIZE, b_frames=0),
        write_numbered_movie(folder / "prores.mov", rate=_RATE, count=8, size=_SIZE, codec="prores"),
        write_numbered_movie(folder / "prores.mkv", rate=_RATE, count=8, size=_SIZE, codec="prores"),
        *(
            _written(folder / name, codec, pixel_format, size, options)
            for name, codec, pixel_format, size, options in (
                ("dnxhr.mov", "dnxhd", "yuv422p", _HD, {"profile": "dnxhr_sq"}),
                ("dnxhr.mxf", "dnxhd", "yuv422p", _HD, {"profile": "dnxhr_sq"}),
                ("mpeg2.mxf", "mpeg2video", "yuv422p", _SIZE, {"g": "6", "bf": "0"}),
                ("mpeg2.avi", "mpeg2video", "yuv420p", _SIZE, {"g": "6", "bf": "0"}),
                ("mpeg2.ts", "mpeg2video", "yuv420p", _SIZE, {"g": "6", "bf": "0"}),
            )
        ),
    ]  # fmt: skip
    sound = folder / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray((tone.T * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
    picture = np.random.default_rng(3).integers(0, 255, (108, 192, 3), dtype=np.uint8)
    stills = [folder / "still.png", folder / "still.jpg", folder / "still.tiff"]
    for still in stills:
        cv2.imwrite(str(still), picture)
    return [*movies, sound, *stills]


def _written(
    path: Path, codec: str, pixel_format: str, size: tuple[int, int], options: dict[str, str]
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=_RATE.fraction, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        noise = np.random.default_rng(5)
        for number in range(8):
            picture = np.full((size[1], size[0], 3), 20 * number, dtype=np.uint8)
            picture[:32] = noise.integers(0, 255, (32, size[0], 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixel_format)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def damaged_copies(healthy: list[Path], folder: Path) -> Iterator[Damaged]:
    """Every file in every way that fits it, in a stable order; each is written when it is asked for."""
    for source in healthy:
        raw = source.read_bytes()
        for what, content in _damages(raw, random.Random(source.name), source.suffix):
            path = folder / f"{source.stem}-{what}{source.suffix}"
            path.write_bytes(content)
            yield Damaged(path.name, path)
            path.unlink()
        sparse = folder / f"{source.stem}-padded{source.suffix}"
        shutil.copyfile(source, sparse)
        with sparse.open("r+b") as file:  # nothing, which takes no room
            file.truncate(_PADDED_BYTES)
        yield Damaged(sparse.name, sparse)
        sparse.unlink()


def _damages(raw: bytes, chance: random.Random, suffix: str) -> Iterator[tuple[str, bytes]]:
    size = len(raw)
    for percent in (1, 10, 50, 90, 99):
        yield f"cut{percent}", raw[: max(1, size * percent // 100)]
    for place, start, end in (
        ("head", 0, min(size, 512)),
        ("middle", size // 3, 2 * size // 3),
        ("tail", max(0, size - 4096), size),
    ):
        for amount in (1, 40):
            yield f"flip{amount}-{place}", _flipped(raw, chance, start, end, amount)
    yield "blank-head", bytes(64) + raw[64:]
    middle = size // 2
    yield "blank-middle", raw[:middle] + bytes(min(2048, size - middle)) + raw[middle + 2048 :]
    yield "ones", raw[:256] + b"\xff" * 256 + raw[512:]
    yield "twice", raw + raw
    yield "front-missing", raw[size // 4 :]
    yield "halves-swapped", raw[middle:] + raw[:middle]
    if suffix in {".mov", ".mp4"}:
        yield from _box_damages(raw)


def _flipped(raw: bytes, chance: random.Random, start: int, end: int, amount: int) -> bytes:
    content = bytearray(raw)
    for _ in range(amount):
        content[chance.randrange(start, max(end, start + 1))] ^= 1 << chance.randrange(8)
    return bytes(content)


def _box_damages(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """QuickTime's boxes with sizes and counts that cannot be."""
    boxes = _boxes(raw)
    yield "boxes-swapped", b"".join(reversed(boxes))
    yield "no-moov", b"".join(box for box in boxes if box[4:8] != b"moov")
    yield "no-mdat", b"".join(box for box in boxes if box[4:8] != b"mdat")
    for kind in (b"moov", b"trak", b"stbl", b"stsz", b"stco", b"stts", b"stsd", b"mdhd", b"elst"):
        at = raw.find(kind)
        if at < 4:
            continue
        name = kind.decode()
        for what, value in (("zero", 0), ("small", 7), ("huge", 0xFFFFFFF0)):
            yield f"{name}-size-{what}", raw[: at - 4] + struct.pack(">I", value) + raw[at:]
        if kind in {b"stsz", b"stco", b"stts", b"stsd", b"elst"}:
            count = at + (12 if kind == b"stsz" else 8)
            yield f"{name}-count", raw[:count] + b"\x7f\xff\xff\xff" + raw[count + 4 :]
    at = raw.find(b"stsd")
    wide = at + 12 + 4 + 4 + 24  # past count, size and format: the width of a visual sample entry
    yield "vast-raster", raw[:wide] + b"\xff\xff\xff\xff" + raw[wide + 4 :]


def _boxes(raw: bytes) -> list[bytes]:
    boxes: list[bytes] = []
    at = 0
    while at + 8 <= len(raw):
        size = struct.unpack(">I", raw[at : at + 4])[0] or len(raw) - at
        boxes.append(raw[at : at + size])
        at += max(size, 8)
    return boxes
