"""Deletes what was chosen, and nothing else: a kill at any point leaves what another run finishes.

A take's media go first, then its manifest, then its job: as long as anything is left, the job table still says
whose it was. Every file is looked at once more just before it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from interchange.errors import BridgeError, NotFoundError
from sidecar.filesystem import FileSystem
from sidecar.lifecycle.inventory import is_same, unchanged
from sidecar.lifecycle.policy import Choice, Item

_CHANGED = "it is not the file that was made"

DeleteJob = Callable[[str], None]
"""Removes a job that has ended from the job table; raises `NotFoundError` where it is gone already."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of an item that was to go.

    Args:
        item: The item.
        freed_bytes: Size of the files that were deleted.
        error: Why some of it is still there, None where all is gone.
    """

    item: Item
    freed_bytes: int
    error: BridgeError | None = None


def confirm(choices: Iterable[Choice], *, filesystem: FileSystem) -> Iterator[Choice]:
    """Compare each file that would go with its digest on record; one that differs is not ours to delete.

    Both the dry run and the deletion see the choices after this, so that they agree. Reads the files whole.
    """
    for choice in choices:
        if not choice.goes or _confirmed(choice.item, filesystem):
            yield choice
        else:
            yield replace(choice, goes=False, why=_CHANGED)


def _confirmed(item: Item, filesystem: FileSystem) -> bool:
    try:
        return all(unchanged(file, filesystem=filesystem) for file in item.files)
    except BridgeError:  # gone, or unreadable: then nothing is known about it
        return False


def collect(
    choices: Iterable[Choice], *, filesystem: FileSystem, delete_job: DeleteJob
) -> Iterator[Collected]:
    """Delete the confirmed choices that go, one after another; one that cannot go stops no other.

    Yields:
        What became of each.
    """
    for choice in choices:
        if choice.goes:
            yield _collect(choice.item, filesystem, delete_job)


def _collect(item: Item, filesystem: FileSystem, delete_job: DeleteJob) -> Collected:
    freed = 0
    try:
        for file in item.files:
            if not is_same(file):
                return Collected(
                    item,
                    freed,
                    NotFoundError(
                        f"{file.path} changed while ltxbridge gc ran; it was left alone. Run it again.",
                        metadata={"path": str(file.path)},
                    ),
                )
            filesystem.unlink(file.path, missing_ok=True)
            freed += file.size_bytes
        for folder in {file.path.parent for file in item.files}:
            filesystem.fsync_folder(folder)  # the files are gone for good before their job is
        if item.job_id:
            with suppress(NotFoundError):
                delete_job(item.job_id)
    except BridgeError as error:
        return Collected(item, freed, error)
    return Collected(item, freed)
