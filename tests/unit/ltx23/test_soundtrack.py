"""What a window of a long take hears: what was made before it stays, and goes on."""

from __future__ import annotations

import numpy as np
import pytest
from support.ltx_plans import canvases_of, planned

from interchange.model.directive import AudioPolicy, JobKind
from sidecar.pipelines.base import Sound
from sidecar.pipelines.ltx23.soundtrack import Soundtrack, heard


@pytest.mark.parametrize(
    ("kind", "audio"),
    [
        (JobKind.GENERATE, None),
        (JobKind.REGENERATE, AudioPolicy.NEW),
        (JobKind.RETAKE, AudioPolicy.NEW),
        (JobKind.EXTEND, AudioPolicy.NEW),
    ],
)
def test_a_window_goes_on_from_the_sound_of_the_one_before(
    kind: JobKind, audio: AudioPolicy | None
) -> None:
    how = {} if audio is None else {"audio": audio}
    job = planned(kind, length=500, **how)
    first, second, *_ = canvases_of(job)
    track = Soundtrack(job)
    loud = np.full((track.sample_count(first), 2), 0.5, np.float32)
    track.add(first, Sound(loud, track.sample_rate_hz))
    found = heard(job, second, track)
    assert found.made.start == second.generate.start
    assert found.made.end >= second.deliver.end
    assert found.sound is not None
    kept = track.sample_count(second) * second.head.length // second.frames.length
    fade = track.sample_rate_hz // 25
    assert np.allclose(found.sound.samples[fade : kept - fade], 0.5)
    count = round(second.frames.length / 24 * 25)
    opened = second.audio_tokens(found.made, count=count)
    assert opened.start == 33 * 25 // 24 + 1, (
        "33 frames of 24 a second are kept, a shared token is made"
    )


def test_the_first_window_of_a_shot_out_of_nothing_is_free() -> None:
    job = planned(JobKind.GENERATE, length=500)
    first, *_ = canvases_of(job)
    found = heard(job, first, Soundtrack(job))
    assert (found.sound, found.made) == (None, first.frames)
