"""What a take's file holds, read with plain PyAV and none of the product's own media code."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from support.numbered import read_number


@dataclass(frozen=True)
class Delivered:
    """A file, decoded.

    Args:
        rate: Pictures a second.
        timecode: Of the first picture.
        luma: uint16 [F, H, W], as coded, limited range of `bits`.
        bits: Of a sample.
        packets: The coded pictures.
        sound: int32 [S, C], 24 bits in the upper part; None where there is none.
        sample_rate_hz: 0 where there is no sound.
    """

    rate: Fraction
    timecode: str
    luma: NDArray[np.uint16]
    chroma: tuple[NDArray[np.uint16], NDArray[np.uint16]]
    bits: int
    packets: tuple[bytes, ...]
    sound: NDArray[np.int32] | None
    sample_rate_hz: int

    @property
    def count(self) -> int:
        """Pictures."""
        return len(self.luma)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.luma.shape[2], self.luma.shape[1]

    @property
    def values(self) -> NDArray[np.float64]:
        """Luma [F, H, W] as 0..1."""
        scale = 1 << (self.bits - 8)
        return (self.luma.astype(np.float64) - 16 * scale) / (219 * scale)

    @property
    def numbers(self) -> list[tuple[int, int]]:
        """(tag, number) of every picture."""
        return [read_number(picture, bit_depth=self.bits) for picture in self.luma]

    def heard(self) -> NDArray[np.float64]:
        """[S, C] of -1..1."""
        assert self.sound is not None
        return self.sound.astype(np.float64) / (1 << 31)


def read_delivered(path: Path) -> Delivered:
    """Decode a whole file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = Fraction(stream.average_rate)
        packets = tuple(bytes(packet) for packet in container.demux(stream) if packet.size)
        timecode = stream.metadata.get("timecode", "")
    planes: tuple[list[NDArray[np.uint16]], ...] = ([], [], [])
    bits = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            bits = frame.format.components[0].bits
            for kept, plane in zip(planes, frame.planes, strict=False):
                kept.append(_samples(plane))
    sound, sample_rate_hz = _sound(path)
    luma, blue, red = (np.stack(kept) for kept in planes)
    return Delivered(rate, timecode, luma, (blue, red), bits, packets, sound, sample_rate_hz)


def _samples(plane: av.video.plane.VideoPlane) -> NDArray[np.uint16]:
    rows = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)
    return rows[:, : plane.width].copy()


def _sound(path: Path) -> tuple[NDArray[np.int32] | None, int]:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None, 0
        stream = container.streams.audio[0]
        channels, blocks = stream.codec_context.layout.nb_channels, []
        for frame in container.decode(stream):
            assert frame.format.name == "s32"
            blocks.append(frame.to_ndarray().reshape(-1, channels))
        return np.concatenate(blocks), stream.codec_context.sample_rate
