"""What is done on Windows instead, each branch behind its seam."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from interchange.errors import ConflictError, NotAllowedError, NotFoundError, Reason
from sidecar.filesystem import FileSystem
from sidecar.instance import make_private_folder
from sidecar.jobs.lock import FolderLock, file_lock
from sidecar.pki.private import read_private
from sidecar.process_group import kill_group, own_group


class Msvcrt:
    """Locks a byte of a file for one descriptor at a time, as Windows does for one process."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.held = {}

    def locking(self, descriptor, mode, count):
        assert (mode, count) == (self.LK_NBLCK, 1)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0  # it locks from where the file stands
        file = os.fstat(descriptor).st_ino
        # A number that comes again was closed in between, which lets the lock go.
        if self.held.get(file, descriptor) != descriptor and _is_open(self.held[file]):
            raise PermissionError(errno.EACCES, "Permission denied")
        self.held[file] = descriptor


def _is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.fixture
def windows_lock():
    windows = Msvcrt()
    return file_lock(platform="win32", load={"msvcrt": windows}.__getitem__)


def test_a_folder_is_held_by_one_on_windows_until_it_is_let_go(tmp_path, windows_lock):
    first = FolderLock(tmp_path, lock=windows_lock)
    with pytest.raises(ConflictError) as caught:
        FolderLock(tmp_path, lock=windows_lock)
    assert caught.value.reason is Reason.ALREADY_RUNNING
    first.release()
    FolderLock(tmp_path, lock=windows_lock).release()


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_folder_is_held_by_one_on_posix(tmp_path, platform):
    pytest.importorskip("fcntl")
    lock = file_lock(platform=platform)
    first = FolderLock(tmp_path, lock=lock)
    with pytest.raises(ConflictError):
        FolderLock(tmp_path, lock=lock)
    first.release()


def test_a_volume_without_locks_is_not_mistaken_for_one_that_is_held(tmp_path):
    def refuse(_descriptor):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with pytest.raises(NotAllowedError, match="volume that knows locks"):
        FolderLock(tmp_path, lock=refuse)


def test_a_child_leaves_the_console_of_its_parent():
    assert own_group(platform="win32") == {"start_new_session": False, "creationflags": 0x200}
    assert own_group(platform="darwin") == {"start_new_session": True, "creationflags": 0}


def test_a_child_is_terminated_alone_on_windows_and_with_its_group_elsewhere():
    killed = []
    child = SimpleNamespace(pid=12, kill=lambda: killed.append("child"))
    kill_group(child, platform="win32", kill_all=killed.append)
    kill_group(child, platform="linux", kill_all=killed.append)
    assert killed == ["child", 12]


def test_a_group_that_is_gone_is_no_error():
    def gone(_group):
        raise ProcessLookupError

    kill_group(SimpleNamespace(pid=12, kill=None), platform="linux", kill_all=gone)


def test_modes_are_no_matter_on_windows(tmp_path):
    folder, key = tmp_path / "state", tmp_path / "server.pem"
    folder.mkdir(mode=0o755)
    key.write_bytes(b"key")
    key.chmod(0o644)
    make_private_folder(folder, platform="win32")
    assert read_private(key, platform="win32") == b"key"
    if os.name == "posix":
        with pytest.raises(NotAllowedError, match="chmod 700"):
            make_private_folder(folder)
        with pytest.raises(NotAllowedError, match="chmod 600"):
            read_private(key)


def test_a_file_in_place_of_the_private_folder_is_refused_on_windows_too(tmp_path):
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(NotAllowedError):
        make_private_folder(tmp_path / "state", platform="win32")


class OnWindows(FileSystem):
    platform = "win32"


def test_takes_are_published_by_renaming_on_windows(tmp_path, monkeypatch):
    def no_link(*_arguments, **_named):
        raise AssertionError("Windows is not asked for links")

    monkeypatch.setattr(os, "link", no_link)
    (tmp_path / "a.part").write_bytes(b"take")
    OnWindows().publish_new(tmp_path / "a.part", tmp_path / "a.mov")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.mov", b"take")]


def test_folders_are_not_flushed_on_windows_where_none_can_be_opened(tmp_path):
    OnWindows().fsync_folder(tmp_path / "no folder of this name")
    if os.name == "posix":
        with pytest.raises(NotFoundError):
            FileSystem().fsync_folder(tmp_path / "no folder of this name")
