"""What reaches the encoder: exactly the window is made, and every other frame is the source's own, bit for bit."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import replace
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.broken_engines import create_engine, tiny_stages
from support.marked import OPTIONS, clip, engines, facts, plan, segment, sequence
from support.model_examples import JOB_ID
from support.strategies import rates, speeds

from sidecar.filesystem import FileSystem
from sidecar.jobs.runner import run_stages
from sidecar.jobs.work import WorkOrder

MADE = 1 << 20
"""Added to the record frame of what the engine makes, so that it is no frame of a file."""


class Engine:
    """Makes one marked frame for each it is asked for, on the grid of LTX-2.3, and looks at all its context."""

    model_identity = "marks"

    def __init__(self):
        self.limits = create_engine("steady").limits

    def generate(self, job, **_watch):
        geometry, source = job.geometry, job.sources[0]
        assert geometry.generate_range.covers(job.made_range)
        assert geometry.generate_range.length - job.made_range.length <= 7
        for record_frame in source.record_range.frames:
            source.native(record_frame)
        for record_frame in job.made_range.frames:
            yield np.full((1, 1, 3), MADE + record_frame, np.int64)

    def generate_sound(self, _job, **_watch):
        return None


class Span:
    """A span of a file whose picture number n is n, and nothing else in the world is."""

    def __init__(self, span):
        self._span = span
        self.record_range = span.record_range

    def native(self, record_frame):
        return np.full((1, 1, 3), self._span.source_frame(record_frame), np.int64)


def encoded(planned):
    """The frames that are handed to the encoder, as numbers."""
    written = []

    class Writer:
        def write(self, frame):
            written.append(int(frame.flat[0]))

    @contextmanager
    def open_take(path, _request, _sound):
        path.write_bytes(b"")
        yield Writer()

    @contextmanager
    def open_span(span, _request):
        yield Span(span)

    stages = replace(
        tiny_stages(FileSystem()),
        open_take=open_take,
        open_span=open_span,
        check_take=lambda _path, _request, _sound: None,
    )
    with TemporaryDirectory() as folder:
        request = planned.request
        request = replace(request, output=replace(request.output, directory=folder))
        order = WorkOrder(JOB_ID, 1, f"{request.shot}_LTX_v001", request, planned.geometry)
        run_stages(
            order, stages=stages, engine=Engine(), report=lambda _: None, cancelled=lambda: False
        )
    return written


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "a.mov"
    path.write_bytes(b"original")
    return path


@settings(max_examples=200)
@given(
    data=st.data(), rate=rates, media_rate=rates, speed=speeds, length=st.integers(1, 90),
    source_in=st.integers(0, 120), count=st.integers(1, 400), handles=st.integers(0, 24),
    context=st.sampled_from([0, 5, 40]),
)  # fmt: skip
def test_only_the_window_is_made_and_all_else_is_the_sources_own(
    data, rate, media_rate, speed, length, source_in, count, handles, context, original
):
    use = clip(length=length, rate=rate, speed=speed, source_offset=media_rate.seconds(source_in))

    def shown(record_frame):
        """The file's picture on screen at a record frame, from first principles."""
        past = rate.seconds(record_frame - use.record_range.start)
        position = (use.source_offset + past * use.speed) * media_rate.fraction
        return math.floor(position) if use.speed > 0 else math.ceil(position) - 1

    assume(all(0 <= shown(frame) < count for frame in use.record_range.frames))
    state = original.stat()
    media = facts(
        str(original), rate=media_rate, count=count,
        size_bytes=state.st_size, modified_ns=state.st_mtime_ns,
    )  # fmt: skip
    at = data.draw(st.integers(1000, 1000 + length - 1))
    window = data.draw(st.integers(1, 1000 + length - at))
    options = replace(OPTIONS, handle_frames=handles)
    (planned,) = plan(
        segment(f"LTX: retake len={window}", use, at=at, sequence=sequence(rate=rate)),
        media,
        options=options,
        using=engines(frame_grid=(8, 1), size_multiple_px=32, context_frames=context),
    )
    request = planned.request
    assert (request.record_range.start, request.record_range.end) == (at, at + window)
    assert encoded(planned) == [
        MADE + frame if frame in request.record_range else shown(frame)
        for frame in request.file_range.frames
    ]
