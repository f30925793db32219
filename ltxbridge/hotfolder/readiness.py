"""When a timeline is ready: what it takes to believe that nobody is writing it any more.

Everything here is decided by equality between scans and by a monotonic clock, never by the age of a file: its
times may lie in the future or in 1970, and the clock on the wall may jump. A scan takes time, so the first
sighting counts from the end of its scan and the last one up to the start of its own.

A timeline goes through these questions, and starts again at the first whenever it changes:

1. Has it kept its stamp for `settle_s`?
2. May it be opened, and is it whole?
3. Are the media it needs from beside it there, settled and whole too?

A "no" to 2 or 3 means waiting, because a copy may have stalled. Only what has not changed at all for
`patience_s` is refused. What is waited for is kept beside the timeline, for people to be told.
"""

from __future__ import annotations

import hashlib
import heapq
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from interchange.errors import (
    BridgeError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
    UnsupportedError,
)
from ltxbridge.hotfolder.names import name_key, printable
from ltxbridge.hotfolder.sightings import Listing, Sighting, Stamp

_LOG = logging.getLogger(__name__)
Answer = TypeVar("Answer")

_VERDICTS = (InvalidInputError, NotFoundError, NotAllowedError, UnsupportedError)
"""Errors about what was dropped. Any other is about us or the disk, and no reason to refuse a drop."""
_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 15.0
_NAMES_SAID = 3
_LONGEST_SAID = 400


class Examiner(Protocol):
    """Opens what has settled. Paths are relative to `in/`."""

    def held(self, relative: str) -> str:
        """Why a file or bundle cannot be opened now; empty where it can be."""

    def document(self, relative: str) -> frozenset[str]:
        """Check that a timeline is whole, and name the media that must lie beside it.

        Raises:
            BridgeError: It is not.
        """

    def media(self, relative: str) -> None:
        """Check that a media file opens.

        Raises:
            BridgeError: It does not.
        """


@dataclass(frozen=True, slots=True)
class Waits:
    """How long things are waited for, in seconds.

    Args:
        settle_s: No change before something is opened.
        patience_s: No change before something that fails its probe, or is locked, is refused.
        companions_s: No change before a timeline goes on without media that were to come with it.
        again_s: Until what was handed out and is still there is handed out again.
    """

    settle_s: float
    patience_s: float = 600
    companions_s: float = 60
    again_s: float = 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the questions.

    Args:
        relative: The timeline.
        stamps: Of the timeline and of every media file beside it that it needs, by path.
        error: Why it is refused; None where it is ready.
    """

    relative: str
    stamps: tuple[tuple[str, Stamp], ...]
    error: BridgeError | None

    @property
    def signature(self) -> str:
        """Changes when one of the stamps does."""
        return signature_of(self.stamps)


def signature_of(stamps: tuple[tuple[str, Stamp], ...]) -> str:
    """Digest of stamps by path."""
    return hashlib.sha256(repr(stamps).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Wait:
    """What a timeline that has settled still waits for.

    Args:
        reason: The cause; as long as it is the same, nothing new is to be said.
        message: One or two sentences that can be printed, of a bounded length.
    """

    reason: Reason
    message: str


class _Seen(NamedTuple):
    stamp: Stamp
    since: float


@dataclass(slots=True)
class _Case:
    """A timeline and how far its questions are answered, for the stamp it has."""

    sighting: Sighting
    since: float  # all times are the clock's
    next_s: float = -math.inf
    pause_s: float = _FIRST_PAUSE_S
    names: frozenset[str] | None = None  # of media to lie beside it; None before it was probed
    opened: dict[str, Stamp] = field(
        default_factory=dict
    )  # media that passed, and what they were then
    wait: Wait | None = None


class _NotYet(Exception):  # noqa: N818 - no error, an answer
    """The answer "wait", with the error it becomes when patience ends, and what is waited for until then."""

    def __init__(self, error: BridgeError, what: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.what = what


class Readiness:
    """Remembers what was seen, and says which timelines are ready.

    Args:
        waits: How long to wait for what.
        examiner: Opens what has settled.
    """

    def __init__(self, waits: Waits, examiner: Examiner) -> None:
        self._waits = waits
        self._examiner = examiner
        self._cases: dict[str, _Case] = {}
        self._files: dict[str, _Seen] = {}
        self._by_name: dict[str, list[str]] | None = None
        self._began = 0.0

    @property
    def seen(self) -> int:
        """How many timelines there are."""
        return len(self._cases)

    @property
    def waiting(self) -> dict[str, Wait]:
        """What each timeline waits for that waits for more than to settle."""
        return {name: case.wait for name, case in self._cases.items() if case.wait is not None}

    @property
    def due_s(self) -> float:
        """When the next question can be asked, on the clock; infinite where there is no timeline."""
        return min(
            (max(case.next_s, case.since + self._waits.settle_s) for case in self._cases.values()),
            default=math.inf,
        )

    def observe(self, listing: Listing, *, began: float, ended: float) -> None:
        """Take in one scan.

        Args:
            listing: What was seen.
            began: Monotonic seconds when the scan began.
            ended: When it ended.
        """
        self._began = began
        self._by_name = None
        files: dict[str, _Seen] = {}
        for relative, stamp in listing.files.items():
            seen = self._files.get(relative)
            files[relative] = seen if seen and seen.stamp == stamp else _Seen(stamp, ended)
        self._files = files
        cases: dict[str, _Case] = {}
        for relative, sighting in listing.documents.items():
            case = self._cases.get(relative)
            kept = case is not None and case.sighting == sighting
            # One that is written in bursts waits for its end all the while: that is said once.
            wait = case.wait if case else None
            cases[relative] = case if case and kept else _Case(sighting, ended, wait=wait)
        self._cases = cases

    def due(self, most: int) -> list[str]:
        """Timelines whose next question can be asked, those asked longest ago first; at most so many."""
        waiting = (
            (max(case.next_s, case.since), relative)
            for relative, case in self._cases.items()
            if case.next_s <= self._began and self._settled(case.since)
        )
        return [relative for _, relative in heapq.nsmallest(most, waiting)]

    def judge(self, relative: str) -> Verdict | None:
        """Ask the questions about a timeline of the last scan that is due; None where it must wait.

        Raises:
            UnavailableError: The disk went away meanwhile (STORAGE_UNAVAILABLE).
        """
        case = self._cases[relative]
        last_change = case.since
        companions: list[str] = []
        error: BridgeError | None = None
        try:
            if case.sighting.flaw:
                raise _refused(relative, case.sighting.flaw)
            self._check_document(relative, case)
            companions, missing = self._companions(relative, case)
            last_change = max([last_change, *(self._files[name].since for name in companions)])
            if missing and self._began - last_change < self._waits.companions_s:
                case.next_s = self._began + self._waits.settle_s
                case.wait = Wait(
                    Reason.MEDIA_NOT_FOUND,
                    f"It waits for media that are neither where it says nor beside it: {_listed(missing)}. "
                    f"It goes on without them {self._waits.companions_s:g} s after the last change.",
                )
                return None
            if not self._settled(last_change):
                case.next_s = last_change + self._waits.settle_s
                changing = [
                    name for name in companions if not self._settled(self._files[name].since)
                ]
                message = f"It waits until {_listed(changing)} has stopped changing."
                case.wait = Wait(Reason.MEDIA_CHANGED, message)
                return None
            for companion in companions:
                self._check_media(companion, case)
        except _NotYet as not_yet:
            if self._began - last_change < self._waits.patience_s:
                patience = f"It is given up {self._waits.patience_s:g} s after the last change."
                case.wait = Wait(
                    not_yet.error.reason, f"It waits {_short(not_yet.what)}. {patience}"
                )
                self._pause(case)
                return None
            error = not_yet.error
        except _VERDICTS as flaw:
            error = flaw
        except BridgeError as trouble:
            if trouble.reason is Reason.STORAGE_UNAVAILABLE:
                raise
            _LOG.warning("%s waits: %s", printable(relative), trouble)
            case.wait = Wait(trouble.reason, f"It is tried again: {_short(trouble.message)}")
            self._pause(case)
            return None
        case.wait = None
        case.next_s = self._began + self._waits.again_s
        stamps = [(relative, case.sighting.stamp)]
        stamps += [(companion, self._files[companion].stamp) for companion in companions]
        return Verdict(relative, tuple(stamps), error)

    def _check_document(self, relative: str, case: _Case) -> None:
        if case.sighting.partial:
            partial = printable(case.sighting.partial)
            raise _NotYet(
                _refused(relative, f"{partial} in it was never finished; copy it again"),
                f"until {partial} in it is finished",
            )
        self._check_open(relative)  # each time: somebody may have opened it since it was read
        if case.names is not None:
            return
        case.names = _whole(lambda: self._examiner.document(relative))

    def _check_media(self, companion: str, case: _Case) -> None:
        stamp = self._files[companion].stamp
        self._check_open(companion)
        if case.opened.get(companion) == stamp:
            return
        _whole(lambda: self._examiner.media(companion))
        case.opened[companion] = stamp

    def _check_open(self, relative: str) -> None:
        held = self._examiner.held(relative)
        if held:
            raise _NotYet(
                NotAllowedError(
                    f"{printable(relative)} cannot be opened: {held}. Close it in the program that has it "
                    "open, or allow this user to read it, and drop it again.",
                    reason=Reason.NOT_PERMITTED,
                    metadata={"path": printable(relative)},
                ),
                f"until {_listed([relative])} can be opened: {held}",
            )

    def _companions(self, relative: str, case: _Case) -> tuple[list[str], list[str]]:
        """Media beside a timeline, in its folder or below, that it needs; and the names of those missing."""
        names = {name_key(name): name for name in case.names or ()}
        if not names:
            return [], []
        folder = relative.rpartition("/")[0]
        inside = f"{folder}/" if folder else ""
        found: list[str] = []
        missing: list[str] = []
        for key in sorted(names):
            beside = [path for path in self._files_named(key) if path.startswith(inside)]
            if not beside:
                missing.append(names[key])
            found += beside
        return found, missing

    def _files_named(self, key: str) -> list[str]:
        if self._by_name is None:
            self._by_name = {}
            for relative in self._files:
                name = name_key(relative.rpartition("/")[2])
                self._by_name.setdefault(name, []).append(relative)
        return self._by_name.get(key, [])

    def _settled(self, since: float) -> bool:
        return self._began - since >= self._waits.settle_s

    def _pause(self, case: _Case) -> None:
        """Ask again later, and later each time: what has not changed will hardly answer otherwise."""
        left_s = case.since + self._waits.patience_s - self._began
        case.next_s = self._began + (min(case.pause_s, left_s) if left_s > 0 else case.pause_s)
        case.pause_s = min(case.pause_s * 2, _LONGEST_PAUSE_S)


def _whole(examine: Callable[[], Answer]) -> Answer:
    """Turn what an examination finds wrong into waiting, unless waiting cannot mend it."""
    try:
        return examine()
    except _VERDICTS as error:
        if error.reason is Reason.DOCUMENT_UNSAFE:
            raise
        raise _NotYet(error, f"to be whole: {printable(error.message).rstrip('.')}") from error


def _listed(names: Iterable[str]) -> str:
    """A few names, as they can be printed."""
    names = list(names)
    said = ", ".join(_short(printable(name)) for name in names[:_NAMES_SAID])
    more = len(names) - _NAMES_SAID
    return f"{said} and {more} more" if more > 0 else said


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SAID else f"{text[: _LONGEST_SAID - 1]}…"


def _refused(relative: str, flaw: str) -> InvalidInputError:
    name = printable(relative)
    return InvalidInputError(
        f"{name} is not taken in: {flaw}.",
        reason=Reason.DOCUMENT_UNSAFE,
        metadata={"path": name},
    )
