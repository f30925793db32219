from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys

import pytest
from support.faulty_filesystem import FaultyFileSystem

from interchange.errors import ExhaustedError, NotAllowedError, NotFoundError, Reason
from sidecar.filesystem import FileSystem


def test_open_new_refuses_what_is_there(tmp_path):
    target = tmp_path / "a.mov"
    target.write_bytes(b"original")
    with pytest.raises(NotAllowedError) as caught:
        FileSystem().open_new(target)
    assert caught.value.reason is Reason.OUTPUT_NOT_WRITABLE
    assert target.read_bytes() == b"original"


def test_publish_new_moves_and_never_overwrites(tmp_path):
    part, final = tmp_path / ".a.part", tmp_path / "a.mov"
    part.write_bytes(b"take")
    FileSystem().publish_new(part, final)
    assert final.read_bytes() == b"take"
    assert not part.exists()
    part.write_bytes(b"other")
    with pytest.raises(NotAllowedError):
        FileSystem().publish_new(part, final)
    assert final.read_bytes() == b"take"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows renames without hard links anyway")
def test_publish_new_without_hard_links_still_never_overwrites(tmp_path, monkeypatch):
    def no_links(*_args, **_keywords):
        raise OSError(errno.EOPNOTSUPP, "no hard links here")

    monkeypatch.setattr("os.link", no_links)
    part, final = tmp_path / ".a.part", tmp_path / "a.mov"
    part.write_bytes(b"take")
    FileSystem().publish_new(part, final)
    assert final.read_bytes() == b"take"
    part.write_bytes(b"other")
    with pytest.raises(NotAllowedError):
        FileSystem().publish_new(part, final)
    assert final.read_bytes() == b"take"


def test_write_atomic_replaces_and_leaves_no_part(tmp_path):
    target = tmp_path / "report.json"
    FileSystem().write_atomic(target, b"one")
    FileSystem().write_atomic(target, b"two", private=True)
    assert target.read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    if sys.platform != "win32":
        assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("operation", ["open_new", "write", "close", "fsync_file", "replace"])
def test_write_atomic_on_a_full_disk_keeps_the_old_file(tmp_path, operation):
    target = tmp_path / "report.json"
    target.write_bytes(b"old")
    filesystem = FaultyFileSystem(operation, errno=errno.ENOSPC)
    with pytest.raises(ExhaustedError, match="--out") as caught:
        filesystem.write_atomic(target, b"new")
    assert filesystem.failed == 1
    assert caught.value.reason is Reason.DISK_FULL
    assert str(tmp_path) in caught.value.message
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_refused_writes_say_so(tmp_path, code):
    with pytest.raises(NotAllowedError) as caught:
        FaultyFileSystem("make_folder", errno=code).make_folder(tmp_path / "out")
    assert caught.value.reason is Reason.OUTPUT_NOT_WRITABLE
    assert str(tmp_path) in caught.value.message


def test_make_folder_private_is_closed_to_others(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    FileSystem().make_folder(folder, private=True)
    if sys.platform != "win32":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_sha256_and_missing_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert FileSystem().sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(NotFoundError):
        FileSystem().sha256(tmp_path / "b")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_sha256_waits_at_no_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAllowedError, match="not a plain file"):
        FileSystem().sha256(tmp_path / "pipe")


def test_free_bytes_of_a_folder_to_be_made(tmp_path):
    assert FileSystem().free_bytes(tmp_path / "not" / "yet") > 0
