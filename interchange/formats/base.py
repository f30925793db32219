"""What every timeline format offers, and the values that go in and out.

A format reads a document into segments, and puts takes into the very same bytes. It never converts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from interchange.formats.xml_splice import Splice
from interchange.model.segment import Reading
from interchange.model.take import Placement


@dataclass(frozen=True, slots=True)
class LaneChange:
    """An original raised to make room above a marked clip: the one change made to originals.

    Args:
        element_id: The element whose `lane` changes, as in the original document.
        name: Its name, for the report.
        before: The lane it had.
        after: The lane it has now.
    """

    element_id: str
    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Patch:
    """A patched document and what was declared to be changed.

    Args:
        data: The new document.
        splices: Every byte range that differs, in positions of the original.
        lane_changes: Originals that were raised to make room.
        notes: What the format could not carry over exactly, one sentence each, for the report.
    """

    data: bytes
    splices: tuple[Splice, ...]
    lane_changes: tuple[LaneChange, ...]
    notes: tuple[str, ...]


class DocumentWriter(Protocol):
    """The part of the writing facade (`sidecar.filesystem.FileSystem`) that a format needs."""

    def make_folder(self, path: Path, *, private: bool = False) -> None:
        """Make a folder and its parents."""

    def write_atomic(self, path: Path, content: bytes, *, private: bool = False) -> None:
        """Write a file so that it is wholly there or not at all."""


class TimelineFormat(Protocol):
    """One format."""

    @property
    def name(self) -> str:
        """Name for people."""

    def load(self, path: Path) -> bytes:
        """Read the document of a file or bundle.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: It cannot be read safely.
        """

    def read(self, raw: bytes) -> Reading:
        """Find sequences, segments and problems."""

    def apply(self, raw: bytes, placements: Sequence[Placement]) -> Patch:
        """Put takes into a document.

        Raises:
            UnsupportedError: A take cannot be placed without changing an original.
        """

    def verify(self, raw: bytes, patch: Patch, placements: Sequence[Placement]) -> None:
        """Check a patched document before it is delivered.

        Raises:
            InvalidInputError: It differs from the original by more than the placements ask for.
        """

    def save(
        self, source: Path, destination: Path, document: bytes, *, writer: DocumentWriter
    ) -> None:
        """Write a document as a file or bundle of the same form as `source`; `source` is only read.

        Raises:
            NotAllowedError: The destination is the source, or is there already.
        """
