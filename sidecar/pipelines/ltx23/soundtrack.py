"""What a canvas hears, and the take's sound put together from its canvases to the sample. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from interchange.model.directive import AudioPolicy
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
)
from interchange.timebase import TimeRange, round_half_up
from sidecar.pipelines.base import EngineJob, Sound
from sidecar.pipelines.ltx23.canvas import AUDIO_TOKEN_SECONDS, Canvas

_SAMPLE_RATE_HZ: Final = 48_000
"""Of a take that has no other sound beside it; the vocoder's own."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The sound a canvas is given.

    Args:
        sound: Over all its frames; None where there is none, and all is made.
        made: Record frames whose sound is made; empty where the sound leads the pictures.
    """

    sound: Sound | None
    made: TimeRange


def heard(job: EngineJob, canvas: Canvas, before: Soundtrack | None) -> Heard:
    """What a canvas of a job hears.

    Sound that stays is given whole: lips follow it. Sound that is made again is open in the window and kept
    around it, a token of 40 ms being open where any of it lies in the window.

    Args:
        job: The job.
        canvas: Part of it.
        before: The sound made so far, where sound is wanted.
    """
    found = _given(job, canvas)
    if found.made.length and canvas.continues and before is not None:
        rest = found.sound or before.silence(canvas)
        # What was made before the window stays: a voice, a melody goes on from it.
        start = max(found.made.start, canvas.generate.start)
        made = TimeRange(start, found.made.end, canvas.frames.rate)
        return Heard(before.continued(canvas, rest), made)
    return found


def _given(job: EngineJob, canvas: Canvas) -> Heard:
    frames = canvas.frames
    free, none = Heard(None, frames), TimeRange(frames.start, frames.start, frames.rate)
    match job.request.spec:
        case GenerateSpec():
            return Heard(_placed(job, canvas), none) if job.sound else free
        case RetakeSpec(audio=AudioPolicy.KEEP) | RegenerateSpec(audio=AudioPolicy.KEEP):
            return Heard(job.sources[0].sound(frames), none)
        case RestyleSpec() | ReframeSpec():
            return Heard(job.sources[0].sound(frames), none)
        case RetakeSpec():
            return Heard(job.sources[0].sound(frames), canvas.deliver)
        case RegenerateSpec():
            return free
        case BridgeSpec() | ExtendSpec():
            kept = canvas.head.length + canvas.tail.length
            return Heard(job.sources[0].sound(frames) if kept else None, canvas.generate)


def _placed(job: EngineJob, canvas: Canvas) -> Sound | None:
    """The sound that is over `made_range`, over a canvas; silence around it."""
    if job.sound is None:
        return None
    given, rate = job.sound.samples, job.sound.sample_rate_hz
    first = _samples(canvas, canvas.frames.start - job.made_range.start, rate)
    count = _samples(canvas, canvas.frames.length, rate)
    placed = np.zeros((count, given.shape[1]), np.float32)
    start, end = max(0, first), min(len(given), first + count)
    if end > start:
        placed[start - first : end - first] = given[start:end]
    return Sound(placed, rate)


def _samples(canvas: Canvas, frames: int, sample_rate_hz: int) -> int:
    """Samples that so many frames last, rounded to the nearest."""
    return round_half_up(canvas.frames.rate.seconds(frames) * sample_rate_hz)


class Soundtrack:
    """The sound of a take, as long as its pictures, put together canvas by canvas.

    Args:
        job: Whose `made_range` it covers.
    """

    def __init__(self, job: EngineJob) -> None:
        own = job.sources[0].sound(job.made_range) if job.sources else None
        self._job = job
        self._own = own
        self._made = job.made_range
        self.sample_rate_hz = own.sample_rate_hz if own else _SAMPLE_RATE_HZ
        self._samples = np.zeros((self._edge(self._made.end), 2), np.float32)

    def sample_count(self, canvas: Canvas) -> int:
        """Samples a canvas's pictures last."""
        return _samples(canvas, canvas.frames.length, self.sample_rate_hz)

    def silence(self, canvas: Canvas) -> Sound:
        """Nothing, as long as a canvas."""
        return Sound(np.zeros((self.sample_count(canvas), 2), np.float32), self.sample_rate_hz)

    def add(self, canvas: Canvas, sound: Sound) -> None:
        """Lay the sound of a canvas in, over the frames it delivers; into what it goes on from it is faded.

        Args:
            canvas: After those that were added before.
            sound: Over all its frames, stereo, at this track's rate.
        """
        start, end = self._edge(canvas.deliver.start), self._edge(canvas.deliver.end)
        shift = self._edge(canvas.frames.start)
        fade = min(self._fade, start, start - shift) if canvas.continues else 0
        taken = _fitted(sound.samples[max(0, start - fade - shift) :], end - start + fade)
        share = _rising(fade)
        self._samples[start - fade : start] *= 1.0 - share
        self._samples[start - fade : start] += taken[:fade] * share
        self._samples[start:end] = taken[fade:]

    def continued(self, canvas: Canvas, rest: Sound) -> Sound:
        """What a canvas hears: what was made up to it, then the rest.

        Args:
            canvas: That goes on from what was added.
            rest: Over all its frames, at any rate this track has.
        """
        samples = np.zeros((self.sample_count(canvas), 2), np.float32)
        given = _fitted(_channels(rest.samples, 2), len(samples))
        samples[:] = given
        shift, until = self._edge(canvas.frames.start), self._edge(canvas.generate.start)
        start = max(0, shift)
        samples[start - shift : until - shift] = self._samples[start:until]
        return Sound(samples, self.sample_rate_hz)

    def finished(self) -> Sound:
        """The whole, faded from and into the source's own sound where that goes on beside it."""
        samples = self._samples
        own = self._own
        if own is None:
            return Sound(samples, self.sample_rate_hz)
        around = _fitted(own.samples, len(samples))
        made = _channels(samples, around.shape[1])
        if isinstance(self._job.request.spec, RetakeSpec):
            source = self._job.sources[0].record_range
            fade = min(self._fade, len(made) // 2)
            share = _rising(fade)
            if fade and source.start < self._made.start:
                made[:fade] = around[:fade] * (1.0 - share) + made[:fade] * share
            if fade and source.end > self._made.end:
                falling = share[::-1]
                made[-fade:] = around[-fade:] * (1.0 - falling) + made[-fade:] * falling
        return Sound(made, self.sample_rate_hz)

    @property
    def _fade(self) -> int:
        """Samples of one audio token: sounds meet within it, where the model cannot be exact."""
        return math.floor(AUDIO_TOKEN_SECONDS * self.sample_rate_hz)

    def _edge(self, record_frame: int) -> int:
        """The sample at which a record frame starts, from the first of `made_range`; negative before it."""
        seconds = self._made.rate.seconds(record_frame - self._made.start)
        return round_half_up(seconds * self.sample_rate_hz)


def _rising(count: int) -> NDArray[np.float32]:
    """[count, 1], from just above 0 to just below 1."""
    share = (np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(max(count, 1))
    return share[:, None]


def _fitted(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A copy of exactly so many samples; the last is held where there are fewer."""
    missing = max(0, count - len(samples))
    if not missing:
        return samples[:count].copy()
    return np.pad(samples, ((0, missing), (0, 0)), mode="edge" if len(samples) else "constant")


def _channels(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A copy [S, count] of samples [S, C]: mixed to one, or left and right of several and silence beside them."""
    if count == 1:
        return np.asarray(samples.mean(axis=1, keepdims=True), np.float32)
    if samples.shape[1] == 1:
        samples = np.repeat(samples, 2, axis=1)
    laid = np.zeros((len(samples), count), np.float32)
    laid[:, :2] = samples[:, :2]
    return laid
