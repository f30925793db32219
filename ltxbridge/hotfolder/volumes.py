"""Whether a folder lies on a network share, where changes are seen late and only by looking.

Each platform has its own way to say so. Where none answers, a folder counts as shared: the watch is slower
then, and never wrong.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

_LOCAL_TYPES = frozenset(
    {
        "apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfs", "hfsplus", "jfs",
        "msdos", "nilfs2", "ntfs", "ntfs3", "overlay", "ramfs", "reiserfs", "tmpfs", "udf", "vfat", "xfs", "zfs",
    }
)  # fmt: skip
"""Linux file systems of one machine; every other one is taken for a share."""

_OCTAL = re.compile(r"\\([0-7]{3})")
_DRIVE_REMOVABLE, _DRIVE_FIXED, _DRIVE_RAMDISK = 2, 3, 6
_LOCAL_DRIVES = frozenset({_DRIVE_REMOVABLE, _DRIVE_FIXED, _DRIVE_RAMDISK})
_MNT_LOCAL = 0x1000
_STATFS_FLAGS = slice(64, 68)  # f_flags of struct statfs with 64-bit inodes
_STATFS_BYTES = 2168 * 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look and how long to wait.

    Args:
        settle_s: How long something must not change before it is opened, in seconds.
        interval_s: Time between two scans where nothing wakes the watch, in seconds.
        events: Whether the system tells of changes at all.
    """

    settle_s: float
    interval_s: float
    events: bool


LOCAL_PACE = Pace(settle_s=3, interval_s=2, events=True)
SHARE_PACE = Pace(settle_s=10, interval_s=10, events=False)


def pace_of(folder: Path) -> Pace:
    """The pace for a folder: slower on a network share, where a copy stalls longer and events are missing."""
    return SHARE_PACE if is_share(folder) else LOCAL_PACE


def is_share(folder: Path, *, platform: str = sys.platform) -> bool:
    """Whether a folder lies on a network share, or may.

    Args:
        folder: An absolute path without links.
        platform: As `sys.platform`.
    """
    try:
        if platform == "win32":
            return windows_is_share(str(folder), _windows_drive_type)
        if platform == "darwin":
            return darwin_is_share(_darwin_statfs(folder))
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        return linux_is_share(folder, mountinfo)
    except (OSError, ValueError, AttributeError):
        return True


def linux_is_share(folder: Path, mountinfo: str) -> bool:
    """Judge by the type of the mount a folder is on; `mountinfo` is the text of proc(5)."""
    longest, kind = -1, ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        # The last of several mounts on one point is the one that is seen.
        if folder.is_relative_to(point) and len(point.parts) >= longest:
            longest, kind = len(point.parts), after.split(" ")[0]
    return kind not in _LOCAL_TYPES


def darwin_is_share(statfs: bytes) -> bool:
    """Judge by the MNT_LOCAL flag; `statfs` is what statfs(2) filled in, with 64-bit inodes."""
    return not int.from_bytes(statfs[_STATFS_FLAGS], sys.byteorder) & _MNT_LOCAL


def windows_is_share(folder: str, drive_type: Callable[[str], int]) -> bool:
    """Judge by the drive: a UNC path is a share, a letter may be one.

    Args:
        folder: Absolute Windows path.
        drive_type: GetDriveTypeW of the path of a drive's root.
    """
    anchor = PureWindowsPath(folder).anchor
    if not re.match(r"(\\\\\?\\)?[A-Za-z]:\\", anchor):
        return True
    return drive_type(anchor[-3:]) not in _LOCAL_DRIVES


def _darwin_statfs(folder: Path) -> bytes:
    library = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    # Intel Macs have two of them; the plain name has 32-bit inodes there.
    statfs = getattr(library, "statfs$INODE64", None) or library.statfs
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if statfs(os.fsencode(folder), buffer) != 0:
        raise ValueError("statfs failed")
    return buffer.raw


def _windows_drive_type(root: str) -> int:
    return int(getattr(ctypes, "windll").kernel32.GetDriveTypeW(root))  # noqa: B009 - not there elsewhere
