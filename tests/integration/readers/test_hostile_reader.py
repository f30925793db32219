"""A reader that was taken over, or hangs, or dies, costs its own file and nothing else."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import support.hostile_reader

from interchange.errors import (
    BridgeError,
    InternalError,
    InvalidInputError,
    Reason,
    UnavailableError,
)
from sidecar.readers.box import ReaderBox
from sidecar.readers.limits import ReaderLimits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's here")

PROGRAM = (sys.executable, "-P", support.hostile_reader.__file__)
LIMITS = ReaderLimits(cpu_s=1, wall_s=3)


@pytest.fixture(scope="module")
def box() -> Iterator[ReaderBox]:
    with ReaderBox(LIMITS, program=PROGRAM) as box:
        yield box


def refused(box: ReaderBox, deed: str) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        box.read_timeline(Path(f"/cuts/{deed}.fcpxml"), b"")
    assert box.read_timeline(Path("/cuts/sound.fcpxml"), b"").segments == ()
    return caught.value


@pytest.mark.parametrize("deed", ["spin", "lock", "sleep", "allocate", "kill"])
def test_what_takes_too_much_is_refused_by_name(box: ReaderBox, deed: str) -> None:
    started = time.monotonic()
    error = refused(box, deed)
    assert error.reason is Reason.READER_LIMIT
    assert f"{deed}.fcpxml" in error.message
    assert time.monotonic() - started < LIMITS.wall_s + 4


@pytest.mark.parametrize("deed", ["crash", "abort", "exit", "close", "heir", "short"])
def test_a_death_is_the_file_s_own_error(box: ReaderBox, deed: str) -> None:
    error = refused(box, deed)
    assert error.reason in {Reason.DOCUMENT_UNSAFE, Reason.READER_LIMIT}
    assert f"{deed}.fcpxml" in error.message


@pytest.mark.parametrize(
    "deed", ["garbage", "huge", "endless", "no-text", "no-json", "deep", "other", "number", "nan"]
)
def test_nonsense_is_the_file_s_own_error(box: ReaderBox, deed: str) -> None:
    assert refused(box, deed).reason is Reason.DOCUMENT_UNSAFE


def test_what_a_reader_says_can_be_shown_anywhere(box: ReaderBox) -> None:
    error = refused(box, "loud")
    shown = error.message + "".join(error.metadata.values())
    assert len(shown) < 5000
    assert shown.isprintable()


def test_a_file_does_not_pay_for_the_one_before(box: ReaderBox) -> None:
    """Damage that an earlier file did to the process shows in a later call; that one is asked again."""
    box.read_timeline(Path("/cuts/crash-late.fcpxml"), b"")
    assert wait_for(lambda: not box._process.alive)
    assert box.read_timeline(Path("/cuts/sound.fcpxml"), b"").segments == ()


def test_a_reader_killed_between_calls_is_replaced(box: ReaderBox) -> None:
    box.read_timeline(Path("/cuts/sound.fcpxml"), b"")
    os.kill(box._process.process_id, signal.SIGKILL)
    assert box.read_timeline(Path("/cuts/sound.fcpxml"), b"").segments == ()


def test_a_reader_killed_during_a_call_is_asked_once_more(box: ReaderBox) -> None:
    box.read_timeline(Path("/cuts/sound.fcpxml"), b"")
    before = box._process.process_id
    killer = threading.Timer(0.3, os.kill, (before, signal.SIGKILL))
    killer.start()
    assert box.read_timeline(Path("/cuts/nap.fcpxml"), b"").segments == ()
    assert box._process.process_id != before


def test_a_reader_cannot_write_files(box: ReaderBox, tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match="not written"):
        box.media_opens(tmp_path / "left")
    assert not (tmp_path / "left").exists() or (tmp_path / "left").stat().st_size == 0


def test_calls_from_many_threads_take_turns(box: ReaderBox) -> None:
    with ThreadPoolExecutor(8) as pool:
        deeds = ["sound", "crash", "sound", "exit"] * 4
        results = list(pool.map(lambda deed: outcome(box, Path(f"/cuts/{deed}.fcpxml")), deeds))
    assert [result is None for result in results] == [deed == "sound" for deed in deeds]


def test_closing_ends_the_process(tmp_path: Path) -> None:
    box = ReaderBox(LIMITS, program=PROGRAM)
    box.read_timeline(tmp_path / "sound.fcpxml", b"")
    process_id = box._process.process_id
    box.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def test_a_reader_ends_with_whoever_asks(tmp_path: Path) -> None:
    """Also in the middle of a call: nobody waits for its answer any more."""
    box = ReaderBox(LIMITS, program=PROGRAM)
    box.read_timeline(tmp_path / "sound.fcpxml", b"")
    process = box._process
    asking = threading.Thread(target=outcome, args=(box, tmp_path / "sleep.fcpxml"))
    asking.start()
    process._stdin.close()  # what the system does when the asking process ends
    assert wait_for(lambda: not process.alive, within_s=2)
    asking.join()


def test_a_reader_that_cannot_start_is_not_the_file_s_fault() -> None:
    program = (sys.executable, "-c", "raise SystemExit('no such library')")
    with ReaderBox(LIMITS, program=program) as box, pytest.raises(UnavailableError) as caught:
        box.read_timeline(Path("/cuts/sound.fcpxml"), b"")
    assert caught.value.reason is Reason.WORKER_DIED
    assert "no such library" in caught.value.message
    with ReaderBox(program=("/nowhere/python",)) as box, pytest.raises(UnavailableError):
        box.read_timeline(Path("/cuts/sound.fcpxml"), b"")


def outcome(box: ReaderBox, path: Path) -> InvalidInputError | None:
    try:
        box.read_timeline(path, b"")
    except InvalidInputError as error:
        return error
    return None


def wait_for(holds: Callable[[], bool], *, within_s: float = 5) -> bool:
    end = time.monotonic() + within_s
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


@pytest.mark.parametrize("deed", ["stopped", "away", "disk", "refused"])
def test_a_reader_speaks_of_its_file_alone(box: ReaderBox, deed: str) -> None:
    """Nobody waits for a disk, or forgets a failure, because a file's reader says so."""
    error = refused(box, deed)
    assert (type(error), error.reason) == (InternalError, Reason.INTERNAL)
