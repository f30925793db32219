"""FCPXML on disk: a `.fcpxml` file, or a `.fcpxmld` bundle with the document and its side files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from interchange.errors import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
)
from interchange.formats.base import DocumentWriter, Patch
from interchange.formats.fcpxml.apply import apply_to
from interchange.formats.fcpxml.document import FcpxmlDocument
from interchange.formats.fcpxml.reader import read_timelines
from interchange.formats.fcpxml.timeline import Timelines
from interchange.formats.xml_splice import MAX_DOCUMENT_BYTES
from interchange.model.segment import Reading
from interchange.model.take import Placement
from interchange.verify import verify_delivery

BUNDLE_SUFFIX = ".fcpxmld"
BUNDLE_DOCUMENT = "Info.fcpxml"
MAX_BUNDLE_BYTES = 4 * MAX_DOCUMENT_BYTES


class FcpxmlFormat:
    """FCPXML, files and bundles. Remembers the last document it read, so that patching need not read it again."""

    def __init__(self) -> None:
        self._last: Timelines | None = None

    @property
    def name(self) -> str:
        """Name for people."""
        return "FCPXML"

    def load(self, path: Path) -> bytes:
        """Read the document of a file or bundle.

        Raises:
            NotFoundError: There is none.
            NotAllowedError: The bundle's document is a link out of the bundle, or may not be read.
            InvalidInputError: It or the bundle is too large, or it is no file.
        """
        document = path
        if _is_bundle(path):
            document = path / BUNDLE_DOCUMENT
            _check_inside(document, path)
            # Now, and not when it is copied after hours of work.
            _check_size(path)
        try:
            return _read_plain(document)
        except FileNotFoundError as error:
            raise NotFoundError(
                f"There is no {document}. Check the name, or export the timeline again.",
                reason=Reason.FILE_NOT_FOUND,
            ) from error
        except PermissionError as error:
            raise NotAllowedError(
                f"{document} may not be read. Allow this user to read it.",
                reason=Reason.PATH_OUTSIDE_ROOTS,
            ) from error
        except OSError as error:
            raise InvalidInputError(
                f"{document} cannot be read: {error.strerror}.", reason=Reason.INVALID_ARGUMENT
            ) from error

    def read(self, raw: bytes) -> Reading:
        """Find sequences, segments and problems; see `read_timelines`."""
        return read_timelines(self._timelines(raw))

    def apply(self, raw: bytes, placements: Sequence[Placement]) -> Patch:
        """Put takes into a document; see `apply_to`."""
        return apply_to(self._timelines(raw), placements)

    def verify(self, raw: bytes, patch: Patch, placements: Sequence[Placement]) -> None:
        """Check a patched document before it is delivered; see `verify_delivery`."""
        verify_delivery(
            raw,
            patch.data,
            placements,
            splices=patch.splices,
            lane_changes=patch.lane_changes,
            original_index=self._timelines(raw).document.xml,
        )

    def save(
        self, source: Path, destination: Path, document: bytes, *, writer: DocumentWriter
    ) -> None:
        """Write a document as a file, or as a bundle with all the side files of `source`.

        Args:
            source: The file or bundle the document was loaded from; only read.
            destination: Of the same form; its folder exists.
            document: The patched document.
            writer: Writes it.

        Raises:
            NotAllowedError: The destination is the source or inside it, or the bundle holds a link that
                leads out of it.
        """
        if _same(source, destination):
            raise NotAllowedError(
                f"{destination} is the timeline that was read; it is never overwritten. Choose another "
                "name or folder.",
                reason=Reason.OUTPUT_NOT_WRITABLE,
            )
        if not _is_bundle(source):
            writer.write_atomic(destination, document)
            return
        if destination.resolve().is_relative_to(source.resolve()):
            raise NotAllowedError(
                f"{destination} lies inside the bundle that was read. Choose another folder.",
                reason=Reason.OUTPUT_NOT_WRITABLE,
            )
        side_files = list(_side_files(source))
        writer.make_folder(destination)
        for path, checked in side_files:
            copy = destination / path.relative_to(source)
            writer.make_folder(copy.parent)
            writer.write_atomic(copy, _read_side_file(checked))
        # Last, so that a bundle that has a document is complete.
        writer.write_atomic(destination / BUNDLE_DOCUMENT, document)

    def _timelines(self, raw: bytes) -> Timelines:
        if self._last is None or self._last.document.xml.raw != raw:
            self._last = Timelines(FcpxmlDocument(raw))
        return self._last


def _read_plain(document: Path, more_flags: int = 0) -> bytes:
    """Read a plain file of bearable size; what is one is asked of the open file, not of its name."""
    # Opening a pipe would wait for its other end.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | more_flags
    with open(os.open(document, flags), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInputError(
                f"{document} is not a plain file but a folder, a pipe or a device. Name the exported "
                "timeline itself.",
                reason=Reason.DOCUMENT_UNSAFE,
            )
        # One byte more than is read tells a file that grew meanwhile.
        size = status.st_size
        raw = file.read(MAX_DOCUMENT_BYTES + 1) if size <= MAX_DOCUMENT_BYTES else b""
    size = max(size, len(raw))
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidInputError(
            f"{document} has {size >> 20} MiB; no timeline above {MAX_DOCUMENT_BYTES >> 20} MiB "
            "is read. Export fewer projects at once.",
            reason=Reason.DOCUMENT_UNSAFE,
        )
    return raw


def _is_bundle(path: Path) -> bool:
    return path.suffix.lower() == BUNDLE_SUFFIX or path.is_dir()


def _same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return first.resolve() == second.resolve()


def _read_side_file(checked: Path) -> bytes:
    try:
        # No link that came there since the check: what it leads to would be delivered.
        return _read_plain(checked, getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise InvalidInputError(
            f"{checked} cannot be read any more: {error.strerror}. Leave the bundle alone while it is worked on, "
            "and export it again.",
            reason=Reason.DOCUMENT_UNSAFE,
        ) from error


def _side_files(bundle: Path) -> Iterator[tuple[Path, Path]]:
    """All files of a bundle but the document, in a stable order; each with where it really is."""
    for folder, folders, names in os.walk(bundle):
        folders.sort()
        for name in folders:
            _check_inside(Path(folder) / name, bundle)
            if (Path(folder) / name).is_symlink():
                raise NotAllowedError(
                    f"{Path(folder) / name} is a link to a folder, which is not followed. Replace it by "
                    "the folder.",
                    reason=Reason.PATH_OUTSIDE_ROOTS,
                )
        for name in sorted(names):
            path = Path(folder) / name
            checked = _check_inside(path, bundle)
            if path != bundle / BUNDLE_DOCUMENT and checked.is_file():
                yield path, checked


def _check_size(bundle: Path) -> None:
    """Refuse a bundle whose side files are no side files: all of them are read and copied."""
    size = 0
    for folder, _, names in os.walk(bundle):
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(folder) / name).lstat().st_size
    if size > MAX_BUNDLE_BYTES:
        raise InvalidInputError(
            f"{bundle} has {size >> 20} MiB; no bundle above {MAX_BUNDLE_BYTES >> 20} MiB is read. Export the "
            "timeline without its media, or as a single file.",
            reason=Reason.DOCUMENT_UNSAFE,
        )


def _check_inside(path: Path, bundle: Path) -> Path:
    resolved = path.resolve()
    if not resolved.is_relative_to(bundle.resolve()):
        raise NotAllowedError(
            f"{path} is a link that leads out of the bundle, so it is not followed. Export the timeline "
            "again, or replace the link by the file.",
            reason=Reason.PATH_OUTSIDE_ROOTS,
        )
    return resolved
