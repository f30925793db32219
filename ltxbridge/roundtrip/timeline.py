"""A timeline on disk, opened and planned; nothing is started and nothing is written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from interchange.errors import BridgeError, UnsupportedError
from interchange.formats.base import Patch, TimelineFormat
from interchange.formats.registry import format_for
from interchange.model.engine import EngineLimits
from interchange.model.segment import Problem, Reading
from interchange.model.take import Placement, Take
from interchange.plan import Plan, PlannedTake, PlanOptions, place_of, plan_reading
from ltxbridge.roundtrip.originals import Originals
from sidecar.media.delivery import refuse_unfit
from sidecar.readers.box import ReaderBox


@dataclass(frozen=True, slots=True)
class Timeline:
    """A timeline document as read.

    Args:
        path: The file or bundle.
        form: Its format.
        raw: The document's bytes.
        sha256: Their digest.
        reading: What was found in it.
    """

    path: Path
    form: TimelineFormat
    raw: bytes
    sha256: str
    reading: Reading


def open_timeline(path: Path, *, box: ReaderBox) -> Timeline:
    """Read a timeline; its bytes are loaded here, and parsed in the box.

    Raises:
        NotFoundError: It is not there.
        UnsupportedError: No format for it.
        InvalidInputError: It is malformed or unsafe.
    """
    form = format_for(path)
    raw = form.load(path)
    return Timeline(path, form, raw, hashlib.sha256(raw).hexdigest(), box.read_timeline(path, raw))


def plan_timeline(
    timeline: Timeline,
    *,
    originals: Originals,
    engines: Mapping[str, EngineLimits],
    options: PlanOptions,
    box: ReaderBox,
) -> Plan:
    """Plan every mark, and make sure that every take can be written and placed on the timeline.

    The placing is tried on the document itself with takes that do not exist yet, so that nobody waits for a
    take that has no place to go.
    """
    plan = _without_unwritable(
        plan_reading(
            timeline.reading,
            facts_of=originals.facts_of,
            engines=engines,
            options=options,
            path_of=originals.path_of,
        )
    )
    provisional = [
        placement(planned, provisional_take(planned), url=_provisional_url(planned))
        for planned in plan.takes
    ]
    refused = box.refused_takes(timeline.path, timeline.raw, provisional)
    if not refused:
        return plan
    return Plan(
        takes=tuple(planned for index, planned in enumerate(plan.takes) if index not in refused),
        problems=plan.problems
        + tuple(_problem(plan.takes[index], error) for index, error in refused.items()),
    )


def placement(planned: PlannedTake, take: Take, *, url: str) -> Placement:
    """Where a take goes: the first of a mark's takes is shown, the others are placed switched off."""
    return Placement(
        segment=planned.segment,
        take=take,
        url=url,
        active=planned.take_number == 1,
        copy_framing=planned.copy_framing,
    )


def apply_and_verify(
    timeline: Timeline, placements: Sequence[Placement], *, box: ReaderBox
) -> Patch:
    """Patch the document and let the gate check it, in the box that parsed it.

    Raises:
        UnsupportedError: A take cannot be placed.
        InvalidInputError: `DELIVERY_UNFAITHFUL`: the patch would change more than was asked for.
    """
    return box.place_takes(timeline.path, timeline.raw, placements)


def provisional_take(planned: PlannedTake) -> Take:
    """The take as it will be, but for what only its making can tell."""
    request = planned.request
    return Take(
        path="",
        manifest_path="",
        sha256="",
        size_bytes=0,
        record_range=request.record_range,
        media_range=request.media_range,
        head_handle_frames=request.head_handle_frames,
        drop_frame=request.drop_frame,
        raster=request.raster,
        codec=request.output.codec,
        reel=request.reel,
        audio_channels=0,
        audio_sample_rate_hz=0,
        engine=request.engine,
        engine_version="",
        model_identity="",
        seed=request.seed,
    )


def _provisional_url(planned: PlannedTake) -> str:
    return (Path(planned.request.output.directory) / f"{planned.request.shot}.mov").as_uri()


def _without_unwritable(plan: Plan) -> Plan:
    """Without the takes their codec cannot hold; one problem for each such mark, however many its takes."""
    takes: list[PlannedTake] = []
    refused: dict[str, Problem] = {}
    for planned in plan.takes:
        request = planned.request
        try:
            refuse_unfit(request.raster, request.colour, request.output.codec)
        except UnsupportedError as error:
            refused.setdefault(planned.segment.segment_id, _problem(planned, error))
        else:
            takes.append(planned)
    return Plan(takes=tuple(takes), problems=(*plan.problems, *refused.values()))


def _problem(planned: PlannedTake, error: BridgeError) -> Problem:
    return Problem(
        segment_id=planned.segment.segment_id,
        where=place_of(planned.segment),
        text=planned.segment.directive.text,
        error=error,
    )
