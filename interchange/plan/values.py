"""What the planner is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from interchange.errors import InvalidInputError
from interchange.model.directive import Quality
from interchange.model.engine import PlannedGeometry
from interchange.model.media import MediaFacts
from interchange.model.request import Codec, GenerationRequest
from interchange.model.segment import MediaLink, Problem, Segment

FactsOf = Callable[[MediaLink], MediaFacts]
"""Finds a linked file and probes it; raises a `BridgeError` where it cannot be used."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What holds for every mark that does not say otherwise.

    Args:
        output_directory: Absolute folder for the takes.
        engine: Engine where a directive names none.
        codec: Delivery codec.
        slate: Whether an engine that burns in a slate does so.
        handle_frames: The source's own frames that a retake carries on each side, where they exist.
        generated_handle_frames: Frames the engine makes on each side of any other take.
        quality: Where a directive does not say.
    """

    output_directory: str
    engine: str
    codec: Codec = Codec.PRORES_422_HQ
    slate: bool = True
    handle_frames: int = 12
    generated_handle_frames: int = 0
    quality: Quality = Quality.FINAL

    def __post_init__(self) -> None:
        if self.handle_frames < 0 or self.generated_handle_frames < 0:
            raise InvalidInputError("Handles cannot be fewer than 0 frames.")


@dataclass(frozen=True, slots=True)
class PlannedTake:
    """One take to make, decided to the frame.

    Args:
        segment: The mark it answers.
        take_number: From 1; the takes of a mark differ in nothing but the seed.
        request: What to ask an engine for.
        geometry: What the engine will make for it.
        copy_framing: Whether the take goes under the original clip's framing, being of its raster.
        notes: What is padded, held or assumed, one sentence each, the geometry's included.
        media: Facts about the files behind `request.sources`, in that order.
    """

    segment: Segment
    take_number: int
    request: GenerationRequest
    geometry: PlannedGeometry
    copy_framing: bool
    notes: tuple[str, ...]
    media: tuple[MediaFacts, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a document asks for: what can be made, and why the rest cannot."""

    takes: tuple[PlannedTake, ...]
    problems: tuple[Problem, ...]
