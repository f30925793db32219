"""Digests of big files: with progress, and not twice where length and time say that nothing changed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from interchange.errors import InvalidInputError, NotFoundError, Reason
from sidecar.models.checkpoint import Checkpoint, PinnedFile

DigestProgress = Callable[[str, int, int], None]
"""Called with (file name, bytes done, bytes in all) over a whole set of files."""

_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One file that is not as it was pinned.

    Args:
        name: Its name in the checkpoint.
        path: Where it was looked for.
        expected: What was pinned, in words.
        found: What is there, in words.
    """

    name: str
    path: Path
    expected: str
    found: str


def unheard(_name: str, _done: int, _total: int) -> None:
    """Progress that nobody asked for."""


def pin(
    files: Sequence[tuple[str, Path]],
    progress: DigestProgress = unheard,
    *,
    known: Mapping[Path, str] | None = None,
) -> tuple[PinnedFile, ...]:
    """Digest files as they are now.

    Args:
        files: (name in the checkpoint, path) of each.
        progress: Called a few times a second on a usual disk.
        known: Digests of files that were checked a moment ago.

    Raises:
        NotFoundError: One is not there or is no plain file.
    """
    known = known or {}
    sizes = {path: _status(path).st_size for _, path in files if path not in known}
    total = sum(sizes.values())
    done = 0
    pinned = []
    for name, path in sorted(files):
        if path in known:
            digest, status = known[path], _status(path)
        else:
            digest, status = _digest(name, path, done, total, progress)
            done += sizes[path]
        pinned.append(PinnedFile(name, path, status.st_size, status.st_mtime_ns, digest))
    return tuple(pinned)


def faults_of(
    files: Iterable[PinnedFile], *, thorough: bool, progress: DigestProgress = unheard
) -> tuple[Fault, ...]:
    """Compare files with what was pinned.

    Args:
        files: What was pinned.
        thorough: Digest every byte; else only where the time of the last write is another one.
        progress: As for `pin`.
    """
    faults: list[Fault] = []
    suspects: list[PinnedFile] = []
    for file in files:
        try:
            status = _status(file.path)
        except NotFoundError:
            faults.append(_fault(file, f"{file.size_bytes:,} bytes", "no file"))
            continue
        if status.st_size != file.size_bytes:
            found = f"{status.st_size:,} bytes"
            faults.append(_fault(file, f"{file.size_bytes:,} bytes", found))
        elif thorough or status.st_mtime_ns != file.modified_ns:
            suspects.append(file)
    total = sum(file.size_bytes for file in suspects)
    done = 0
    for file in suspects:
        digest, _ = _digest(file.name, file.path, done, total, progress)
        done += file.size_bytes
        if digest != file.sha256:
            faults.append(_fault(file, f"SHA-256 {file.sha256}", f"SHA-256 {digest}"))
    return tuple(faults)


def modified_ns(path: Path) -> int | None:
    """When a file was last written, nanoseconds since the epoch; None where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def check_unchanged(checkpoint: Checkpoint, progress: DigestProgress = unheard) -> None:
    """Make sure, before it is loaded, that a checkpoint still is the one whose identity is stated.

    Raises:
        InvalidInputError: A file is missing or another one; says which, what was pinned and what is there.
    """
    faults = faults_of(checkpoint.files, thorough=False, progress=progress)
    if faults:
        raise damaged(checkpoint, faults)


def damaged(checkpoint: Checkpoint, faults: Sequence[Fault]) -> InvalidInputError:
    """The error for a checkpoint whose files are not as they were pinned."""
    first = faults[0]
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    repair = (
        "`ltxbridge models pull` it again"
        if checkpoint.source
        else "put the original file back, or `models remove` and `models add` it as what it is now"
    )
    return InvalidInputError(
        f"{checkpoint.name} is not what was installed: {first.path}{more} should be {first.expected}, and "
        f"there is {first.found}. To repair it, {repair}.",
        reason=Reason.INVALID_ARGUMENT,
        metadata={
            "checkpoint": checkpoint.name,
            "path": str(first.path),
            "expected": first.expected,
            "found": first.found,
        },
    )


def _fault(file: PinnedFile, expected: str, found: str) -> Fault:
    return Fault(file.name, file.path, expected, found)


def _digest(
    name: str, path: Path, before: int, total: int, progress: DigestProgress
) -> tuple[str, os.stat_result]:
    digest = hashlib.sha256()
    done = before
    _status(path)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            progress(name, done, total)
        return digest.hexdigest(), os.fstat(file.fileno())


def _status(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except OSError as error:
        raise NotFoundError(
            f"{path} cannot be read: {error.strerror}. Check the path and its disk.",
            metadata={"path": str(path)},
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise NotFoundError(
            f"{path} is no plain file. Put the file itself there.", metadata={"path": str(path)}
        )
    return status
