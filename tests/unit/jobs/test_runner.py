"""The order of the stages, against rooms that only note that they were entered."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from support.broken_engines import create_engine, tiny_stages
from support.faulty_filesystem import FaultyFileSystem
from support.job_cases import hidden, media_request
from support.model_examples import JOB_ID, RATE, example_geometry

from interchange.errors import (
    BridgeError,
    ExhaustedError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    Reason,
    StoppedError,
)
from interchange.model.directive import AudioPolicy
from interchange.model.request import BridgeSpec, GenerateSpec
from interchange.timebase import TimeRange
from sidecar.filesystem import FileSystem
from sidecar.jobs.runner import run_stages
from sidecar.jobs.sound import file_sound
from sidecar.jobs.work import WorkOrder
from sidecar.pipelines.base import Sound

RATE_HZ = 48_000


def order_for(request, attempt):
    return WorkOrder(JOB_ID, attempt, "A001_010_LTX_v001", request, example_geometry(request))


def run(
    request, *, attempt=1, stages=None, engine=None, cancelled=lambda: False, report=lambda _: None
):
    return run_stages(
        order_for(request, attempt),
        stages=stages or tiny_stages(FileSystem()),
        engine=engine or create_engine("steady"),
        report=report,
        cancelled=cancelled,
    )


class Frames:
    """A take that keeps what it is fed."""

    def __init__(self) -> None:
        self.written: list[float] = []
        self.sounds: list[Sound] = []

    def stages(self):
        @contextmanager
        def open_take(path, _request, _sound):
            path.write_bytes(b"")
            yield self

        def open_span(span, _request):
            return noted_span(span)

        return replace(
            tiny_stages(FileSystem()),
            open_take=open_take,
            open_span=open_span,
            check_take=lambda _path, _request, _sound: None,
        )

    def write(self, frame):
        self.written.append(float(frame.flat[0]))

    def write_sound(self, sound):
        self.sounds.append(sound)


@contextmanager
def noted_span(span):
    yield NotedSpan(span)


class NotedSpan:
    """Frames that are the record frame, negative for the span that starts later."""

    def __init__(self, span) -> None:
        self.record_range = span.record_range
        self.sign = -1 if span.first_frame else 1

    def native(self, record_frame):
        return np.full((1, 1, 3), self.sign * record_frame, np.float32)

    def sound(self, record_range):
        count = round(record_range.duration_seconds * RATE_HZ)
        return Sound(np.full((count, 2), 0.5, np.float32), RATE_HZ)


class Scripted:
    """An engine that makes so many frames of the value 0.5, and a sound."""

    def __init__(self, count: int, *, samples: int = 0) -> None:
        self.limits = create_engine("steady").limits
        self.model_identity = "scripted"
        self.count = count
        self.samples = samples

    def generate(self, _job, *, progress, cancelled):  # noqa: ARG002 - the seam fixes them
        for _ in range(self.count):
            yield np.full((1, 1, 3), 0.5, np.float32)

    def generate_sound(self, _job, **_watch):
        if not self.samples:
            return None
        return Sound(np.full((self.samples, 2), 0.25, np.float32), RATE_HZ)


def test_kept_handles_are_the_sources_and_the_window_is_the_engines(tmp_path):
    frames = Frames()
    run(media_request(tmp_path), stages=frames.stages(), engine=Scripted(6))
    assert frames.written == [86418, 86419, *[0.5] * 6, 86426, 86427]
    assert frames.sounds == []


def test_kept_handles_of_a_bridge_are_the_outgoing_and_the_incoming_shots(tmp_path):
    frames = Frames()
    request = media_request(tmp_path)
    incoming = replace(request.spec.source, first_frame=Fraction(9))
    bridge = replace(request, spec=BridgeSpec(request.spec.source, incoming, cut=86423))
    run(bridge, stages=frames.stages(), engine=Scripted(6))
    assert frames.written == [86418, 86419, *[0.5] * 6, -86426, -86427]


@pytest.mark.parametrize("spec", [None, GenerateSpec()])
def test_made_handles_are_the_engines(tmp_path, spec):
    frames = Frames()
    request = media_request(tmp_path, keep_handles=False)
    request = replace(request, spec=spec or request.spec)
    run(request, stages=frames.stages(), engine=Scripted(10))
    assert frames.written == [0.5] * 10


@pytest.mark.parametrize("count", [5, 7, 0])
def test_an_engine_that_miscounts_delivers_nothing(tmp_path, count):
    with pytest.raises(InternalError, match="6 were asked for"):
        run(media_request(tmp_path), engine=Scripted(count))
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(("asked", "kept"), [(AudioPolicy.NEW, False), (AudioPolicy.NEW, True)])
def test_new_sound_is_laid_in_sample_exact(tmp_path, asked, kept):
    frames = Frames()
    request = media_request(tmp_path, keep_handles=kept)
    request = replace(request, spec=replace(request.spec, audio=asked))
    made = request.record_range if kept else request.file_range
    engine = Scripted(made.length, samples=round(made.duration_seconds * RATE_HZ))
    draft = run(request, stages=frames.stages(), engine=engine)
    (sound,) = frames.sounds
    assert len(sound.samples) == round(request.file_range.duration_seconds * RATE_HZ)
    assert (draft.take.audio_channels, draft.take.audio_sample_rate_hz) == (2, RATE_HZ)
    if kept:
        edge = round(RATE.seconds(2) * RATE_HZ)
        assert set(sound.samples[:edge].flat) == {0.5}
        assert set(sound.samples[edge : len(sound.samples) - edge - 1].flat) == {0.25}
        assert set(sound.samples[1 - edge :].flat) == {0.5}


def test_sound_under_handles_is_silent_where_the_source_has_another_shape(tmp_path):
    request = media_request(tmp_path)
    window = round(request.record_range.duration_seconds * 44_100)
    made = Sound(np.ones((window, 1), np.float32), 44_100)
    laid = file_sound(made, request, (NotedSpan(request.spec.source),))
    assert len(laid.samples) == round(request.file_range.duration_seconds * 44_100)
    assert laid.samples.sum() == pytest.approx(window, abs=1)


class Ramp:
    """A source whose samples count, on a grid of their own: a third of a sample beside the record frames."""

    def sound(self, record_range):
        first, last = (
            round(RATE.seconds(frame) * 44_100 + Fraction(1, 3))
            for frame in (record_range.start, record_range.end)
        )
        return Sound(np.arange(first, last, dtype=np.float64)[:, None], 44_100)


@pytest.mark.parametrize("shift", range(12))
def test_sound_under_handles_has_no_hole_where_frames_end_between_samples(tmp_path, shift):
    request = media_request(tmp_path)
    window = TimeRange(86420 + shift, 86426 + shift, RATE)
    request = replace(request, record_range=window)
    made = Ramp().sound(window)
    laid = file_sound(Sound(made.samples * 0 - 1, 44_100), request, (Ramp(),)).samples[:, 0]
    kept = np.flatnonzero(laid != -1)
    whole = Ramp().sound(request.file_range).samples[0, 0] + np.arange(len(laid))
    assert len(kept) == pytest.approx(float(RATE.seconds(4) * 44_100), abs=1)
    assert np.array_equal(laid[kept][:-1], whole[kept][:-1])
    assert abs(laid[-1] - whole[-1]) <= 1


def test_sound_of_the_wrong_length_is_a_fault(tmp_path):
    request = media_request(tmp_path, keep_handles=False)
    with pytest.raises(InternalError, match="samples of sound"):
        file_sound(Sound(np.ones((9, 2), np.float32), RATE_HZ), request, ())


def test_stages_come_in_order_and_progress_only_rises(tmp_path):
    seen = []
    draft = run(media_request(tmp_path), report=seen.append)
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases == ["decoding", "generating", "encoding", "signing"]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] < 1  # the rest is the publishing
    assert sorted(hidden(tmp_path)) == [
        f".A001_010_LTX_v001.{JOB_ID}-1.c2pa.part",
        f".A001_010_LTX_v001.{JOB_ID}-1.mov.part",
    ]
    assert draft.take.path.endswith("A001_010_LTX_v001.mov")
    assert draft.take.source_range == TimeRange(86420, 86426, RATE)


def test_slate_lines_tell_what_it_is_unless_switched_off(tmp_path):
    lines = []

    class Slated(Scripted):
        def generate(self, job, *, progress, cancelled):
            lines.append(job.slate_lines)
            return super().generate(job, progress=progress, cancelled=cancelled)

    request = media_request(tmp_path)
    run(request, stages=Frames().stages(), engine=Slated(6))
    plain = replace(request, output=replace(request.output, slate=False))
    run(plain, attempt=2, stages=Frames().stages(), engine=Slated(6))
    assert lines == [("A001_010_LTX_v001", "retake 6 frames", "steady 1", "seed 7"), ()]


@pytest.mark.parametrize("polls", [0, 3, 9, 10])
def test_a_cancel_is_honoured_between_frames_and_before_signing(tmp_path, polls):
    answers = iter([False] * polls)
    with pytest.raises(StoppedError):
        run(
            media_request(tmp_path),
            engine=Scripted(6),
            cancelled=lambda: next(answers, True),
        )
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(
    "stage", ["open_span", "open_take", "check_take", "sign", "verify", "digest"]
)
def test_whatever_a_stage_raises_leaves_nothing_behind(tmp_path, stage):
    def broken(*_arguments, **_keywords):
        raise InvalidInputError("broken here")

    with pytest.raises(InvalidInputError, match="broken here"):
        run(
            media_request(tmp_path),
            stages=replace(tiny_stages(FileSystem()), **{stage: broken}),
        )
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("operation", ["make_folder", "open_new", "write", "close", "sha256"])
def test_every_disk_fault_is_typed_and_leaves_nothing(tmp_path, operation, number):
    filesystem = FaultyFileSystem(operation, errno=errno.ENOSPC, number=number)
    try:
        run(media_request(tmp_path), stages=tiny_stages(filesystem))
    except ExhaustedError as error:
        assert error.reason is Reason.DISK_FULL  # noqa: PT017 - late numbers do not fail
        assert hidden(tmp_path) == []
    else:
        assert filesystem.failed == 0


def test_a_source_that_changes_while_it_is_read_fails_the_job(tmp_path):
    request = media_request(tmp_path)

    class Meddling(Scripted):
        def generate(self, job, *, progress, cancelled):
            yield from super().generate(job, progress=progress, cancelled=cancelled)
            (tmp_path / "A001.mov").write_bytes(b"another cut")

    with pytest.raises(InvalidInputError) as caught:
        run(request, engine=Meddling(6))
    assert caught.value.reason is Reason.MEDIA_CHANGED
    (tmp_path / "A001.mov").unlink()
    with pytest.raises(NotFoundError) as gone:
        run(request)
    assert gone.value.reason is Reason.MEDIA_NOT_FOUND
    assert hidden(tmp_path) == []


def test_errors_of_engines_pass_through(tmp_path):
    for name, kind in (("refuses", BridgeError), ("raises", RuntimeError)):
        with pytest.raises(kind):
            run(media_request(tmp_path), engine=create_engine(name))
    assert hidden(tmp_path) == []
