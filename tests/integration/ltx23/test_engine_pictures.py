"""Pictures of every kind of job through the real engine with the tiny model."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.ltx_jobs import taken
from support.ltx_plans import planned, replanned

from interchange.errors import NotFoundError, UnsupportedError
from interchange.model.directive import AudioPolicy, Edge, JobKind, Quality, StartFrom
from interchange.model.media import Raster
from interchange.timebase import FrameRate
from sidecar.pipelines.base import EngineJob, Picture
from sidecar.pipelines.ltx23.conditions import Conditions
from sidecar.pipelines.ltx23.engine import LtxEngine
from sidecar.pipelines.ltx23.memory import Work
from sidecar.pipelines.ltx23.recipes import RECIPES
from sidecar.pipelines.ltx23.state import State
from sidecar.pipelines.ltx23.states import conditioned
from sidecar.pipelines.ltx23.tiers import Tier

RATES = ("23.976", "29.97", "59.94")


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("rate", RATES)
def test_any_rate_gives_one_picture_a_frame(
    tiny_engine: LtxEngine, kind: JobKind, rate: str
) -> None:
    job = planned(kind, rate=FrameRate.parse(rate), length=11)
    assert len(taken(tiny_engine, job)) == 11


@pytest.mark.parametrize("kind", JobKind)
def test_upright_pictures_stay_upright(tiny_engine: LtxEngine, kind: JobKind) -> None:
    job = planned(kind, raster=Raster(70, 130))
    wanted = (job.request.raster.height_px, job.request.raster.width_px, 3)
    assert {picture.shape for picture in taken(tiny_engine, job)} == {wanted}


def test_a_long_take_is_made_in_parts_that_meet(tiny_engine: LtxEngine) -> None:
    job = planned(JobKind.GENERATE, length=300)
    phases: list[str] = []
    pictures = taken(tiny_engine, job, progress=lambda phase, *_: phases.append(phase))
    assert len(pictures) == 300
    assert any("part 2 of 2" in phase for phase in phases)
    steps = [float(np.abs(after - before).mean()) for before, after in itertools.pairwise(pictures)]
    joint = 153  # 38 latents: 20 in the first part, one of a single frame
    assert steps[joint - 1] <= max(steps[joint - 20 : joint - 1] + steps[joint : joint + 20]) * 2


def test_a_draft_is_the_first_stage_of_its_final(tiny_engine: LtxEngine) -> None:
    previews: dict[Quality, list[bytes]] = {}
    for quality in Quality:
        seen: list[bytes] = []
        job = replanned(planned(JobKind.RETAKE), quality=quality)
        taken(
            tiny_engine, replace(job, preview=lambda strip, seen=seen: seen.append(strip.tobytes()))
        )
        previews[quality] = seen
    recipe = RECIPES["two-stage"]
    assert len(previews[Quality.DRAFT]) == recipe.first.steps
    assert len(previews[Quality.FINAL]) == recipe.forwards
    assert previews[Quality.FINAL][: recipe.first.steps] == previews[Quality.DRAFT]


@pytest.mark.parametrize("kind", [JobKind.GENERATE, JobKind.RETAKE])
def test_windows_that_make_less_than_they_share_hand_on_what_they_have(
    tiny_engine: LtxEngine, kind: JobKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As little memory as large pictures leave on a small card: eight new frames in a window."""
    monkeypatch.setattr("sidecar.pipelines.ltx23.engine.most_frames", lambda *_, **__: 49)
    job = planned(kind, length=66)
    phases: list[str] = []
    pictures = taken(tiny_engine, job, progress=lambda phase, *_: phases.append(phase))
    assert len(pictures) == 66
    assert any("part 4 of" in phase for phase in phases)
    assert tiny_engine.generate_sound(job, progress=lambda *_: None, cancelled=lambda: False)
    after = taken(tiny_engine, job)
    assert len(after) == 66


def test_a_draft_is_cut_into_the_windows_of_its_final(
    tiny_engine: LtxEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the size leaves room for longer windows, but other windows are another shot."""
    monkeypatch.setattr(
        "sidecar.pipelines.ltx23.engine.most_frames",
        lambda raster, *_, **__: 57 if raster.width_px > 64 else 257,
    )
    parts = []
    for quality in Quality:
        job = planned(JobKind.GENERATE, length=60, raster=Raster(128, 64))
        phases: list[str] = []
        job = replanned(job, quality=quality)
        taken(tiny_engine, job, progress=lambda phase, *_, seen=phases: seen.append(phase))
        parts.append({phase for phase in phases if phase.startswith("denoising, stage 1")})
    assert parts[0] == parts[1]
    assert len(parts[0]) == 2


def test_a_weak_strength_takes_fewer_steps(tiny_engine: LtxEngine) -> None:
    counts = []
    for strength in (0.3, 0.95):
        strips: list[object] = []
        job = planned(JobKind.REGENERATE, start_from=StartFrom.CLIP, strength=strength)
        taken(tiny_engine, replace(job, preview=strips.append))
        counts.append(len(strips))
    assert counts[0] < counts[1]


@pytest.mark.parametrize("kind", [JobKind.RETAKE, JobKind.REGENERATE, JobKind.EXTEND])
def test_only_sound_leaves_every_picture_alone(tiny_engine: LtxEngine, kind: JobKind) -> None:
    job = planned(kind, audio=AudioPolicy.ONLY)
    pictures = taken(tiny_engine, job)
    for record_frame, picture in zip(job.made_range.frames, pictures, strict=True):
        assert np.array_equal(picture, job.sources[0].picture(record_frame))


def test_pictures_made_with_the_sound_are_those_made_without(tiny_engine: LtxEngine) -> None:
    job = planned(JobKind.RETAKE, audio=AudioPolicy.NEW)
    alone = taken(tiny_engine, job)
    phases: list[str] = []
    tiny_engine.generate_sound(job, progress=lambda *_: None, cancelled=lambda: False)
    after = taken(tiny_engine, job, progress=lambda phase, *_: phases.append(phase))
    assert all(np.array_equal(a, b) for a, b in zip(alone, after, strict=True))
    assert set(phases) == {"decoding"}


@pytest.mark.parametrize("kind", JobKind)
def test_shots_beside_it_change_the_take(tiny_engine: LtxEngine, kind: JobKind) -> None:
    alone = taken(tiny_engine, planned(kind))
    beside = taken(tiny_engine, planned(kind, beside=frozenset({"context"})))
    assert any(not np.array_equal(a, b) for a, b in zip(alone, beside, strict=True))


def test_what_a_still_shows_changes_the_take(tiny_engine: LtxEngine) -> None:
    job = planned(JobKind.GENERATE, beside=frozenset({"image"}))
    assert job.image is not None
    first = taken(tiny_engine, job)
    other = taken(tiny_engine, replace(job, image=job.image * np.float32(0.1)))
    assert not np.array_equal(first[0], other[0])


def test_an_extension_at_either_edge_sees_its_source(tiny_engine: LtxEngine) -> None:
    for edge in Edge:
        bright = taken(tiny_engine, planned(JobKind.EXTEND, edge=edge, context=(9, 9)))
        dark = taken(tiny_engine, planned(JobKind.EXTEND, edge=edge, context=(9, 9), gain=0.1))
        assert not np.array_equal(bright[0], dark[0])


def test_remarks_say_what_was_done(tiny_engine: LtxEngine) -> None:
    job = planned(JobKind.RETAKE)
    taken(tiny_engine, replanned(job, negative_prompt="rain"))
    remarks = " ".join(tiny_engine.remarks)
    assert "Test only" in remarks
    assert "11 forwards" in remarks
    assert "negative= did nothing" in remarks


def test_colour_is_compared_on_the_frames_beside_the_window_and_mended_within(
    tiny_engine: LtxEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the VAE had taken 0.05 from every picture: the made ones get it back, whole at both ends."""
    job = planned(JobKind.RETAKE, length=16, context=(40, 40))
    compared: list[list[Picture]] = []
    made: list[list[Picture]] = []
    for taken_away in (0.0, 0.05):

        def offset(_decoded: list[Picture], own: list[Picture], by: float = taken_away) -> Picture:
            compared.append(own)
            return np.full((9, 16, 3), by, np.float32)

        monkeypatch.setattr("sidecar.pipelines.ltx23.finishing.edge_offset", offset)
        made.append(taken(tiny_engine, job))
    for before, after in zip(*made, strict=True):
        assert np.allclose(after - before, 0.05, atol=1e-6)
    window, source = job.made_range, job.sources[0]
    beside = {range(window.end, window.end + 4), range(window.start - 4, window.start)}
    wanted = {b"".join(source.picture(frame).tobytes() for frame in frames) for frames in beside}
    assert {b"".join(picture.tobytes() for picture in own) for own in compared} == wanted


def test_the_first_stage_alone_follows_a_reference(
    tiny_engine: LtxEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[bool] = []

    def noting(conditions: Conditions, *given: Any, **named: Any) -> State:
        followed.append(conditions.reference is not None)
        return conditioned(conditions, *given, **named)

    monkeypatch.setattr("sidecar.pipelines.ltx23.generation.conditioned", noting)
    taken(tiny_engine, planned(JobKind.RESTYLE, length=9))
    assert followed == [True, False]


def test_memory_is_planned_for_a_reference_in_the_first_stage_alone(
    tiny_engine: LtxEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned_for: list[Work] = []

    def noting(work: Work, tier: Tier, *_: object, **__: object) -> Tier:
        planned_for.append(work)
        return tier

    monkeypatch.setattr("sidecar.pipelines.ltx23.engine.fit", noting)
    taken(tiny_engine, planned(JobKind.RESTYLE, length=9, raster=Raster(128, 64)))
    (work,) = planned_for
    assert work.grid.tokens == 2 * 2 * 4
    assert work.extra_tokens == 2 * 1 * 2  # at half of height and width


def test_the_end_of_a_prompt_that_is_not_read_is_told(tiny_engine: LtxEngine) -> None:
    words = "rain " * 300 + "on the last roof " + "x" * 5000
    job = planned(JobKind.GENERATE, length=1)
    taken(tiny_engine, replanned(job, prompt="rain on a roof"))
    assert "longer than the model reads" not in " ".join(tiny_engine.remarks)
    taken(tiny_engine, replanned(job, prompt=words))
    assert "The prompt is longer than the model reads. Nothing from " in " ".join(
        tiny_engine.remarks
    )


def test_a_preset_whose_lora_is_not_there_is_refused(tiny_engine: LtxEngine) -> None:
    with pytest.raises(NotFoundError, match=r"union-control-ref0\.5"):
        taken(tiny_engine, restyled_with("restyle"))


def test_a_preset_for_dev_weights_is_refused_on_distilled_ones(tiny_engine: LtxEngine) -> None:
    with pytest.raises(UnsupportedError, match="is for dev weights"):
        taken(tiny_engine, restyled_with("dev"))


def restyled_with(name: str) -> EngineJob:
    job = planned(JobKind.RESTYLE)
    return replace(job, request=replace(job.request, preset=name))
