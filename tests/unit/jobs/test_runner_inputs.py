"""What an engine is handed beside its shots, and what becomes of its sound, its remarks and its previews."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support.broken_engines import create_engine, tiny_stages
from support.job_cases import hidden, media_request
from support.model_examples import JOB_ID, RATE, example_geometry

from interchange.errors import InternalError, InvalidInputError, NotFoundError, Reason
from interchange.model.directive import AudioPolicy
from interchange.model.request import ExtendSpec, GenerateSpec, RegenerateSpec
from sidecar.credentials.facts import SoundOrigin
from sidecar.filesystem import FileSystem
from sidecar.jobs.runner import run_stages
from sidecar.jobs.work import WorkOrder
from sidecar.pipelines.base import Sound

RATE_HZ = 48_000
NOTHING = SimpleNamespace(image=None, sound=None, matte=None)


class Engine:
    """Makes flat frames, remembers its job, and makes what sound it is given."""

    def __init__(self, sound=None):
        self.limits = create_engine("steady").limits
        self.model_identity = "engine 1"
        self.sound = sound
        self.jobs = []
        self.calls = []

    @property
    def remarks(self):
        return ("It was seen twice.",)

    def generate(self, job, *, progress, cancelled):  # noqa: ARG002 - the seam fixes them
        self.calls.append("generate")
        self.jobs.append(job)
        progress("denoising", 1, 2)
        job.preview(np.zeros((1, 2, 3), np.uint8))
        for _ in job.made_range.frames:
            yield np.full((1, 1, 3), 0.5, np.float32)

    def generate_sound(self, job, **_watch):
        self.calls.append("generate_sound")
        return self.sound(job) if self.sound else None


class Rooms:
    """Notes what passes through."""

    def __init__(self, inputs=NOTHING):
        self.inputs = inputs
        self.opened, self.written, self.sounds, self.signed = [], [], [], []

    def stages(self):
        tiny = tiny_stages(FileSystem())

        @contextmanager
        def open_span(span, request):
            self.opened.append(span.path)
            with tiny.open_span(span, request) as reader:
                yield reader

        @contextmanager
        def open_take(path, _request, _sound):
            path.write_bytes(b"")
            yield SimpleNamespace(
                write=lambda frame: self.written.append(float(frame.flat[0])),
                write_sound=self.sounds.append,
            )

        def sign(unsigned, **options):
            self.signed.append(options["sound"])
            return tiny.sign(unsigned, **options)

        return replace(
            tiny,
            open_span=open_span,
            open_take=open_take,
            open_inputs=lambda _request: nullcontext(self.inputs),
            check_take=lambda *_: None,
            sign=sign,
        )

    def run(self, request, engine, *, attempt=1, report=lambda _: None):
        order = WorkOrder(JOB_ID, attempt, "A_LTX_v001", request, example_geometry(request))
        return run_stages(
            order, stages=self.stages(), engine=engine, report=report, cancelled=lambda: False
        )


def noise(job):
    count = round(job.made_range.duration_seconds * RATE_HZ)
    return Sound(np.random.default_rng(1).random((count, 2), np.float32), RATE_HZ)


def beside(root, name="B001.mov"):
    """A span of another shot."""
    path = root / name
    path.write_bytes(b"another")
    facts = path.stat()
    span = media_request(root).spec.source
    return replace(span, path=str(path), size_bytes=facts.st_size, modified_ns=facts.st_mtime_ns)


def test_references_are_opened_like_sources_and_handed_over_apart(tmp_path):
    rooms, engine = Rooms(), Engine()
    reference = beside(tmp_path)
    request = media_request(tmp_path, references=(reference,))
    rooms.run(request, engine)
    (job,) = engine.jobs
    assert rooms.opened == [str(tmp_path / "A001.mov"), str(tmp_path / "B001.mov")]
    assert (len(job.sources), len(job.references)) == (1, 1)
    assert job.references[0].record_range == reference.record_range


def test_named_inputs_are_handed_over(tmp_path):
    image, sound, matte = np.zeros((1, 1, 3), np.float32), Sound(np.zeros((1, 1)), 1), object()
    engine = Engine()
    Rooms(SimpleNamespace(image=image, sound=sound, matte=matte)).run(
        media_request(tmp_path), engine
    )
    (job,) = engine.jobs
    assert (job.image is image, job.sound is sound, job.matte is matte) == (True, True, True)


@pytest.mark.parametrize("name", ["B001.mov", "m.png"])
def test_any_file_that_changes_while_the_take_is_made_spoils_it(tmp_path, name):
    reference, matte = beside(tmp_path), tmp_path / "m.png"
    matte.write_bytes(b"matte")
    request = media_request(tmp_path, references=(reference,))
    request = replace(request, spec=replace(request.spec, matte=str(matte)))

    class Slow(Engine):
        def generate(self, job, **watch):
            (tmp_path / name).write_bytes(b"changed on the way")
            return super().generate(job, **watch)

    with pytest.raises(InvalidInputError) as caught:
        Rooms().run(request, Slow())
    assert caught.value.reason is Reason.MEDIA_CHANGED
    assert caught.value.metadata["path"].endswith(name)
    assert hidden(tmp_path) == []


def test_a_reference_that_is_gone_or_another_is_noticed_before_work(tmp_path):
    reference = beside(tmp_path)
    request = media_request(tmp_path, references=(reference,))
    engine = Engine()
    with pytest.raises(InvalidInputError, match="B001"):
        Rooms().run(replace(request, references=(replace(reference, size_bytes=1),)), engine)
    (tmp_path / "B001.mov").unlink()
    with pytest.raises(NotFoundError, match="B001"):
        Rooms().run(request, engine)
    assert engine.calls == []


@pytest.mark.parametrize("kind", ["retake", "regenerate", "extend"])
def test_only_sound_leaves_every_picture_the_sources_own(tmp_path, kind):
    request = media_request(tmp_path)
    source = request.spec.source
    specs = {
        "retake": replace(request.spec, audio=AudioPolicy.ONLY),
        "regenerate": RegenerateSpec(source, audio=AudioPolicy.ONLY),
        "extend": ExtendSpec(source, audio=AudioPolicy.ONLY),
    }
    rooms, engine = Rooms(), Engine(noise)
    draft = rooms.run(replace(request, spec=specs[kind]), engine)
    assert engine.calls == ["generate_sound"]
    assert rooms.written == [frame % 5 for frame in request.file_range.frames]
    assert len(rooms.sounds) == 1
    assert draft.take.audio_channels == 2
    assert rooms.signed == [SoundOrigin.SYNTHETIC]


def test_only_sound_without_sound_is_a_fault(tmp_path):
    request = media_request(tmp_path)
    request = replace(request, spec=replace(request.spec, audio=AudioPolicy.ONLY))
    with pytest.raises(InternalError, match="made no sound"):
        Rooms().run(request, Engine())
    assert hidden(tmp_path) == []


def test_a_generated_take_brings_its_sound_where_the_engine_makes_one(tmp_path):
    request = media_request(tmp_path, spec=GenerateSpec(), keep_handles=False)
    rooms, engine = Rooms(), Engine(noise)
    draft = rooms.run(request, engine)
    assert engine.calls == ["generate_sound", "generate"]
    assert len(rooms.sounds[0].samples) == round(RATE.seconds(10) * RATE_HZ)
    assert draft.take.audio_sample_rate_hz == RATE_HZ
    silent = Rooms()
    assert silent.run(request, Engine(), attempt=2).take.audio_channels == 0
    assert (rooms.signed, silent.signed) == ([SoundOrigin.SYNTHETIC], [SoundOrigin.NONE])


def test_a_sound_that_was_named_is_told_from_one_that_was_made(tmp_path):
    request = media_request(tmp_path, spec=GenerateSpec(), keep_handles=False)
    named = Sound(np.full((round(RATE.seconds(10) * RATE_HZ), 1), 0.25, np.float32), RATE_HZ)
    rooms = Rooms(SimpleNamespace(image=None, sound=named, matte=None))
    rooms.run(request, Engine(lambda job: Sound(job.sound.samples.copy(), RATE_HZ)))
    louder = Rooms(rooms.inputs)
    louder.run(request, Engine(lambda job: Sound(job.sound.samples * 2, RATE_HZ)), attempt=2)
    assert rooms.signed == [SoundOrigin.GIVEN]
    assert louder.signed == [SoundOrigin.SYNTHETIC]


def test_remarks_become_notes_of_the_take(tmp_path):
    draft = Rooms().run(media_request(tmp_path), Engine())
    assert draft.take.notes == (
        "As asked.",
        "It was seen twice.",
        "The source carries no credentials.",
    )


def test_a_preview_is_told_with_the_step_it_shows(tmp_path):
    told = []
    Rooms().run(media_request(tmp_path), Engine(), report=told.append)
    (shown,) = [progress for progress in told if progress.preview]
    assert (shown.phase, shown.done, shown.total) == ("denoising", 1, 2)
    assert shown.preview == b"JPEG" + bytes(6)
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
