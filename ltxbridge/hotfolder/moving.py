"""Moves a timeline to where it ends: never over another, and whole also where that is another volume."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from interchange.errors import NotAllowedError, Reason
from ltxbridge.hotfolder.claims import CrashPoint, no_crash
from sidecar.filesystem import FileSystem


def move_new(
    source: Path, target: Path, *, filesystem: FileSystem, crash_point: CrashPoint = no_crash
) -> bool:
    """Move a file or folder to a name of its own; doing it again after a kill ends the same.

    Args:
        source: What is moved; links are moved, not followed.
        target: Its new name; its folder is there.
        filesystem: Everything is written through it.
        crash_point: Told when a copy has its name and the original is still there.

    Returns:
        False where something else has the name; nothing was moved.

    Raises:
        BridgeError: It cannot be moved now; the source is still whole.
    """
    if not os.path.lexists(target):
        try:
            filesystem.publish_new(source, target)
        except NotAllowedError as error:
            match error.metadata.get("errno"):
                case "EXDEV":
                    _copy_new(source, target, filesystem=filesystem)
                case "EEXIST" if not _same(source, target, filesystem=filesystem):
                    return False
                case "EEXIST":
                    pass
                case _:
                    raise
    elif not _same(source, target, filesystem=filesystem):
        return False
    filesystem.fsync_folder(target.parent)
    crash_point("published")
    filesystem.remove_tree(source)
    return True


def _copy_new(source: Path, target: Path, *, filesystem: FileSystem) -> None:
    part = target.with_name(f".{target.name}.part")
    filesystem.remove_tree(part)  # of a copy that was interrupted
    _copy(source, part, filesystem=filesystem)
    filesystem.publish_new(part, target)


def _copy(source: Path, copy: Path, *, filesystem: FileSystem) -> None:
    mode = os.lstat(source).st_mode
    if stat.S_ISDIR(mode):
        filesystem.make_folder(copy)
        for path in sorted(source.iterdir()):
            _copy(path, copy / path.name, filesystem=filesystem)
        filesystem.fsync_folder(copy)
    elif stat.S_ISREG(mode):
        with source.open("rb") as original, filesystem.open_new(copy) as file:
            shutil.copyfileobj(original, file, 1 << 20)
        filesystem.fsync_file(copy)
    else:
        raise NotAllowedError(
            f"{source} is a link or a device and cannot be copied to another volume. Remove it.",
            reason=Reason.OUTPUT_NOT_WRITABLE,
            metadata={"path": str(source)},
        )


def _same(source: Path, target: Path, *, filesystem: FileSystem) -> bool:
    """Whether the target is the source: its second name, or a whole copy of it."""
    ours, theirs = os.lstat(source), os.lstat(target)
    if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
        return True
    if stat.S_ISDIR(ours.st_mode) and stat.S_ISDIR(theirs.st_mode):
        names = sorted(path.name for path in source.iterdir())
        return names == sorted(path.name for path in target.iterdir()) and all(
            _same(source / name, target / name, filesystem=filesystem) for name in names
        )
    return (
        stat.S_ISREG(ours.st_mode)
        and stat.S_ISREG(theirs.st_mode)
        and ours.st_size == theirs.st_size
        and filesystem.sha256(source) == filesystem.sha256(target)
    )
