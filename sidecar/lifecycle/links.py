"""Which takes a timeline on disk still shows, whatever program wrote it.

Looks for the takes' names, not for links: a document that only mentions a take keeps it, one that cannot be read
keeps every take it might show. To keep too much is a nuisance, to delete what is on a timeline is not.
"""

from __future__ import annotations

import gzip
import html
import io
import os
import re
import stat
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

_SUFFIXES = frozenset({".fcpxml", ".xml", ".otio", ".edl", ".aaf", ".prproj"})
_BUNDLE_SUFFIX = ".fcpxmld"
_LONGEST_DOCUMENT_BYTES = 1 << 28
_VERSION = re.compile(r"_ltx_v\d+", re.ASCII)


class TimelineLinks:
    """What the timelines in some folders show.

    Args:
        documents: Timelines, as `documents_in` finds them.
        stems: File names without suffix of the takes in question.
    """

    def __init__(self, documents: Iterable[Path], stems: Iterable[str]) -> None:
        self._names: dict[int, set[str]] = {}
        for stem in map(folded, stems):
            self._names.setdefault(len(stem), set()).add(stem)
        self._newest: dict[str, tuple[datetime, Path]] = {}
        self._unreadable: tuple[datetime, Path] | None = None
        for document in sorted(set(documents)):
            self._read(document)

    def newest(self, stem: str) -> tuple[datetime, Path] | None:
        """When the newest timeline that shows a take was changed, and which it is; None where none does."""
        found = [entry for entry in (self._newest.get(folded(stem)), self._unreadable) if entry]
        return max(found, default=None)

    def _read(self, document: Path) -> None:
        try:
            changed = datetime.fromtimestamp(document.stat().st_mtime, UTC)
        except (OSError, OverflowError, ValueError):
            changed = datetime.now(UTC)
        entry = (changed, document)
        try:
            texts = tuple(_texts(document))
        except (OSError, EOFError, zlib.error, ValueError):
            self._unreadable = max(self._unreadable or entry, entry)
            return
        for text in texts:
            for match in _VERSION.finditer(text):
                for length, names in self._names.items():
                    name = text[match.end() - length : match.end()] if length <= match.end() else ""
                    if name in names:
                        self._newest[name] = max(self._newest.get(name, entry), entry)


def folded(stem: str) -> str:
    """A take's name as documents are searched for it: letter case and Unicode form do not count."""
    return unicodedata.normalize("NFC", stem).casefold()


def recognisable(stem: str) -> bool:
    """Whether a name is one that a search finds: it ends as all takes' names do."""
    match = _VERSION.search(folded(stem))
    while match and match.end() < len(folded(stem)):
        match = _VERSION.search(folded(stem), match.end())
    return match is not None


def documents_in(folder: Path, *, deep: bool = False) -> Iterator[Path]:
    """Timelines in a folder, those inside bundles too.

    Args:
        folder: Where to look; one that is not there has none.
        deep: Also in all folders below it; links to folders are not followed.
    """
    for place, folders, names in os.walk(folder):
        path = Path(place)
        yield from (path / name for name in names if Path(name).suffix.lower() in _SUFFIXES)
        bundle = path.suffix.lower() == _BUNDLE_SUFFIX
        if bundle:
            yield from (path / name for name in names if name.lower().endswith(".plist"))
        if not deep and not bundle:
            folders[:] = [name for name in folders if name.lower().endswith(_BUNDLE_SUFFIX)]


def _texts(document: Path) -> Iterator[str]:
    data = _plain_file(document)
    if data[:2] == b"\x1f\x8b":  # Premiere packs its projects
        with gzip.open(io.BytesIO(data)) as file:
            data = file.read(_LONGEST_DOCUMENT_BYTES + 1)
        if len(data) > _LONGEST_DOCUMENT_BYTES:
            raise ValueError
    yield _plain(data.decode("utf-8", errors="replace"))
    if document.suffix.lower() == ".aaf" or data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        for start in (0, 1):
            yield _plain(data[start:].decode("utf-16-le", errors="replace"))
            yield _plain(data[start:].decode("utf-16-be", errors="replace"))


def _plain_file(document: Path) -> bytes:
    # A pipe of that name would hold the open for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(document, flags), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b""  # no timeline, whatever it is called
        data = file.read(_LONGEST_DOCUMENT_BYTES + 1)
    if len(data) > _LONGEST_DOCUMENT_BYTES:
        raise ValueError  # counts as one that cannot be read
    return data


def _plain(text: str) -> str:
    # A name may be an XML attribute of a percent-encoded URL; JSON writes `\u00e9`.
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    return folded(unquote(html.unescape(text)))
