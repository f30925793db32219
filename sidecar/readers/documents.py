"""Calls about timeline documents, as the reader's process answers them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from interchange.errors import BridgeError
from interchange.formats.base import Patch, TimelineFormat
from interchange.formats.registry import format_for
from interchange.model.segment import Reading
from interchange.model.take import Placement
from sidecar.readers.calls import (
    ChangedBytes,
    Changes,
    PlaceTakes,
    ReadTimeline,
    Refusals,
    RefusedTake,
    RefusedTakes,
)


@cache
def _format(suffix: str) -> TimelineFormat:
    """One for the life of the process: it remembers the last document, which is patched after it was read."""
    return format_for(Path(f"timeline{suffix}"))


def read_timeline(call: ReadTimeline, document: bytes) -> tuple[Reading, bytes]:
    """Parse a document."""
    return _form(call.name).read(document), b""


def place_takes(call: PlaceTakes, document: bytes) -> tuple[Changes, bytes]:
    """Patch a document and check it; the box puts the new bytes into its own copy."""
    patch = _applied(_form(call.name), document, call.placements)
    ranges = tuple(
        ChangedBytes(splice.start, splice.end, len(splice.replacement)) for splice in patch.splices
    )
    content = b"".join(splice.replacement for splice in patch.splices)
    return Changes(ranges, patch.lane_changes, patch.notes), content


def refused_takes(call: RefusedTakes, document: bytes) -> tuple[Refusals, bytes]:
    """Which placements cannot be."""
    refused = refusals(_form(call.name), document, call.placements)
    return Refusals(tuple(RefusedTake(index, error) for index, error in refused.items())), b""


def refusals(
    form: TimelineFormat, document: bytes, placements: Sequence[Placement]
) -> dict[int, BridgeError]:
    """Which placements cannot be, by index.

    Tried all at once, and halved where that fails: a document is patched and checked once for each that is
    refused, and a few times more, not once for each there is.
    """
    accepted: list[Placement] = []
    refused: dict[int, BridgeError] = {}

    def sort(indices: range) -> None:
        candidates = [placements[index] for index in indices]
        try:
            _applied(form, document, [*accepted, *candidates])
        except BridgeError as error:
            if len(indices) == 1:
                refused[indices[0]] = error
                return
            half = len(indices) // 2
            sort(indices[:half])
            sort(indices[half:])
        else:
            accepted.extend(candidates)

    if placements:
        sort(range(len(placements)))
    return refused


def _form(name: str) -> TimelineFormat:
    return _format(Path(name).suffix.lower())


def _applied(form: TimelineFormat, document: bytes, placements: Sequence[Placement]) -> Patch:
    patch = form.apply(document, placements)
    form.verify(document, patch, placements)
    return patch
