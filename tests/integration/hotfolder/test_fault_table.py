"""The fault table of hot folders, by number: what concerns finding and waiting.

What concerns handling is in `test_fault_table_handling`.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
import threading
import time
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from support.dropping import Dropping, timeline
from support.numbered import write_numbered_movie
from watchdog.observers.api import BaseObserver, ObservedWatch

from interchange.errors import Reason, UnavailableError
from interchange.timebase import FrameRate
from ltxbridge.hotfolder.intake import Arrival, Refusal
from ltxbridge.hotfolder.layout import OUTPUT_MARKER, STATE_FOLDER
from ltxbridge.hotfolder.sightings import Limits, Listing, look
from ltxbridge.hotfolder.wake import Wake

posix = pytest.mark.skipif(sys.platform == "win32", reason="names and nodes Windows does not have")


@pytest.fixture
def dropping(tmp_path: Path) -> Dropping:
    return Dropping(tmp_path)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("movie") / "movie.mov"
    write_numbered_movie(path, count=12, rate=FrameRate(25, 1))
    return path.read_bytes()


def _only(found: list[Arrival | Refusal]) -> Refusal:
    (refusal,) = {one.relative: one for one in found}.values()
    assert isinstance(refusal, Refusal), refusal
    return refusal


def test_case_01_slow_copy_with_a_stall(dropping: Dropping) -> None:
    document = timeline(note="x" * 3000)
    path = dropping.put("cut.fcpxml", b"")
    for start in range(0, 2000, 500):
        with path.open("ab") as file:
            file.write(document[start : start + 500])
        assert dropping.pass_time(2) == []
    assert dropping.pass_time(30) == []  # the stall: settled by far, but not whole
    assert path in dropping.probe.opened
    with path.open("ab") as file:
        file.write(document[2000:])
    assert dropping.pass_time(2) == []
    assert dropping.arrivals(2) == ["cut.fcpxml"]


def test_case_01_slow_copy_of_media_with_a_stall(dropping: Dropping, movie: bytes) -> None:
    dropping.put("cut.fcpxml", timeline("A001.mov"))
    assert dropping.pass_time(10) == []  # the media are still to come
    path = dropping.put("A001.mov", movie[: len(movie) // 2])
    assert dropping.pass_time(30) == []
    path.write_bytes(movie)
    assert dropping.pass_time(2) == []
    assert dropping.arrivals(16) == ["cut.fcpxml"]


def test_case_01_media_that_never_come_do_not_hold_for_ever(dropping: Dropping) -> None:
    dropping.put("cut.fcpxml", timeline("A001.mov"))
    assert dropping.pass_time(55) == []
    assert dropping.arrivals(10) == ["cut.fcpxml"]


@pytest.mark.parametrize(
    "name",
    [
        "cut.fcpxml.part", "cut.fcpxml.tmp", "cut.fcpxml~", "cut.fcpxml.crdownload", "cut.fcpxml.aspx",
        "cut.fcpxml.filepart", "._cut.fcpxml", ".cut.fcpxml", ".cut.fcpxml.x1Y2z3", "~$cut.fcpxml",
        "cut.fcpxml.download/cut.fcpxml", ".hidden/cut.fcpxml", "cut.fcpxml.sb-1a2b3c4d-Ab12Cd/cut.fcpxml",
    ],
)  # fmt: skip
def test_case_02_temporary_names_are_ignored_until_renamed(dropping: Dropping, name: str) -> None:
    path = dropping.put(name, timeline())
    assert dropping.pass_time(700, every_s=20) == []
    path.rename(dropping.hot.incoming / "cut.fcpxml")
    assert dropping.arrivals(4) == ["cut.fcpxml"]


def test_case_02_media_under_a_temporary_name_hold_the_timeline(
    dropping: Dropping, movie: bytes
) -> None:
    dropping.put("cut.fcpxml", timeline("A001.mov"))
    path = dropping.put("A001.mov.part", movie)
    assert dropping.pass_time(30) == []
    path.rename(dropping.hot.incoming / "A001.mov")
    assert dropping.arrivals(8) == ["cut.fcpxml"]


def test_case_03_moved_in_from_the_same_volume(dropping: Dropping, tmp_path: Path) -> None:
    outside = tmp_path / "cut.fcpxml"
    outside.write_bytes(timeline())
    os.utime(outside, (1_000_000, 1_000_000))
    assert dropping.pass_time(5) == []
    outside.rename(dropping.hot.incoming / "cut.fcpxml")
    assert dropping.pass_time(2) == []
    assert dropping.arrivals(2) == ["cut.fcpxml"]


def test_case_04_bundle_that_grows_is_taken_as_one(dropping: Dropping) -> None:
    dropping.put("cut.fcpxmld/Info.fcpxml", timeline())
    for number in range(6):
        dropping.put(f"cut.fcpxmld/Media/{number}/still.bin", b"x" * number)
        assert dropping.pass_time(2) == []
    dropping.put("cut.fcpxmld/Media/0/still.bin.part", b"x")
    assert dropping.pass_time(30) == []
    (dropping.hot.incoming / "cut.fcpxmld/Media/0/still.bin.part").unlink()
    assert dropping.arrivals(5) == ["cut.fcpxmld"]


def test_case_04_change_deep_in_a_bundle_after_it_was_handed_out(dropping: Dropping) -> None:
    dropping.put("cut.fcpxmld/Info.fcpxml", timeline())
    deep = dropping.put("cut.fcpxmld/a/b/c.bin", b"1")
    (arrival,) = dropping.pass_time(4)
    assert isinstance(arrival, Arrival)
    assert dropping.intake.still(arrival)
    deep.write_bytes(b"12")
    assert not dropping.intake.still(arrival)


def test_case_05_bundle_without_its_document(dropping: Dropping) -> None:
    dropping.put("cut.fcpxmld/CurrentVersion.flexolibrary", b"x")
    assert dropping.pass_time(590) == []
    refusal = _only(dropping.pass_time(30))
    assert refusal.error.reason is Reason.FILE_NOT_FOUND
    assert "Info.fcpxml" in str(refusal.error)


def test_case_06_locked_file_is_tried_again_without_failure(tmp_path: Path) -> None:
    locked = ["The process cannot access the file"]
    dropping = Dropping(tmp_path, held=lambda _: locked[0] if locked else "")
    dropping.put("cut.fcpxml", timeline())
    assert dropping.pass_time(595, every_s=5) == []
    assert dropping.probe.opened == []
    locked.clear()
    assert dropping.arrivals(16) == ["cut.fcpxml"]


def test_case_06_file_locked_for_longer_is_refused_by_what_the_system_says(tmp_path: Path) -> None:
    dropping = Dropping(tmp_path, held=lambda _: "Sharing violation")
    dropping.put("cut.fcpxml", timeline())
    refusal = _only(dropping.pass_time(640, every_s=5))
    assert refusal.error.reason is Reason.NOT_PERMITTED
    assert "Sharing violation" in str(refusal.error)


def test_case_09_dropped_while_the_watch_was_down(dropping: Dropping, movie: bytes) -> None:
    dropping.pass_time(3)
    dropping.put("day 1/cut.fcpxml", timeline("A001.mov"))
    dropping.put("day 1/media/a001.MOV", movie)
    dropping.now_s += 86_400
    dropping.restart()
    found = dropping.pass_time(4)
    assert [str(one.relative) for one in found] == ["day 1/cut.fcpxml"]
    assert isinstance(found[0], Arrival)
    assert [str(path) for path in found[0].media] == ["day 1/media/a001.MOV"]


class _HangingShare:
    """A listing that does not come back until it is let go."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.answers = threading.Event()
        self.calls = 0

    def __call__(self, incoming: Path, *, limits: Limits) -> Listing:
        self.calls += 1
        if self.hangs.is_set():
            assert self.answers.wait(20)
        return look(incoming, limits=limits)


def test_case_11_share_that_hangs_is_marked_down_and_others_go_on(tmp_path: Path) -> None:
    share = _HangingShare()
    (tmp_path / "share").mkdir()
    (tmp_path / "local").mkdir()
    hanging = Dropping(tmp_path / "share", listed=share, answer_s=0.1)
    other = Dropping(tmp_path / "local")
    hanging.put("cut.fcpxml", timeline())
    other.put("cut.fcpxml", timeline())
    hanging.pass_time(2)
    share.hangs.set()
    before = threading.active_count()
    for _ in range(5):
        with pytest.raises(UnavailableError, match="does not answer") as caught:
            hanging.intake.poll()
        assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    assert threading.active_count() == before + 1  # one call is left behind, not five
    assert other.arrivals(4) == ["cut.fcpxml"]
    left_behind = next(thread for thread in threading.enumerate() if "scan share" in thread.name)
    share.hangs.clear()
    share.answers.set()
    left_behind.join(10)
    assert hanging.arrivals(4) == ["cut.fcpxml"]


@pytest.mark.parametrize(
    "number", [errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT]
)
def test_case_11_share_that_fails_is_marked_down_and_comes_back(
    tmp_path: Path, number: int
) -> None:
    broken = [True]

    def listed(incoming: Path, *, limits: Limits) -> Listing:
        if broken:
            raise OSError(number, os.strerror(number), str(incoming))
        return look(incoming, limits=limits)

    dropping = Dropping(tmp_path, listed=listed)
    dropping.put("cut.fcpxml", timeline())
    with pytest.raises(UnavailableError) as caught:
        dropping.intake.poll()
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    broken.clear()
    assert dropping.arrivals(4) == ["cut.fcpxml"]


def test_case_12_empty_mount_point_is_not_all_deleted(dropping: Dropping, tmp_path: Path) -> None:
    dropping.put("cut.fcpxml", timeline())
    (arrival,) = dropping.pass_time(4)
    assert isinstance(arrival, Arrival)
    share = {
        path: tmp_path / f"away {path.name}" for path in (dropping.hot.incoming, dropping.hot.state)
    }
    for path, away in share.items():
        path.rename(away)
    with pytest.raises(UnavailableError, match="nothing in it is taken for deleted"):
        dropping.intake.poll()
    with pytest.raises(UnavailableError):
        dropping.intake.still(arrival)
    for path, away in share.items():
        away.rename(path)
    assert dropping.intake.still(arrival)
    assert dropping.arrivals(40) == ["cut.fcpxml"]


def test_case_12_another_disk_under_the_same_name(tmp_path: Path) -> None:
    for name in ("share", "other"):
        (tmp_path / name).mkdir()
        Dropping(tmp_path / name).put("cut.fcpxml", timeline())
    dropping = Dropping(tmp_path / "share")
    dropping.pass_time(1)
    (tmp_path / "share").rename(tmp_path / "away")
    (tmp_path / "other").rename(tmp_path / "share")
    with pytest.raises(UnavailableError, match="another disk is mounted there"):
        dropping.pass_time(4)
    (tmp_path / "share").rename(tmp_path / "other")
    (tmp_path / "away").rename(tmp_path / "share")
    assert dropping.arrivals(4) == ["cut.fcpxml"]


@pytest.mark.parametrize("empty_in", [False, True])
def test_case_12_in_is_missing_or_the_state_is(dropping: Dropping, *, empty_in: bool) -> None:
    dropping.pass_time(1)
    if empty_in:
        shutil.rmtree(dropping.hot.state)
    else:
        shutil.rmtree(dropping.hot.incoming)
    with pytest.raises(UnavailableError) as caught:
        dropping.intake.poll()
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE


class _Whole:
    def document(self, _: Path) -> frozenset[str]:
        return frozenset()

    def media(self, _: Path) -> None: ...


def test_case_13_ten_thousand_at_once(tmp_path: Path) -> None:
    dropping = Dropping(tmp_path, probe=_Whole(), most=500)
    names = {f"cut_{number:05}.fcpxml" for number in range(10_000)}
    for name in names:
        (dropping.hot.incoming / name).touch()
    assert dropping.intake.poll() == ()
    dropping.now_s += 4
    taken: set[str] = set()
    while len(taken) < len(names):
        found = dropping.intake.poll()
        assert 0 < len(found) <= 500
        for one in found:
            assert one.path.name not in taken
            taken.add(one.path.name)
            one.path.unlink()
    assert taken == names
    assert dropping.intake.poll() == ()


def test_case_13_forty_thousand_media_are_listed_in_no_time(tmp_path: Path) -> None:
    dropping = Dropping(tmp_path, probe=_Whole())
    for number in range(40_000):
        path = dropping.hot.incoming / f"reel {number % 40}" / f"A{number:05}.mov"
        if number < 40:
            path.parent.mkdir()
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
    dropping.put("cut.fcpxml", timeline())
    began = time.process_time()
    dropping.intake.poll()
    assert time.process_time() - began < 3
    tracemalloc.start()
    try:
        dropping.pass_time(1)
        first = tracemalloc.get_traced_memory()[0]
        dropping.pass_time(3)
        last, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last - first < 4 << 20
    assert peak < 48 << 20


@posix
@pytest.mark.parametrize("kind", ["link", "dangling", "folder link", "hard link", "fifo", "socket"])
def test_case_14_what_is_no_plain_file_is_refused_and_never_opened(
    dropping: Dropping, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere.fcpxml"
    elsewhere.write_bytes(timeline())
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "Info.fcpxml").write_bytes(timeline())
    monkeypatch.chdir(dropping.hot.incoming)  # a socket's name must be short
    path = Path("cut.fcpxml")
    match kind:
        case "link":
            path.symlink_to("/etc/passwd")
        case "dangling":
            path.symlink_to("nowhere")
        case "folder link":
            path.symlink_to(tmp_path / "bundle", target_is_directory=True)
        case "hard link":
            path.hardlink_to(elsewhere)
        case "fifo":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
    refusal = _only(dropping.pass_time(4))
    assert refusal.error.reason is Reason.DOCUMENT_UNSAFE
    assert refusal.path == dropping.hot.incoming / "cut.fcpxml"
    assert dropping.probe.opened == []


@posix
@pytest.mark.parametrize("kind", ["link", "hard link", "fifo"])
def test_case_14_bundle_that_holds_one_is_refused(
    dropping: Dropping, kind: str, tmp_path: Path
) -> None:
    dropping.put("cut.fcpxmld/Info.fcpxml", timeline())
    inside = dropping.hot.incoming / "cut.fcpxmld" / "a"
    inside.mkdir()
    match kind:
        case "link":
            (inside / "b").symlink_to("/etc/passwd")
        case "hard link":
            (tmp_path / "secret").write_bytes(b"x")
            (inside / "b").hardlink_to(tmp_path / "secret")
        case "fifo":
            os.mkfifo(inside / "b")
    assert _only(dropping.pass_time(4)).error.reason is Reason.DOCUMENT_UNSAFE
    assert dropping.probe.opened == []


@posix
def test_case_14_links_beside_are_not_media_and_not_followed(
    dropping: Dropping, movie: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "A001.mov").write_bytes(movie)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "other.fcpxml").write_bytes(timeline())
    dropping.put("cut.fcpxml", timeline("A001.mov"))
    (dropping.hot.incoming / "A001.mov").symlink_to(tmp_path / "A001.mov")
    (dropping.hot.incoming / "tree").symlink_to(tmp_path / "tree", target_is_directory=True)
    os.mkfifo(dropping.hot.incoming / "pipe.mov")
    (arrival,) = dropping.pass_time(66)
    assert isinstance(arrival, Arrival)
    assert arrival.media == ()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3  # each once, however often it is seen
    assert any("in/A001.mov is passed over: it is a link" in line for line in said)


def _listed(dropping: Dropping) -> set[str]:
    return {path.name for path in dropping.hot.incoming.iterdir()}


def _made(dropping: Dropping, name: str) -> bool:
    try:
        dropping.put(name, timeline())
    except (OSError, UnicodeError):  # this disk has no such names
        return False
    return name in _listed(dropping)


ODD_NAMES = [
    unicodedata.normalize("NFC", "Übergänge é.fcpxml"),
    unicodedata.normalize("NFD", "Übergänge é.fcpxml"),
    "\U0001f3ac 👩‍👩‍👧 final.fcpxml",
    "x" * (255 - len(".fcpxml")) + ".fcpxml",
    "é" * 124 + ".fcpxml",
    "CON.fcpxml",
    "nul.fcpxml",
    "LPT1.fcpxml",
    "dot..fcpxml",
    "space .fcpxml",
    " leading.fcpxml",
    'a:b*c?"<>|.fcpxml',
    "back\\slash.fcpxml",
    "-rf.fcpxml",
    "$(reboot).fcpxml",
    "שלום\u200f.fcpxml",
]
REFUSED_NAMES = [
    "line\nbreak.fcpxml",
    "tab\there.fcpxml",
    "bell\x07.fcpxml",
    "del\x7f.fcpxml",
    "lmxpcf\u202e.fcpxml",
    os.fsdecode(b"latin-\xe9.fcpxml"),
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_case_15_odd_names_are_accepted(dropping: Dropping, name: str) -> None:
    if not _made(dropping, name):
        pytest.skip("this disk has no such names")
    assert dropping.arrivals(4) == [name]


@pytest.mark.parametrize("name", REFUSED_NAMES)
@pytest.mark.parametrize("folder", ["", "day 1/"])
def test_case_15_names_nobody_can_read_are_refused(
    dropping: Dropping, name: str, folder: str
) -> None:
    if not _made(dropping, name):
        pytest.skip("this disk has no such names")
    if folder:
        (dropping.hot.incoming / name).unlink()
        dropping.put(f"{name}/cut.txt", b"")
        dropping.put(f"{name.removesuffix('.fcpxml')}/cut.fcpxml", timeline())
        shutil.rmtree(dropping.hot.incoming / name)
    refusal = _only(dropping.pass_time(4))
    assert refusal.error.reason is Reason.DOCUMENT_UNSAFE
    assert str(refusal.error).isprintable()
    assert refusal.error.metadata["path"].encode()
    assert os.path.lexists(refusal.path)


@posix
def test_case_15_names_that_mean_the_same_elsewhere_both_arrive(dropping: Dropping) -> None:
    names = ["A.fcpxml", "a.fcpxml", "\u00e9.fcpxml", "e\u0301.fcpxml"]
    for name in names:
        _made(dropping, name)
    if len(_listed(dropping)) < len(names):
        pytest.skip("this disk takes them for the same")
    assert sorted(dropping.arrivals(4)) == sorted(names)


def test_case_18_no_delivery_is_ever_a_drop(dropping: Dropping) -> None:
    hot = dropping.hot
    for folder in (hot.outgoing, hot.done, hot.failed, hot.work):
        (folder / "cut_LTX.fcpxml").write_bytes(timeline())
    assert dropping.pass_time(10) == []
    for folder in (hot.outgoing, hot.done, hot.failed):
        shutil.copytree(folder, hot.incoming / "deep" / folder.name)
    shutil.copytree(hot.root / STATE_FOLDER, hot.incoming / "nested" / STATE_FOLDER)
    dropping.put("nested/in/cut.fcpxml", timeline())
    assert dropping.pass_time(10) == []
    (hot.incoming / "deep" / "out" / OUTPUT_MARKER).unlink()
    assert dropping.arrivals(5) == [
        "deep/out/cut_LTX.fcpxml"
    ]  # it was the marker that held it back


def test_case_19_times_in_the_future_and_in_1970_do_not_matter(dropping: Dropping) -> None:
    for name, time_s in {"past.fcpxml": 0, "future.fcpxml": 4_000_000_000}.items():
        os.utime(dropping.put(name, timeline()), (time_s, time_s))
    assert dropping.pass_time(2) == []
    assert sorted(dropping.arrivals(2)) == ["future.fcpxml", "past.fcpxml"]


def test_case_19_same_bytes_with_another_time_start_the_wait_again(dropping: Dropping) -> None:
    path = dropping.put("cut.fcpxml", timeline())
    for time_s in (100, 50, 4_000_000_000, 0):  # backwards too, as a clock that was set
        assert dropping.pass_time(2) == []
        os.utime(path, (time_s, time_s))
    assert dropping.pass_time(2) == []
    assert dropping.arrivals(2) == ["cut.fcpxml"]


class _BrokenObserver(BaseObserver):
    def __init__(self) -> None: ...

    def schedule(self, *_: object, **__: object) -> ObservedWatch:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")


class _DeafObserver(BaseObserver):
    """Every event was lost in an overflow."""

    def __init__(self) -> None: ...
    def schedule(self, *_: object, **__: object) -> ObservedWatch:
        return ObservedWatch("", recursive=False)

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


@pytest.mark.parametrize("observer", [_BrokenObserver, _DeafObserver])
def test_case_21_lost_events_do_not_matter(
    dropping: Dropping, observer: type[BaseObserver]
) -> None:
    with Wake(dropping.hot, observer=observer) as wake:
        dropping.put("cut.fcpxml", timeline())
        assert not wake.wait(0.01)
        assert dropping.arrivals(4) == ["cut.fcpxml"]
        wake.set()
        assert wake.wait(20)


@pytest.mark.skipif(sys.platform != "linux", reason="inotify")
def test_case_21_a_drop_wakes_and_a_scan_does_not(dropping: Dropping) -> None:
    dropping.put("deep/a/b.bin", b"x")
    with Wake(dropping.hot) as wake:
        while wake.wait(0.3):  # what the system still had to tell
            pass
        dropping.intake.poll()
        assert not wake.wait(0.5)
        dropping.put("cut.fcpxml", timeline())
        assert wake.wait(20)


def test_a_tree_that_costs_much_is_scanned_less_often_but_for_a_drop(tmp_path: Path) -> None:
    spent_s = iter(range(1000))
    dropping = Dropping(tmp_path, processor=lambda: next(spent_s) / 10)
    dropping.put("A001.mov", b"x")
    dropping.pass_time(10)
    # Two spells of a tenth of a second each: under a percent of the time.
    assert dropping.intake.pause_s(2) == pytest.approx(24)
    dropping.put("cut.fcpxml", timeline("B002.mov"))
    dropping.pass_time(0)
    assert dropping.intake.pause_s(2) == pytest.approx(3), "when it will have settled"
    dropping.pass_time(20)
    assert dropping.intake.pause_s(2) <= 3, "and while its media are awaited"


def test_a_tree_that_costs_nothing_is_scanned_as_often_as_ever(dropping: Dropping) -> None:
    dropping.pass_time(1)
    assert dropping.intake.pause_s(2) == 2
