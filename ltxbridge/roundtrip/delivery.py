"""What is handed back: the patched timeline beside its takes, and the report."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

from interchange.errors import ConflictError, NotFoundError
from interchange.formats.base import Patch
from interchange.model.take import Placement, Take
from ltxbridge.report import DocumentFacts
from ltxbridge.roundtrip.alone import alone_in
from ltxbridge.roundtrip.making import Outcome
from ltxbridge.roundtrip.timeline import Timeline, apply_and_verify, placement
from sidecar.filesystem import FileSystem
from sidecar.media.paths import PathMapping
from sidecar.readers.box import ReaderBox

_LOCK = ".ltxbridge-delivering.lock"
_PATIENCE_S = 60.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class DeliveredTimeline:
    """The patched document on disk.

    Args:
        facts: Its path, digest and size.
        patch: What was changed.
    """

    facts: DocumentFacts
    patch: Patch


def deliver_timeline(
    timeline: Timeline,
    outcomes: Sequence[Outcome],
    *,
    folder: Path,
    mappings: Sequence[PathMapping],
    filesystem: FileSystem,
    box: ReaderBox,
) -> DeliveredTimeline | None:
    """Put the takes into the document, check it, and write it; None where there is no take.

    The gate runs before anything is written. A delivery that is there already is never overwritten: the same
    bytes are left as they are, other bytes get the next free name (`NAME_LTX_v002`).

    Raises:
        InvalidInputError: `DELIVERY_UNFAITHFUL`; nothing was written.
        NotAllowedError: The folder cannot be written.
        ExhaustedError: The disk is full.
        ConflictError: Another run delivers into the folder, and does not end.
    """
    placements = [
        _placement_of(outcome, outcome.job.take, mappings=mappings)
        for outcome in outcomes
        if outcome.job is not None and outcome.job.take is not None
    ]
    if not placements:
        return None
    patch = apply_and_verify(timeline, placements, box=box)
    filesystem.make_folder(folder)
    with alone_in(folder, lock_name=_LOCK, filesystem=filesystem, wait=_patience()):
        destination = _destination(timeline, patch.data, folder)
        if not destination.exists():
            _save(timeline, destination, patch.data, filesystem=filesystem)
    facts = DocumentFacts(
        path=str(destination),
        sha256=hashlib.sha256(patch.data).hexdigest(),
        size_bytes=len(patch.data),
    )
    return DeliveredTimeline(facts, patch)


def _patience() -> Callable[[ConflictError], None]:
    give_up = time.monotonic() + _PATIENCE_S

    def wait(error: ConflictError) -> None:
        if time.monotonic() > give_up:
            raise error
        time.sleep(_POLL_S)

    return wait


def _save(
    timeline: Timeline, destination: Path, document: bytes, *, filesystem: FileSystem
) -> None:
    """Write under a hidden name first: a bundle, too, is there whole or not at all."""
    part = destination.with_name(f".{destination.stem}.part{destination.suffix}")
    filesystem.remove_tree(part)  # of a run that was killed
    timeline.form.save(timeline.path, part, document, writer=filesystem)
    filesystem.publish_new(part, destination)
    filesystem.fsync_folder(destination.parent)


def document_url(path: Path, *, mappings: Sequence[PathMapping]) -> str:
    """The URL by which the machine that wrote the timeline finds a file: the path mapping, backwards."""
    for mapping in mappings:
        replacement = Path(mapping.replacement)
        if path.is_relative_to(replacement):
            inside = path.relative_to(replacement).as_posix()
            prefix = mapping.prefix.rstrip("/")
            if prefix.startswith("//"):  # a share: its server is the URL's host
                prefix = prefix.removeprefix("//")
            elif not prefix.startswith("/"):  # a drive: C:/media
                prefix = f"/{prefix}" if prefix else ""
            return "file://" + quote(f"{prefix}/{inside}", safe="/:")
    return path.as_uri()


def _placement_of(outcome: Outcome, take: Take, *, mappings: Sequence[PathMapping]) -> Placement:
    return placement(outcome.planned, take, url=document_url(Path(take.path), mappings=mappings))


def _destination(timeline: Timeline, document: bytes, folder: Path) -> Path:
    """The first name that is free, or that holds these very bytes."""
    for version in count(1):
        suffix = "" if version == 1 else f"_v{version:03}"
        candidate = folder / f"{timeline.path.stem}_LTX{suffix}{timeline.path.suffix}"
        if not candidate.exists() or _holds(timeline, candidate, document):
            return candidate
    raise AssertionError


def _holds(timeline: Timeline, candidate: Path, document: bytes) -> bool:
    try:
        return timeline.form.load(candidate) == document
    except NotFoundError:
        return False
