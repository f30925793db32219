"""What is ready to be taken in, asked for again and again by the watcher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from interchange.errors import BridgeError
from ltxbridge.hotfolder.layout import HotFolder


@dataclass(frozen=True, slots=True)
class Arrival:
    """A timeline in `in/` that is whole and at rest, and so are the media it needs from beside it.

    Args:
        relative: Its place inside `in/`.
        path: The document, or the folder of a bundle.
        signature: Changes when the document or one of those media does.
    """

    relative: PurePosixPath
    path: Path
    signature: str


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
        most: The most that one `poll` hands out; the rest comes with the next.
    """

    def __init__(
        self,
        hot: HotFolder,
        *,
        settle_s: float,
        clock: Callable[[], float],
        probe: Probe,
        patience_s: float = 600,
        most: int = 16,
    ) -> None:
        self._hot = hot

    def poll(self) -> tuple[Arrival | Refusal, ...]:
        """Scan once and hand out what is ready, the longest waiting first.

        What is not claimed is handed out again after a while.

        Raises:
            UnavailableError: The folder does not answer, or is not the one it was (STORAGE_UNAVAILABLE).
        """
        return ()

    def still(self, arrival: Arrival) -> bool:
        """Whether an arrival is what it was when it was handed out; asked just before the claim.

        Raises:
            UnavailableError: The folder does not answer (STORAGE_UNAVAILABLE).
        """
        return True
