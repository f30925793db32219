"""How LTX jobs go and end, through a real sidecar: progress and previews, cancels in every phase, memory that runs out."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from support import ltx_probe
from support.ltx_cases import Studio

from interchange.errors import Reason
from interchange.model.directive import AudioPolicy
from interchange.model.job import Job, JobState
from interchange.model.request import GenerateSpec, GenerationRequest, RetakeSpec

JPEG = b"\xff\xd8\xff"
ENDS_WITHIN_S = 5.0
PHASES = (
    "reading the prompt",
    "encoding context, stage 1",
    "denoising, stage 1",
    "upsampling",
    "encoding context, stage 2",
    "denoising, stage 2",
    "decoding sound",
    "decoding",
)


def probed(studio: Studio, prompt: str, **changes: object) -> GenerationRequest:
    """A take with sound of its own, so that every phase is there."""
    return studio.request(
        GenerateSpec(), (0, 17), engine=ltx_probe.ENGINE, prompt=prompt, **changes
    )


def cancelled_in(studio: Studio, request: GenerationRequest, phase: str) -> tuple[Job, float]:
    """Start a job, cancel it when it is seen in a phase; its end, and how long that took."""
    job_id = studio.client.create_job(request).job_id
    asked = None
    for job in studio.client.watch_job(job_id):
        if asked is None and job.progress.phase == phase:
            studio.client.cancel_job(job_id)
            asked = time.monotonic()
    assert asked is not None, f"it was never seen {phase}"
    return job, time.monotonic() - asked


@pytest.mark.parametrize("audio", AudioPolicy)
def test_progress_rises_and_shows_what_the_model_sees(studio: Studio, audio: AudioPolicy) -> None:
    """Kept frames before the window are in the file long before the model is done; they count for little."""
    spec = RetakeSpec(studio.shot(sound=True).span(), audio=audio)
    prompt = "linger in denoising, stage 1"
    request = studio.request(spec, (20, 33), handles=(6, 6), engine=ltx_probe.ENGINE, prompt=prompt)
    seen = [job.progress for job in studio.watched(request)]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    denoised = [p for p in seen if (p.phase, p.done) == ("denoising, stage 1", 8)]
    assert 0.3 < denoised[0].fraction < 0.7
    assert denoised[0].preview.startswith(JPEG)
    assert seen[-1].preview == b"", "nothing of it is kept"


@pytest.mark.parametrize("phase", PHASES)
def test_cancel_in_a_phase_ends_it_soon_and_leaves_nothing(studio: Studio, phase: str) -> None:
    request = probed(studio, f"hold in {phase}")
    job, seconds = cancelled_in(studio, request, phase)
    assert (job.state, job.error, job.take) == (JobState.CANCELLED, None, None)
    assert seconds < ENDS_WITHIN_S
    assert studio.left_behind(request.shot) == []


def test_cancel_while_the_model_is_loaded_ends_it_soon_and_the_next_job_loads_it(
    studio: Studio,
) -> None:
    request = studio.request(GenerateSpec(), (0, 9), engine=ltx_probe.HELD)
    marker = studio.state / ltx_probe.HOLD_LOADING
    marker.touch()
    job, seconds = cancelled_in(studio, request, "loading")
    marker.unlink()
    assert (job.state, job.error, job.take) == (JobState.CANCELLED, None, None)
    assert seconds < ENDS_WITHIN_S
    assert studio.left_behind(request.shot) == []
    studio.made(replace(request, shot=f"{request.shot}_again"))


def test_memory_that_runs_out_costs_one_tier_once_and_the_take_says_so(studio: Studio) -> None:
    job = studio.made(probed(studio, "starve 1"))
    (note,) = (note for note in job.take.notes if "Memory ran out" in note)
    assert "'processor'" in note
    assert "'processor, fp8'" in note
    following = studio.made(probed(studio, "plenty"))
    assert not any("Memory ran out" in note for note in following.take.notes)


def test_memory_that_runs_out_twice_ends_the_job_with_what_to_do(studio: Studio) -> None:
    request = probed(studio, "starve 2")
    job = studio.ended(request)
    assert (job.state, job.error.reason) == (JobState.FAILED, Reason.MEMORY_FULL)
    assert "quality=draft" in job.error.message
    assert studio.left_behind(request.shot) == []
    studio.made(probed(studio, "plenty again"))
