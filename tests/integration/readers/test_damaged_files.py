"""Hundreds of damaged media files through the box: a clean reading or a typed error, in time, for each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.damaged_media import damaged_copies, write_healthy

from interchange.errors import BridgeError, InternalError, Reason
from sidecar.readers.box import ReaderBox

_EXPECTED = {
    Reason.MEDIA_DAMAGED,
    Reason.MEDIA_UNSUPPORTED,
    Reason.MEDIA_VARIABLE_RATE,
    Reason.MEDIA_INTERLACED,
    Reason.READER_LIMIT,
}
_LONGEST_S = 30


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_healthy(tmp_path_factory.mktemp("healthy").resolve())


@pytest.fixture(scope="module")
def box() -> Iterator[ReaderBox]:
    with ReaderBox() as box:
        yield box


def test_the_healthy_ones_are_read(healthy: list[Path], box: ReaderBox) -> None:
    """Else everything below would pass over files that nobody can read anyway."""
    movies = [path for path in healthy if path.stem not in {"sound", "still"}]
    assert len(movies) == 10
    for path in movies:
        facts = box.probe_media(path)
        for frame in range(facts.frame_count):
            assert box.still_png(path, frame, max_width_px=64)


def test_damaged_media_end_in_a_typed_error_or_a_clean_reading(
    healthy: list[Path], box: ReaderBox, tmp_path: Path
) -> None:
    told: Counter[Reason | None] = Counter()
    for damaged in damaged_copies(healthy, tmp_path.resolve()):
        started = time.monotonic()
        error = looked_at(box, damaged.path)
        assert time.monotonic() - started < _LONGEST_S, damaged.name
        told[error and error.reason] += 1
        if error is None:
            continue
        assert not isinstance(error, InternalError), f"{damaged.name}: {error}"
        assert error.reason in _EXPECTED, damaged.name
        assert damaged.name in error.message
        assert "crash" not in error.message, damaged.name
        # FFmpeg allocates what a table claims to hold, before it looks whether that is there.
        assert (error.reason is Reason.READER_LIMIT) == ("stts-count" in damaged.name), error
    assert told.total() >= 200
    # Most damage must be noticed, and a healthy part of a file must still be shown.
    assert told[Reason.MEDIA_DAMAGED] > told.total() // 3
    assert told[None] > told.total() // 5
    assert told[Reason.READER_LIMIT] == 4


def looked_at(box: ReaderBox, path: Path) -> BridgeError | None:
    """Do everything with a file that is done with a movie; the first error, None for a clean reading."""
    try:
        box.media_opens(path)
        facts = box.probe_media(path)
        for frame in sorted({0, facts.frame_count // 2, facts.frame_count - 1}):
            box.still_png(path, frame, max_width_px=64)
    except BridgeError as error:
        return error
    return None


def test_payload_damage_is_reported_and_never_shown(
    healthy: list[Path], box: ReaderBox, tmp_path: Path
) -> None:
    """FFmpeg raises nothing for flipped bits; it only marks the picture as corrupt (measured)."""
    source = next(path for path in healthy if path.name == "h264.mp4")
    raw = bytearray(source.read_bytes())
    start = raw.index(b"mdat") + 4
    size = int.from_bytes(raw[start - 8 : start - 4], "big")
    for at in range(start + size // 2, start + size - 8, 29):
        raw[at] ^= 0x55
    path = tmp_path.resolve() / "flipped.mp4"
    path.write_bytes(raw)
    reasons = set()
    for frame in range(box.probe_media(path).frame_count):
        try:
            box.still_png(path, frame, max_width_px=64)
        except BridgeError as error:
            reasons.add(error.reason)
    assert reasons == {Reason.MEDIA_DAMAGED}
