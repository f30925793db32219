"""Files made to use up memory or time, to be something else, or to be swapped, against the real reader."""

from __future__ import annotations

import os
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.numbered import write_numbered_movie

from interchange.errors import BridgeError, Reason
from interchange.formats.registry import format_for
from interchange.timebase import FrameRate
from sidecar.readers.box import ReaderBox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")

_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml%s>\n<fcpxml version="1.10">'
_MOST_BYTES = 1 << 30
_LONGEST_S = 5


@pytest.fixture(scope="module")
def box() -> Iterator[ReaderBox]:
    with ReaderBox() as box:
        yield box


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media").resolve() / "A001.mov"
    return write_numbered_movie(path, rate=FrameRate(25), count=8, size=(192, 108), codec="prores")


def _laughs() -> bytes:
    entities = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(12)
    ).encode()
    return _HEAD % (b" [" + entities + b"]") + b"<resources/>&l11;</fcpxml>"


def _quadratic() -> bytes:
    entity = b' [<!ENTITY a "' + b"a" * 100_000 + b'">]'
    return _HEAD % entity + b"&a;" * 10_000 + b"</fcpxml>"


DOCUMENTS = {
    "laughs": (_laughs, Reason.DOCUMENT_UNSAFE),
    "quadratic": (_quadratic, Reason.DOCUMENT_UNSAFE),
    "nested": (lambda: _HEAD % b"" + b"<a>" * 1_000_000, Reason.DOCUMENT_UNSAFE),
    "spaces": (lambda: b" " * (100 << 20), Reason.DOCUMENT_MALFORMED),
    "one-tag": (lambda: _HEAD % b"" + b"<a " + b"x" * (50 << 20), Reason.DOCUMENT_MALFORMED),
    "attributes": (
        lambda: (
            _HEAD % b""
            + b"<a "
            + b" ".join(b'a%d=""' % n for n in range(500_000))
            + b"/></fcpxml>"
        ),
        Reason.DOCUMENT_MALFORMED,
    ),
    "elements": (
        lambda: _HEAD % b"" + b"<a/>" * 5_000_000 + b"</fcpxml>",
        Reason.DOCUMENT_UNSAFE,
    ),
    "external": (
        lambda: _HEAD % b' SYSTEM "file:///etc/passwd"' + b"<resources/></fcpxml>",
        Reason.DOCUMENT_UNSAFE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_hostile_documents_are_refused_in_time_and_memory(box: ReaderBox, name: str) -> None:
    make, reason = DOCUMENTS[name]
    document = make()
    started = time.monotonic()
    with pytest.raises(BridgeError) as caught:
        box.read_timeline(Path(f"{name}.fcpxml"), document)
    assert time.monotonic() - started < 2 * _LONGEST_S
    assert caught.value.reason is reason
    if box._process is not None and sys.platform == "linux":
        assert _peak_bytes(box._process.process_id) < _MOST_BYTES


def test_a_sparse_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "spaces.fcpxml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    started = time.monotonic()
    with pytest.raises(BridgeError) as caught:
        format_for(path).load(path)
    assert caught.value.reason is Reason.DOCUMENT_UNSAFE
    assert time.monotonic() - started < 1


def test_a_pipe_is_no_document_and_no_movie(box: ReaderBox, tmp_path: Path) -> None:
    """Opening one would wait for ever for somebody to write."""
    for name, look, reason in (
        ("cut.fcpxml", lambda path: format_for(path).load(path), Reason.DOCUMENT_UNSAFE),
        ("A001.mov", box.probe_media, Reason.MEDIA_UNSUPPORTED),
        ("A002.mov", box.verify_credentials, Reason.MEDIA_UNSUPPORTED),
    ):
        path = tmp_path.resolve() / name
        os.mkfifo(path)
        with pytest.raises(BridgeError) as caught:
            look(path)
        assert caught.value.reason is reason
    with pytest.raises(BridgeError) as caught:
        box.probe_media(Path(os.devnull))
    assert caught.value.reason is Reason.MEDIA_UNSUPPORTED


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_was_swapped_for_a_link_is_not_opened(
    box: ReaderBox, movie: Path, tmp_path: Path, what: str
) -> None:
    """Between the check of the path and its opening; the link leads out of the roots."""
    folder = tmp_path.resolve() / "root"
    allowed = folder / movie.name
    if what == "file":
        folder.mkdir()
        allowed.symlink_to(movie)
    else:
        folder.symlink_to(movie.parent)
    for look in (
        lambda: box.probe_media(allowed),
        lambda: box.still_png(allowed, 0, max_width_px=64),
    ):
        with pytest.raises(BridgeError) as caught:
            look()
        assert caught.value.reason is Reason.MEDIA_CHANGED
        assert str(allowed) in caught.value.message


def _compressed_header() -> bytes:
    """A QuickTime header that inflates to a gigabyte."""
    packed = zlib.compress(bytes(64 << 20), 9)
    data = struct.pack(">I4sI", 12 + len(packed), b"cmvd", 1 << 30) + packed
    method = struct.pack(">I4s4s", 12, b"dcom", b"zlib")
    inner = struct.pack(">I4s", 8 + len(method) + len(data), b"cmov") + method + data
    return struct.pack(">I4s", 8 + len(inner), b"moov") + inner


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.mov", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n"),
        ("sdp.mkv", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 1 RTP/AVP 96\n"),
        ("zeros.mov", bytes(1 << 20)),
        ("atom.mov", struct.pack(">I4sQ", 1, b"moov", 1 << 62) + bytes(4096)),
        (
            "nested.mov",
            b"".join(struct.pack(">I4s", 1 << 20, b"moov") for _ in range(1 << 15)),
        ),
        ("zlib.mov", _compressed_header()),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_movie_is_refused(
    box: ReaderBox, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path.resolve() / name
    path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(BridgeError) as caught:
        box.probe_media(path)
    assert caught.value.reason in {
        Reason.MEDIA_DAMAGED,
        Reason.MEDIA_UNSUPPORTED,
        Reason.READER_LIMIT,
    }
    assert "crash" not in caught.value.message
    assert time.monotonic() - started < _LONGEST_S
    assert "/proc/" not in caught.value.message


def test_the_reader_is_confined(box: ReaderBox, movie: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("read from /proc")
    box.probe_media(movie)
    process = Path(f"/proc/{box._process.process_id}")
    limits = (process / "limits").read_text(encoding="ascii")
    told = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert told["Max file size"] == told["Max core file size"] == "0"
    assert int(told["Max open files"]) == 64
    assert int(told["Max address space"]) == 1280 << 20
    assert int(told["Max cpu time"]) < 120
    assert "NoNewPrivs:\t1" in (process / "status").read_text(encoding="ascii")


def _peak_bytes(process_id: int) -> int:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
