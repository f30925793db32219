"""What the watch keeps in mind: little, however much is dropped; and what it says of itself."""

from __future__ import annotations

import json
import threading
import tracemalloc
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest

from interchange.errors import ConflictError, ExhaustedError, Reason, UnavailableError
from ltxbridge.hotfolder.claims import Claim, Claims, Ending
from ltxbridge.hotfolder.intake import Arrival
from ltxbridge.hotfolder.layout import HotFolder
from ltxbridge.hotfolder.readiness import Wait
from ltxbridge.hotfolder.status import BEAT_S, Event, StatusFile
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

    @property
    def waiting(self) -> dict[str, Wait]:
        return {}

    def pause_s(self, least_s: float) -> float:
        return least_s

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

    def wait(self, timeout_s: float) -> bool:
        rung = self._rung.wait(min(timeout_s, 0.02))
        self._rung.clear()
        return rung

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


class Sleeper:
    """A wake whose time is the test's: every wait passes, and some are ended by an event."""

    def __init__(self, events: list[float]) -> None:
        self.now_s = 0.0
        self._events = events

    def wait(self, timeout_s: float) -> bool:
        event = bool(self._events) and self._events[0] <= self.now_s + timeout_s
        self.now_s = self._events.pop(0) if event else self.now_s + timeout_s
        return event

    def set(self) -> None: ...


class Resting(Shelf):
    """A large tree in which nothing happens; notes when it is scanned, and ends the watch after a while."""

    def __init__(self, hot: HotFolder, sleeper: Sleeper) -> None:
        super().__init__(hot)
        self.sleeper = sleeper
        self.scans: list[float] = []
        self.waits: list[dict[str, Wait]] = []
        self.now: dict[str, Wait] = {}

    @property
    def waiting(self) -> dict[str, Wait]:
        return self.now

    def pause_s(self, least_s: float) -> float:
        assert least_s == 2
        return 40

    def poll(self):
        if self.sleeper.now_s > 100:
            raise KeyboardInterrupt
        self.scans.append(self.sleeper.now_s)
        self.now = self.waits.pop(0) if self.waits else {}
        return ()


def resting_watch(
    hot: HotFolder, changes: list[float], waits: list[dict[str, Wait]]
) -> tuple[Resting, list[Event], list[dict[str, object]]]:
    """A watch of a hundred seconds; its scans, what it said, and every status it wrote."""
    sleeper = Sleeper(changes)
    shelf = Resting(hot, sleeper)
    shelf.waits = waits
    statuses: list[dict[str, object]] = []

    class Noting(NoFsync):
        def write_atomic(self, path: Path, content: bytes, **_: bool) -> None:
            assert path.name == "status.json"
            statuses.append({"at": sleeper.now_s} | json.loads(content))

    events: list[Event] = []
    watch = watcher(hot, pytest.fail, events, shelf)
    watch._rhythm = Rhythm(poll_s=2)
    watch._wake, watch._clock = sleeper, lambda: sleeper.now_s
    watch._status = StatusFile(hot, filesystem=Noting(), clock=lambda: sleeper.now_s)
    watch.run()
    watch.leave()
    return shelf, events, statuses


def test_a_large_tree_at_rest_is_left_alone_until_something_happens(hot: HotFolder) -> None:
    shelf, _, statuses = resting_watch(hot, [17.0, 17.5, 18.0], [])
    # By itself every 40 s; at once for an event, and for what follows it no sooner than after 2 s.
    assert shelf.scans == [0, 17, 19, 59, 99]
    beats = [status["at"] for status in statuses]
    gaps = [later - before for before, later in pairwise(beats)]
    assert max(gaps) <= 2 * BEAT_S, "another machine takes three for a death"


def test_what_waits_is_said_once_for_each_cause_and_is_in_the_status_until_it_goes_on(
    hot: HotFolder,
) -> None:
    media = Wait(Reason.MEDIA_NOT_FOUND, "It waits for A001.mov and B002.mov.")
    fewer = Wait(Reason.MEDIA_NOT_FOUND, "It waits for B002.mov.")
    lock = Wait(Reason.NOT_PERMITTED, "It waits until it can be opened.")
    polls = [{"a\n.fcpxml": media}, {"a\n.fcpxml": fewer}, {"a\n.fcpxml": lock}, {}]
    _, events, statuses = resting_watch(hot, [10.0, 20.0, 30.0], polls)
    said = [(event.document, event.message) for event in events if event.kind == "waiting"]
    assert said == [("a\\n.fcpxml", media.message), ("a\\n.fcpxml", lock.message)]
    shown = {
        at: [one["message"] for one in status["waiting"]]
        for status in statuses
        if (at := status["at"]) in {0, 10, 20, 30}
    }
    assert shown == {0: [media.message], 10: [fewer.message], 20: [lock.message], 30: []}


def test_a_status_of_many_that_wait_stays_small(hot: HotFolder) -> None:
    wait = Wait(Reason.MEDIA_NOT_FOUND, "x" * 1000)
    _, _, statuses = resting_watch(hot, [], [{f"{number}.fcpxml": wait for number in range(9999)}])
    assert statuses[0]["waiting_count"] == 9999
    assert len(json.dumps(statuses[0])) < 1 << 20
