"""What was delivered for which content, so that the same drop twice makes nothing twice.

One small file for each content, written whole or not at all; the folder may be a network share, where no
database is safe.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from interchange.errors import BridgeError, NotFoundError, Reason
from interchange.plan import PlanOptions
from ltxbridge.hotfolder.layout import HotFolder, read_own
from sidecar.filesystem import FileSystem
from sidecar.media.paths import PathMapping

_SCHEMA = "ltxbridge.LedgerEntry.1"
_LARGEST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """A file of a delivery.

    Args:
        path: Absolute.
        size_bytes: Its size when it was delivered.
    """

    path: str
    size_bytes: int

    @property
    def there(self) -> bool:
        """Whether a file of that size still has that name."""
        try:
            return Path(self.path).is_file() and Path(self.path).stat().st_size == self.size_bytes
        except (OSError, ValueError):  # a path that cannot be one
            return False


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A delivery.

    Args:
        claim: Which claim it was made for.
        document: Where its timeline was inside `in/`.
        timeline: The delivered document.
        report: Its report page.
        met: Marks that came back as takes.
        unmet: Marks that were refused for what the timeline itself says.
        files: Everything that belongs to it: the document, the takes, the report.
    """

    claim: str
    document: str
    timeline: str
    report: str
    met: int
    unmet: int
    files: tuple[DeliveredFile, ...]

    @property
    def there(self) -> bool:
        """Whether all of it is still there."""
        return all(file.there for file in self.files)


class Ledger:
    """The ledger of one hot folder.

    Args:
        hot: The folder.
        filesystem: Everything is written through it.
    """

    def __init__(self, hot: HotFolder, *, filesystem: FileSystem) -> None:
        self._folder = hot.ledger
        self._filesystem = filesystem

    def find(self, digest: str) -> LedgerEntry | None:
        """The delivery for a content, None where there is none or where some of it is gone."""
        try:
            content = json.loads(read_own(self._path(digest), _LARGEST_BYTES))
            entry = LedgerEntry(
                claim=str(content["claim"]),
                document=str(content["document"]),
                timeline=str(content["timeline"]),
                report=str(content["report"]),
                met=int(content["met"]),
                unmet=int(content["unmet"]),
                files=tuple(
                    DeliveredFile(str(file["path"]), int(file["size_bytes"]))
                    for file in content["files"]
                ),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # the worst that comes of it is a delivery made again
        return entry if entry.files and entry.there else None

    def record(self, digest: str, entry: LedgerEntry) -> None:
        """Write a delivery down; one for the same content is replaced.

        Raises:
            BridgeError: It cannot be written.
        """
        content = {"schema": _SCHEMA, **asdict(entry)}
        self._filesystem.write_atomic(self._path(digest), json.dumps(content).encode())

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"


def content_digest(
    document: Path,
    *,
    media: Sequence[Path],
    refusals: Sequence[tuple[str, str, str]],
    options: PlanOptions,
    mappings: Sequence[PathMapping],
    filesystem: FileSystem,
) -> str:
    """Digest of everything a delivery depends on: the document's bytes, the options, and the media.

    Args:
        document: A file, or the folder of a bundle, whose every file counts.
        media: The files takes would be made from; told apart by path, size and time of change, not read.
        refusals: Where, mark and reason of each that is refused; it may be met once its media are others.
        options: How marks are planned.
        mappings: How links are written.
        filesystem: Reads the document.

    Returns:
        64 lower-case hexadecimal digits.

    Raises:
        NotFoundError: A file went away meanwhile.
    """
    parts: list[object] = [[name, digest] for name, digest in _tree(document, filesystem)]
    parts += [repr(options), repr(tuple(mappings)), [list(refusal) for refusal in refusals]]
    for path in media:
        try:
            status = path.stat()
        except OSError as error:
            raise NotFoundError(
                f"{path} is not there any more. Bring it back, then drop the timeline again.",
                reason=Reason.MEDIA_NOT_FOUND,
                metadata={"path": str(path)},
            ) from error
        parts.append([str(path), status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def document_digest(document: Path, *, filesystem: FileSystem) -> str:
    """Digest of a document's bytes alone, by which a delivery of ours is known when it is dropped.

    Args:
        document: A file, or the folder of a bundle.
        filesystem: Reads it.

    Returns:
        64 lower-case hexadecimal digits.

    Raises:
        BridgeError: It cannot be read.
    """
    return hashlib.sha256(json.dumps(list(_tree(document, filesystem))).encode()).hexdigest()


def _tree(document: Path, filesystem: FileSystem) -> Iterator[tuple[str, str]]:
    if not document.is_dir():
        yield document.suffix.lower(), filesystem.sha256(document)
        return
    for folder, folders, names in os.walk(document):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            inside = path.relative_to(document).as_posix()
            try:
                yield inside, filesystem.sha256(path)
            except BridgeError:
                if path.is_file():
                    raise
                yield inside, ""  # a link that leads nowhere; whoever reads the bundle says so
