"""Recipes are data; what they promise is counted here."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES, STAGE_2_DISTILLED_SIGMA_VALUES
from hypothesis import given
from hypothesis import strategies as st

from sidecar.pipelines.ltx23.recipes import (
    DEV_GUIDANCE,
    DISTILLED_SIGMAS,
    RECIPES,
    STAGE_2_SIGMAS,
    Guidance,
    ModalityGuidance,
    Pass,
    Stage,
    cut,
    dev_sigmas,
)

strengths = st.floats(min_value=0.0, max_value=1.0, exclude_min=True, allow_subnormal=False)


def test_forwards_are_counted() -> None:
    """The dev recipes make four forwards a step: prompt, negative, perturbed, isolated."""
    assert {name: recipe.forwards for name, recipe in RECIPES.items()} == {
        "two-stage": 8 + 3,
        "distilled": 8,
        "dev": 30 * 4,
        "dev-two-stage": 30 * 4 + 3,
    }
    assert next(iter(RECIPES)) == "two-stage"


def test_a_draft_is_the_first_stage_of_its_final() -> None:
    for recipe in RECIPES.values():
        assert recipe.draft.first is recipe.first
        assert recipe.draft.second is None


def test_the_distilled_sigmas_are_those_of_diffusers() -> None:
    assert list(DISTILLED_SIGMAS[:-1]) == DISTILLED_SIGMA_VALUES
    assert list(STAGE_2_SIGMAS[:-1]) == STAGE_2_DISTILLED_SIGMA_VALUES


@pytest.mark.parametrize("steps", [2, 8, 30, 40])
def test_the_dev_schedule_is_the_shifted_one_of_4096_tokens(steps: int) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.1)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps).tolist(), mu=2.05)
    assert np.abs(np.array(dev_sigmas(steps)) - scheduler.sigmas.numpy()).max() < 1e-6


def test_some_dev_sigmas_as_upstream_computes_them() -> None:
    sigmas = dev_sigmas(30)
    found = [round(sigmas[step], 4) for step in (0, 1, 15, 28, 29, 30)]
    assert found == [1.0, 0.995, 0.8699, 0.2661, 0.1, 0.0]
    assert sigmas[0] == 1.0


@given(steps=st.integers(2, 200))
def test_dev_schedules_fall_from_one_to_zero(steps: int) -> None:
    assert Stage(dev_sigmas(steps)).steps == steps
    assert dev_sigmas(steps)[0] == 1.0
    assert math.isclose(dev_sigmas(steps)[-2], 0.1)


def test_every_recipe_falls_strictly_to_zero() -> None:
    for recipe in RECIPES.values():
        for stage in filter(None, (recipe.first, recipe.second)):
            assert stage.sigmas[0] <= 1.0
            assert stage.sigmas[-1] == 0.0
            assert all(above > below for above, below in pairwise(stage.sigmas))


@pytest.mark.parametrize(
    "sigmas", [(), (1.0,), (1.1, 0.0), (1.0, 0.1), (1.0, 0.5, 0.5, 0.0), (0.5, 1.0, 0.0)]
)
def test_a_stage_that_does_not_fall_is_refused(sigmas: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="fall"):
        Stage(sigmas)


@given(strength=strengths, name=st.sampled_from(sorted(RECIPES)))
def test_a_cut_schedule_starts_at_the_strength(strength: float, name: str) -> None:
    whole = RECIPES[name].first.sigmas
    part = cut(whole, strength)
    assert Stage(part).sigmas[0] == strength
    assert set(part[1:]) <= set(whole)
    assert part[1:] == whole[len(whole) - len(part) + 1 :]


def test_full_strength_is_the_whole_recipe() -> None:
    for recipe in RECIPES.values():
        assert recipe.at_strength(1.0) == recipe


def test_no_stage_puts_in_more_noise_than_the_strength() -> None:
    gentle = RECIPES["two-stage"].at_strength(0.5)
    assert gentle.first.sigmas == (0.5, 0.421875, 0.0)
    assert gentle.second is not None
    assert gentle.second.sigmas == (0.5, 0.421875, 0.0)
    assert gentle.forwards == 4
    strong = RECIPES["two-stage"].at_strength(0.95)
    assert strong.first.sigmas == (0.95, 0.909375, 0.725, 0.421875, 0.0)
    assert strong.second == RECIPES["two-stage"].second
    assert RECIPES["dev"].at_strength(0.5).first.guidance is DEV_GUIDANCE


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, math.nan])
def test_a_strength_outside_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="strength"):
        RECIPES["distilled"].at_strength(strength)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_too_few_dev_steps_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match="2 steps"):
        dev_sigmas(steps)


scales = st.builds(
    ModalityGuidance,
    cfg=st.sampled_from([1.0, 3.0]),
    stg=st.sampled_from([0.0, 1.0]),
    modality=st.sampled_from([1.0, 3.0]),
    rescale=st.sampled_from([0.0, 0.7]),
)


@given(video=scales, audio=scales, makes_video=st.booleans(), makes_audio=st.booleans())
def test_a_scale_that_does_nothing_costs_no_forward(
    video: ModalityGuidance, audio: ModalityGuidance, makes_video: bool, makes_audio: bool
) -> None:
    passes = Guidance(video, audio, (28,)).passes(video=makes_video, audio=makes_audio)
    used = ([video] if makes_video else []) + ([audio] if makes_audio else [])
    assert passes[0] is Pass.PROMPT
    assert set(passes[1:]) == (
        ({Pass.NEGATIVE} if any(each.cfg != 1.0 for each in used) else set())
        | ({Pass.PERTURBED} if any(each.stg != 0.0 for each in used) else set())
        | ({Pass.ISOLATED} if any(each.modality != 1.0 for each in used) else set())
    )


def test_stg_without_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks"):
        Guidance(audio=ModalityGuidance(stg=1.0))
