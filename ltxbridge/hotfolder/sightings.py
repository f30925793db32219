"""What lies in `in/` at one moment, seen by listing and `lstat` alone: nothing is opened, no link is followed.

Where the system can, every folder is opened relative to the one above it and without following links, so that
a folder exchanged for a link between two calls leads nowhere. A tree made to hurt (a million files, a thousand
levels) costs no more than `Limits` allow.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from interchange.formats.registry import SUFFIXES
from ltxbridge.hotfolder.layout import OUTPUT_MARKER, STATE_FOLDER, is_link
from ltxbridge.hotfolder.names import is_partial, is_unfinished, name_flaw

_OTHER_TIMELINES = (".aaf", ".drp", ".drt", ".edl", ".fcpbundle", ".otio", ".otioz", ".prproj")

_BY_DESCRIPTOR = os.scandir in os.supports_fd and os.open in os.supports_dir_fd
_FOLDER_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Removed, or exchanged for something else, between two calls; the next scan sees what it is now."""
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})
"""This one entry cannot be looked at, whatever the disk does. All other failures are the disk's."""


class Stamp(NamedTuple):
    """What tells that a file or bundle has not changed.

    Args:
        size: Bytes; of a bundle, of all files in it.
        mtime_ns: Time of the last change as the disk has it; only ever compared for equality.
        inode: Of the file or of the bundle's folder.
        device: Likewise.
        tree: Digest of names, sizes, times and inodes of all that is in a bundle; empty for a file.
    """

    size: int
    mtime_ns: int
    inode: int
    device: int
    tree: str = ""


class Sighting(NamedTuple):
    """A timeline as it was seen.

    Args:
        stamp: Its stamp.
        flaw: Why it must not be opened, as the rest of "X is not taken in: ..."; empty where it may.
        partial: Name of a file in the bundle that is still being written, empty for none.
    """

    stamp: Stamp
    flaw: str = ""
    partial: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a tree is looked at.

    Args:
        entries: Names in all.
        bundle_entries: Names in one bundle.
        depth: Levels of folders below `in/`.
        remarks: Things mentioned.
    """

    entries: int = 250_000
    bundle_entries: int = 20_000
    depth: int = 16
    remarks: int = 500


LIMITS = Limits()


@dataclass(slots=True)
class Listing:
    """All that was seen, by path relative to `in/` with `/` between names.

    Args:
        documents: Timelines.
        files: Every other regular file with a finished name: media, perhaps.
        remarks: What is passed over and why, as the rest of "X is passed over: ...".
    """

    documents: dict[str, Sighting] = field(default_factory=dict)
    files: dict[str, Stamp] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


def look(incoming: Path, *, limits: Limits = LIMITS) -> Listing:
    """List a folder and everything below it.

    Raises:
        OSError: The folder is gone, or its disk does not answer.
    """
    walk = _Walk(limits)
    with _opened_folder(incoming, None) as folder:
        walk.device = _device(folder)
        walk.enter(folder, "", 0)
    return walk.listing


def look_again(incoming: Path, relative: str, *, limits: Limits = LIMITS) -> Stamp | None:
    """The stamp one timeline or file has now; None where it is gone or must not be opened any more.

    Raises:
        OSError: The disk does not answer.
    """
    walk = _Walk(limits)
    *folders, name = relative.split("/")
    try:
        with _chain(incoming, folders) as folder:
            status = _status_at(folder, name)
            if not _is_document(name):
                return _stamp(status) if stat.S_ISREG(status.st_mode) else None
            sighting = walk.document(folder, name, relative, status)
    except OSError as error:
        if error.errno in _GONE | _CLOSED:
            return None
        raise
    return None if sighting.flaw else sighting.stamp


class _Walk:
    """One pass over the tree; what it may still look at gets less as it goes."""

    def __init__(self, limits: Limits) -> None:
        self.listing = Listing()
        self.device = 0
        self._limits = limits
        self._left = limits.entries

    def enter(self, folder: int | Path, inside: str, depth: int) -> None:
        """Note what is in a folder, then go down; `inside` is empty or ends with a slash."""
        found = _Found()
        for name, status in self._entries(folder, inside):
            if inside and name in {OUTPUT_MARKER, STATE_FOLDER}:
                self._remark(inside[:-1], "it is a folder of deliveries, not of drops")
                return
            if not is_unfinished(name):
                self._sort_in(found, name, status, inside)
        for name, status in found.documents:
            sighting = self._document_or_none(folder, name, inside + name, status)
            if sighting is not None:
                self.listing.documents[inside + name] = sighting
        self.listing.files.update((inside + name, stamp) for name, stamp in found.files)
        for name in sorted(found.folders):
            self._go_down(folder, name, inside, depth + 1)

    def _sort_in(self, found: _Found, name: str, status: os.stat_result, inside: str) -> None:
        if _is_document(name):
            found.documents.append((name, status))
        elif is_link(status):
            self._remark(inside + name, "it is a link, and links are not followed")
        elif stat.S_ISDIR(status.st_mode):
            found.folders.append(name)
        elif stat.S_ISREG(status.st_mode):
            found.files.append((name, _stamp(status)))
            if name.lower().endswith(_OTHER_TIMELINES):
                self._remark(inside + name, f"of timelines only {' and '.join(SUFFIXES)} are read")
        else:
            self._remark(inside + name, "it is a pipe, a socket or a device")

    def document(
        self, folder: int | Path, name: str, relative: str, status: os.stat_result
    ) -> Sighting:
        """Look at one timeline.

        Raises:
            OSError: It is a bundle that cannot be looked into, or is gone.
        """
        flaw = next(filter(None, (_named_flaw(part) for part in relative.split("/"))), "")
        if is_link(status):
            flaw = "it is a link, and links are not followed; drop the timeline itself"
        elif stat.S_ISDIR(status.st_mode):
            bundle = _Bundle(entries_left=self._limits.bundle_entries, flaw=flaw)
            self._into_bundle(folder, name, bundle, self._limits.depth)
            stamp = _stamp(status)._replace(size=bundle.size, tree=bundle.tree.hexdigest())
            return Sighting(stamp, bundle.flaw, bundle.partial)
        elif not stat.S_ISREG(status.st_mode):
            flaw = "it is a pipe, a socket or a device; drop a plain file"
        elif status.st_nlink > 1:
            flaw = (
                "the same file has a second name (a hard link), by which it could be changed while it is "
                "worked on; drop a copy"
            )
        return Sighting(_stamp(status), flaw)

    def _document_or_none(
        self, folder: int | Path, name: str, relative: str, status: os.stat_result
    ) -> Sighting | None:
        try:
            sighting = self.document(folder, name, relative, status)
        except OSError as error:
            self._pass_over(relative, error)
            return None
        # A bundle that was not seen whole is not known at all.
        return sighting if self._left > 0 or not sighting.stamp.tree else None

    def _go_down(self, folder: int | Path, name: str, inside: str, depth: int) -> None:
        relative = inside + name
        if depth > self._limits.depth:
            self._remark(relative, f"it is more than {self._limits.depth} folders deep")
            return
        try:
            with _opened_folder(name, folder) as lower:
                if _device(lower) != self.device:
                    self._remark(relative, "another volume is mounted there")
                    return
                self.enter(lower, f"{relative}/", depth)
        except OSError as error:
            self._pass_over(relative, error)

    def _into_bundle(self, above: int | Path, name: str, bundle: _Bundle, depth: int) -> None:
        """Add a folder of a bundle, and all below it, to what is known of the bundle."""
        if not depth:
            bundle.flaw = bundle.flaw or f"it is more than {self._limits.depth} folders deep"
            return
        with _opened_folder(name, above) as folder:
            for inner, status in sorted(self._entries(folder, ""), key=lambda entry: entry[0]):
                bundle.add(inner, status)
                if bundle.entries_left < 0:
                    return
                if stat.S_ISDIR(status.st_mode) and not is_link(status):
                    self._into_bundle(folder, inner, bundle, depth - 1)
                    bundle.tree.update(b"/")  # its end, so that no two trees read alike

    def _entries(self, folder: int | Path, inside: str) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._left <= 0:
                    self._remark(
                        "", f"only {self._limits.entries:,} names are looked at; move what is done"
                    )
                    return
                self._left -= 1
                try:
                    status = _status(entry)
                except OSError as error:
                    self._pass_over(inside + entry.name, error)
                    continue
                yield entry.name, status

    def _pass_over(self, relative: str, error: OSError) -> None:
        """Go on without one entry, or give up where the disk is at fault."""
        if error.errno in _CLOSED:
            self._remark(relative, "this user may not look at it")
        elif error.errno not in _GONE:
            raise error

    def _remark(self, relative: str, text: str) -> None:
        if len(self.listing.remarks) < self._limits.remarks:
            self.listing.remarks.setdefault(relative, text)


@dataclass(slots=True)
class _Found:
    """What one folder holds."""

    documents: list[tuple[str, os.stat_result]] = field(default_factory=list)
    files: list[tuple[str, Stamp]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Bundle:
    """What is known of a bundle so far."""

    entries_left: int
    flaw: str
    partial: str = ""
    size: int = 0
    tree: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, name: str, status: os.stat_result) -> None:
        self.entries_left -= 1
        line = f"{name}\0{status.st_mode} {_stamp(status)}\n"
        self.tree.update(line.encode(errors="surrogateescape"))
        if is_partial(name):
            self.partial = name
        if self.entries_left < 0:
            self._flawed("it holds more files than a bundle may; drop the timeline alone")
        elif is_link(status):
            self._flawed("it holds a link, and links are not followed; export it again")
        elif stat.S_ISDIR(status.st_mode):
            return
        elif not stat.S_ISREG(status.st_mode):
            self._flawed("it holds a pipe, a socket or a device; export it again")
        else:
            self.size += status.st_size
            if status.st_nlink > 1:
                self._flawed("a file in it has a second name (a hard link); drop a copy")

    def _flawed(self, flaw: str) -> None:
        self.flaw = self.flaw or flaw


def _is_document(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _named_flaw(name: str) -> str:
    flaw = name_flaw(name)
    return "" if flaw is None else f"its name {flaw}; rename it"


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    if _BY_DESCRIPTOR:
        return entry.stat(follow_symlinks=False)
    return os.lstat(entry.path)  # a listing of Windows has no inode, device or number of names


def _device(folder: int | Path) -> int:
    return (os.fstat(folder) if isinstance(folder, int) else os.lstat(folder)).st_dev


def _status_at(folder: int | Path, name: str) -> os.stat_result:
    if isinstance(folder, int):
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    return os.lstat(folder / name)


@contextmanager
def _chain(folder: Path, names: list[str]) -> Iterator[int | Path]:
    """The folder at the end of a chain of them, none a link."""
    with _opened_folder(folder, None) as opened:
        if not names:
            yield opened
            return
        with _descent(opened, names) as last:
            yield last


@contextmanager
def _descent(folder: int | Path, names: list[str]) -> Iterator[int | Path]:
    with _opened_folder(names[0], folder) as opened:
        if not names[1:]:
            yield opened
            return
        with _descent(opened, names[1:]) as last:
            yield last


@contextmanager
def _opened_folder(name: Path | str, above: int | Path | None) -> Iterator[int | Path]:
    """A folder for listing: a descriptor where the system lists by one, a path elsewhere."""
    if not _BY_DESCRIPTOR:
        path = Path(name) if above is None else Path(str(above)) / name
        if is_link(os.lstat(path)):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        yield path
        return
    descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=above if isinstance(above, int) else None)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
