"""A hot folder on a share, and somebody else there who may write everywhere and means harm."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys

import pytest
from support.hot_folders import Hot

from interchange.errors import NotAllowedError
from ltxbridge.hotfolder.claims import Claims
from ltxbridge.hotfolder.layout import HotFolder
from ltxbridge.hotfolder.ledger import Ledger
from ltxbridge.hotfolder.status import StatusFile
from sidecar.filesystem import FileSystem
from sidecar.jobs.lock import FolderLock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")
ID = "0123456789abcdef" * 2


@pytest.fixture
def victim(tmp_path):
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    return folder


@pytest.fixture
def hot(tmp_path):
    root = tmp_path / "hot"
    root.mkdir()
    made = HotFolder(root)
    made.create(FileSystem())
    return made


def untouched(victim) -> bool:
    return [path.name for path in victim.iterdir()] == ["diary.txt"]


def claims_of(hot) -> Claims:
    return Claims(hot, filesystem=FileSystem())


@pytest.mark.parametrize("linked", ["out", "done", "failed"])
def test_nothing_is_written_through_a_link_in_our_folders(studio, victim, linked) -> None:
    hot = studio.hot()
    hot.drop(studio.edit, name="reel1/cut.fcpxml")
    shutil.copytree(hot.incoming / "media", hot.incoming / "reel1" / "media")
    (hot.incoming / "reel1" / "bad.fcpxml").write_text("<fcpxml")
    HotFolder(hot.root).create(FileSystem())
    (hot.root / linked / "reel1").symlink_to(victim)
    counts = studio.counts(hot)
    assert counts == ({"failed": 2} if linked == "out" else {"delivered": 1, "failed": 1})
    assert untouched(victim)
    ended = hot.visible("done") | hot.visible("failed")
    assert {name.rpartition("/")[2] for name in ended} >= {"cut.fcpxml", "bad.fcpxml"}


def test_a_link_among_the_claims_is_no_claim(hot, victim) -> None:
    (hot.work / ID).symlink_to(victim)
    assert list(claims_of(hot).open_claims()) == []
    assert untouched(victim)


NO_ENDING = {"relative": "cut.fcpxml", "name": "cut.fcpxml", "ending": None}
ENDING = {"verdict": "failed", "message": "", "place": "", "notes": {}, "path": ""}


@pytest.mark.parametrize(
    "journal",
    [
        [],
        NO_ENDING | {"name": 5},
        NO_ENDING | {"relative": "a\0"},
        NO_ENDING | {"name": "other.fcpxml"},
        NO_ENDING | {"ending": ENDING | {"place": 5}},
        NO_ENDING | {"ending": ENDING | {"notes": {".fcpxml": {}}}},
        NO_ENDING | {"ending": ENDING | {"notes": 3}},
        NO_ENDING | {"ending": ENDING | {"place": "../../x"}},
    ],
)
def test_a_journal_somebody_wrote_loses_no_timeline_and_stops_no_watch(hot, journal) -> None:
    folder = hot.work / ID
    folder.mkdir()
    (folder / "claim.json").write_text(json.dumps(journal))
    (folder / "cut.fcpxml").write_text("<fcpxml/>")
    (claim,) = claims_of(hot).open_claims()
    assert claim.document == folder / "cut.fcpxml"
    assert claim.ending is not None
    assert claim.ending.failed
    assert claim.ending.place == ""


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "socket"])
def test_what_stands_in_the_place_of_our_own_files_is_not_opened(
    hot, victim, kind, monkeypatch
) -> None:
    folder = hot.work / ID
    folder.mkdir()
    (folder / "cut.fcpxml").write_text("<fcpxml/>")
    digest = "0" * 64
    for path in (folder / "claim.json", hot.state / "status.json", hot.ledger / f"{digest}.json"):
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "socket":
                monkeypatch.chdir(path.parent)  # its address may have 108 bytes
                with socket.socket(socket.AF_UNIX) as made:
                    made.bind(path.name)
            case _:
                path.symlink_to(victim / "diary.txt")
    (claim,) = claims_of(hot).open_claims()
    assert claim.ending is not None
    StatusFile(hot, filesystem=FileSystem()).refuse_another()
    assert Ledger(hot, filesystem=FileSystem()).find(digest) is None


def test_a_lock_that_is_a_link_makes_no_file_elsewhere(hot, victim) -> None:
    hot.lock_file.symlink_to(victim / "made")
    with pytest.raises(NotAllowedError, match="cannot be opened"):
        FolderLock(hot.state, name=hot.lock_file.name, holder="watch")
    assert untouched(victim)


@pytest.mark.parametrize("size", ["1", 10**30, None, [], -1])
def test_a_ledger_entry_of_any_shape_is_only_ever_passed_over(hot, size) -> None:
    digest = "1" * 64
    entry = {"claim": "", "document": "a", "timeline": "b", "report": "c"}
    for files in ([{"path": "\0", "size_bytes": size}], [{"path": 5, "size_bytes": size}], 5, None):
        (hot.ledger / f"{digest}.json").write_text(json.dumps(entry | {"files": files}))
        assert Ledger(hot, filesystem=FileSystem()).find(digest) is None


def test_a_timeline_exchanged_for_a_link_at_the_last_moment_is_not_read(studio, victim) -> None:
    hot = studio.hot()
    secret = victim / "secret.fcpxml"
    hot.drop(studio.edit)
    shutil.move(hot.incoming / "cut.fcpxml", secret)
    HotFolder(hot.root).create(FileSystem())
    folder = Hot(hot.root).work / ID
    folder.mkdir()
    (folder / "claim.json").write_text(
        json.dumps({"relative": "cut.fcpxml", "name": "cut.fcpxml", "ending": None})
    )
    (folder / "cut.fcpxml").symlink_to(secret)  # as the rename of a link leaves it
    assert studio.counts(hot) == {"failed": 1}
    assert hot.visible("out") == {}
