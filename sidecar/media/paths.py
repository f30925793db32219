"""Which files a document may name: local files inside the allowed roots, and nothing else.

The text is mapped first (`--map FROM=TO`), then turned into a path, then resolved with every symbolic link
followed, and only the result is compared with the roots. A path therefore cannot leave them by `..`, by a
link, by percent-encoding or by its spelling.
"""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from interchange.errors import (
    BridgeError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
)
from interchange.model.caller import Caller
from sidecar.media.beside import Neighbours

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # two letters at least: `C:` is a drive
_DRIVE = re.compile(r"/?([A-Za-z]):(?=[/\\]|$)")
_LOCAL_HOSTS = frozenset({"", "localhost", "127.0.0.1"})


@dataclass(frozen=True, slots=True)
class PathMapping:
    """Where media named on one machine lie on another.

    Args:
        prefix: Path prefix as documents write it, a POSIX or Windows path, without trailing separator.
        replacement: What stands for it here.
    """

    prefix: str
    replacement: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `FROM=TO`.

        Raises:
            InvalidInputError: One side is missing.
        """
        prefix, separator, replacement = text.partition("=")
        prefix, replacement = prefix.strip(), replacement.strip()
        if not separator or not prefix or not replacement:
            raise InvalidInputError(
                f"{text!r} is not a path mapping; write it like --map /Volumes/SAN=/mnt/san."
            )
        return cls(_slashed(prefix).rstrip("/") or "/", replacement)

    def apply(self, path_text: str) -> str | None:
        """The mapped path, or None where the prefix does not match whole folder names.

        A path that lies in the replacement already is left as it is: where that is a folder inside the prefix,
        a path mapped once by a client must not be mapped again by the sidecar.
        """
        slashed = _slashed(path_text)
        if slashed.startswith(self.replacement.rstrip("/\\") + "/"):
            return path_text
        drive = bool(_DRIVE.match(self.prefix)) or self.prefix.startswith("//")
        same = slashed.lower() if drive else slashed  # Windows compares without case
        prefix = self.prefix.lower() if drive else self.prefix
        if same == prefix:
            return self.replacement
        folder = prefix if prefix.endswith("/") else prefix + "/"
        if not same.startswith(folder):
            return None
        return self.replacement.rstrip("/\\") + "/" + slashed[len(folder) :]


class PathPolicy:
    """Turns paths as documents write them into files we may touch.

    Args:
        roots: Folders media may be read from.
        mappings: Tried in order; the first that matches is applied.
        output_roots: Folders takes may be written to; the media roots where not given.
        beside: Folder of the document, inside the roots. A file of the name that the document gives, in this
            folder or below it, stands for a path that is not there or that is not ours to touch.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        mappings: Sequence[PathMapping] = (),
        *,
        output_roots: Sequence[Path] | None = None,
        beside: Path | None = None,
    ) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._mappings = tuple(mappings)
        outputs = roots if output_roots is None else output_roots
        self._output_roots = tuple(root.resolve() for root in outputs)
        self._neighbours = None if beside is None else Neighbours(beside.absolute())

    def seen_by(self, _caller: Caller) -> Self:
        """The same for everybody; who may name paths at all is decided in front of it."""
        return self

    def source(self, path_text: str) -> Path:
        """The media file a document names.

        Args:
            path_text: A `file:` URL or an absolute path, as written.

        Returns:
            Absolute path with every symbolic link resolved.

        Raises:
            NotAllowedError: It is outside the roots, or not a local path at all (PATH_OUTSIDE_ROOTS).
            NotFoundError: It is inside the roots, but there is no such file (MEDIA_NOT_FOUND).
            InvalidInputError: It is no path, or it is a folder, a pipe or a device.
        """
        plain = _local_text(path_text)
        try:
            return _media_file(self._inside(path_text, self._roots, option="--media-root"))
        except (NotAllowedError, NotFoundError, _NotFullError):
            beside = self._beside(plain)
            if beside is None:
                raise
        # Its name was found, nothing more: what it leads to is held to the same rules.
        return _media_file(_resolved(beside, str(beside), self._roots, "--media-root"))

    def output_directory(self, path_text: str) -> Path:
        """The folder takes go to; it need not exist yet.

        Args:
            path_text: An absolute path or `file:` URL.

        Raises:
            NotAllowedError: It is outside the output roots (PATH_OUTSIDE_ROOTS).
            InvalidInputError: It is no path, or something that is no folder is in its way.
        """
        path = self._inside(path_text, self._output_roots, option="--out")
        existing = path
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if not existing.is_dir():
            raise InvalidInputError(
                f"{path} cannot be a folder: {existing} is a file. Choose another folder with --out.",
                metadata={"path": str(path)},
            )
        return path

    def _inside(self, path_text: str, roots: tuple[Path, ...], *, option: str) -> Path:
        plain = _local_text(path_text)
        mapped = next(
            (found for mapping in self._mappings if (found := mapping.apply(plain)) is not None),
            plain,
        )
        foreign_drive = sys.platform != "win32" and _DRIVE.match(mapped)
        if mapped.startswith(("//", "\\\\")) or foreign_drive:
            raise NotAllowedError(
                f"{path_text} is a path of another machine. Say where it lies here with "
                "--map FROM=TO, or put the file beside the timeline.",
                reason=Reason.PATH_OUTSIDE_ROOTS,
                metadata={"path": path_text},
            )
        path = Path(mapped)
        if not path.is_absolute():
            raise _NotFullError(
                f"{path_text!r} is not a full path. Relink the clip so that its path starts at the disk.",
                metadata={"path": path_text},
            )
        if ".." in path.parts:
            raise _outside(path_text, roots, option)
        return _resolved(path, path_text, roots, option)

    def _beside(self, plain: str) -> Path | None:
        slashed = _slashed(plain)
        if self._neighbours is None or ".." in slashed.split("/"):
            return None
        return self._neighbours.find(slashed)


class _NotFullError(InvalidInputError):
    """A path that does not start at a disk."""


def _resolved(path: Path, path_text: str, roots: tuple[Path, ...], option: str) -> Path:
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise _outside(path_text, roots, option) from error
    if not any(resolved.is_relative_to(root) for root in roots):
        raise _outside(path_text, roots, option)
    return resolved


def _media_file(path: Path) -> Path:
    try:
        status = path.stat()
    except OSError as error:
        raise NotFoundError(
            f"{path} is not there. Relink the clip, mount its disk, map its path with --map, or put a file "
            "of that name beside the timeline.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": str(path)},
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInputError(
            f"{path} is not a media file but a folder or a device. Relink the clip to a file.",
            metadata={"path": str(path)},
        )
    return path


def file_name(path_text: str) -> str:
    """The last part of a path as a document writes it; empty where it is no path of any machine."""
    try:
        plain = _local_text(path_text)
    except BridgeError:
        return ""
    return _slashed(plain).rstrip("/").rpartition("/")[2]


def _local_text(path_text: str) -> str:
    """The path a text means: `file:` URLs decoded once, everything else as it stands."""
    if not path_text.strip():
        raise InvalidInputError("The clip names no media file. Relink it.")
    if re.match(r"file:", path_text, re.IGNORECASE):
        try:
            parts = urlsplit(path_text)
        except ValueError as error:  # a host that is none
            raise InvalidInputError(
                f"{path_text!r} is not a file URL. Relink the clip.", metadata={"path": path_text}
            ) from error
        if parts.netloc.lower() not in _LOCAL_HOSTS:
            plain = f"//{parts.netloc}{unquote(parts.path)}"
        else:
            # `#` and `?` are often left unescaped in names: all that follows the host is the path.
            rest = path_text[len("file:") :]
            rest = rest[2 + len(parts.netloc) :] if rest.startswith("//") else rest
            plain = unquote(rest)
        plain = plain[1:] if re.match(r"/[A-Za-z]:[/\\]", plain) else plain
    elif _SCHEME.match(path_text) and not _DRIVE.match(path_text):
        raise NotAllowedError(
            f"{path_text} is not a file on this machine. Copy the media to a local disk and relink the clip.",
            reason=Reason.PATH_OUTSIDE_ROOTS,
            metadata={"path": path_text},
        )
    else:
        plain = path_text
    if "\0" in plain:
        raise InvalidInputError("The clip's media path holds a zero byte. Relink the clip.")
    return plain


def _slashed(text: str) -> str:
    return text.replace("\\", "/") if _DRIVE.match(text) or text.startswith("\\\\") else text


def _outside(path_text: str, roots: tuple[Path, ...], option: str) -> NotAllowedError:
    allowed = ", ".join(str(root) for root in roots) or "none"
    return NotAllowedError(
        f"{path_text} is outside the allowed folders ({allowed}). If it is meant to be used, add its "
        f"folder with {option}.",
        reason=Reason.PATH_OUTSIDE_ROOTS,
        metadata={"path": path_text, "roots": allowed},
    )
