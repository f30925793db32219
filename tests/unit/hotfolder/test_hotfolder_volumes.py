"""Shares told from local disks, per platform."""

from __future__ import annotations

import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from ltxbridge.hotfolder.opening import held_by_another, open_as_windows
from ltxbridge.hotfolder.volumes import (
    LOCAL_PACE,
    SHARE_PACE,
    darwin_is_share,
    is_share,
    linux_is_share,
    windows_is_share,
)

MOUNTS = r"""
22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:50 / /mnt/san rw shared:2 master:1 - nfs4 server:/san rw
41 27 0:51 / /mnt/with\040space rw - cifs //server/share rw
42 40 0:52 / /mnt/san/scratch rw - xfs /dev/sdb rw
43 27 0:53 / /mnt/host rw - fuse.sshfs me@host: rw
44 27 254:1 / /mnt/twice rw - ext4 /dev/vdb rw
45 44 0:54 / /mnt/twice rw - smb3 //server/share rw
"""


@pytest.mark.parametrize(
    ("folder", "share"),
    [
        ("/home/me/hot", False), ("/mnt/san", True), ("/mnt/san/show/hot", True), ("/mnt/sand", False),
        ("/mnt/with space/hot", True), ("/mnt/san/scratch/hot", False), ("/mnt/host/hot", True),
        ("/mnt/twice", True),
    ],
)  # fmt: skip
def test_linux_goes_by_the_type_of_the_mount(folder: str, *, share: bool) -> None:
    assert linux_is_share(Path(folder), MOUNTS) is share


def test_linux_without_a_mount_table_is_careful() -> None:
    assert linux_is_share(Path("/home"), "")


@pytest.mark.parametrize(("flags", "share"), [(0x1000, False), (0x1001, False), (0x0001, True)])
def test_macos_goes_by_the_local_flag(flags: int, *, share: bool) -> None:
    # struct statfs: bsize, iosize, five counts, fsid, owner, type, flags
    filled = struct.pack("=Ii5Q2iIII", 4096, 4096, 1, 2, 3, 4, 5, 6, 7, 501, 26, flags)
    assert darwin_is_share(filled.ljust(2168, b"\0")) is share


@pytest.mark.parametrize(
    ("folder", "kind", "share"),
    [
        ("C:\\hot", 3, False), ("D:\\hot", 2, False), ("Z:\\hot", 4, True), ("Q:\\hot", 1, True),
        ("\\\\server\\share\\hot", 3, True), ("\\\\?\\C:\\hot", 3, False),
        ("\\\\?\\UNC\\server\\share\\hot", 3, True),
    ],
)  # fmt: skip
def test_windows_goes_by_the_drive(folder: str, kind: int, *, share: bool) -> None:
    assert windows_is_share(folder, lambda _: kind) is share


@pytest.mark.skipif(sys.platform != "linux", reason="another platform's way fails here")
def test_a_platform_that_does_not_answer_counts_as_a_share(tmp_path: Path) -> None:
    assert is_share(tmp_path, platform="win32")


def test_shares_are_given_more_time() -> None:
    assert (LOCAL_PACE.settle_s, SHARE_PACE.settle_s) == (3, 10)
    assert (LOCAL_PACE.interval_s, SHARE_PACE.interval_s) == (2, 10)


def test_windows_opens_alone_and_says_who_is_in_the_way(tmp_path: Path) -> None:
    closed: list[int] = []
    shares: list[object] = []

    def create_file(*arguments: object) -> int:
        shares.append(arguments[2])
        return -1 if str(arguments[0]).endswith("busy.mov") else 7

    def attempt(path: Path) -> None:
        open_as_windows(
            path,
            create_file=create_file,
            close_handle=closed.append,
            failure=lambda: OSError(errno.EACCES, "is used by another process"),
        )

    for name in ("free.mov", "busy.mov"):
        (tmp_path / name).touch()
    assert held_by_another(tmp_path / "free.mov", open_alone=attempt) == ""
    assert (
        held_by_another(tmp_path / "busy.mov", open_alone=attempt) == "is used by another process"
    )
    assert held_by_another(tmp_path, open_alone=attempt) == "is used by another process"
    assert set(shares) == {0}
    assert set(closed) == {7}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX nodes")
def test_posix_open_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    assert held_by_another(tmp_path / "link")
    assert (
        held_by_another(tmp_path / "pipe") == ""
    )  # at once: a pipe put there since the scan holds nobody
    assert held_by_another(tmp_path / "nothing")
