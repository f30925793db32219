from __future__ import annotations

import errno
import hashlib

import pytest
from support.faulty_filesystem import FaultyFileSystem
from support.job_cases import make_take

from interchange.errors import BridgeError, NotAllowedError, NotFoundError
from sidecar.filesystem import FileSystem
from sidecar.jobs.publisher import publish, published, sweep, withdraw
from sidecar.jobs.work import TakeDraft

MEDIA, MANIFEST = b"media", b"manifest"
JOB = "0123456789abcdef" * 2


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def draft(tmp_path):
    media, manifest = (tmp_path / f".A_LTX_v001.{JOB}-1.{kind}.part" for kind in ("mov", "c2pa"))
    media.write_bytes(MEDIA)
    manifest.write_bytes(MANIFEST)
    take = make_take("A_LTX_v001", folder=str(tmp_path), sha256=sha256(MEDIA))
    return TakeDraft(str(media), str(manifest), sha256(MANIFEST), take)


class Noting(FileSystem):
    """Notes what is done in which order."""

    def __init__(self):
        self.done = []

    def before(self, operation, path):
        if operation not in {"sha256", "unlink"}:
            self.done.append((operation, path.name))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_data_come_before_names_and_the_medias_name_comes_last(tmp_path, draft):
    filesystem = Noting()
    assert publish(draft, filesystem=filesystem) == draft.take
    assert filesystem.done == [
        ("fsync_file", f".A_LTX_v001.{JOB}-1.c2pa.part"),
        ("publish_new", "A_LTX_v001.c2pa"),
        ("fsync_file", f".A_LTX_v001.{JOB}-1.mov.part"),
        ("publish_new", "A_LTX_v001.mov"),
        ("fsync_folder", tmp_path.name),
    ]
    assert names(tmp_path) == ["A_LTX_v001.c2pa", "A_LTX_v001.mov"]
    assert published(draft, filesystem=FileSystem())


def test_publishing_again_changes_nothing(tmp_path, draft):
    publish(draft, filesystem=FileSystem())
    before = (tmp_path / "A_LTX_v001.mov").stat().st_mtime_ns
    assert publish(draft, filesystem=FileSystem()) == draft.take
    assert (tmp_path / "A_LTX_v001.mov").stat().st_mtime_ns == before


@pytest.mark.parametrize("operation", ["fsync_file", "publish_new", "fsync_folder", "sha256"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_fault_takes_back_every_name_that_was_given(tmp_path, draft, operation, number):
    filesystem = FaultyFileSystem(operation, errno=errno.ENOSPC, number=number)
    try:
        publish(draft, filesystem=filesystem)
    except BridgeError:
        assert not [name for name in names(tmp_path) if not name.startswith(".")]
    else:
        assert filesystem.failed == 0


@pytest.mark.parametrize("taken", ["A_LTX_v001.mov", "A_LTX_v001.c2pa"])
def test_somebody_elses_file_stays(tmp_path, draft, taken):
    (tmp_path / taken).write_bytes(b"somebody else's")
    with pytest.raises(NotAllowedError):
        publish(draft, filesystem=FileSystem())
    assert [name for name in names(tmp_path) if not name.startswith(".")] == [taken]
    assert (tmp_path / taken).read_bytes() == b"somebody else's"
    withdraw(draft, filesystem=FileSystem())
    assert (tmp_path / taken).read_bytes() == b"somebody else's"


def test_a_draft_whose_files_are_gone_must_be_made_again(tmp_path, draft):
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(NotFoundError):
        publish(draft, filesystem=FileSystem())
    assert not published(draft, filesystem=FileSystem())


def test_sweep_removes_one_jobs_work_files_but_those_of_the_draft(tmp_path, draft):
    (tmp_path / f".A_LTX_v001.{JOB}-2.unsigned.part").touch()
    (tmp_path / f".A_LTX_v001.{'f' * 32}-1.mov.part").touch()
    (tmp_path / "A_LTX_v009.mov").touch()
    sweep(tmp_path, JOB, filesystem=FileSystem(), keep=draft)
    assert len(names(tmp_path)) == 4
    sweep(tmp_path, JOB, filesystem=FileSystem())
    assert names(tmp_path) == [f".A_LTX_v001.{'f' * 32}-1.mov.part", "A_LTX_v009.mov"]
    sweep(tmp_path / "none", JOB, filesystem=FileSystem())
