"""How much disk the product may take in all, and the refusal before work that would pass it.

The total is cheap: counted in the background now and then, and carried on in between by what is accepted.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from interchange.errors import ExhaustedError, Reason
from interchange.model.job import Job
from interchange.model.request import Codec, GenerationRequest
from interchange.model.take import Take

BYTES_PER_GB = 10**9
COUNTED_FOLDERS = ("uploads", "spool", "cache")
"""In the state folder: those that count as a whole."""

# Measured upper ends of what the encoders write, in bytes per pixel; only to refuse hopeless jobs early.
_BYTES_PER_PIXEL = {
    Codec.PRORES_422_HQ: 0.7,
    Codec.PRORES_4444: 1.3,
    Codec.DNXHR_HQX: 0.8,
    Codec.H264: 0.3,
}


class Quota:
    """The running total and its limit; safe to use from several threads.

    Args:
        limit_bytes: Most that takes, uploads, spool and caches may take together; 0 for no limit.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._used = 0
        self._noted_ever = 0

    @property
    def used_bytes(self) -> int:
        """What is used or promised, as far as is known."""
        with self._lock:
            return self._used

    def check(self, extra_bytes: int) -> None:
        """Refuse what would pass the limit, before any work on it.

        Args:
            extra_bytes: Expected size of what is about to be accepted.

        Raises:
            ExhaustedError: `QUOTA_FULL`.
        """
        used = self.used_bytes
        if self.limit_bytes and used + extra_bytes > self.limit_bytes:
            raise ExhaustedError(
                f"ltxbridge may use {_gb(self.limit_bytes)} on this machine and uses {_gb(used)}; this needs "
                f"about {_gb(extra_bytes)} more. `ltxbridge gc` shows what can go, and `quota_gb` in the "
                "settings is the limit.",
                reason=Reason.QUOTA_FULL,
                metadata={
                    "used_bytes": str(used),
                    "limit_bytes": str(self.limit_bytes),
                    "needed_bytes": str(extra_bytes),
                },
            )

    def note(self, extra_bytes: int) -> None:
        """Add what was accepted, so that the next check counts it before the next recount does."""
        with self._lock:
            self._used += extra_bytes
            self._noted_ever += extra_bytes

    def mark(self) -> int:
        """Where a count begins; for `settle`."""
        with self._lock:
            return self._noted_ever

    def settle(self, counted_bytes: int, *, since: int) -> int:
        """Replace the total by a fresh count.

        Args:
            counted_bytes: What was found to be used or promised.
            since: The mark from before the count. What was accepted while it ran is added to it: too much until
                the next one rather than too little.

        Returns:
            The new total.
        """
        with self._lock:
            self._used = counted_bytes + self._noted_ever - since
            return self._used


def expected_bytes(request: GenerationRequest) -> int:
    """About how large a request's take will be; an upper end."""
    pixels = request.raster.width_px * request.raster.height_px * request.file_range.length
    return round(pixels * _BYTES_PER_PIXEL[request.output.codec])


def job_bytes(jobs: Iterable[Job], *, beside: Sequence[Path] = ()) -> int:
    """What the takes of jobs use, and those promised will.

    Args:
        jobs: The jobs.
        beside: Folders that are counted whole; a take in one of them, as in the spool, is not counted twice.
    """
    return sum(_job_bytes(job, beside) for job in jobs)


def _job_bytes(job: Job, beside: Sequence[Path]) -> int:
    if not job.state.terminal:
        return expected_bytes(job.request)
    return 0 if job.take is None else take_bytes(job.take, beside=beside)


def take_bytes(take: Take, *, beside: Sequence[Path] = ()) -> int:
    """What a take's media and manifest use; see `job_bytes`."""
    folders = [folder.resolve() for folder in beside]
    paths = (Path(take.path), Path(take.manifest_path))
    return sum(_size(path) for path in paths if not any(map(path.is_relative_to, folders)))


def folder_bytes(*folders: Path) -> int:
    """Sizes of the files in folders and below, links not followed; what vanishes meanwhile counts nothing."""
    return sum(
        _size(Path(place) / name)
        for folder in folders
        for place, _, names in os.walk(folder)  # follows no link to a folder
        for name in names
    )


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _gb(count: int) -> str:
    return f"{count / BYTES_PER_GB:.1f} GB"
