"""How many steps, at which noise, with which guidance: data, not code. No torch: `plan` knows presets.

A sigma is the share of noise in a latent: 1 is noise alone, 0 a finished latent. Lists are always explicit and end
in 0; no scheduler shifts them by the number of tokens, so that the same recipe means the same at every size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Final

DISTILLED_SIGMAS: Final = (
    1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0,
)  # fmt: skip
"""What the distilled weights were trained on: eight steps."""

STAGE_2_SIGMAS: Final = (0.909375, 0.725, 0.421875, 0.0)
"""What refines a latent of twice the size: three steps of the distilled weights."""

# Time shift of the dev weights: a line through (1024 tokens, 0.95) and (4096 tokens, 2.05), always read at 4096.
_DEV_SHIFT: Final = 2.05
_DEV_LAST: Final = 0.1
"""The last sigma before 0 of the dev weights."""


def dev_sigmas(steps: int) -> tuple[float, ...]:
    """The schedule of the dev weights: evenly spaced, shifted towards noise, stretched to end at 0.1, then 0.

    Args:
        steps: Forwards in time, at least 2: a single one could not both start at 1 and end at 0.1.

    Returns:
        `steps` + 1 falling sigmas, 1 to 0.

    Raises:
        ValueError: Fewer than two steps.
    """
    if steps < 2:
        raise ValueError(f"a dev schedule needs at least 2 steps, not {steps}")
    grown = math.exp(_DEV_SHIFT)
    # In shares of signal, 1 - sigma, so that the first sigma is exactly 1.
    signal = [step / (steps - step) / (grown + step / (steps - step)) for step in range(steps)]
    stretch = (1.0 - _DEV_LAST) / signal[-1]
    return (*(1.0 - share * stretch for share in signal), 0.0)


def cut(sigmas: tuple[float, ...], strength: float) -> tuple[float, ...]:
    """The part of a schedule that moves a given latent by at most so much.

    It starts at exactly the strength and goes on through the sigmas below it, so the noise put in is the noise
    taken out, whatever the schedule. A strength at or above its start leaves the schedule whole; a low one leaves
    few steps, because a latent that is nearly done needs few.

    Args:
        sigmas: A whole schedule.
        strength: Over 0, at most 1: 1 makes all of it anew, 0.1 hardly touches it.

    Raises:
        ValueError: The strength is not over 0 and at most 1.
    """
    if not 0.0 < strength <= 1.0:
        raise ValueError(f"a strength is over 0 and at most 1, not {strength}")
    if strength >= sigmas[0]:
        return sigmas
    return (strength, *(sigma for sigma in sigmas if sigma < strength))


class Pass(StrEnum):
    """One forward of a step: what the guidance compares."""

    PROMPT = "prompt"
    NEGATIVE = "negative"
    """With the negative prompt: what classifier-free guidance pushes away from."""
    PERTURBED = "perturbed"
    """With self-attention short-cut in some blocks: what spatio-temporal guidance (STG) pushes away from."""
    ISOLATED = "isolated"
    """With picture and sound deaf to each other: what modality guidance pushes away from."""


@dataclass(frozen=True, slots=True)
class ModalityGuidance:
    """How strongly pictures, or sound, are pushed. The defaults do nothing.

    Args:
        cfg: Classifier-free guidance; 1 does nothing.
        stg: Spatio-temporal guidance; 0 does nothing.
        modality: Towards agreement of picture and sound; 1 does nothing.
        rescale: Share of the result brought back to the spread of the unguided one, 0..1.
    """

    cfg: float = 1.0
    stg: float = 0.0
    modality: float = 1.0
    rescale: float = 0.0

    def weight(self, away_from: Pass) -> float:
        """What the difference from a pass counts; 0 where it does nothing, and for the prompt itself."""
        match away_from:
            case Pass.NEGATIVE:
                return self.cfg - 1.0
            case Pass.PERTURBED:
                return self.stg
            case Pass.ISOLATED:
                return self.modality - 1.0
            case Pass.PROMPT:
                return 0.0


NO_GUIDANCE: Final = ModalityGuidance()


@dataclass(frozen=True, slots=True)
class Guidance:
    """How both modalities are pushed.

    Args:
        video: Of the pictures.
        audio: Of the sound.
        stg_blocks: Which blocks STG short-cuts, counted in the 48 of LTX-2.3; a model of another depth takes the
            blocks at the same share of it.

    Raises:
        ValueError: STG is asked for without a block.
    """

    video: ModalityGuidance = NO_GUIDANCE
    audio: ModalityGuidance = NO_GUIDANCE
    stg_blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.video.stg or self.audio.stg) and not self.stg_blocks:
            raise ValueError("spatio-temporal guidance needs the blocks it short-cuts")

    def passes(self, *, video: bool = True, audio: bool = True) -> tuple[Pass, ...]:
        """The forwards one step needs, the prompt's own first; a scale that does nothing needs none.

        Args:
            video: Whether any picture is made; a modality that is kept whole is not guided.
            audio: Whether any sound is made.
        """
        guided = (self.video,) * video + (self.audio,) * audio
        return (
            Pass.PROMPT,
            *(each for each in Pass if any(modality.weight(each) for modality in guided)),
        )


UNGUIDED: Final = Guidance()


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the denoise loop.

    Args:
        sigmas: Strictly falling, from at most 1 to exactly 0; the first is the noise the loop starts from.
        guidance: None for weights that were distilled with it.
        distilled: Whether it is for the distilled weights; on dev weights it needs the distilled LoRA.

    Raises:
        ValueError: The sigmas do not fall so.
    """

    sigmas: tuple[float, ...]
    guidance: Guidance | None = None
    distilled: bool = True

    def __post_init__(self) -> None:
        falls = all(above > below for above, below in pairwise(self.sigmas))
        if len(self.sigmas) < 2 or self.sigmas[0] > 1.0 or self.sigmas[-1] != 0.0 or not falls:
            raise ValueError(f"sigmas fall from at most 1 to 0, not {self.sigmas}")

    @property
    def steps(self) -> int:
        """Steps of the loop."""
        return len(self.sigmas) - 1

    @property
    def forwards(self) -> int:
        """Forwards of the transformer where both modalities are made."""
        return self.steps * len((self.guidance or UNGUIDED).passes())


@dataclass(frozen=True, slots=True)
class Recipe:
    """From noise to a finished latent.

    Args:
        name: As a preset and `plan` name it.
        first: At full size, or at half of it where a second stage follows.
        second: After the latent upsampler, at full size; None where the first is all.
    """

    name: str
    first: Stage
    second: Stage | None = None

    @property
    def forwards(self) -> int:
        """Forwards of the transformer where both modalities are made."""
        return self.first.forwards + (self.second.forwards if self.second else 0)

    @property
    def draft(self) -> Recipe:
        """The first stage alone: with the same seed it is the very latent that the whole recipe refines."""
        return replace(self, second=None)

    def at_strength(self, strength: float) -> Recipe:
        """The recipe for a latent that is given, moved by at most so much: no stage puts more noise in.

        Raises:
            ValueError: The strength is not over 0 and at most 1.
        """
        first, second = (
            stage and replace(stage, sigmas=cut(stage.sigmas, strength))
            for stage in (self.first, self.second)
        )
        return Recipe(self.name, first or self.first, second)


DEV_GUIDANCE: Final = Guidance(
    video=ModalityGuidance(cfg=3.0, stg=1.0, modality=3.0, rescale=0.7),
    audio=ModalityGuidance(cfg=7.0, stg=1.0, modality=3.0, rescale=0.7),
    stg_blocks=(28,),
)
"""What the dev weights of 2.3 are used with."""

_DISTILLED: Final = Stage(DISTILLED_SIGMAS)
_REFINE: Final = Stage(STAGE_2_SIGMAS)
_DEV: Final = Stage(dev_sigmas(30), DEV_GUIDANCE, distilled=False)

RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe("two-stage", _DISTILLED, _REFINE),
            Recipe("distilled", _DISTILLED),
            Recipe("dev", _DEV),
            Recipe("dev-two-stage", _DEV, _REFINE),
        )
    }
)
"""By name; the first is the default."""
