"""What is ready to be taken in, asked for again and again by the watcher.

Nothing here changes the folder. All that may hang on a dead share happens in a thread that can be left behind.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

from interchange.errors import BridgeError
from ltxbridge.hotfolder.layout import HotFolder
from ltxbridge.hotfolder.names import printable
from ltxbridge.hotfolder.opening import held_by_another
from ltxbridge.hotfolder.own_thread import OwnThread
from ltxbridge.hotfolder.readiness import Readiness, Verdict, Wait, Waits, signature_of
from ltxbridge.hotfolder.sightings import LIMITS, Limits, Listing, look, look_again

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

_ASKED_FOR_ONE = 4
"""Timelines asked about in one poll, for each it may hand out: a thousand damaged ones must neither make a
poll long nor hold up the whole ones behind them."""
_PAUSE_PER_COST = 120
"""A scan of a tree that rests may take less than one percent of one processor."""
_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A timeline in `in/` that is whole and at rest, and so are the media it needs from beside it.

    A delivery of ours that somebody dropped arrives like any other: its bytes tell, not its name, and the
    ledger knows their digest.

    Args:
        relative: Its place inside `in/`.
        path: The document, or the folder of a bundle.
        signature: Changes when the document or one of those media does.
        media: Those media, inside `in/`.
    """

    relative: PurePosixPath
    path: Path
    signature: str
    media: tuple[PurePosixPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A timeline in `in/` that cannot be taken in, however long one waits.

    Args:
        relative: Its place inside `in/`.
        path: The document or bundle, or what stands in its name: a link, a pipe. Rename it, never open it.
        error: What is wrong and what to do about it.
    """

    relative: PurePosixPath
    path: Path
    error: BridgeError


class Probe(Protocol):
    """Opens what was dropped, in the reader box: hostile files are never opened in the watcher's process."""

    def document(self, path: Path) -> frozenset[str]:
        """Check that a timeline is whole: well-formed to its end.

        Args:
            path: A document or bundle that has stopped changing.

        Returns:
            File names (no folders) of the media its marks need and that are not where it says, so that
            they must lie beside it. The document is handed out once these are there, at rest and whole.

        Raises:
            BridgeError: It is not whole (yet), or cannot be read.
        """

    def media(self, path: Path) -> None:
        """Check that a media file opens and has a duration.

        Raises:
            BridgeError: It does not (yet).
        """


class Intake:
    """The timelines of one hot folder that are ready.

    Args:
        hot: The folder; made already.
        settle_s: How long a timeline and its media must not change before they are opened, in seconds.
        clock: Monotonic seconds.
        probe: Opens what has settled.
        patience_s: How long something that fails its probe, or is locked, may stay unchanged before it is
            refused, in seconds.
        companions_s: How long a timeline waits for media that are to lie beside it, in seconds.
        most: The most that one `poll` hands out; the rest comes with the next.
        answer_s: How long the disk may take for a scan, in seconds.
        probing_s: How long all probes of one poll may take before the disk counts as gone, in seconds.
        limits: How much of `in/` is looked at.
        listed: Lists `in/`; raises `OSError`.
        held: Why a file cannot be opened now; empty where it can be.
        processor: Seconds that the asking thread has had the processor.
    """

    def __init__(
        self,
        hot: HotFolder,
        *,
        settle_s: float,
        clock: Callable[[], float],
        probe: Probe,
        patience_s: float = 600,
        companions_s: float = 60,
        most: int = 16,
        answer_s: float = 30,
        probing_s: float = 300,
        limits: Limits = LIMITS,
        listed: Callable[..., Listing] = look,
        held: Callable[[Path], str] = held_by_another,
        processor: Callable[[], float] = time.thread_time,
    ) -> None:
        self._hot = hot
        self._clock = clock
        self._most = most
        self._answer_s = answer_s
        self._probing_s = probing_s
        self._limits = limits
        self._listed = listed
        self._processor = processor
        self._cost_s = 0.0
        self._readiness = Readiness(
            Waits(settle_s, patience_s=patience_s, companions_s=companions_s),
            _Examiner(hot.incoming, probe, held),
        )
        self._thread = OwnThread(f"scan {printable(hot.root.name)}")
        self._identity: str | None = None
        self._mentioned: frozenset[str] = frozenset()

    @property
    def seen(self) -> int:
        """How many timelines the last scan saw in `in/`, ready or not."""
        return self._readiness.seen

    @property
    def waiting(self) -> dict[str, Wait]:
        """What timelines wait for that have settled and are not ready, by their place inside `in/`."""
        return self._readiness.waiting

    def pause_s(self, least_s: float) -> float:
        """How long to leave a folder alone in which nothing happens, in seconds.

        A large tree costs more to look at, so it is looked at less often; but a timeline that waits is asked
        about when it can be.

        Args:
            least_s: The pause of a small tree.
        """
        rest_s = min(_PAUSE_PER_COST * self._cost_s, _LONGEST_PAUSE_S)
        return max(least_s, min(rest_s, self._readiness.due_s - self._clock()))

    def poll(self) -> tuple[Arrival | Refusal, ...]:
        """Scan once and hand out what is ready, the longest waiting first.

        What is not claimed is handed out again after a while.

        Raises:
            UnavailableError: The folder does not answer, or is not the one it was (STORAGE_UNAVAILABLE).
        """
        listing, began, ended, scan_s = self._answered(self._scan, self._answer_s)
        before_s = self._processor()
        self._mention(listing)
        self._readiness.observe(listing, began=began, ended=ended)
        self._cost_s = scan_s + self._processor() - before_s
        verdicts = self._answered(self._judge, self._probing_s)
        return tuple(self._handed_out(verdict) for verdict in verdicts)

    def still(self, arrival: Arrival) -> bool:
        """Whether an arrival is what it was when it was handed out; asked just before the claim.

        Raises:
            UnavailableError: The folder does not answer (STORAGE_UNAVAILABLE).
        """
        paths = [str(relative) for relative in (arrival.relative, *arrival.media)]

        def look_at_all() -> bool:
            self._check_folder()
            stamps = []
            for path in paths:
                stamp = look_again(self._hot.incoming, path, limits=self._limits)
                if stamp is None:
                    return False
                stamps.append((path, stamp))
            return signature_of(tuple(stamps)) == arrival.signature

        return self._answered(look_at_all, self._answer_s)

    def _scan(self) -> tuple[Listing, float, float, float]:
        began, before_s = self._clock(), self._processor()
        self._check_folder()
        listing = self._listed(self._hot.incoming, limits=self._limits)
        return listing, began, self._clock(), self._processor() - before_s

    def _check_folder(self) -> None:
        """Tell a hot folder from the empty mount point it leaves behind, and from another disk's."""
        identity = self._hot.identity()
        if self._identity is None:
            self._identity = identity
        if identity != self._identity:
            raise self._hot.unavailable("another disk is mounted there")
        if os.lstat(self._hot.incoming).st_dev != os.lstat(self._hot.state).st_dev:
            raise self._hot.unavailable("in/ is no longer on the volume of the rest")

    def _judge(self) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for relative in self._readiness.due(_ASKED_FOR_ONE * self._most):
            if len(verdicts) == self._most:
                break
            verdict = self._readiness.judge(relative)
            if verdict is not None:
                verdicts.append(verdict)
        return verdicts

    def _handed_out(self, verdict: Verdict) -> Arrival | Refusal:
        relative = PurePosixPath(verdict.relative)
        path = self._hot.incoming / verdict.relative
        if verdict.error is not None:
            return Refusal(relative, path, verdict.error)
        media = tuple(PurePosixPath(beside) for beside, _ in verdict.stamps[1:])
        return Arrival(relative, path, verdict.signature, media)

    def _answered(self, work: Callable[[], Result], timeout_s: float) -> Result:
        try:
            return self._thread.call(
                work,
                timeout_s=timeout_s,
                overdue=lambda: self._hot.unavailable("its disk does not answer"),
            )
        except BridgeError:  # some are OSErrors too
            raise
        except OSError as error:
            raise self._hot.unavailable(error.strerror or str(error)) from error

    def _mention(self, listing: Listing) -> None:
        """Say once what is passed over, and again only if it was gone in between."""
        for relative, remark in listing.remarks.items():
            if relative not in self._mentioned:
                name = printable(f"in/{relative}")
                _LOG.warning("%s is passed over: %s.", name, remark)
        self._mentioned = frozenset(listing.remarks)


@dataclass(frozen=True, slots=True)
class _Examiner:
    """The probe, by paths relative to `in/`."""

    incoming: Path
    probe: Probe
    held_by: Callable[[Path], str]

    def held(self, relative: str) -> str:
        return self.held_by(self.incoming / relative)

    def document(self, relative: str) -> frozenset[str]:
        return self.probe.document(self.incoming / relative)

    def media(self, relative: str) -> None:
        self.probe.media(self.incoming / relative)
