"""A claimed timeline: what was taken from `in/`, and how far it has come. A journal of files, no database.

    .ltxbridge/work/ID/claim.json   written first; says where the timeline came from and, once known, its ending
    .ltxbridge/work/ID/NAME         the timeline itself, moved here by one rename
    .ltxbridge/work/ID/report/      the report of one that delivered nothing

Each step is durable before the next one begins, so that after a kill the folder alone says what is left to do.
A folder whose timeline was never moved is dropped; one whose ending is written is brought to that ending.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from interchange.errors import BridgeError, InternalError
from ltxbridge.hotfolder.layout import HotFolder, read_own
from ltxbridge.hotfolder.names import document_name, printable
from sidecar.filesystem import FileSystem

CrashPoint = Callable[[str], None]
"""Told the name of every point after which a kill may come; the product's own does nothing."""

_SCHEMA = "ltxbridge.Claim.1"
_JOURNAL = "claim.json"
_ID = re.compile(r"[0-9a-f]{32}")
_LARGEST_JOURNAL_BYTES = 1 << 20
_EXCHANGED = frozenset({errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM})
"""A link, a socket or a file of somebody else's in the place of the journal; the disk is not at fault."""


def no_crash(_: str) -> None:
    """The crash point of the product."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a timeline ends up, decided once.

    Args:
        verdict: `delivered`, `incomplete`, `duplicate` or `failed`.
        place: Its new place inside `done/` or `failed/`, empty until it was chosen.
        message: What happened, for the person who dropped it.
        notes: JSON documents to be put beside it, by what is appended to its name.
        path: What to look at: the delivered timeline or the report.
    """

    verdict: str
    message: str
    place: str = ""
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    path: str = ""

    @property
    def failed(self) -> bool:
        """Whether it goes to `failed/`."""
        return self.verdict == "failed"


@dataclass(frozen=True, slots=True)
class Claim:
    """A timeline that is ours until it has ended.

    Args:
        folder: `.ltxbridge/work/ID`.
        relative: Where it was inside `in/`.
        name: What it is called in `folder`.
        ending: Where it goes; None while it is worked on.
    """

    folder: Path
    relative: PurePosixPath
    name: str
    ending: Ending | None = None

    @property
    def document(self) -> Path:
        """The timeline."""
        return self.folder / self.name

    @property
    def report_folder(self) -> Path:
        """For the report of a timeline that delivered nothing."""
        return self.folder / "report"

    @property
    def shelf(self) -> PurePosixPath:
        """The folder inside `out/`, `done/` and `failed/` that its folder inside `in/` stands for."""
        return PurePosixPath(*(document_name(part) for part in self.relative.parent.parts))

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return printable(str(self.relative))


class Claims:
    """The claims of one hot folder.

    Args:
        hot: The folder.
        filesystem: Everything is written through it.
        crash_point: See `CrashPoint`.
    """

    def __init__(
        self, hot: HotFolder, *, filesystem: FileSystem, crash_point: CrashPoint = no_crash
    ) -> None:
        self._hot = hot
        self._filesystem = filesystem
        self._crash_point = crash_point

    def take(
        self, relative: PurePosixPath, path: Path, *, ending: Ending | None = None
    ) -> Claim | None:
        """Claim a timeline by moving it out of `in/`.

        Args:
            relative: Its place inside `in/`.
            path: The file, the folder of a bundle, or whatever else has its name; it is not opened.
            ending: Where it goes without any work.

        Returns:
            The claim; None where somebody else was quicker, or took it away again.

        Raises:
            BridgeError: The folder cannot be written; the timeline is still in `in/`.
        """
        folder = self._hot.work / secrets.token_hex(16)
        claim = Claim(folder, relative, document_name(relative.name), ending)
        try:
            self._filesystem.make_folder(folder, private=True)
            self._crash_point("claim folder made")
            self._write(claim)
            self._crash_point("claim written")
            self._filesystem.rename(path, claim.document)
        except BridgeError:
            # A share may say that a rename failed which it has made.
            if not os.path.lexists(claim.document):
                with contextlib.suppress(BridgeError):
                    self._forget(claim)
                if not os.path.lexists(path):
                    return None
                raise
        self._crash_point("claimed")
        # Nothing hangs on these: if the power fails now, the timeline is in `in/` or here, and is found in both.
        with contextlib.suppress(BridgeError):
            self._filesystem.fsync_folder(folder)
            self._filesystem.fsync_folder(self._hot.work)
            self._filesystem.fsync_folder(path.parent)
        return claim

    def open_claims(self) -> Iterator[Claim]:
        """What an earlier life left, the folders that hold nothing swept.

        Raises:
            BridgeError: The folder cannot be read or written.
        """
        try:
            folders = sorted(
                path
                for path in self._hot.work.iterdir()
                # Never a link: what it leads to would be taken for a timeline of ours.
                if _ID.fullmatch(path.name) and self._hot.is_own(path) and path.is_dir()
            )
        except OSError as error:
            raise self._hot.unavailable("its work folder cannot be read") from error
        for folder in folders:
            claim = self._read(folder)
            if claim is None:
                self._filesystem.remove_tree(folder)
            elif os.path.lexists(claim.document):
                yield claim
            elif (left := self._rescued(folder)) is not None:
                yield left
            else:
                self._forget(claim)

    def current(self, claim: Claim) -> Claim | None:
        """A claim as its journal has it now; None where it is over, or its timeline was taken away.

        Raises:
            BridgeError: The journal cannot be read.
        """
        if not claim.folder.is_dir():
            return None
        present = self._read(claim.folder)
        if present is None or (present.ending is None and not os.path.lexists(present.document)):
            return None
        return present

    def decide(self, claim: Claim, ending: Ending) -> Claim:
        """Write down where a claim ends.

        Raises:
            BridgeError: It cannot be written.
        """
        decided = replace(claim, ending=ending)
        self._write(decided)
        self._crash_point("decided")
        return decided

    def release(self, claim: Claim) -> None:
        """Forget a claim whose timeline has been moved on.

        Raises:
            BridgeError: Its folder cannot be removed.
        """
        self._forget(claim)
        self._crash_point("forgotten")

    def _forget(self, claim: Claim) -> None:
        # The journal goes last: a folder without one holds nothing of anybody's.
        self._filesystem.remove_tree(claim.report_folder)
        self._filesystem.unlink(claim.folder / _JOURNAL, missing_ok=True)
        self._crash_point("journal removed")
        # Only where it is empty: what somebody else put there stays. The next start sweeps what is left.
        with contextlib.suppress(BridgeError):
            for part in claim.folder.glob(f".{_JOURNAL}.*"):
                self._filesystem.unlink(part, missing_ok=True)
            self._filesystem.remove_folder(claim.folder)

    def _write(self, claim: Claim) -> None:
        ending = claim.ending
        content = {
            "schema": _SCHEMA,
            "relative": str(claim.relative),
            "name": claim.name,
            "ending": None
            if ending is None
            else {
                "verdict": ending.verdict,
                "message": ending.message,
                "place": ending.place,
                "notes": ending.notes,
                "path": ending.path,
            },
        }
        self._filesystem.write_atomic(claim.folder / _JOURNAL, json.dumps(content).encode())

    def _read(self, folder: Path) -> Claim | None:
        try:
            content = json.loads(read_own(folder / _JOURNAL, _LARGEST_JOURNAL_BYTES))
            ending = content["ending"]
            return Claim(
                folder,
                PurePosixPath(_inner(content["relative"])),
                document_name(_inner(content["name"])),
                None
                if ending is None
                else Ending(
                    verdict=_text(ending["verdict"]),
                    message=_text(ending["message"]),
                    place=_inner(ending["place"]),
                    notes={_suffix(name): dict(note) for name, note in ending["notes"].items()},
                    path=_text(ending["path"]),
                ),
            )
        except FileNotFoundError:
            return self._rescued(folder)
        except OSError as error:
            if error.errno in _EXCHANGED:
                return self._rescued(folder)
            raise self._hot.unavailable("its journal cannot be read") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return self._rescued(folder)

    def _rescued(self, folder: Path) -> Claim | None:
        """A timeline beside a journal that is gone or was tampered with: it fails, and is not lost."""
        ours = {_JOURNAL, "report"}
        others = [
            path.name
            for path in sorted(folder.iterdir())
            if path.name not in ours and not path.name.startswith(f".{_JOURNAL}.")
        ]
        if not others:
            return None
        error = InternalError(
            f"The journal of {printable(others[0])} was lost. Drop the timeline into in/ again."
        )
        return Claim(folder, PurePosixPath(others[0]), others[0], failure(error))


def _text(value: object) -> str:
    """A text of a journal, which lies where others may write.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _inner(value: object) -> str:
    """A path that stays inside.

    Raises:
        TypeError: It is no text.
        ValueError: It does not stay inside.
    """
    text = _text(value)
    if text.startswith("/") or "\0" in text or ".." in text.replace("\\", "/").split("/"):
        raise ValueError(text)
    return text


def _suffix(text: str) -> str:
    """What a note appends to the timeline's name.

    Raises:
        ValueError: It is none of ours, so that it could name another file.
    """
    if text not in {".error.json", ".duplicate.json"}:
        raise ValueError(text)
    return text


def failure(
    error: BridgeError, *, marks: tuple[Mapping[str, str], ...] = (), path: str = ""
) -> Ending:
    """The ending of a timeline that cannot be delivered.

    Args:
        error: Why.
        marks: Each mark that was not met: `where`, `mark`, `reason`, `message`.
        path: What to look at.
    """
    note = {
        "schema": "ltxbridge.Failure.1",
        "reason": error.reason.value,
        "message": error.message,
        "what_to_do": "Correct what the message says, then move the timeline back into in/.",
        "marks": [dict(mark) for mark in marks],
    }
    return Ending("failed", error.message, notes={".error.json": note}, path=path)
