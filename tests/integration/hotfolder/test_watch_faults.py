"""Every call of the watch to the file system fails in turn: nothing is lost, the watch lives, and it goes on.

In one process, with the real handling and the real sidecar; the watch runs for ever and is stopped, as with
Ctrl-C, when the timeline has ended.
"""

from __future__ import annotations

import errno
import sys
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest
from support.faulty_filesystem import OPERATIONS, FaultyFileSystem
from support.hot_folders import Hot

from interchange.errors import BridgeError, ConflictError, NotAllowedError
from ltxbridge.cli.options import TakeChoices
from ltxbridge.cli.watch import WatchChoices, watch_folder
from ltxbridge.hotfolder.layout import HotFolder
from ltxbridge.hotfolder.status import Event
from sidecar.filesystem import FileSystem
from sidecar.settings import Settings, load_settings

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the sidecar is shared with forked watches"
)
CODES = (errno.ENOSPC, errno.EIO, errno.EACCES)
ENDED = {"delivered", "incomplete", "duplicate", "failed", "removed"}


def settings(studio) -> Settings:
    return load_settings(
        environment={
            "LTXBRIDGE_STATE_DIR": str(studio.state),
            "LTXBRIDGE_RUNTIME_DIR": str(studio.state / "run"),
        }
    )


def watch_until(studio, hot: Hot, stop, filesystem: FileSystem | None = None) -> list[Event]:
    """Watch until `stop(event)` says so."""
    events: list[Event] = []

    def announce(event: Event) -> None:
        events.append(event)
        if stop(event):
            raise KeyboardInterrupt

    watch_folder(
        hot.root,
        settings(studio),
        TakeChoices(engine="identity"),
        WatchChoices(settle_s=0.05, patience_s=0.1, retry_s=0.05),
        announce=announce,
        filesystem=filesystem,
    )
    return events


class Counting(FileSystem):
    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def before(self, operation: str, path: Path) -> None:  # noqa: ARG002
        self.calls[operation] += 1


@pytest.fixture(scope="module")
def calls(studio) -> Counter[str]:
    """How often a whole drop calls what."""
    hot = studio.hot()
    hot.drop(studio.edit)
    counting = Counting()
    watch_until(studio, hot, lambda event: event.kind in ENDED, counting)
    return counting.calls


@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "open_to_append"])
def test_every_call_fails_once(studio, calls, operation: str) -> None:
    # Threads share the calls, so every run has its own order; the numbers are all gone through. What differs
    # between the codes is one table (`sidecar.filesystem`), so they take turns.
    for number, code in zip(range(1, calls[operation] + 1), cycle(CODES)):
        hot = studio.hot()
        HotFolder(hot.root).create(FileSystem())
        hot.drop(studio.edit)
        faulty = FaultyFileSystem(operation, number=number, errno=code)
        try:
            events = watch_until(studio, hot, lambda event: event.kind in ENDED, faulty)
        except BridgeError:  # it could not even start, and said why
            assert faulty.failed == 1
            events = watch_until(studio, hot, lambda event: event.kind in ENDED, faulty)
        where = (operation, number, [event.as_text() for event in events])
        hot.check_nothing_is_half()
        assert [event.kind for event in events if event.kind in ENDED] in (
            ["delivered"],
            ["duplicate"],
        ), where
        assert hot.visible("failed") == {}, where
        assert len([name for name in hot.visible("out") if name.endswith(".mov")]) == 6, where
        assert studio.counts(hot) == {}, where
        assert hot.timelines() == ["done/cut.fcpxml"], where
        assert list(hot.work.iterdir()) == [], where


def test_case_17_done_on_another_volume_is_copied_to(studio) -> None:
    hot = studio.hot()
    dropped = hot.drop(studio.edit).read_bytes()
    other = FaultyFileSystem("publish_new", errno=errno.EXDEV, only="done/cut")
    watch_until(studio, hot, lambda event: event.kind in ENDED, other)
    assert other.failed == 1
    assert hot.visible("done") == {"cut.fcpxml": dropped}
    assert hot.timelines() == ["done/cut.fcpxml"]


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC])
def test_case_17_done_that_cannot_be_written_keeps_the_timeline_and_says_so(
    studio, code: int
) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    stuck = FaultyFileSystem("publish_new", errno=code, only="done/cut", sticky=True)
    events = watch_until(studio, hot, lambda event: event.kind == "waiting", stuck)
    assert events[-2 if events[-1].kind == "stopped" else -1].reason in {
        "OUTPUT_NOT_WRITABLE",
        "DISK_FULL",
    }
    assert hot.timelines() == [".ltxbridge/work/cut.fcpxml"]
    assert stuck.failed >= 1
    before = hot.visible("out")
    assert studio.counts(hot) == {"delivered": 1}
    assert hot.visible("out") == before, "what was made is not made again"


def test_case_20_a_second_watch_in_the_same_folder_is_refused(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)

    def second(event: Event) -> bool:
        if event.kind == "watching":
            with pytest.raises(ConflictError, match="Another watch works with"):
                watch_until(studio, hot, lambda _: True)
        return event.kind in ENDED

    assert watch_until(studio, hot, second)[-2].kind == "delivered"


def test_a_sidecar_that_may_not_use_the_folder_is_said_at_once(studio, tmp_path: Path) -> None:
    with pytest.raises(NotAllowedError, match="serve --media-root"):
        watch_until(studio, Hot(tmp_path), lambda _: True)
