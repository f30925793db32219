"""The account of a round trip: what became of every mark, for the report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from interchange.errors import BridgeError, StoppedError
from interchange.formats.base import Patch
from interchange.model.request import SourceSpan
from interchange.model.segment import Problem
from interchange.model.take import Take
from interchange.plan import Plan, place_of
from interchange.timebase import TimeRange
from ltxbridge.report import (
    CredentialState,
    DeliveryReport,
    DocumentFacts,
    RequestReport,
    RequestState,
    SourceUse,
)
from ltxbridge.roundtrip.contact_sheet import stills_after, stills_before
from ltxbridge.roundtrip.delivery import DeliveredTimeline
from ltxbridge.roundtrip.making import Outcome
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.timeline import Timeline
from sidecar.readers.box import ReaderBox


def delivery_report(
    timeline: Timeline,
    plan: Plan,
    outcomes: Sequence[Outcome],
    delivered: DeliveredTimeline | None,
    *,
    originals: Originals,
    identity_folder: Path,
    box: ReaderBox,
    product_version: str,
    signer: str,
    created: datetime,
) -> DeliveryReport:
    """Gather what happened. Reads takes and originals back from disk; changes nothing."""
    requests = [
        _request_report(outcome, originals=originals, identity_folder=identity_folder, box=box)
        for outcome in outcomes
    ]
    requests += [_refusal_report(problem) for problem in plan.problems]
    return DeliveryReport(
        title=timeline.path.stem,
        product_version=product_version,
        created=created,
        source=DocumentFacts(str(timeline.path), timeline.sha256, len(timeline.raw)),
        delivered=None if delivered is None else delivered.facts,
        requests=tuple(requests),
        originals=originals.proof(),
        changes=() if delivered is None else _changes(delivered.patch),
        checks=() if delivered is None else _GATE_CHECKS,
        signer=signer,
    )


_GATE_CHECKS = (
    "Every byte of the original outside the declared changes is unchanged.",
    "Every original element keeps its absolute time, as exact fractions.",
    "Each take stands exactly on the frames it was asked for.",
)


def _request_report(
    outcome: Outcome, *, originals: Originals, identity_folder: Path, box: ReaderBox
) -> RequestReport:
    planned = outcome.planned
    request, segment = planned.request, planned.segment
    take = None if outcome.job is None else outcome.job.take
    job = outcome.job
    return RequestReport(
        shot=request.shot,
        kind=request.kind,
        directive=segment.directive.text,
        where=place_of(segment),
        state=_state(take, outcome.error),
        sequence=segment.sequence,
        record_range=request.record_range,
        sources=tuple(
            _source_use(span, role, request.record_range, originals=originals)
            for span, role in zip(request.sources, _roles(len(request.sources)), strict=True)
        ),
        take=take,
        error=outcome.error,
        notes=planned.notes if take is None else _unique((*planned.notes, *take.notes)),
        credentials=None
        if take is None
        else _credentials(take, identity_folder=identity_folder, box=box),
        before=stills_before(segment, request.record_range, facts_of=originals.facts_of, box=box),
        after=() if take is None else stills_after(segment, take, box=box),
        elapsed=job.ended - job.started
        if job is not None and job.ended is not None and job.started is not None
        else None,
    )


def _refusal_report(problem: Problem) -> RequestReport:
    return RequestReport(
        shot="",
        kind="",
        directive=problem.text,
        where=problem.where,
        state=RequestState.REFUSED,
        error=problem.error,
    )


def _state(take: Take | None, error: BridgeError | None) -> RequestState:
    if take is not None:
        return RequestState.DELIVERED
    return RequestState.CANCELLED if isinstance(error, StoppedError) else RequestState.FAILED


def _roles(sources: int) -> tuple[str, ...]:
    return ("outgoing", "incoming") if sources == 2 else ("original",) * sources


def _source_use(
    span: SourceSpan, role: str, record_range: TimeRange, *, originals: Originals
) -> SourceUse:
    """The part of a source that lies under the covered range; the nearest frame where none does."""
    facts = originals.facts_by_path(span.path)
    used = span.record_range.intersect(record_range)
    first = record_range.start if used is None else used.start
    last = record_range.end - 1 if used is None else used.end - 1
    shown = sorted((span.source_frame(first), span.source_frame(last)))
    zero = facts.start_frame or 0
    return SourceUse(
        name=Path(span.path).name,
        source_range=TimeRange(zero + shown[0], zero + shown[1] + 1, facts.frame_rate),
        drop_frame=facts.drop_frame,
        role=role,
    )


def _changes(patch: Patch) -> tuple[str, ...]:
    raised = tuple(
        f"{change.name!r} was raised from lane {change.before} to {change.after}, to stay above a take."
        for change in patch.lane_changes
    )
    return raised + patch.notes


def _credentials(take: Take, *, identity_folder: Path, box: ReaderBox) -> CredentialState:
    try:
        path = Path(os.path.realpath(take.path))
        report = box.verify_credentials(path, identity_folder=identity_folder)
    except BridgeError as error:
        return CredentialState(valid=False, summary=error.message)
    return CredentialState(valid=True, summary=report.summary)


def _unique(notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))
