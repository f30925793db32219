"""The sound of LTX takes through a real sidecar: as long as the pictures to the sample, and kept where it is kept."""

from __future__ import annotations

import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.delivered import Delivered, read_delivered
from support.ltx_cases import NTSC, RATE, SAMPLE_RATE_HZ, Shot, Studio, noise, start_of

from interchange.model.directive import AudioPolicy, Edge
from interchange.model.request import (
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    RegenerateSpec,
    RetakeSpec,
)
from interchange.timebase import FrameRate
from sidecar.credentials.verify import verify_file

STEP_16 = 1 << 16
"""One step of 16 bits in samples of 32."""


def made(studio: Studio, request: GenerationRequest) -> tuple[Delivered, str]:
    """A take, and what its credentials say of its sound."""
    path = studio.take(request)
    return read_delivered(path), verify_file(path, identity_folder=studio.state).generation.sound


def edge(frames: int, rate: FrameRate) -> int:
    """The sample at which a frame starts, counted from where frame 0 does."""
    return int(frames / rate.fraction * SAMPLE_RATE_HZ + Fraction(1, 2))


def words(samples: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.rint(samples * 32768).astype(np.int64)


def check_kept(
    take: Delivered, shot: Shot, *, window: tuple[int, int], handles: tuple[int, int]
) -> None:
    """Outside the window every sample is the shot's own; inside, nearly none is."""
    head, tail = handles
    length, rate = window[1] - window[0], shot.rate
    heard = take.sound.astype(np.int64)
    assert take.sample_rate_hz == SAMPLE_RATE_HZ
    assert len(heard) == edge(head + length + tail, rate)
    first = edge(window[0] - head, rate)
    is_own = (heard == words(shot.samples)[first : first + len(heard)] * STEP_16).all(axis=1)
    start, end = edge(head, rate), edge(head + length, rate)
    assert is_own[:start].all()
    assert is_own[end:].all()
    # Within one audio token of 40 ms it is faded in and out.
    assert is_own[start + 2000 : end - 2000].mean() < 0.01
    assert np.abs(heard[start:end]).max() > 0


@pytest.mark.parametrize("rate", [RATE, NTSC, FrameRate(25)], ids=str)
@pytest.mark.parametrize("audio", [AudioPolicy.NEW, AudioPolicy.ONLY])
def test_a_retakes_new_sound_is_in_its_window_and_the_sources_own_is_around_it(
    studio: Studio, rate: FrameRate, audio: AudioPolicy
) -> None:
    shot = studio.shot(rate=rate, sound=True)
    spec = RetakeSpec(shot.span(at=start_of(rate)), audio=audio)
    request = studio.request(spec, (20, 33), handles=(4, 5))
    take, stated = made(studio, request)
    check_kept(take, shot, window=(20, 33), handles=(4, 5))
    assert stated == "synthetic"
    pictures = read_delivered(
        studio.take(
            replace(
                request, engine="identity", shot=f"{request.shot}_copy",
                spec=replace(spec, audio=AudioPolicy.KEEP),
            )
        )
    )  # fmt: skip
    same = [one == two for one, two in zip(take.packets, pictures.packets, strict=True)]
    only = audio is AudioPolicy.ONLY
    assert same == [True] * 4 + [only] * 13 + [True] * 5


def test_kept_sound_is_not_in_the_file_and_leads_the_pictures(studio: Studio) -> None:
    silent, loud = (studio.shot(sound=sound) for sound in (False, True))
    takes = []
    for shot in (silent, loud):
        take, stated = made(studio, studio.request(RetakeSpec(shot.span()), (20, 33)))
        assert take.sound is None
        assert stated == "none"
        takes.append(take)
    assert not set(takes[0].packets) & set(takes[1].packets)


@pytest.mark.parametrize("kind", ["regenerate", "extend the tail", "extend the head", "generate"])
def test_new_sound_is_as_long_as_the_pictures(studio: Studio, kind: str) -> None:
    span = studio.shot(sound=True, count=48).span()
    new = AudioPolicy.NEW
    spec, window = {
        "regenerate": (RegenerateSpec(span, audio=new), (0, 48)),
        "extend the tail": (ExtendSpec(span, audio=new), (48, 61)),
        "extend the head": (ExtendSpec(span, edge=Edge.HEAD, audio=new), (-13, 0)),
        "generate": (GenerateSpec(), (0, 30)),
    }[kind]
    take, stated = made(studio, studio.request(spec, window))
    assert stated == "synthetic"
    assert take.sound.shape == (edge(window[1] - window[0], RATE), 2)
    assert 0.001 < take.heard().std() < 0.5


@pytest.mark.parametrize(("seconds", "hertz", "channels"), [(3, 48_000, 2), (0.5, 44_100, 1)])
def test_sound_that_is_named_is_delivered_as_it_is(
    studio: Studio, seconds: float, hertz: int, channels: int
) -> None:
    samples = words(noise(round(seconds * hertz), 9))[:, :channels]
    path = studio.folder / "media" / f"voice {hertz}.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, hertz, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    plain = read_delivered(studio.take(studio.request(GenerateSpec(), (0, 33))))
    take, stated = made(studio, studio.request(GenerateSpec(audio_file=str(path)), (0, 33)))
    count = int(33 / RATE.fraction * hertz + Fraction(1, 2))
    assert (stated, take.sample_rate_hz) == ("given", hertz)
    assert take.sound.shape == (count, channels)
    expected = np.zeros((count, channels), np.int64)
    given = samples[:count]
    expected[: len(given)] = given
    assert np.array_equal(take.sound.astype(np.int64), expected * STEP_16)
    assert not set(take.packets) & set(plain.packets), "the pictures follow it"


def test_new_sound_in_several_parts_has_no_hole(studio: Studio) -> None:
    shot = studio.shot(rate=FrameRate(24), count=300, sound=True)
    spec = RegenerateSpec(shot.span(at=start_of(shot.rate)), audio=AudioPolicy.NEW)
    job = studio.made(studio.request(spec, (0, 300)))
    take = read_delivered(Path(job.take.path))
    assert any("parts" in note for note in job.take.notes)
    assert take.sound.shape == (300 * SAMPLE_RATE_HZ // 24, 2)
    blocks = take.heard()[: len(take.sound) // 1000 * 1000].reshape(-1, 1000, 2)
    assert blocks.std(axis=1).min() > 1e-4
