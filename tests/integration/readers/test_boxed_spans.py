"""Spans that a reader decodes: bit for bit what decoding here gives, and nothing of a file hurts who reads it."""

from __future__ import annotations

import os
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import support.hostile_decoder
from support.damaged_media import write_healthy

from interchange.errors import BridgeError, Reason
from interchange.model.media import BT709, Raster
from interchange.model.request import SourceSpan
from interchange.timebase import FrameRate, TimeRange
from sidecar.media.source import open_span
from sidecar.readers import spans
from sidecar.readers.box import ReaderBox
from sidecar.readers.limits import STREAM_LIMITS, ReaderLimits
from sidecar.readers.spans import boxed_span

RATE = FrameRate(25)
HOSTILE = (sys.executable, "-P", support.hostile_decoder.__file__)
SMALL = Raster(64, 36)


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = write_healthy(tmp_path_factory.mktemp("healthy").resolve())
    return [path for path in made if path.stem not in {"sound", "still"}]


def span_of(path: Path, *, count: int = 8) -> SourceSpan:
    status = path.stat()
    return SourceSpan(
        path=str(path),
        media_rate=RATE,
        record_range=TimeRange.of_length(100, count, RATE),
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=BT709,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
    )


def kinds(raster: Raster) -> dict[str, object]:
    return {"frame_rate": RATE, "raster": raster, "colour": BT709}


def test_pictures_and_sound_are_those_decoded_here(
    movies: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With blocks so small that the sound takes several; and in an order that goes back."""
    monkeypatch.setattr(spans, "_BLOCK_BYTES", 4 * 1000)
    with ReaderBox(STREAM_LIMITS) as box:
        for path in movies:
            span = span_of(path)
            raster = box.probe_media(path).raster
            with open_span(span, **kinds(raster)) as here:
                there = boxed_span(span, box=box, **kinds(raster))
                for frame in (100, 101, 107, 103):
                    ours, theirs = here.native(frame), there.native(frame)
                    assert (ours.chroma, ours.bit_depth, ours.colour) == (
                        theirs.chroma, theirs.bit_depth, theirs.colour,
                    )  # fmt: skip
                    for plane, other in zip(ours.planes, theirs.planes, strict=True):
                        assert np.array_equal(plane, other), path.name
                    assert np.array_equal(here.picture(frame), there.picture(frame))
                sound, other_sound = (media.sound(span.record_range) for media in (here, there))
                assert (sound is None) == (other_sound is None) == (path.name != "h264.mov")
                if sound is not None and other_sound is not None:
                    assert np.array_equal(sound.samples, other_sound.samples)


def test_the_file_stays_open_between_frames(movies: list[Path]) -> None:
    """What replaces it meanwhile is not read, and the decoder goes on where it was."""
    path = movies[0]
    span = span_of(path)
    with ReaderBox(STREAM_LIMITS) as box:
        reader = boxed_span(span, box=box, **kinds(Raster(192, 108)))
        before = reader.picture(100)
        aside = path.with_suffix(".aside")
        path.rename(aside)
        try:
            assert not np.array_equal(reader.picture(103), before)
        finally:
            aside.rename(path)


def test_another_file_of_that_name_is_refused(movies: list[Path]) -> None:
    span = span_of(movies[0])
    with ReaderBox(STREAM_LIMITS) as box:
        reader = boxed_span(span, box=box, **kinds(SMALL))
        os.utime(movies[0], ns=(1, 1))  # after the probe, before the first frame
        for read in (lambda: reader.picture(100), lambda: reader.sound(span.record_range)):
            with pytest.raises(BridgeError) as caught:
                read()
            assert caught.value.reason is Reason.MEDIA_CHANGED
            assert movies[0].name in caught.value.message


@pytest.mark.parametrize("deed", ["short", "long", "none", "strange", "shallow", "crash", "sleep"])
def test_a_decoder_that_was_taken_over_costs_its_own_file(movies: list[Path], deed: str) -> None:
    path = movies[1].with_name(f"{deed}.mov")
    path.write_bytes(movies[1].read_bytes())
    started = time.monotonic()
    with ReaderBox(ReaderLimits(wall_s=2), program=HOSTILE) as box:
        reader = boxed_span(span_of(path), box=box, **kinds(SMALL))
        with pytest.raises(BridgeError) as caught:
            reader.picture(100)
    assert caught.value.reason in {Reason.MEDIA_DAMAGED, Reason.READER_LIMIT}
    assert path.name in caught.value.message
    assert time.monotonic() - started < 8


def test_abandoning_ends_a_call_that_is_under_way(movies: list[Path]) -> None:
    path = movies[1].with_name("sleep.mov")
    path.write_bytes(movies[1].read_bytes())
    box = ReaderBox(ReaderLimits(wall_s=60), program=HOSTILE)
    reader = boxed_span(span_of(path), box=box, **kinds(SMALL))
    process_id = box._process.process_id
    failed: list[BridgeError] = []

    def ask() -> None:
        try:
            reader.picture(100)
        except BridgeError as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    started = time.monotonic()
    box.abandon()
    asking.join(10)
    assert len(failed) == 1
    assert time.monotonic() - started < 5
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    with pytest.raises(BridgeError):
        box.probe_media(path)
