"""The look at the boxes before any parser: cheap, bounded, never fooled by sizes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interchange.errors import InvalidInputError, NotAllowedError, NotFoundError, Reason
from sidecar.credentials.bmff import WithManifest, inspect_container, read_manifest_file

C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
FTYP = (20).to_bytes(4, "big") + b"ftypqt  " + bytes(8)


def box(kind: bytes, payload: bytes = b"", *, large: bool = False) -> bytes:
    if large:
        return b"\0\0\0\1" + kind + (16 + len(payload)).to_bytes(8, "big") + payload
    return (8 + len(payload)).to_bytes(4, "big") + kind + payload


def sparse(path: Path, label: bytes, size: int, *, large: bool) -> Path:
    """A file that says, truthfully, that it has a box of `size` bytes of nothing."""
    header = (
        b"\0\0\0\1uuid" + size.to_bytes(8, "big") if large else size.to_bytes(4, "big") + b"uuid"
    )
    with path.open("wb") as file:
        file.write(FTYP + header + label)
        file.truncate(20 + size)
    return path


@pytest.mark.parametrize("large", [False, True], ids=["short size", "long size"])
def test_credentials_are_seen_whatever_the_size_field(large, tmp_path):
    path = tmp_path / "t.mov"
    path.write_bytes(FTYP + box(b"mdat", b"x" * 9) + box(b"uuid", C2PA + b"data", large=large))
    facts = inspect_container(path)
    assert facts is not None
    assert (facts.media_type, facts.has_credentials, facts.is_damaged) == (
        "video/quicktime", True, False,
    )  # fmt: skip
    path.write_bytes(FTYP + box(b"uuid", XMP + b"data", large=large))
    assert inspect_container(path).has_credentials is False


@pytest.mark.parametrize("large", [False, True], ids=["short size", "long size"])
@pytest.mark.parametrize("label", [C2PA, XMP], ids=["C2PA", "XMP"])
def test_a_bomb_is_refused_before_any_parser(label, large, tmp_path):
    path = sparse(tmp_path / "t.mov", label, 33 << 20, large=large)
    with pytest.raises(InvalidInputError, match="more than 32 MB") as caught:
        inspect_container(path)
    assert caught.value.reason is Reason.CREDENTIALS_INVALID


def test_a_bomb_in_many_boxes_is_refused(tmp_path):
    path = tmp_path / "t.mov"
    size = 17 << 20
    with path.open("wb") as file:
        file.write(FTYP)
        for number in range(2):
            file.seek(20 + number * size)
            file.write(size.to_bytes(4, "big") + b"uuid" + C2PA)
        file.truncate(20 + 2 * size)
    with pytest.raises(InvalidInputError, match="more than 32 MB"):
        inspect_container(path)


def test_a_bomb_beside_the_file_is_refused(tmp_path):
    path = tmp_path / "t.c2pa"
    with path.open("wb") as file:
        file.truncate(33 << 20)
    with pytest.raises(InvalidInputError, match="more than 32 MB"):
        read_manifest_file(path)
    assert read_manifest_file(tmp_path / "none.c2pa") is None


@pytest.mark.parametrize(
    "tail",
    [
        b"junk", (7).to_bytes(4, "big") + b"moov", (999).to_bytes(4, "big") + b"moov",
        b"\0\0\0\1moov" + (15).to_bytes(8, "big"), b"\0\0\0\1moov" + b"\xff" * 8,
    ],
    ids=["no header", "too small", "too large", "too small in 64 bits", "endless in 64 bits"],
)  # fmt: skip
def test_a_lie_about_a_size_is_damage(tail, tmp_path):
    path = tmp_path / "t.mov"
    path.write_bytes(FTYP + tail)
    assert inspect_container(path).is_damaged


def test_an_open_ended_last_box_is_whole(tmp_path):
    path = tmp_path / "t.mp4"
    path.write_bytes(FTYP.replace(b"qt  ", b"isom") + b"\0\0\0\0mdat" + b"x" * 100)
    facts = inspect_container(path)
    assert (facts.media_type, facts.is_damaged) == ("video/mp4", False)


def test_millions_of_empty_boxes_are_damage_and_stop_early(tmp_path):
    """A box of credentials could hide behind them, so no parser may get to see the file."""
    path = tmp_path / "t.mov"
    path.write_bytes(FTYP + box(b"free") * 100_001)
    assert inspect_container(path).is_damaged


@given(st.binary(max_size=64))
def test_no_bytes_make_it_fail(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any.mov"
    for content in (raw, FTYP + raw):
        path.write_bytes(content)
        inspect_container(path)


def test_other_files_missing_ones_and_folders_are_told_apart(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    assert inspect_container(tmp_path / "a.png") is None
    with pytest.raises(NotFoundError):
        inspect_container(tmp_path / "gone.mov")
    with pytest.raises(NotAllowedError):
        inspect_container(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "take.mov")
    with pytest.raises(NotAllowedError, match="not a plain file"):
        inspect_container(tmp_path / "take.mov")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 150), st.integers(0, 80))))
def test_the_virtual_file_reads_like_the_two_laid_end_to_end(moves):
    body = bytes(range(100))
    virtual = WithManifest(io.BytesIO(body), b"manifest bytes")
    virtual.seek(0)
    laid = bytearray()
    while chunk := virtual.read(7):
        laid += chunk
    assert laid.startswith(body)
    assert laid.endswith(b"manifest bytes")
    assert int.from_bytes(laid[100:104], "big") == len(laid) - 100
    real = io.BytesIO(bytes(laid))
    virtual.seek(0)
    for whence, offset, count in moves:
        signed = -min(offset, len(laid)) if whence == 2 else offset
        assert virtual.seek(signed, whence) == real.seek(signed, whence)
        got = virtual.read(count)
        # A read may end at the seam, as reads of streams may.
        assert got == real.read(len(got))
        assert virtual.tell() == real.tell()
        assert got or real.tell() >= len(laid) or count == 0
