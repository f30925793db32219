"""Media beside a document: a file of the name that the document gives, in the document's folder or below.

An editor who drops a timeline with its media leaves links in it that lead to their own disks. The link that
shares the longest end with a file's path means that file; where two files share the same, nothing is guessed.
"""

from __future__ import annotations

import os
import unicodedata
from functools import cached_property
from pathlib import Path

from interchange.errors import InvalidInputError

_MOST_FILES = 50_000


class Neighbours:
    """The files in a folder and below it, listed when the first one is asked for. Links are not followed.

    Args:
        folder: The document's own; absolute.
        most: A folder with more files than this is not a delivery but a disk, and is not searched.
    """

    def __init__(self, folder: Path, *, most: int = _MOST_FILES) -> None:
        self.folder = folder
        self._most = most

    def find(self, path_text: str) -> Path | None:
        """The file that a path of another machine means here.

        Args:
            path_text: A path with `/` between its folders, wherever it starts.

        Returns:
            The path below the folder as it is spelt there, nothing resolved; None where no name agrees.

        Raises:
            InvalidInputError: Several agree equally well.
        """
        wanted = tuple(part for part in path_text.split("/") if part not in {"", "."})
        found = self._by_name.get(_same(wanted[-1]), ()) if wanted else ()
        scored = [(_agreement(path.relative_to(self.folder).parts, wanted), path) for path in found]
        best = max((score for score, _ in scored), default=None)
        paths = [path for score, path in scored if score == best]
        if len(paths) > 1:
            raise InvalidInputError(
                f"{path_text} could be {paths[0]} or {paths[1]}. Remove or rename one of them, or put them "
                "into folders of the names that the timeline uses.",
                metadata={"path": path_text, "first": str(paths[0]), "second": str(paths[1])},
            )
        return paths[0] if paths else None

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        files: dict[str, list[Path]] = {}
        count = 0
        for folder, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            count += len(names)
            if count > self._most:
                return {}
            for name in sorted(names):
                if not name.startswith("."):
                    files.setdefault(_same(name), []).append(Path(folder, name))
        return files


def _same(name: str) -> str:
    """Names that differ in case or in how accents are written are the same on some editor's disk."""
    return unicodedata.normalize("NFC", name).casefold()


def _agreement(here: tuple[str, ...], there: tuple[str, ...]) -> tuple[int, int]:
    """How many names agree from the end, and how many of these to the letter."""
    alike = letters = 0
    for mine, theirs in zip(reversed(here), reversed(there), strict=False):
        if _same(mine) != _same(theirs):
            break
        alike += 1
        letters += mine == theirs
    return alike, letters
