"""When a timeline is ready, as a state machine over a tree that changes: never early, always in the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from interchange.errors import InvalidInputError, Reason, UnavailableError
from ltxbridge.hotfolder.readiness import Readiness, Verdict, Waits
from ltxbridge.hotfolder.sightings import Listing, Sighting, Stamp

SETTLE_S, PATIENCE_S, COMPANIONS_S, AGAIN_S = 3.0, 100.0, 20.0, 7.0
DOCUMENTS = ("a.fcpxml", "day/b.fcpxml")
MEDIA = ("m.mov", "day/m.mov", "day/reel/n.mov")
NEEDS = {"a.fcpxml": frozenset({"M.mov"}), "day/b.fcpxml": frozenset({"m.mov", "n.mov"})}
BESIDE = {
    "a.fcpxml": ("m.mov", "day/m.mov"),
    "day/b.fcpxml": ("day/m.mov", "day/reel/n.mov"),
}


@dataclass
class File:
    stamp: int
    changed_s: float
    whole: bool


@dataclass
class Tree:
    """The true tree, and the examiner that opens it."""

    files: dict[str, File] = field(default_factory=dict)
    held_now: set[str] = field(default_factory=set)

    def held(self, relative: str) -> str:
        return "locked" if relative in self.held_now else ""

    def document(self, relative: str) -> frozenset[str]:
        self._check(relative)
        return NEEDS[relative]

    def media(self, relative: str) -> None:
        self._check(relative)

    def _check(self, relative: str) -> None:
        if not self.files[relative].whole:
            raise InvalidInputError(f"{relative} is cut short", reason=Reason.DOCUMENT_MALFORMED)

    def listing(self) -> Listing:
        listing = Listing()
        for relative, file in self.files.items():
            stamp = Stamp(file.stamp, -file.stamp, 1, 1)
            if relative in DOCUMENTS:
                listing.documents[relative] = Sighting(stamp)
            else:
                listing.files[relative] = stamp
        return listing


class ChangingTree(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.now_s = 50.0
        self.tree = Tree()
        waits = Waits(SETTLE_S, patience_s=PATIENCE_S, companions_s=COMPANIONS_S, again_s=AGAIN_S)
        self.readiness = Readiness(waits, self.tree)
        self.stamp = 0

    @rule(name=st.sampled_from(DOCUMENTS + MEDIA), whole=st.booleans())
    def write(self, name: str, *, whole: bool) -> None:
        self.stamp += 1
        self.tree.files[name] = File(self.stamp, self.now_s, whole)

    @rule(name=st.sampled_from(DOCUMENTS + MEDIA))
    def remove(self, name: str) -> None:
        self.tree.files.pop(name, None)

    @rule(name=st.sampled_from(DOCUMENTS + MEDIA))
    def lock(self, name: str) -> None:
        self.tree.held_now ^= {name}

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.9, 3.1, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(scan_s=st.sampled_from([0.0, 0.5, 4.0]))
    def poll(self, scan_s: float) -> None:
        began = self.now_s
        listing = self.tree.listing()
        self.now_s += scan_s
        self.readiness.observe(listing, began=began, ended=self.now_s)
        for relative in self.readiness.due(10):
            verdict = self.readiness.judge(relative)
            if verdict is not None:
                self.check(verdict, began)

    def check(self, verdict: Verdict, began: float) -> None:
        paths = [path for path, _ in verdict.stamps]
        files = [self.tree.files[path] for path in paths]
        still_s = began - max(file.changed_s for file in files)
        if verdict.error is not None:
            assert still_s >= PATIENCE_S
            return
        assert still_s >= SETTLE_S
        assert all(file.whole for file in files)
        assert not self.tree.held_now.intersection(paths)
        there = [path for path in BESIDE[verdict.relative] if path in self.tree.files]
        assert sorted(paths[1:]) == sorted(there)

    def teardown(self) -> None:
        """From any state: mended and left alone, every timeline is handed out."""
        if not hasattr(self, "tree"):
            return
        self.tree.held_now.clear()
        for file in self.tree.files.values():
            file.whole = True
        answered = set()
        for _ in range(60):
            self.now_s += 1
            self.readiness.observe(self.tree.listing(), began=self.now_s, ended=self.now_s)
            for relative in self.readiness.due(10):
                verdict = self.readiness.judge(relative)
                if verdict is not None:
                    assert verdict.error is None
                    answered.add(relative)
        assert answered == set(DOCUMENTS) & self.tree.files.keys()


TestChangingTree = ChangingTree.TestCase
TestChangingTree.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def _polled(readiness: Readiness, tree: Tree, now_s: float) -> list[Verdict]:
    readiness.observe(tree.listing(), began=now_s, ended=now_s)
    verdicts = [readiness.judge(relative) for relative in readiness.due(10)]
    return [verdict for verdict in verdicts if verdict is not None]


def test_what_is_damaged_and_left_alone_is_refused_when_patience_ends() -> None:
    tree = Tree({"a.fcpxml": File(1, 0, whole=False)})
    readiness = Readiness(Waits(SETTLE_S, patience_s=PATIENCE_S), tree)
    refused = [now_s for now_s in range(130) if _polled(readiness, tree, now_s)]
    assert PATIENCE_S <= refused[0] <= PATIENCE_S + 15


def test_a_scan_that_took_long_counts_from_its_end() -> None:
    tree = Tree({"a.fcpxml": File(1, 0, whole=True), "m.mov": File(2, 0, whole=True)})
    readiness = Readiness(Waits(SETTLE_S), tree)
    readiness.observe(tree.listing(), began=0, ended=10)
    assert _polled(readiness, tree, 12.9) == []
    assert [verdict.relative for verdict in _polled(readiness, tree, 13)] == ["a.fcpxml"]


def test_a_box_that_died_is_no_reason_to_refuse() -> None:
    class Dying(Tree):
        def document(self, relative: str) -> frozenset[str]:
            raise UnavailableError(f"the reader died over {relative}", reason=Reason.WORKER_DIED)

    tree = Dying({"a.fcpxml": File(1, 0, whole=True)})
    readiness = Readiness(Waits(SETTLE_S, patience_s=PATIENCE_S), tree)
    assert not any(_polled(readiness, tree, now_s) for now_s in range(300))


def test_a_hostile_timeline_is_refused_at_once() -> None:
    class Hostile(Tree):
        def document(self, relative: str) -> frozenset[str]:
            raise InvalidInputError(relative, reason=Reason.DOCUMENT_UNSAFE)

    tree = Hostile({"a.fcpxml": File(1, 0, whole=True)})
    readiness = Readiness(Waits(SETTLE_S, patience_s=PATIENCE_S), tree)
    refused = [now_s for now_s in range(10) if _polled(readiness, tree, now_s)]
    assert refused == [3]


def test_a_thousand_damaged_do_not_starve_a_whole_one() -> None:
    class Mixed(Tree):
        def document(self, relative: str) -> frozenset[str]:
            if relative != "z.fcpxml":
                raise InvalidInputError("cut short", reason=Reason.DOCUMENT_MALFORMED)
            return frozenset()

    listing = Listing()
    names = [*(f"{number:03}.fcpxml" for number in range(200)), "z.fcpxml"]
    for name in names:
        listing.documents[name] = Sighting(Stamp(1, 1, 1, 1))
    readiness = Readiness(Waits(SETTLE_S, patience_s=PATIENCE_S), Mixed())
    for now_s in range(3, 60):
        readiness.observe(listing, began=now_s, ended=now_s)
        verdicts = [readiness.judge(relative) for relative in readiness.due(10)]
        if any(verdict and verdict.relative == "z.fcpxml" for verdict in verdicts):
            break
    else:
        raise AssertionError("starved")


def test_a_timeline_that_somebody_opens_while_it_waits_for_its_media_is_not_handed_out() -> None:
    tree = Tree({"a.fcpxml": File(1, 0, whole=True)})
    readiness = Readiness(Waits(SETTLE_S, companions_s=COMPANIONS_S), tree)
    assert not any(_polled(readiness, tree, now_s) for now_s in range(int(COMPANIONS_S)))
    tree.held_now.add("a.fcpxml")
    assert not any(_polled(readiness, tree, now_s) for now_s in range(20, 60))
    tree.held_now.clear()
    assert any(_polled(readiness, tree, now_s) for now_s in range(60, 80))


def test_missing_media_are_named_and_no_longer_once_they_are_there() -> None:
    class Needing(Tree):
        def document(self, _: str) -> frozenset[str]:
            return frozenset({"M.mov", "\x1b[2J.mov", "n" * 5000, "o.mov", "p.mov"})

    tree = Needing({"a.fcpxml": File(1, 0, whole=True)})
    readiness = Readiness(Waits(SETTLE_S, companions_s=COMPANIONS_S), tree)
    _polled(readiness, tree, 0)
    assert readiness.waiting == {}, "a drop that settles is not worth a word"
    assert readiness.due_s == SETTLE_S
    assert not _polled(readiness, tree, SETTLE_S)
    wait = readiness.waiting["a.fcpxml"]
    assert wait.reason is Reason.MEDIA_NOT_FOUND
    assert "beside it: \\x1b[2J.mov, M.mov, nnn" in wait.message
    assert "and 2 more" in wait.message
    assert wait.message.isprintable()
    assert len(wait.message) < 1000
    assert _polled(readiness, tree, COMPANIONS_S)
    assert readiness.waiting == {}


def test_media_that_grow_and_a_lock_are_named() -> None:
    tree = Tree({"a.fcpxml": File(1, 0, whole=True), "m.mov": File(2, 0, whole=True)})
    readiness = Readiness(Waits(SETTLE_S), tree)
    _polled(readiness, tree, 0)
    tree.files["m.mov"] = File(3, 2, whole=True)
    assert not _polled(readiness, tree, 3)
    wait = readiness.waiting["a.fcpxml"]
    assert (wait.reason, wait.message) == (
        Reason.MEDIA_CHANGED,
        "It waits until m.mov has stopped changing.",
    )
    tree.held_now.add("m.mov")
    assert not _polled(readiness, tree, 7)
    wait = readiness.waiting["a.fcpxml"]
    assert wait.reason is Reason.NOT_PERMITTED
    assert wait.message.startswith(
        "It waits until m.mov can be opened: locked. It is given up 600 s"
    )
    tree.held_now.clear()
    assert _polled(readiness, tree, 30)
    assert readiness.waiting == {}


def test_one_that_is_written_in_bursts_waits_for_its_end_all_the_while() -> None:
    tree = Tree({"a.fcpxml": File(1, 0, whole=False), "m.mov": File(1, 0, whole=True)})
    readiness = Readiness(Waits(SETTLE_S), tree)
    said = set()
    for now_s in range(40):
        if now_s % 5 == 0:
            tree.files["a.fcpxml"] = File(now_s, now_s, whole=now_s == 35)
        verdicts = _polled(readiness, tree, now_s)
        said.add(readiness.waiting.get("a.fcpxml"))
        if 3 <= now_s < 38:
            assert readiness.waiting["a.fcpxml"].reason is Reason.DOCUMENT_MALFORMED
            assert "to be whole: a.fcpxml is cut short." in readiness.waiting["a.fcpxml"].message
        assert bool(verdicts) == (now_s == 38)
    assert len(said) == 2, "and nothing before and after"
