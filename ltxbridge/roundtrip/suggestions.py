"""Prompts proposed for the marks of a timeline, from the pictures at their edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from interchange.errors import BridgeError, UnsupportedError
from interchange.model.directive import Edge
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    SourceSpan,
)
from interchange.model.segment import Problem
from interchange.plan import Plan, PlannedTake, place_of
from sidecar.pipelines.base import Picture, SuggestsPrompts
from sidecar.readers.box import ReaderBox
from sidecar.readers.spans import boxed_span

# More than any model that looks at pictures takes in.
_LONG_SIDE_PX = 2048


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A prompt for a mark.

    Args:
        planned: The mark, as it would be made.
        prompt: One paragraph that can stand in `prompt="..."` as it is.
    """

    planned: PlannedTake
    prompt: str


def suggest_prompts(
    plan: Plan, engine: SuggestsPrompts, *, box: ReaderBox, device: str | None = None
) -> Iterator[Suggestion | Problem]:
    """Propose a prompt for each planned mark; media that cannot be read stop no other mark.

    Args:
        plan: What is asked for; takes of one mark share a prompt.
        engine: Looks at the pictures.
        box: Decodes them.
        device: Where the engine is to compute; None lets it choose.

    Yields:
        A suggestion, or why there is none, in the order of the marks.

    Raises:
        BridgeError: The engine cannot work at all.
    """
    for planned in plan.takes:
        if planned.take_number > 1:
            continue
        request = planned.request
        try:
            pictures = _pictures(request, box)
        except BridgeError as error:
            yield _problem(planned, error)
            continue
        prompt = engine.suggest(
            pictures, kind=request.kind, words=request.prompt.strip(), device=device
        )
        yield Suggestion(planned, prompt) if prompt else _problem(planned, _speechless(request))


def _pictures(request: GenerationRequest, box: ReaderBox) -> tuple[Picture, ...]:
    """What there is to see before anything is made: the last kept frame before it, the first after it."""
    covered = request.record_range
    match request.spec:
        case BridgeSpec(outgoing=outgoing, incoming=incoming):
            return (
                _frame(request, outgoing, covered.start - 1, box),
                _frame(request, incoming, covered.end, box),
            )
        case ExtendSpec(source=source, edge=edge):
            edge_frame = covered.end if edge is Edge.HEAD else covered.start - 1
            return (_frame(request, source, edge_frame, box),)
        case GenerateSpec(image=str(image)):
            return (_still(Path(image), box),)
        case GenerateSpec() if request.prompt.strip():
            return ()
        case GenerateSpec():
            raise UnsupportedError(
                "There is nothing to look at: this mark has no media. Give it an image=, or a few words in "
                "prompt= to start from."
            )
        case spec:
            return (_frame(request, spec.source, covered.start, box),)


def _frame(
    request: GenerationRequest, span: SourceSpan, record_frame: int, box: ReaderBox
) -> Picture:
    reader = boxed_span(
        span,
        frame_rate=request.frame_rate,
        raster=request.raster,
        colour=request.colour,
        box=box,
    )
    return reader.picture(record_frame)


def _still(path: Path, box: ReaderBox) -> Picture:
    layout, codes = box.still_image(path, long_side_px=_LONG_SIDE_PX)
    pixels = np.frombuffer(codes, np.uint8).reshape(layout.height_px, layout.width_px, 3)
    return pixels.astype(np.float32) / np.float32(255)


def _speechless(request: GenerationRequest) -> UnsupportedError:
    return UnsupportedError(
        f"{request.engine} had nothing to say about these pictures. Write the prompt yourself.",
        metadata={"engine": request.engine},
    )


def _problem(planned: PlannedTake, error: BridgeError) -> Problem:
    segment = planned.segment
    return Problem(segment.segment_id, place_of(segment), segment.directive.text, error)
