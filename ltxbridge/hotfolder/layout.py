"""What a hot folder is on disk, and how it is told from an empty mount point that has its name.

    DIR/in/          editors drop timelines here, with their media beside them or not
    DIR/out/         deliveries
    DIR/done/        timelines that were delivered
    DIR/failed/      timelines that could not be, each with `NAME.error.json`
    DIR/.ltxbridge/  ours: claimed timelines, the ledger, the lock, and the identity of the folder

`in/` and `.ltxbridge/` lie on one volume, because a timeline is claimed by renaming it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from interchange.errors import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
    UnavailableError,
)
from sidecar.filesystem import FileSystem

STATE_FOLDER = ".ltxbridge"
"""Name of the folder with our own files; a folder that has one is a hot folder."""
OUTPUT_MARKER = ".ltxbridge-output"
"""A folder that holds a file of this name was written by us and is never taken as input, wherever it
appears: moved, copied or mounted into `in/`."""

_MARKER_TEXT = b"Written by ltxbridge. Timelines in this folder are never taken as input.\n"
_IDENTITY = re.compile(r"[0-9a-f]{32}")
_MOST_IDENTITY_BYTES = 4096
_LINK_TAGS = frozenset({0xA0000003, 0xA000000C})
"""IO_REPARSE_TAG_MOUNT_POINT (a junction) and _SYMLINK; other tags mark files kept in the cloud."""


@dataclass(frozen=True, slots=True)
class HotFolder:
    """The folders of one watch.

    Args:
        root: The folder the user named; links on the way to it are followed once, here, and never again.

    Raises:
        InvalidInputError: The links lead nowhere.
    """

    root: Path

    def __post_init__(self) -> None:
        try:
            root = self.root.resolve()
        except (OSError, RuntimeError) as error:
            raise InvalidInputError(
                f"{self.root} is a link that leads to itself. Name the folder to watch.",
                metadata={"path": str(self.root)},
            ) from error
        object.__setattr__(self, "root", root)

    @property
    def incoming(self) -> Path:
        """Where timelines are dropped."""
        return self.root / "in"

    @property
    def outgoing(self) -> Path:
        """Where deliveries go."""
        return self.root / "out"

    @property
    def done(self) -> Path:
        """Where timelines go that were delivered."""
        return self.root / "done"

    @property
    def failed(self) -> Path:
        """Where timelines go that could not be."""
        return self.root / "failed"

    @property
    def state(self) -> Path:
        """Our own files."""
        return self.root / STATE_FOLDER

    @property
    def work(self) -> Path:
        """Where a claimed timeline lies while it is worked on."""
        return self.state / "work"

    @property
    def ledger(self) -> Path:
        """Folder of what was taken in and what became of it."""
        return self.state / "ledger"

    @property
    def lock_file(self) -> Path:
        """Held by the one watcher of this folder."""
        return self.state / "watch.lock"

    @property
    def identity_file(self) -> Path:
        """Holds the id of this hot folder; where it is missing, the disk is."""
        return self.state / "folder.json"

    def create(self, filesystem: FileSystem) -> None:
        """Make what is missing of the hot folder; what is there is kept. The root is never made.

        Args:
            filesystem: Everything is written through it.

        Raises:
            NotFoundError: The root is not there: a disk that is not mounted must not become a local folder.
            NotAllowedError: One of the folders is a link or a file, cannot be made, or the root lies inside
                another hot folder.
            InvalidInputError: `in/` and `.ltxbridge/` are on different volumes.
            ExhaustedError: The disk is full.
        """
        if not self.root.is_dir():
            raise NotFoundError(
                f"There is no folder {self.root}. Make it, or mount its disk, and start the watch again.",
                reason=Reason.FILE_NOT_FOUND,
                metadata={"path": str(self.root)},
            )
        _refuse_nesting(self.root)
        outputs = (self.outgoing, self.done, self.failed)
        for folder in (self.state, self.work, self.ledger, self.incoming, *outputs):
            _refuse_other_than_folder(folder)
            filesystem.make_folder(folder, private=folder == self.state)
            _refuse_other_than_folder(folder)  # somebody may have been quicker
        if os.lstat(self.incoming).st_dev != os.lstat(self.state).st_dev:
            raise InvalidInputError(
                f"{self.incoming} and {self.state} lie on different volumes, so a timeline cannot be "
                f"claimed by renaming it. Put the whole of {self.root} on one volume.",
                metadata={"path": str(self.incoming)},
            )
        for folder in outputs:
            if not os.path.lexists(folder / OUTPUT_MARKER):
                filesystem.write_atomic(folder / OUTPUT_MARKER, _MARKER_TEXT)
        if not os.path.lexists(self.identity_file):
            content = json.dumps({"version": 1, "id": secrets.token_hex(16)}) + "\n"
            filesystem.write_atomic(self.identity_file, content.encode(), private=True)

    def identity(self) -> str:
        """The id this hot folder was given when it was made.

        An empty mount point has none and another disk has another, so a share that went away is never taken
        for one whose files were all deleted.

        Raises:
            UnavailableError: It cannot be read: the volume is gone, or the folder was never made.
        """
        try:
            text = read_own(self.identity_file, _MOST_IDENTITY_BYTES)
            identity = json.loads(text)["id"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.unavailable("its own files are not there") from error
        if not isinstance(identity, str) or not _IDENTITY.fullmatch(identity):
            raise self.unavailable("its own files are damaged")
        return identity

    def is_own(self, folder: Path) -> bool:
        """Whether a folder of the hot folder, as far as it exists, is reached from the root without any link.

        Where others may write, they may put a link to a folder of this user's in the place of `done/reel1`.
        """
        path = self.root
        for part in folder.relative_to(self.root).parts:
            path /= part
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                return True
            if not stat.S_ISDIR(status.st_mode) or is_link(status):
                return False
        return True

    def unavailable(self, what: str) -> UnavailableError:
        """The error for a folder that does not answer; `what` completes "X is not available: ..."."""
        return UnavailableError(
            f"The hot folder {self.root} is not available: {what}. Check that its disk or share is "
            "mounted; the watch goes on when it is back, and nothing in it is taken for deleted.",
            reason=Reason.STORAGE_UNAVAILABLE,
            metadata={"path": str(self.root)},
        )


def is_link(status: os.stat_result) -> bool:
    """Whether what `lstat` saw leads elsewhere: a symbolic link, or a junction as Windows has them."""
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) in _LINK_TAGS


def read_own(path: Path, most_bytes: int) -> bytes:
    """Read a small file of ours; others may have put a link or a pipe in its place.

    Raises:
        OSError: It is not there, or a link.
        ValueError: It is a pipe or a folder.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path} is not a plain file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(most_bytes)
    finally:
        os.close(descriptor)


def _refuse_nesting(root: Path) -> None:
    for folder in root.parents:
        if os.path.lexists(folder / STATE_FOLDER / "folder.json"):
            raise NotAllowedError(
                f"{root} lies inside the hot folder {folder}. Choose a folder outside of it, so that "
                "neither takes the other's deliveries for drops.",
                reason=Reason.OUTPUT_NOT_WRITABLE,
                metadata={"path": str(root)},
            )


def _refuse_other_than_folder(path: Path) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotAllowedError(
            f"{path} cannot be looked at: {error.strerror}. Give yourself access to it.",
            reason=Reason.OUTPUT_NOT_WRITABLE,
            metadata={"path": str(path)},
        ) from error
    if stat.S_ISDIR(status.st_mode) and not is_link(status):
        return
    raise NotAllowedError(
        f"{path} is a link or a file, and a hot folder's own folders are neither: a link could make its "
        "deliveries its drops. Replace it by a folder, or move it away and start the watch again.",
        reason=Reason.OUTPUT_NOT_WRITABLE,
        metadata={"path": str(path)},
    )
