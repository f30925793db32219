"""Sound of every policy through the real engine with the tiny model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from support.ltx_plans import planned

from interchange.model.directive import AudioPolicy, Box, JobKind
from interchange.timebase import FrameRate, TimeRange
from sidecar.pipelines.base import EngineJob, Picture, Sound
from sidecar.pipelines.ltx23.engine import LtxEngine

RATE_HZ = 48_000


@dataclass(frozen=True, slots=True)
class Humming:
    """A source that hums on through its whole range, at a phase that only time decides; silent outside."""

    record_range: TimeRange
    pictures: object
    channels: int = 1

    @property
    def picture_box(self) -> Box:
        return self.pictures.picture_box  # type: ignore[attr-defined, no-any-return]

    def picture(self, record_frame: int) -> Picture:
        return self.pictures.picture(record_frame)  # type: ignore[attr-defined, no-any-return]

    def sound(self, record_range: TimeRange) -> Sound:
        first = round(record_range.start_seconds * RATE_HZ)
        count = round(record_range.duration_seconds * RATE_HZ)
        time = (first + np.arange(count)) / RATE_HZ
        hum = 0.2 * np.sin(2 * np.pi * 330.0 * time)
        start, end = (round(edge.start_seconds * RATE_HZ) for edge in self._edges())
        there = (first + np.arange(count) >= start) & (first + np.arange(count) < end)
        samples = np.repeat((hum * there)[:, None], self.channels, axis=1).astype(np.float32)
        return Sound(samples, RATE_HZ)

    def _edges(self) -> tuple[TimeRange, TimeRange]:
        frames = self.record_range
        return frames, TimeRange(frames.end, frames.end, frames.rate)


def humming(job: EngineJob, channels: int = 1) -> EngineJob:
    sources = tuple(Humming(source.record_range, source, channels) for source in job.sources)
    return replace(job, sources=sources)


def heard(engine: LtxEngine, job: EngineJob) -> Sound:
    sound = engine.generate_sound(job, progress=lambda *_: None, cancelled=lambda: False)
    assert sound is not None
    return sound


@pytest.mark.parametrize("rate", ["23.976", "24", "29.97", "59.94"])
@pytest.mark.parametrize(
    "kind", [JobKind.RETAKE, JobKind.REGENERATE, JobKind.EXTEND, JobKind.GENERATE]
)
def test_new_sound_is_exactly_as_long_as_the_pictures(
    tiny_engine: LtxEngine, kind: JobKind, rate: str
) -> None:
    how = {} if kind is JobKind.GENERATE else {"audio": AudioPolicy.NEW}
    job = humming(planned(kind, rate=FrameRate.parse(rate), length=13, **how))
    sound = heard(tiny_engine, job)
    exact = job.made_range.duration_seconds * sound.sample_rate_hz
    assert len(sound.samples) == (exact + Fraction(1, 2)).__floor__()
    assert np.isfinite(sound.samples).all()


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_new_sound_has_the_channels_of_the_sound_beside_it(
    tiny_engine: LtxEngine, channels: int
) -> None:
    job = humming(planned(JobKind.RETAKE, audio=AudioPolicy.NEW), channels)
    assert heard(tiny_engine, job).samples.shape[1] == channels


def test_new_sound_of_a_retake_begins_and_ends_in_the_sources_own(tiny_engine: LtxEngine) -> None:
    job = humming(planned(JobKind.RETAKE, audio=AudioPolicy.NEW, length=24, context=(30, 30)))
    made = heard(tiny_engine, job).samples
    own = job.sources[0].sound(job.made_range)
    assert own is not None
    token = RATE_HZ // 25
    assert np.abs(made[:8] - own.samples[:8]).max() < 0.01
    assert np.abs(made[-8:] - own.samples[-8:]).max() < 0.01
    middle = slice(2 * token, -2 * token)
    assert np.abs(made[middle] - own.samples[middle]).max() > 0.05


def test_the_sound_a_mark_names_is_given_back_as_it_is(tiny_engine: LtxEngine) -> None:
    job = planned(JobKind.GENERATE, beside=frozenset({"audio_file"}))
    assert heard(tiny_engine, job) is job.sound


def test_pictures_follow_the_sound_a_mark_names(tiny_engine: LtxEngine) -> None:
    job = planned(JobKind.GENERATE, beside=frozenset({"audio_file"}))
    assert job.sound is not None
    loud = replace(job, sound=Sound(job.sound.samples[::-1].copy() * 9, job.sound.sample_rate_hz))
    first, other = (
        list(tiny_engine.generate(each, progress=lambda *_: None, cancelled=lambda: False))
        for each in (job, loud)
    )
    assert not np.array_equal(first[0], other[0])


def test_the_sound_of_a_long_take_is_whole(tiny_engine: LtxEngine) -> None:
    job = planned(JobKind.GENERATE, length=300)
    sound = heard(tiny_engine, job)
    assert len(sound.samples) == 300 * RATE_HZ // 24
    quiet = np.abs(sound.samples).reshape(300, -1).max(axis=1) == 0.0
    assert not quiet.any(), "a frame without a sample of sound was never filled"
