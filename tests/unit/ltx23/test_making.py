"""Which recipe, weights and words a job gets, and what is refused with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.ltx_plans import planned, replanned

from interchange.errors import UnsupportedError
from interchange.model.directive import JobKind, Quality, StartFrom
from interchange.model.request import GenerationRequest
from sidecar.models.checkpoint import Checkpoint, Form, LoraUse
from sidecar.pipelines.ltx23.making import decide
from sidecar.pipelines.ltx23.presets import Preset, Reference
from sidecar.pipelines.ltx23.recipes import RECIPES

DISTILLED = Checkpoint(
    name="distilled",
    engine="ltx-2.3",
    path=Path("/models/distilled"),
    form=Form.FOLDER,
    variant="distilled",
    files=(),
    upsampler=Path("/models/upsampler"),
)
DEV = replace(DISTILLED, name="dev", variant="dev")
DISTILLER = LoraUse(Path("/presets/loras/ltx-2.3-22b-distilled-lora-384-1.1.safetensors"))
NOIR = LoraUse(Path("/presets/loras/noir.safetensors"), 0.8)


def request(kind: JobKind = JobKind.RETAKE, **changes: object) -> GenerationRequest:
    return replanned(planned(kind), **changes).request


def test_distilled_weights_take_two_stages_and_no_guidance() -> None:
    making = decide(request(), None, DISTILLED)
    assert [(stage.steps, divided) for stage, divided in making.stages] == [(8, 2), (3, 1)]
    assert making.negative is None


def test_a_draft_is_the_first_stage_at_half_the_size() -> None:
    making = decide(request(quality=Quality.DRAFT), None, DISTILLED)
    assert [(stage.steps, divided) for stage, divided in making.stages] == [(8, 2)]


def test_without_an_upsampler_one_stage_is_taken_and_said() -> None:
    making = decide(request(), None, replace(DISTILLED, upsampler=None))
    assert [(stage.steps, divided) for stage, divided in making.stages] == [(8, 1)]
    assert "no latent upsampler" in making.remarks[0]


def test_a_preset_of_two_stages_needs_the_upsampler() -> None:
    preset = Preset("two-stage", "", "two-stage")
    with pytest.raises(UnsupportedError, match="models add --upsampler"):
        decide(request(), preset, replace(DISTILLED, upsampler=None))


def test_dev_weights_are_guided_away_from_the_negative_prompt() -> None:
    assert decide(request(negative_prompt="rain"), None, DEV).negative == "rain"
    assert "blurry" in (decide(request(), None, DEV).negative or "")


def test_the_distilled_lora_is_applied_in_the_distilled_stage_alone() -> None:
    preset = Preset("dev-two-stage", "", "dev-two-stage", loras=(NOIR, DISTILLER))
    making = decide(request(), preset, DEV)
    first, second = (stage for stage, _ in making.stages)
    assert making.loras_of(first) == (NOIR,)
    assert making.loras_of(second) == (NOIR, DISTILLER)
    with pytest.raises(UnsupportedError, match="distilled-lora"):
        decide(request(), replace(preset, loras=(NOIR,)), DEV)


def test_memory_is_planned_for_all_loras_whatever_the_quality(tmp_path: Path) -> None:
    loras = []
    for name, length in (("noir", 300), ("distilled-lora", 5000)):
        loras.append(LoraUse(tmp_path / f"{name}.safetensors"))
        loras[-1].path.write_bytes(b"0" * length)
    missing = LoraUse(tmp_path / "missing.safetensors")
    preset = Preset("dev-two-stage", "", "dev-two-stage", loras=(*loras, missing))
    for quality in Quality:
        assert decide(request(quality=quality), preset, DEV).lora_bytes == 5300


def test_an_ic_lora_leads_the_first_stage_alone() -> None:
    preset = Preset("restyle", "", "two-stage", loras=(NOIR,), reference=Reference.EDGES)
    making = decide(request(JobKind.RESTYLE), preset, DISTILLED)
    first, second = (stage for stage, _ in making.stages)
    assert (making.loras_of(first), making.loras_of(second)) == ((NOIR,), ())


def test_a_restyle_without_an_ic_lora_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedError, match="preset=restyle"):
        decide(request(JobKind.RESTYLE), None, DISTILLED)


def test_guidance_on_distilled_weights_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="is for dev weights"):
        decide(request(), Preset("dev", "", "dev"), DISTILLED)


def test_a_clip_is_noised_by_its_strength() -> None:
    def first_sigma(strength: float | None) -> float:
        job = planned(JobKind.REGENERATE, start_from=StartFrom.CLIP, strength=strength)
        return decide(job.request, None, DISTILLED).stages[0][0].sigmas[0]

    assert first_sigma(0.5) == 0.5
    assert first_sigma(None) == 0.7


def test_the_words_go_into_the_template() -> None:
    preset = Preset("noir", "", "two-stage", prompt_template="{prompt} Film noir.")
    assert decide(request(prompt="A door."), preset, DISTILLED).prompt == "A door. Film noir."


def test_every_shipped_recipe_can_be_decided_on_fitting_weights() -> None:
    for name, recipe in RECIPES.items():
        checkpoint = DISTILLED if recipe.first.distilled else DEV
        preset = Preset(name, "", name, loras=(DISTILLER,))
        assert decide(request(), preset, checkpoint).recipe == recipe
