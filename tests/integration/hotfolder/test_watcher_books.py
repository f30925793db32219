"""What the watch keeps in mind: little, however much is dropped; and what it says of itself."""

from __future__ import annotations

import json
import threading
import tracemalloc
from pathlib import Path, PurePosixPath

import pytest

from interchange.errors import ConflictError, ExhaustedError, Reason, UnavailableError
from ltxbridge.hotfolder.claims import Claim, Claims, Ending
from ltxbridge.hotfolder.intake import Arrival
from ltxbridge.hotfolder.layout import HotFolder
from ltxbridge.hotfolder.status import Event, StatusFile
from ltxbridge.hotfolder.watcher import Rhythm, Watcher
from sidecar.filesystem import FileSystem


class NoFsync(FileSystem):
    def fsync_file(self, path: Path) -> None: ...

    def fsync_folder(self, path: Path) -> None: ...


class Shelf:
    """An intake that hands out what lies in `in/`, sixteen at a time, and again what was not taken."""

    def __init__(self, hot: HotFolder) -> None:
        self.names = sorted(path.name for path in hot.incoming.iterdir())
        self.incoming = hot.incoming
        self.last: list[str] = []
        self.errors: list[UnavailableError] = []

    @property
    def seen(self) -> int:
        return len(self.names) + len(self.last)

    def poll(self):
        if self.errors:
            raise self.errors.pop()
        left = [name for name in self.last if (self.incoming / name).exists()]
        self.last, self.names = self.names[:16], self.names[16:] + left
        return tuple(Arrival(PurePosixPath(name), self.incoming / name, "") for name in self.last)

    def still(self, arrival: Arrival) -> bool:
        return (self.incoming / arrival.relative).exists()


class Bell:
    def __init__(self) -> None:
        self._rung = threading.Event()

    def wait(self, timeout_s: float) -> None:
        self._rung.wait(min(timeout_s, 0.02))
        self._rung.clear()

    def set(self) -> None:
        self._rung.set()


@pytest.fixture
def hot(tmp_path: Path) -> HotFolder:
    folder = HotFolder(tmp_path)
    folder.create(FileSystem())
    return folder


def watcher(
    hot: HotFolder, handle, events: list[Event], shelf: Shelf | None = None, **rhythm
) -> Watcher:
    filesystem = NoFsync()
    return Watcher(
        intake=shelf or Shelf(hot),
        wake=Bell(),
        claims=Claims(hot, filesystem=filesystem),
        handle=handle,
        status=StatusFile(hot, filesystem=filesystem),
        announce=events.append,
        tell=lambda _: None,
        rhythm=Rhythm(poll_s=0, retry_s=0.001, once_after_s=0.05, once_patience_s=1, **rhythm),
    )


def test_case_13_ten_thousand_at_once_are_all_handled_with_a_few_in_hand(hot: HotFolder) -> None:
    count = 10_000
    for number in range(count):
        (hot.incoming / f"{number}.fcpxml").touch()
    claims = Claims(hot, filesystem=NoFsync())
    in_hand: list[int] = []
    full = iter(range(50))  # the queue has no room for the first of them

    def handle(claim: Claim) -> Ending:
        if next(full, None) is not None:
            raise ExhaustedError("The queue is full.", reason=Reason.QUEUE_FULL)
        in_hand.append(sum(1 for _ in hot.work.iterdir()))
        claim.document.rename(hot.done / claim.name)
        claims.release(claim)
        return Ending("delivered", "")

    watch = watcher(hot, handle, [])
    watch._announce = lambda _: None
    tracemalloc.start()
    try:
        watch.run()
        watch.leave()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert watch.counts == {"delivered": count}
    assert len(list(hot.done.glob("*.fcpxml"))) == count
    assert list(hot.incoming.iterdir()) == []
    assert list(hot.work.iterdir()) == []
    assert max(in_hand) <= 2 * 16
    assert peak < 16 << 20


def test_case_11_a_folder_that_is_away_is_said_once_and_waited_for(hot: HotFolder) -> None:
    (hot.incoming / "cut.fcpxml").touch()
    shelf = Shelf(hot)
    shelf.errors = [hot.unavailable("it is away") for _ in range(3)]
    events: list[Event] = []

    watch = watcher(hot, lambda claim: Ending("delivered", claim.name), events, shelf)
    watch._rhythm = Rhythm(poll_s=0)

    def announce(event: Event) -> None:
        events.append(event)
        if event.kind == "delivered":
            raise KeyboardInterrupt

    watch._announce = announce
    watch.run()
    watch.leave()
    assert [event.kind for event in events] == ["away", "back", "claimed", "delivered", "stopped"]


def test_case_20_a_watch_on_another_machine_is_noticed_by_its_beat(hot: HotFolder) -> None:
    theirs = StatusFile(hot, filesystem=FileSystem())
    beats = iter(range(10, 20))

    def write(beat: int) -> None:
        content = {"host": "other", "state": "watching", "beat": beat}
        (hot.state / "status.json").write_text(json.dumps(content))

    write(next(beats))
    with pytest.raises(ConflictError, match="The computer other watches"):
        theirs.refuse_another(wait=lambda _: write(next(beats)), host="this")
    theirs.refuse_another(wait=lambda _: None, host="this")  # it died without a word
    write(next(beats))
    theirs.refuse_another(wait=lambda _: pytest.fail("waited"), host="other")
