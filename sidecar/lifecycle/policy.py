"""What may go and what must stay: a pure choice over an inventory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

_LEFTOVER_AGE = timedelta(days=1)
"""For so long it might still be written: by another installation, or by one that is just starting."""


class Kind(StrEnum):
    """What a thing on disk is."""

    TAKE = "take"
    """Media and manifest of a job that succeeded."""
    REMAINS = "remains"
    """Job, and perhaps manifest, of a take whose media are gone already."""
    UPLOAD = "upload"
    """Media a remote client has sent."""
    LEFTOVER = "leftover"
    """A work file that no job owns."""
    CACHE = "cache"
    LOG = "log"
    """A log file that was rotated away."""
    BACKUP = "backup"
    """The job table as it was before an upgrade."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was when the inventory was made; any other file of its name is not it.

    Args:
        path: Absolute, no link on the way.
        size_bytes: Its size.
        modified_ns: Its modification time, nanoseconds since the epoch.
        inode: Number of its data on its volume.
        sha256: What its digest must be where that is on record, else empty.
    """

    path: Path
    size_bytes: int
    modified_ns: int
    inode: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is kept or goes as a whole.

    Args:
        kind: What it is.
        name: For people.
        files: What is deleted, in this order.
        newest_use: When it was made, or when something that uses it was last changed.
        job_id: The row of the job table that goes with it, last; empty for none.
        linked_from: A timeline that shows it, None where none is known.
        held: Why it must stay, whatever is asked for; empty where nothing holds it.
    """

    kind: Kind
    name: str
    files: tuple[StoredFile, ...]
    newest_use: datetime
    job_id: str = ""
    linked_from: Path | None = None
    held: str = ""

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a person asked to be kept.

    Args:
        max_age: What nothing has used for longer goes; None for any age.
        max_total_bytes: The oldest go until what is left is no more than this; None for any size.
        include_linked: Whether takes that a timeline shows may go too.
    """

    max_age: timedelta | None = None
    max_total_bytes: int | None = None
    include_linked: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """An item and what becomes of it.

    Args:
        item: The item.
        goes: Whether it is to be deleted.
        why: The reason, for people.
    """

    item: Item
    goes: bool
    why: str


def choose(items: Iterable[Item], limits: Limits, *, now: datetime) -> tuple[Choice, ...]:
    """Decide about every item.

    Returns:
        One choice for each, least recently used first; equal inventories give equal choices in any order.
    """
    ordered = sorted(items, key=lambda item: (item.newest_use, item.kind, item.name, item.job_id))
    left_bytes = sum(item.size_bytes for item in ordered)
    choices = []
    for item in ordered:
        stays = _must_stay(item, limits, now)
        aged = limits.max_age is not None and now - item.newest_use > _most_age(
            item, limits.max_age
        )
        if not stays and aged:
            choice = Choice(
                item, goes=True, why=f"not used for {(now - item.newest_use).days} days"
            )
            left_bytes -= item.size_bytes
        else:
            choice = Choice(item, goes=False, why=stays or "in use lately")
        choices.append(choice)
    if limits.max_total_bytes is None:
        return tuple(choices)
    for number, choice in enumerate(choices):
        if left_bytes <= limits.max_total_bytes:
            break
        item = choice.item
        if choice.goes or not item.size_bytes or _must_stay(item, limits, now):
            continue
        choices[number] = Choice(
            item, goes=True, why="oldest of what is more than was asked to keep"
        )
        left_bytes -= item.size_bytes
    return tuple(choices)


def _most_age(item: Item, asked: timedelta) -> timedelta:
    return min(asked, _LEFTOVER_AGE) if item.kind is Kind.LEFTOVER else asked


def _must_stay(item: Item, limits: Limits, now: datetime) -> str:
    if item.held:
        return item.held
    if item.kind is Kind.LEFTOVER and now - item.newest_use <= _LEFTOVER_AGE:
        return "it may still be written"
    if item.linked_from is not None and not limits.include_linked:
        return f"shown by {item.linked_from}"
    return ""
