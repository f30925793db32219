"""Files and bundles: loaded safely, saved beside, the original only read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.fcpxml_builder import Clip, Document

from interchange.errors import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
    UnsupportedError,
)
from interchange.formats.registry import format_for
from interchange.timebase import FrameRate
from sidecar.filesystem import FileSystem

RAW = Document(FrameRate(25), [Clip(5)]).xml()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "cut.fcpxmld"
    (folder / "Media" / "deep").mkdir(parents=True)
    (folder / "Info.fcpxml").write_bytes(RAW)
    (folder / "CurrentVersion.plist").write_bytes(b"\x00plist")
    (folder / "Media" / "deep" / "data.bin").write_bytes(bytes(range(256)))
    return folder


def test_file_is_loaded_and_saved_elsewhere(tmp_path: Path) -> None:
    source = tmp_path / "cut.fcpxml"
    source.write_bytes(RAW)
    form = format_for(source)
    assert form.name == "FCPXML"
    assert form.load(source) == RAW
    form.save(source, tmp_path / "cut_LTX.fcpxml", b"new", writer=FileSystem())
    assert (tmp_path / "cut_LTX.fcpxml").read_bytes() == b"new"
    assert source.read_bytes() == RAW


def test_bundle_keeps_every_other_file_byte_for_byte(bundle: Path, tmp_path: Path) -> None:
    form = format_for(bundle)
    assert form.load(bundle) == RAW
    copy = tmp_path / "out" / "cut_LTX.fcpxmld"
    form.save(bundle, copy, b"new", writer=FileSystem())
    files = {
        path.relative_to(copy): path.read_bytes() for path in copy.rglob("*") if path.is_file()
    }
    expected = {
        path.relative_to(bundle): path.read_bytes() for path in bundle.rglob("*") if path.is_file()
    }
    assert files == expected | {Path("Info.fcpxml"): b"new"}
    assert (bundle / "Info.fcpxml").read_bytes() == RAW


@pytest.mark.parametrize("what", ["cut.edl", "cut", "cut.xml"])
def test_other_endings_are_refused_with_what_to_do(what: str) -> None:
    with pytest.raises(UnsupportedError, match="Export"):
        format_for(Path(what))


@pytest.mark.parametrize("name", ["none.fcpxml", "none.fcpxmld"])
def test_missing_timeline_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        format_for(tmp_path / name).load(tmp_path / name)
    assert caught.value.reason is Reason.FILE_NOT_FOUND


def test_bundle_without_document_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.fcpxmld").mkdir()
    with pytest.raises(NotFoundError, match=r"Info\.fcpxml"):
        format_for(tmp_path / "x.fcpxmld").load(tmp_path / "x.fcpxmld")


def test_source_is_never_overwritten(bundle: Path) -> None:
    form = format_for(bundle)
    with pytest.raises(NotAllowedError, match="never overwritten"):
        form.save(bundle, bundle, b"new", writer=FileSystem())
    with pytest.raises(NotAllowedError, match="inside the bundle"):
        form.save(bundle, bundle / "again.fcpxmld", b"new", writer=FileSystem())
    assert (bundle / "Info.fcpxml").read_bytes() == RAW


def test_source_reached_by_another_name_is_never_overwritten(tmp_path: Path) -> None:
    source, link = tmp_path / "cut.fcpxml", tmp_path / "alias.fcpxml"
    source.write_bytes(RAW)
    link.symlink_to(source)
    with pytest.raises(NotAllowedError):
        format_for(source).save(source, link, b"new", writer=FileSystem())


@pytest.mark.parametrize("folder", [False, True])
def test_link_out_of_a_bundle_is_refused(bundle: Path, tmp_path: Path, folder: bool) -> None:
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "key").write_text("secret")
    (bundle / "link").symlink_to(outside if folder else outside / "key")
    with pytest.raises(NotAllowedError) as caught:
        format_for(bundle).save(bundle, tmp_path / "o.fcpxmld", b"new", writer=FileSystem())
    assert caught.value.reason is Reason.PATH_OUTSIDE_ROOTS
    assert not (tmp_path / "o.fcpxmld").exists()


def test_bundle_whose_document_is_a_link_out_is_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "other.fcpxml"
    outside.write_bytes(RAW)
    folder = tmp_path / "x.fcpxmld"
    folder.mkdir()
    (folder / "Info.fcpxml").symlink_to(outside)
    with pytest.raises(NotAllowedError, match="link"):
        format_for(folder).load(folder)


def test_folder_in_place_of_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.fcpxmld" / "Info.fcpxml").mkdir(parents=True)
    with pytest.raises((InvalidInputError, NotAllowedError)):
        format_for(tmp_path / "x.fcpxmld").load(tmp_path / "x.fcpxmld")


def test_too_large_a_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.fcpxml"
    with path.open("wb") as file:
        file.truncate(129 << 20)
    with pytest.raises(InvalidInputError, match="MiB"):
        format_for(path).load(path)


def test_timeline_that_is_a_pipe_or_a_device_is_refused_at_once(tmp_path: Path) -> None:
    pipe, endless = tmp_path / "pipe.fcpxml", tmp_path / "endless.fcpxml"
    os.mkfifo(pipe)
    endless.symlink_to("/dev/zero")
    for path in (pipe, endless):
        with pytest.raises(InvalidInputError, match="not a plain file") as caught:
            format_for(path).load(path)
        assert caught.value.reason is Reason.DOCUMENT_UNSAFE


def test_a_bundle_with_a_vast_side_file_is_refused_before_any_work(bundle: Path) -> None:
    with (bundle / "Media" / "vast.bin").open("wb") as file:
        file.truncate(60 << 30)
    with pytest.raises(InvalidInputError, match="no bundle above") as caught:
        format_for(bundle).load(bundle)
    assert caught.value.reason is Reason.DOCUMENT_UNSAFE


def test_a_side_file_exchanged_for_a_link_after_the_check_is_not_copied(
    bundle: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"not yours")
    side = bundle / "Media" / "deep" / "data.bin"

    class Exchanging(FileSystem):
        def before(self, operation: str, path: Path) -> None:
            if operation == "make_folder" and path.name == "deep":  # listed and checked by now
                side.unlink()
                side.symlink_to(secret)

    copy = tmp_path / "cut_LTX.fcpxmld"
    with pytest.raises(InvalidInputError, match="cannot be read any more"):
        format_for(bundle).save(bundle, copy, b"new", writer=Exchanging())
    assert not any(path.read_bytes() == b"not yours" for path in copy.rglob("*.bin"))
