"""The watch: takes in what is ready, has it handled a few at a time, and never gives up on what only waits.

One thread scans, claims and keeps the books; a few others handle claims. What waits for a disk, a share or a
sidecar is tried again, later and later up to a minute, and holds up nobody but itself.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from interchange.errors import BridgeError, InternalError, Reason, StoppedError, UnavailableError
from ltxbridge.hotfolder.claims import Claim, Claims, Ending, failure
from ltxbridge.hotfolder.intake import Arrival, Refusal
from ltxbridge.hotfolder.names import document_name, name_key, printable
from ltxbridge.hotfolder.readiness import Wait
from ltxbridge.hotfolder.status import BEAT_S, Event, StatusFile, Trouble
from ltxbridge.notice import Notice

_LOG = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 60.0
_LEAVE_WITHIN_S = 10.0
_IN_HAND_PER_WORKER = 16


class Taking(Protocol):
    """What the watcher asks of the intake; `ltxbridge.hotfolder.intake.Intake`."""

    @property
    def seen(self) -> int:
        """How many timelines the last scan saw."""

    @property
    def waiting(self) -> Mapping[str, Wait]:
        """What those wait for that are not ready."""

    def pause_s(self, least_s: float) -> float:
        """How long not to scan where nothing happens."""

    def poll(self) -> tuple[Arrival | Refusal, ...]:
        """What is ready."""

    def still(self, arrival: Arrival) -> bool:
        """Whether an arrival is unchanged."""


class Waking(Protocol):
    """What the watcher waits on; `ltxbridge.hotfolder.wake.Wake`."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until something may have happened; whether it has."""

    def set(self) -> None:
        """End the wait."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a watch goes about its work.

    Args:
        workers: Timelines handled at the same time.
        poll_s: Seconds between two scans at least; more where nothing happens in a large tree.
        retry_s: Seconds until what waits is tried again; doubled each time, up to a minute.
        once_after_s: End when there was nothing to do and nothing to wait for during so many seconds; None
            watches for ever.
        once_patience_s: End also where something in `in/` has not become ready during so many seconds.
    """

    workers: int = 2
    poll_s: float = 2.0
    retry_s: float = 2.0
    once_after_s: float | None = None
    once_patience_s: float = 0.0


class Watcher:
    """Watches one hot folder.

    Args:
        intake: Says what is ready.
        wake: Ends a pause early.
        claims: The journal.
        handle: Brings a claim to its ending, on one of the threads.
        status: Where the status is written.
        announce: Told of every event, on the watcher's thread.
        tell: Told when a timeline has ended.
        rhythm: How many and how often.
        clock: Monotonic seconds.

    Attributes:
        given_up: Why timelines were left to the next run, where this one runs once.
    """

    def __init__(
        self,
        *,
        intake: Taking,
        wake: Waking,
        claims: Claims,
        handle: Callable[[Claim], Ending],
        status: StatusFile,
        announce: Callable[[Event], None],
        tell: Callable[[Notice], None],
        rhythm: Rhythm | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._intake = intake
        self._wake = wake
        self._claims = claims
        self._handle = handle
        self._status = status
        self._announce = announce
        self._tell = tell
        self._rhythm = rhythm or Rhythm()
        self._clock = clock
        self._most_open = self._rhythm.workers * _IN_HAND_PER_WORKER
        self._counts: Counter[str] = Counter()
        self._todo: SimpleQueue[Claim | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[Claim, Ending | BridgeError]] = SimpleQueue()
        self._open: dict[str, Claim] = {}
        self._tries: Counter[str] = Counter()
        self._due: list[tuple[float, int, Claim]] = []
        self._number = count()
        self._troubles: dict[str, Trouble] = {}
        self._waiting: Mapping[str, Wait] = {}
        self._found: dict[str, Arrival | Refusal] = {}
        self.given_up: list[BridgeError] = []
        self._next_poll_s = 0.0
        self._rested_s = 0.0
        self._idle_since_s = 0.0
        self._threads: list[threading.Thread] = []

    @property
    def counts(self) -> Counter[str]:
        """How many timelines ended, by verdict."""
        return self._counts

    def run(self) -> None:
        """Watch until told to stop by `KeyboardInterrupt`, or until there is nothing left (`once`).

        Claims that were not brought to their end are taken up by the next run.

        Raises:
            BridgeError: The folder cannot be used at the start.
        """
        self._idle_since_s = self._clock()
        self._start()
        try:
            for claim in self._claims.open_claims():
                self._open[_key(claim)] = claim
                self._todo.put(claim)
            while not self._finished():
                self._collect()
                self._try_again()
                self._take_in()
                self._write_status("watching")
                if self._wake.wait(self._pause_s()):
                    self._next_poll_s = min(self._next_poll_s, self._rested_s)
        except KeyboardInterrupt:
            self._announce(Event("stopped", "What was claimed goes on with the next start."))
        self._write_status("stopped")

    def leave(self) -> None:
        """Let the threads end; what holds them up must have been told to let go."""
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join(_LEAVE_WITHIN_S)
        with contextlib.suppress(Empty):
            while True:
                claim, result = self._results.get_nowait()
                if isinstance(result, Ending):
                    self._ended(claim, result)
        self._write_status("stopped")

    def _start(self) -> None:
        self._threads = [
            threading.Thread(target=self._work, name=f"drop-{number}", daemon=True)
            for number in range(self._rhythm.workers)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while (claim := self._todo.get()) is not None:
            result: Ending | BridgeError
            try:
                result = self._handle(claim)
            except BridgeError as error:
                result = error
            except Exception as error:  # noqa: BLE001 - a thread outlives any one timeline
                _LOG.exception("A fault in the hot folder")
                result = InternalError(
                    f"a fault of ours ({type(error).__name__}); it is tried again. The log has the details."
                )
            self._results.put((claim, result))
            self._wake.set()

    def _finished(self) -> bool:
        after_s = self._rhythm.once_after_s
        if after_s is None:
            return False
        if len(self._open) > len(self.given_up):
            self._idle_since_s = self._clock()
        idle_s = self._clock() - self._idle_since_s
        return idle_s > (self._rhythm.once_patience_s if self._intake.seen else after_s)

    def _pause_s(self) -> float:
        """Until the next poll, or until something that waits or the status is due."""
        next_s = min(self._next_poll_s, self._clock() + BEAT_S)
        if self._due:
            next_s = min(next_s, self._due[0][0])
        return max(0.0, next_s - self._clock())

    def _collect(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                claim, result = self._results.get_nowait()
                if isinstance(result, Ending):
                    self._ended(claim, result)
                else:
                    self._wait_for(claim, result)

    def _ended(self, claim: Claim, ending: Ending) -> None:
        self._idle_since_s = self._clock()
        self._open.pop(_key(claim), None)
        self._tries.pop(_key(claim), None)
        self._troubles.pop(claim.title, None)
        self._counts[ending.verdict] += 1
        self._announce(Event(ending.verdict, ending.message, claim.title, ending.path))
        path = Path(ending.path) if ending.path else None
        complete = ending.verdict in {"delivered", "duplicate"}
        self._tell(Notice(f"{claim.title}: {ending.verdict}", ending.message, path, complete))

    def _wait_for(self, claim: Claim, error: BridgeError) -> None:
        if isinstance(error, StoppedError):
            return
        key = _key(claim)
        full = error.reason is Reason.QUEUE_FULL
        self._trouble(claim.title, error)
        if self._rhythm.once_after_s is not None and not full:
            self.given_up.append(error)
            return
        self._tries[key] += 1
        doubled_s = self._rhythm.retry_s * 2.0 ** min(self._tries[key] - 1, 10)
        pause_s = self._rhythm.retry_s if full else min(doubled_s, _LONGEST_PAUSE_S)
        heapq.heappush(self._due, (self._clock() + pause_s, next(self._number), claim))

    def _try_again(self) -> None:
        while self._due and self._due[0][0] <= self._clock():
            self._todo.put(heapq.heappop(self._due)[2])

    def _poll(self) -> None:
        self._next_poll_s = self._rested_s = self._clock() + self._rhythm.poll_s
        try:
            found = self._intake.poll()
        except UnavailableError as error:
            self._trouble("", error)
            if self._rhythm.once_after_s is not None:
                raise
            return
        if self._troubles.pop("", None) is not None:
            self._announce(Event("back", "The folder answers again."))
        self._say_waiting()
        if self._rhythm.once_after_s is None:
            self._next_poll_s = self._clock() + self._intake.pause_s(self._rhythm.poll_s)
        # What is not remembered is handed out again.
        if len(self._found) < self._most_open:
            self._found |= {str(item.relative): item for item in found}

    def _take_in(self) -> None:
        if self._clock() >= self._next_poll_s:
            self._poll()
        for name in tuple(self._found):
            if len(self._open) >= self._most_open:
                return
            item = self._found[name]
            if _item_key(item) in self._open:
                continue  # the one before it has the name until it is done
            del self._found[name]
            try:
                self._claim(item)
            except BridgeError as error:
                self._found[name] = item
                self._trouble(printable(name), error)

    def _claim(self, item: Arrival | Refusal) -> None:
        if isinstance(item, Arrival):
            if not self._intake.still(item):
                return
            claim = self._claims.take(item.relative, item.path)
        else:
            claim = self._claims.take(item.relative, item.path, ending=failure(item.error))
        if claim is None:
            return
        self._troubles.pop(claim.title, None)
        self._open[_key(claim)] = claim
        self._announce(Event("claimed", "taken in.", claim.title))
        self._todo.put(claim)

    def _trouble(self, document: str, error: BridgeError) -> None:
        """Say what is wrong, once for as long as it stays the same."""
        trouble = Trouble(document, error.reason.value, error.message)
        if self._troubles.get(document) == trouble:
            return
        self._troubles[document] = trouble
        kind = "waiting" if document else "away"
        self._announce(Event(kind, error.message, document, reason=error.reason.value))

    def _say_waiting(self) -> None:
        """Say what a timeline in `in/` waits for, once for as long as the cause stays the same."""
        before, self._waiting = self._waiting, self._intake.waiting
        for name, wait in self._waiting.items():
            if name not in before or before[name].reason is not wait.reason:
                self._announce(
                    Event("waiting", wait.message, printable(name), reason=wait.reason.value)
                )

    def _write_status(self, state: str) -> None:
        self._status.write(
            state,
            working=tuple(sorted(claim.title for claim in self._open.values())),
            troubles=(
                *self._troubles.values(),
                *(
                    Trouble(printable(name), wait.reason.value, wait.message)
                    for name, wait in self._waiting.items()
                ),
            ),
            counts=self._counts,
        )


def _key(claim: Claim) -> str:
    return name_key(str(claim.shelf / claim.name))


def _item_key(item: Arrival | Refusal) -> str:
    parts = (document_name(part) for part in item.relative.parts)
    return name_key("/".join(parts))
