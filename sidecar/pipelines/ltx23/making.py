"""How a job is made: recipe, weights and words, decided before anything is loaded. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from interchange.errors import UnsupportedError
from interchange.model.directive import JobKind, Quality, StartFrom
from interchange.model.request import GenerationRequest, RegenerateSpec
from sidecar.models.checkpoint import Checkpoint, LoraUse, Variant
from sidecar.pipelines.ltx23.conditions import DEFAULT_STRENGTH
from sidecar.pipelines.ltx23.presets import Preset, Reference
from sidecar.pipelines.ltx23.recipes import RECIPES, Recipe, Stage

HALF: Final = 2
"""What the first of two stages divides height and width by."""

_DISTILLED_LORA: Final = "distilled-lora"
"""In the name of the published LoRA that makes dev weights distilled; its file says nothing of the kind."""
_NEGATIVE: Final = (
    "blurry, out of focus, overexposed, underexposed, low contrast, washed out colours, noise, grain, flickering, "
    "motion smear, distorted proportions, deformed limbs, extra fingers, warped faces, duplicated objects, subtitles, "
    "text, watermark, logo, off-sync sound, distorted sound, echo"
)
"""What guidance pushes away from where the mark says nothing; only the dev weights are guided."""


@dataclass(frozen=True, slots=True)
class Making:
    """How every canvas of a job is made.

    Args:
        recipe: Stages; one alone for a draft.
        at_half: The first stage works at half of height and width.
        prompt: The editor's words in the preset's template.
        negative: What guidance pushes away from; None where no stage is guided.
        loras: Applied in the first stage, and in the second unless an IC-LoRA is among them.
        distilling: Applied in stages for distilled weights alone: what makes dev weights such.
        reference: What of the shot an IC-LoRA is shown.
        remarks: What of this the editor should know.
    """

    recipe: Recipe
    at_half: bool
    prompt: str
    negative: str | None
    loras: tuple[LoraUse, ...] = ()
    distilling: tuple[LoraUse, ...] = ()
    reference: Reference | None = None
    remarks: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[tuple[Stage, int], ...]:
        """Each stage with what it divides height and width by."""
        first = (self.recipe.first, HALF if self.at_half else 1)
        return (first,) if self.recipe.second is None else (first, (self.recipe.second, 1))

    def loras_of(self, stage: Stage) -> tuple[LoraUse, ...]:
        """What is applied in a stage: an IC-LoRA leads the first alone, the second only refines."""
        follows = self.reference is not None and stage is self.recipe.second
        return (() if follows else self.loras) + (self.distilling if stage.distilled else ())

    @property
    def lora_bytes(self) -> int:
        """What all LoRAs weigh, as no stage has more; one that is not there is told when it is read.

        The same for a draft and its final, which are cut into the same windows.
        """
        uses = (*self.loras, *self.distilling)
        return sum(use.path.stat().st_size for use in uses if use.path.is_file())


def decide(request: GenerationRequest, preset: Preset | None, checkpoint: Checkpoint) -> Making:
    """Choose recipe, LoRAs and words for a request.

    Args:
        request: What is wanted.
        preset: Asked for, or standing in where none was; None for the checkpoint's own way.
        checkpoint: The weights.

    Raises:
        UnsupportedError: The checkpoint or the preset cannot do it; the message says what would.
    """
    remarks = []
    recipe = RECIPES[preset.recipe] if preset else _own_recipe(checkpoint)
    if preset is None and recipe.second and checkpoint.upsampler is None:
        recipe = RECIPES["distilled"]
        remarks.append(
            f"The checkpoint {checkpoint.name} has no latent upsampler; the take was made in one stage, which is "
            "slower at large sizes."
        )
    loras = preset.loras if preset else ()
    distilling = tuple(lora for lora in loras if _DISTILLED_LORA in lora.path.name)
    _check(recipe, preset, checkpoint, distilling)
    reference = preset.reference if preset else None
    if request.kind is JobKind.RESTYLE and reference is None:
        raise UnsupportedError(
            "A restyle needs an IC-LoRA, which makes a shot follow another. Put its file into the presets folder "
            "and write preset=restyle, or a preset of your own that has a reference.",
            metadata={"preset": request.preset},
        )
    at_half = recipe.second is not None
    if request.quality is Quality.DRAFT:
        if not at_half:
            remarks.append(f"The recipe {recipe.name} has one stage; its draft is its final.")
        recipe = recipe.draft
    spec = request.spec
    if isinstance(spec, RegenerateSpec) and spec.start_from is StartFrom.CLIP:
        recipe = recipe.at_strength(DEFAULT_STRENGTH if spec.strength is None else spec.strength)
    guided = any(stage is not None and stage.guidance for stage in (recipe.first, recipe.second))
    return Making(
        recipe=recipe,
        at_half=at_half,
        prompt=preset.prompt(request.prompt) if preset else request.prompt,
        negative=(request.negative_prompt or _NEGATIVE) if guided else None,
        loras=tuple(lora for lora in loras if lora not in distilling),
        distilling=distilling if checkpoint.variant == Variant.DEV else (),
        reference=reference,
        remarks=(*remarks, *_unheard(request, guided=guided)),
    )


def _own_recipe(checkpoint: Checkpoint) -> Recipe:
    return RECIPES["dev"] if checkpoint.variant == Variant.DEV else next(iter(RECIPES.values()))


def _check(
    recipe: Recipe,
    preset: Preset | None,
    checkpoint: Checkpoint,
    distilling: tuple[LoraUse, ...],
) -> None:
    asked = f"The preset {preset.name}" if preset else f"The recipe {recipe.name}"
    if recipe.second and checkpoint.upsampler is None:
        raise UnsupportedError(
            f"{asked} works in two stages, and the checkpoint {checkpoint.name} has no latent upsampler. Add it with "
            "`ltxbridge models add --upsampler`, or write preset=single-stage.",
            metadata={"checkpoint": checkpoint.name},
        )
    is_dev = checkpoint.variant == Variant.DEV
    stages = [stage for stage in (recipe.first, recipe.second) if stage]
    if not is_dev and not all(stage.distilled for stage in stages):
        raise UnsupportedError(
            f"{asked} is for dev weights, and {checkpoint.name} is distilled: guidance would only add grain. Use a dev "
            "checkpoint, or leave preset= out.",
            metadata={"checkpoint": checkpoint.name},
        )
    if is_dev and any(stage.distilled for stage in stages) and not distilling:
        raise UnsupportedError(
            f"{asked} has a stage for distilled weights, and {checkpoint.name} are dev weights. Add the distilled LoRA "
            "to the preset (a file with distilled-lora in its name), or write preset=dev.",
            metadata={"checkpoint": checkpoint.name},
        )


def _unheard(request: GenerationRequest, *, guided: bool) -> tuple[str, ...]:
    if request.negative_prompt and not guided:
        heard = "distilled weights are not guided. Write preset=dev with a dev checkpoint to have it followed."
        return (f"negative= did nothing: {heard}",)
    return ()
