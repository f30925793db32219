"""One claimed timeline, from wherever it is to its ending.

Everything here may be done again after a kill at any point: takes are found by their request ids, a document
of the same bytes keeps its name, notes are written anew, and a move that was made is seen to have been made.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from interchange.errors import (
    BridgeError,
    InternalError,
    InvalidInputError,
    NotAllowedError,
    NotAuthenticatedError,
    Reason,
    StoppedError,
    UnavailableError,
)
from ltxbridge.client import BridgeClient
from ltxbridge.hotfolder.claims import Claim, Claims, CrashPoint, Ending, failure, no_crash
from ltxbridge.hotfolder.layout import HotFolder
from ltxbridge.hotfolder.ledger import (
    DeliveredFile,
    Ledger,
    LedgerEntry,
    content_digest,
    document_digest,
)
from ltxbridge.hotfolder.moving import move_new
from ltxbridge.hotfolder.names import numbered
from ltxbridge.hotfolder.sightings import look_again
from ltxbridge.report import RequestState
from ltxbridge.roundtrip.making import JobObserver, Outcome
from ltxbridge.roundtrip.process import (
    Delivery,
    Desk,
    Planned,
    deliver,
    make_planned,
    read_and_plan,
)
from sidecar.filesystem import FileSystem

_LOG = logging.getLogger(__name__)

_PASSING = frozenset(
    {
        Reason.ALREADY_RUNNING,
        Reason.DISK_FULL,
        Reason.QUEUE_FULL,
        Reason.QUOTA_FULL,
        Reason.OUTPUT_NOT_WRITABLE,
        Reason.SIDECAR_UNREACHABLE,
        Reason.STORAGE_UNAVAILABLE,
    }
)
"""What is no fault of the timeline and passes, by itself or when somebody makes room."""

_OF_THE_DOCUMENT = frozenset(
    {
        Reason.DIRECTIVE_INVALID,
        Reason.RANGE_INVALID,
        Reason.RANGE_PAST_MEDIA,
        Reason.TARGET_UNSUPPORTED,
    }
)
"""What a mark is refused for that reads the same however often the same timeline is dropped."""

DeskFor = Callable[[Path, Path], Desk]
"""Makes the desk for a timeline: where it was dropped, and the folder of its delivery."""


class Drops:
    """Brings claims to their endings; several threads may do so at once, each with a claim of its own.

    Args:
        hot: The hot folder.
        claims: Its journal.
        ledger: What was delivered before.
        desk_for: See `DeskFor`.
        client: The sidecar, started where there is none.
        filesystem: Everything is written through it.
        stopping: Whether the watch ends, so that what fails now fails for that.
        crash_point: See `ltxbridge.hotfolder.claims.CrashPoint`.
    """

    def __init__(
        self,
        hot: HotFolder,
        *,
        claims: Claims,
        ledger: Ledger,
        desk_for: DeskFor,
        client: Callable[[], BridgeClient],
        filesystem: FileSystem,
        stopping: Callable[[], bool] = lambda: False,
        crash_point: CrashPoint = no_crash,
    ) -> None:
        self._hot = hot
        self._stopping = stopping
        self._claims = claims
        self._ledger = ledger
        self._desk_for = desk_for
        self._client = client
        self._filesystem = filesystem
        self._crash_point = crash_point

    def handle(self, claim: Claim, *, observer: JobObserver) -> Ending:
        """Do all that is left to do.

        Args:
            claim: As the journal has it.
            observer: Told of every job snapshot.

        Returns:
            How it ended; the claim is gone.

        Raises:
            BridgeError: It cannot go on now: no sidecar, a full disk, a share that is away. The claim stays as
                far as it got, and handling it again goes on from there.
        """
        present = self._claims.current(claim)
        if present is None:
            self._hot.identity()  # gone, or away?
            return Ending("removed", "Somebody removed it while it was worked on.")
        claim = present
        ending = claim.ending
        if ending is None:
            ending = self._worked(claim, observer)
        if not ending.place:
            claim = self._claims.decide(claim, self._placed(claim, ending))
        return self._settle(claim)

    def _worked(self, claim: Claim, observer: JobObserver) -> Ending:
        try:
            return self._round_trip(claim, observer)
        except (UnavailableError, NotAuthenticatedError):
            raise
        except BridgeError as error:
            if error.reason in _PASSING:
                raise
            cause = error
        except OSError as error:
            # The readers of timelines and media translate what a file can cause; this is its disk.
            raise UnavailableError(
                f"{claim.title} cannot be worked on now: {error.strerror or error}. Check the disk; the watch "
                "goes on by itself.",
                reason=Reason.STORAGE_UNAVAILABLE,
            ) from error
        except Exception as error:  # noqa: BLE001 - one timeline's fault stops no other
            if not self._stopping():
                _LOG.exception("A fault in handling a drop")
            cause = InternalError(
                f"a fault of ours ({type(error).__name__}); the log has the details. Nothing was overwritten."
            )
        if self._stopping():  # the connection is closed under it
            raise StoppedError("The watch was stopped; it goes on with the next start.") from cause
        # A file that seems missing may be a share that is away; that is no fault of the timeline.
        self._hot.identity()
        return failure(cause)

    def _round_trip(self, claim: Claim, observer: JobObserver) -> Ending:
        # Between the last look at it and the rename somebody may have put a link in its place.
        if look_again(claim.folder, claim.name) is None:
            raise InvalidInputError(
                f"{claim.title} became a link, a pipe or a second name of another file while it was taken in. "
                "Drop the timeline itself.",
                reason=Reason.DOCUMENT_UNSAFE,
            )
        origin = self._hot.incoming.joinpath(*claim.relative.parts)
        folder = self._hot.outgoing / claim.shelf
        self._refuse_links(folder)
        desk = self._desk_for(origin, folder)
        planned = read_and_plan(claim.document, desk=desk)
        for problem in planned.plan.problems:
            if isinstance(problem.error, UnavailableError):
                raise problem.error
        if not planned.plan.takes and not planned.plan.problems:
            raise InvalidInputError(
                "There is no mark in this timeline, so there is nothing to make. Mark a shot with `LTX: ...` "
                "and export it again.",
                reason=Reason.DIRECTIVE_INVALID,
            )
        digest = content_digest(
            claim.document,
            media=planned.files_read,
            refusals=[
                (problem.where, problem.text, problem.error.reason)
                for problem in planned.plan.problems
            ],
            options=replace(desk.options, output_directory=""),
            mappings=desk.mappings,
            filesystem=self._filesystem,
        )
        self._crash_point("planned")
        if (known := self._ledger.find(digest)) is not None:
            if known.claim == claim.folder.name:  # made, and killed before that was written down
                return _ending(known)
            return _duplicate(known)
        # Its marks are still in it, for the conform; made again, every take would come twice.
        ours = document_digest(claim.document, filesystem=self._filesystem)
        if (known := self._ledger.find(ours)) is not None:
            return _own_delivery(known)
        outcomes = self._made(planned, desk, observer)
        self._crash_point("made")
        self._refuse_links(folder)
        delivery = deliver(
            planned,
            outcomes,
            desk=desk,
            folder=folder,
            fallback_folder=claim.report_folder,
            source=origin,
        )
        self._crash_point("delivered")
        if delivery.timeline is None:
            return _nothing(delivery)
        entry = _entry(claim, delivery)
        delivered = document_digest(Path(entry.timeline), filesystem=self._filesystem)
        self._ledger.record(delivered, entry)
        if _would_be_the_same(delivery):
            self._ledger.record(digest, entry)
            self._crash_point("recorded")
        return _ending(entry)

    def _made(self, planned: Planned, desk: Desk, observer: JobObserver) -> tuple[Outcome, ...]:
        if not planned.plan.takes:
            return ()
        outcomes = make_planned(planned, desk=desk, client=self._client(), observer=observer)
        for outcome in outcomes:
            if outcome.error is not None and outcome.error.reason in _PASSING:
                raise outcome.error
        return outcomes

    def _refuse_links(self, folder: Path) -> None:
        if not self._hot.is_own(folder):
            raise NotAllowedError(
                f"{folder} is a link or a file, or lies behind a link, so nothing is delivered there. Replace it by "
                "a folder and drop the timeline again.",
                reason=Reason.PATH_OUTSIDE_ROOTS,
                metadata={"path": str(folder)},
            )

    def _placed(self, claim: Claim, ending: Ending) -> Ending:
        """Choose a name that nothing has: neither the timeline nor the notes beside it."""
        target = self._target(ending)
        # Where its own folder is a link by now, the top of `done/` or `failed/` will do.
        shelf = claim.shelf if self._hot.is_own(target / claim.shelf) else PurePosixPath()
        endings = ("", *ending.notes, ".report.html", ".report.json")
        for number in count(1):
            place = shelf / numbered(claim.name, number)
            names = (target / f"{place}{ending}" for ending in endings)
            if not any(os.path.lexists(name) for name in names):
                break
        reported = ending.failed and (claim.report_folder / "").exists()
        path = str(target / f"{place}.report.html") if reported else ending.path
        return replace(ending, place=str(place), path=path)

    def _settle(self, claim: Claim) -> Ending:
        ending = claim.ending
        assert ending is not None, "settled only once it is decided"  # noqa: S101 - narrows the type
        target = self._target(ending).joinpath(*ending.place.split("/"))
        if not self._hot.is_own(target.parent):
            self._refuse_links(self._target(ending))
            return self._settle(self._claims.decide(claim, self._placed(claim, ending)))
        self._filesystem.make_folder(target.parent)
        for name, content in self._notes(claim, ending):
            self._filesystem.write_atomic(target.with_name(target.name + name), content)
        self._crash_point("notes written")
        if os.path.lexists(claim.document) and not move_new(
            claim.document, target, filesystem=self._filesystem, crash_point=self._crash_point
        ):
            # The name was taken since it was chosen: choose another, and settle there.
            decided = self._claims.decide(claim, self._placed(claim, ending))
            return self._settle(decided)
        self._crash_point("moved")
        self._claims.release(claim)
        return ending

    def _target(self, ending: Ending) -> Path:
        return self._hot.failed if ending.failed else self._hot.done

    def _notes(self, claim: Claim, ending: Ending) -> Iterator[tuple[str, bytes]]:
        for path in sorted(claim.report_folder.glob("*.*")):
            if path.suffix in {".html", ".json"}:
                yield f".report{path.suffix}", path.read_bytes()
        for name, note in ending.notes.items():
            yield name, (json.dumps({**note, "document": claim.title}, indent=1) + "\n").encode()


def _duplicate(known: LedgerEntry) -> Ending:
    message = f"It was delivered before, as {known.timeline}; nothing was made again."
    if known.unmet:
        message += f" Marks that cannot be met: {known.unmet}; {known.report} says why."
    return _nothing_again(known, message)


def _own_delivery(known: LedgerEntry) -> Ending:
    return _nothing_again(
        known,
        f"This is {known.timeline}, which was delivered for {known.document}; nothing was made from it. To have "
        "takes made again, change a mark in the timeline and drop its new export.",
    )


def _nothing_again(known: LedgerEntry, message: str) -> Ending:
    note = {
        "schema": "ltxbridge.Duplicate.1",
        "message": message,
        "duplicate_of": known.document,
        "timeline": known.timeline,
        "report": known.report,
    }
    # What was incomplete the first time is no less so now, for whoever reads the notice or the exit code.
    verdict = "incomplete" if known.unmet else "duplicate"
    return Ending(verdict, message, notes={".duplicate.json": note}, path=known.timeline)


def _would_be_the_same(delivery: Delivery) -> bool:
    """Whether the same timeline, dropped again, could only be delivered like this."""
    return all(
        request.error is None
        or (request.state is RequestState.REFUSED and request.error.reason in _OF_THE_DOCUMENT)
        for request in delivery.report.requests
    )


def _ending(entry: LedgerEntry) -> Ending:
    asked = entry.met + entry.unmet
    if entry.unmet:
        message = (
            f"{entry.met} of {asked} delivered; {entry.report} says what became of the others."
        )
        return Ending("incomplete", message, path=entry.timeline)
    return Ending("delivered", f"{entry.met} of {asked} delivered.", path=entry.timeline)


def _nothing(delivery: Delivery) -> Ending:
    """Not one mark was met."""
    marks = _unmet(delivery)
    errors = [request.error for request in delivery.report.requests if request.error is not None]
    first = errors[0]
    if len(errors) == 1:
        return failure(first, marks=marks)
    message = f"None of the {len(errors)} marks could be met. The first: {first.message}"
    return failure(type(first)(message, reason=first.reason, metadata=first.metadata), marks=marks)


def _unmet(delivery: Delivery) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "where": request.where,
            "mark": request.directive,
            "reason": request.error.reason.value,
            "message": request.error.message,
        }
        for request in delivery.report.requests
        if request.error is not None
    )


def _entry(claim: Claim, delivery: Delivery) -> LedgerEntry:
    timeline = Path(delivery.timeline.facts.path) if delivery.timeline else delivery.html
    paths = [timeline, *timeline.rglob("*"), delivery.html]
    for request in delivery.report.requests:
        if request.take is not None:
            paths += [Path(request.take.path), Path(request.take.manifest_path)]
    return LedgerEntry(
        claim=claim.folder.name,
        document=claim.title,
        timeline=str(timeline),
        report=str(delivery.html),
        met=delivery.report.count(RequestState.DELIVERED),
        unmet=sum(request.take is None for request in delivery.report.requests),
        files=tuple(
            DeliveredFile(str(path), path.stat().st_size) for path in paths if path.is_file()
        ),
    )
