"""Stills, sounds, mattes and references through the real rooms; `identity` gives back what it is handed."""

from __future__ import annotations

import asyncio
import wave
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from support.job_cases import ended, running
from support.numbered import read_movie_numbers, write_numbered_movie
from support.real_jobs import RATE, RECORD_START, real_retake, real_service

from interchange.errors import NotAllowedError, Reason, UnsupportedError
from interchange.model.directive import AudioPolicy
from interchange.model.job import JobState
from interchange.model.media import ColourTags
from interchange.model.request import GenerateSpec, SourceSpan
from interchange.timebase import TimeRange
from sidecar.credentials.verify import verify_file
from sidecar.media.audio import read_sound
from sidecar.media.stills import read_picture

RATE_HZ = 48_000


def made(root, request):
    async def scenario():
        async with running(real_service(root)) as service:
            return await ended(service, await service.create(request))

    return asyncio.run(scenario())


def credentials(root, job):
    return verify_file(
        root / "takes" / f"{job.request.shot}_LTX_v001.mov", identity_folder=root / "state"
    )


def write_sound(path, count):
    samples = (np.arange(count) * 37 % 60_000 - 30_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
    return samples


def generating(root, **named):
    request = real_retake(root, engine="identity")
    spec = GenerateSpec(**{key: str(root / name) for key, name in named.items()})
    return replace(request, spec=spec, keep_handles=False)


def test_a_generated_take_shows_its_still_and_plays_its_sound(tmp_path):
    root = tmp_path.resolve()
    still = np.zeros((108, 192, 3), np.uint8)
    still[:] = (200, 120, 40)  # blue, green, red
    cv2.imwrite(str(root / "still.png"), still)
    samples = write_sound(root / "voice.wav", 6000)
    job = made(root, generating(root, image="still.png", audio_file="voice.wav"))
    assert job.error is None
    take = root / "takes" / "A001_010_LTX_v001.mov"
    assert np.abs(read_picture(take, 5) - np.array([40, 120, 200]) / 255).max() < 0.01
    assert (job.take.audio_channels, job.take.audio_sample_rate_hz) == (1, RATE_HZ)
    length = Fraction(10 * 1001, 24_000)
    heard = read_sound(take, start=Fraction(0), duration=length).samples[:, 0]
    assert len(heard) == round(length * RATE_HZ)
    assert np.array_equal(np.rint(heard[:6000] * 32768).astype(int), samples)
    assert not heard[6000:].any()
    report = credentials(root, job)
    assert report.generation.sound == "given"
    assert [i.title for i in report.ingredients] == ["still.png", "voice.wav"]


@pytest.mark.parametrize("transfer", [16, 18])
def test_a_still_for_an_hdr_take_is_refused_before_it_is_queued(tmp_path, transfer):
    root = tmp_path.resolve()
    cv2.imwrite(str(root / "still.png"), np.zeros((108, 192, 3), np.uint8))
    request = replace(generating(root, image="still.png"), colour=ColourTags(9, transfer, 9))
    with pytest.raises(UnsupportedError, match="grading decision") as caught:
        made(root, request)
    assert caught.value.reason is Reason.MEDIA_UNSUPPORTED


@pytest.mark.parametrize("handles", [0, 3])
def test_sound_alone_leaves_the_pictures_the_sources_own(tmp_path, handles):
    root = tmp_path.resolve()
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, (48 * 2002, 2)).astype(np.float32)
    write_numbered_movie(
        root / "A001.mov",
        rate=RATE,
        count=48,
        size=(192, 108),
        sound=(sound, RATE_HZ),
        codec="prores",
    )
    request = real_retake(root, engine="identity", handles=handles)
    request = replace(request, spec=replace(request.spec, audio=AudioPolicy.ONLY))
    job = made(root, request)
    assert job.error is None
    take = root / "takes" / "A001_010_LTX_v001.mov"
    first = 30 - handles
    assert read_movie_numbers(take) == [(1, first + n) for n in range(4 + 2 * handles)]
    for n in range(4 + 2 * handles):  # a ProRes picture that was never touched, coded once more
        own, again = read_picture(root / "A001.mov", first + n), read_picture(take, n)
        assert np.abs(own - again).mean() < 0.002
    assert job.take.audio_channels == 2
    report = credentials(root, job)
    assert report.synthetic_runs == ()
    assert report.actions == ("c2pa.opened", "c2pa.edited", "c2pa.transcoded")


def with_reference(root):
    path = write_numbered_movie(root / "B001.mov", rate=RATE, count=20, size=(192, 108), tag=2)
    request = real_retake(root, engine="identity")
    facts = path.stat()
    reference = SourceSpan(
        path=str(path),
        media_rate=RATE,
        record_range=TimeRange(RECORD_START + 45, RECORD_START + 55, RATE),
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=request.colour,
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
    )
    cv2.imwrite(str(root / "matte.png"), np.full((108, 192), 255, np.uint8))
    spec = replace(request.spec, matte=str(root / "matte.png"))
    return replace(request, spec=spec, references=(reference,))


def test_references_and_mattes_are_read_and_named(tmp_path):
    root = tmp_path.resolve()
    job = made(root, with_reference(root))
    assert job.error is None
    report = credentials(root, job)
    assert [(i.title, i.relationship) for i in report.ingredients] == [
        ("A001.mov", "parentOf"),
        ("B001.mov", "inputTo"),
        ("matte.png", "inputTo"),
    ]
    (run,) = report.synthetic_runs
    assert run.in_part


def test_a_reference_outside_the_roots_is_not_admitted(tmp_path):
    root = tmp_path.resolve() / "media"
    root.mkdir()
    request = with_reference(root)
    outside = (root / "B001.mov").rename(tmp_path / "B001.mov")
    moved = replace(request, references=(replace(request.references[0], path=str(outside)),))

    async def scenario():
        async with running(real_service(root)) as service:
            with pytest.raises(NotAllowedError) as caught:
                await service.create(moved)
            return caught.value.reason

    assert asyncio.run(scenario()) is Reason.PATH_OUTSIDE_ROOTS


def test_a_reference_that_changed_fails_the_job(tmp_path):
    root = tmp_path.resolve()
    request = with_reference(root)
    with (root / "B001.mov").open("ab") as file:
        file.write(b"more")
    job = made(root, request)
    assert (job.state, job.error.reason) == (JobState.FAILED, Reason.MEDIA_CHANGED)
