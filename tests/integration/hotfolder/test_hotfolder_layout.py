"""The hot folder on disk: made once, never through a link, never inside another."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest
from support.faulty_filesystem import FaultyFileSystem

from interchange.errors import BridgeError, NotAllowedError, NotFoundError, UnavailableError
from ltxbridge.hotfolder.layout import OUTPUT_MARKER, HotFolder, is_link
from ltxbridge.hotfolder.sightings import Limits, look, look_again
from sidecar.filesystem import FileSystem


def _made(root: Path) -> HotFolder:
    hot = HotFolder(root)
    hot.create(FileSystem())
    return hot


def test_made_again_it_keeps_its_identity(tmp_path: Path) -> None:
    identity = _made(tmp_path).identity()
    assert _made(tmp_path).identity() == identity
    assert stat.S_IMODE((tmp_path / ".ltxbridge").stat().st_mode) == 0o700
    assert all((tmp_path / name / OUTPUT_MARKER).is_file() for name in ("out", "done", "failed"))


def test_a_root_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="mount its disk"):
        _made(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("name", ["in", "out", "done", "failed", ".ltxbridge"])
@pytest.mark.parametrize("kind", ["link", "dangling", "file"])
def test_links_and_files_in_place_of_its_folders_are_refused(
    tmp_path: Path, name: str, kind: str
) -> None:
    root, elsewhere = tmp_path / "hot", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    match kind:
        case "link":
            (root / name).symlink_to(elsewhere, target_is_directory=True)
        case "dangling":
            (root / name).symlink_to("nowhere")
        case "file":
            (root / name).touch()
    with pytest.raises(NotAllowedError, match="Replace it by a folder"):
        _made(root)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("inside", ["in", "out/day 1", "deeper"])
def test_a_hot_folder_in_another_is_refused(tmp_path: Path, inside: str) -> None:
    _made(tmp_path)
    (tmp_path / inside).mkdir(parents=True, exist_ok=True)
    with pytest.raises(NotAllowedError, match="lies inside the hot folder"):
        _made(tmp_path / inside)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 3}', b'{"id": "../x"}', b"\xff"])
def test_damaged_identity_is_a_folder_that_is_not_available(tmp_path: Path, content: bytes) -> None:
    hot = _made(tmp_path)
    hot.identity_file.write_bytes(content)
    with pytest.raises(UnavailableError):
        hot.identity()


@pytest.mark.parametrize(
    "operation", ["make_folder", "open_new", "write", "fsync_file", "fsync_folder", "replace"]
)
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_making_it_fails_typed_and_can_be_repeated(
    tmp_path: Path, operation: str, number: int
) -> None:
    filesystem = FaultyFileSystem(operation, number=number, errno=errno.ENOSPC)
    with pytest.raises(BridgeError):
        HotFolder(tmp_path).create(filesystem)
    assert filesystem.failed == 1
    filesystem.heal()
    HotFolder(tmp_path).create(filesystem)
    assert HotFolder(tmp_path).identity()


def test_a_junction_is_a_link(tmp_path: Path) -> None:
    class Junction:
        st_mode = stat.S_IFDIR
        st_reparse_tag = 0xA0000003

    class InTheCloud(Junction):
        st_reparse_tag = 0x9000001A

    assert is_link(Junction())
    assert not is_link(InTheCloud())
    assert not is_link(os.lstat(tmp_path))


def test_a_hostile_tree_costs_no_more_than_its_limits(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(40):
        deep /= "d" * 80
        deep.mkdir()
    for number in range(300):
        (tmp_path / f"{number:03}.mov").touch()
    listing = look(tmp_path, limits=Limits(depth=5))
    assert len(listing.files) == 300
    assert ["5 folders deep" in remark for remark in listing.remarks.values()] == [True]
    few = look(tmp_path, limits=Limits(entries=100))
    assert len(few.files) + 1 >= 100 - 1
    assert "" in few.remarks
    bundle = tmp_path / "cut.fcpxmld"
    bundle.mkdir()
    for number in range(50):
        (bundle / f"{number}").touch()
    flaw = look(tmp_path, limits=Limits(bundle_entries=20)).documents["cut.fcpxmld"].flaw
    assert "more files than a bundle may" in flaw


def test_a_bundle_that_was_not_seen_whole_is_not_seen(tmp_path: Path) -> None:
    bundle = tmp_path / "cut.fcpxmld"
    bundle.mkdir()
    for number in range(50):
        (bundle / f"{number}").touch()
    assert look(tmp_path, limits=Limits(entries=20)).documents == {}
    assert "cut.fcpxmld" in look(tmp_path, limits=Limits(entries=60)).documents


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors by /proc")
def test_scanning_leaves_no_file_open(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}" / "a" / "b.fcpxmld").mkdir(parents=True)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        look(tmp_path)
        look_again(tmp_path, "3/a/b.fcpxmld")
        look_again(tmp_path, "3/a/absent.fcpxml")
        look_again(tmp_path, "absent/a/b.fcpxml")
    assert len(list(descriptors.iterdir())) == before


def test_one_look_again_sees_what_the_scan_saw(tmp_path: Path) -> None:
    (tmp_path / "day" / "b.fcpxmld" / "c").mkdir(parents=True)
    (tmp_path / "day" / "b.fcpxmld" / "c" / "d").write_bytes(b"12")
    (tmp_path / "a.fcpxml").write_bytes(b"1")
    (tmp_path / "day" / "m.mov").write_bytes(b"1")
    listing = look(tmp_path)
    for relative, sighting in listing.documents.items():
        assert look_again(tmp_path, relative) == sighting.stamp
    assert look_again(tmp_path, "day/m.mov") == listing.files["day/m.mov"]
    (tmp_path / "day").rename(tmp_path / "night")
    (tmp_path / "day").symlink_to("night", target_is_directory=True)
    assert look_again(tmp_path, "day/m.mov") is None  # by the same name, but through a link
