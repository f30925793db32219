"""Real errors of the operating system while media are read and written: typed, and nothing left behind."""

from __future__ import annotations

import errno
import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.faulty_filesystem import FaultyFileSystem
from support.model_examples import RATE
from support.numbered import write_numbered_movie

from interchange.errors import BridgeError, ExhaustedError, InvalidInputError, Reason
from interchange.model.media import BT709, Raster
from interchange.model.request import Codec, SourceSpan
from interchange.timebase import TimeRange
from sidecar.media.encode import EncodeSpec, TakeWriter
from sidecar.media.source import open_span

SPEC = EncodeSpec(RATE, Raster(64, 36), BT709, Codec.PRORES_422_HQ, 0, False, "", 8)


def write_take(path, filesystem):
    with TakeWriter(path, SPEC, filesystem=filesystem) as take:
        for number in range(SPEC.frame_count):
            take.write(np.full((36, 64, 3), number / 8, np.float32))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_every_write_of_a_movie_may_fail_at_mux_and_at_close(tmp_path, code):
    clean = FaultyFileSystem("write", errno=code, number=0)
    write_take(tmp_path / "clean.mov", clean)
    assert clean.calls["write"] > 1
    assert clean.calls["close"] == 1
    for operation in ("open_new", "write", "close"):
        for number in range(1, clean.calls[operation] + 1):
            faulty = FaultyFileSystem(operation, errno=code, number=number, sticky=True)
            path = tmp_path / f"{operation}-{number}.mov"
            with pytest.raises(BridgeError) as caught:
                write_take(path, faulty)
            assert faulty.failed
            assert caught.value.reason is not Reason.INTERNAL, (operation, number)
            assert isinstance(caught.value, ExhaustedError) == (code == errno.ENOSPC)
            assert not path.exists()


def span_of(path: Path) -> SourceSpan:
    facts = path.stat()
    return SourceSpan(
        path=str(path),
        media_rate=RATE,
        record_range=TimeRange(0, 40, RATE),
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=BT709,
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
    )


def read_all(span: SourceSpan) -> None:
    with open_span(span, frame_rate=RATE, raster=Raster(64, 36), colour=BT709) as reader:
        for record_frame in span.record_range.frames:
            reader.native(record_frame)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_source_that_answers_eio_is_a_typed_error():
    """The kernel answers EIO to whoever reads address 0 of a process: the one real EIO without a broken disk."""
    memory = Path("/proc/self/mem")
    with memory.open("rb", buffering=0) as file, pytest.raises(OSError, match="Input/output"):
        file.read(1)
    with pytest.raises(InvalidInputError) as caught:
        read_all(span_of(memory))
    assert caught.value.reason is Reason.MEDIA_DAMAGED


def test_a_source_cut_short_while_it_is_read_is_a_typed_error(tmp_path):
    """What a share that goes away in the middle looks like: what was there at opening is there no more."""
    path = tmp_path / "A001.mov"
    write_numbered_movie(path, rate=RATE, count=40, size=(1280, 720), codec="prores")
    span = span_of(path)
    with open_span(span, frame_rate=RATE, raster=Raster(1280, 720), colour=BT709) as reader:
        reader.native(0)
        os.truncate(path, path.stat().st_size // 4)
        with pytest.raises(BridgeError) as caught:  # noqa: PT012 - some frames were read ahead
            for record_frame in span.record_range.frames:
                reader.native(record_frame)
    assert caught.value.reason is Reason.MEDIA_DAMAGED
