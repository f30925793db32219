"""What the server hands a worker, what it gets back, and the names of files in between."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interchange.errors import InvalidInputError
from interchange.model.engine import PlannedGeometry
from interchange.model.request import GenerationRequest
from interchange.model.take import Take

MEDIA_SUFFIX = ".mov"
MANIFEST_SUFFIX = ".c2pa"

_LONGEST_SHOT_BYTES = 150  # leaves room for version, job id and suffixes in a 255-byte file name
_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One attempt at a job, complete in itself.

    Args:
        job_id: The job.
        attempt: Counts from 1; part of every work file's name, so that attempts never share one.
        take_name: Reserved file name without suffix, `SHOT_LTX_v001`.
        request: What to make; its paths are resolved and inside the roots.
        geometry: What was planned for it.
    """

    job_id: str
    attempt: int
    take_name: str
    request: GenerationRequest
    geometry: PlannedGeometry

    @property
    def folder(self) -> Path:
        """Where the take and, until it is published, its work files are."""
        return Path(self.request.output.directory)

    @property
    def media(self) -> Path:
        """Final name of the media."""
        return self.folder / f"{self.take_name}{MEDIA_SUFFIX}"

    @property
    def manifest(self) -> Path:
        """Final name of the manifest beside it."""
        return self.folder / f"{self.take_name}{MANIFEST_SUFFIX}"

    def part(self, content: str) -> Path:
        """A hidden work file on the same volume as the final name.

        Args:
            content: What is in it: `unsigned`, `mov` or `c2pa`.
        """
        return self.folder / f".{self.take_name}.{self.job_id}-{self.attempt}.{content}.part"


@dataclass(frozen=True, slots=True)
class TakeDraft:
    """A finished, verified take that only lacks its final name.

    Args:
        media_part: Path of the signed media under its work name.
        manifest_part: Path of its manifest under its work name.
        manifest_sha256: Digest of the manifest file.
        take: The take as it will be, final paths and all.
    """

    media_part: str
    manifest_part: str
    manifest_sha256: str
    take: Take


def take_name(shot: str, version: int) -> str:
    """File name without suffix of a version of a shot."""
    return f"{shot}_LTX_v{version:03}"


def parts_of(folder: Path, job_id: str) -> tuple[Path, ...]:
    """Work files of a job in a folder: of all its attempts, and of the stages that made them."""
    try:
        entries = list(folder.iterdir())
    except OSError:  # gone or never made: then there is nothing of ours in it either
        return ()
    pattern = re.compile(rf"\..+\.{re.escape(job_id)}-\d+\..+\.(part|signing)")
    return tuple(sorted(entry for entry in entries if pattern.fullmatch(entry.name)))


def highest_version(names: Iterable[str], shot: str) -> int:
    """The highest version of a shot among file names, 0 where there is none.

    Letter case and Unicode form do not count, since volumes disagree about both.
    """
    pattern = re.compile(rf"{re.escape(_folded(shot))}_ltx_v(\d{{1,9}})(?!\d)")
    matches = (pattern.match(_folded(name)) for name in names)
    return max((int(match[1]) for match in matches if match), default=0)


def highest_version_in(folder: Path, shot: str) -> int:
    """The highest version of a shot in a folder, 0 where there is none or no folder yet."""
    try:
        return highest_version((entry.name for entry in folder.iterdir()), shot)
    except OSError:
        return 0


def check_shot_name(shot: str) -> None:
    """Refuse a shot name that is not plainly the name of a file on every system.

    Raises:
        InvalidInputError: It is empty, too long, hidden, or would mean a path or a device somewhere.
    """
    if (
        not shot
        or len(shot.encode(errors="replace")) > _LONGEST_SHOT_BYTES
        or _UNSAFE_IN_NAMES.search(shot)
        or not _encodable(shot)
        or shot[0] in ". "
        or shot[-1] in ". "
        or _WINDOWS_DEVICES.fullmatch(shot)
    ):
        raise InvalidInputError(
            f"{shot[:80]!r} cannot be a shot's name: it becomes a file name, so use up to "
            f"{_LONGEST_SHOT_BYTES} letters, digits, spaces, dashes and underscores."
        )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return False
    return True


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
