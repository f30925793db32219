"""Case 10: a watch killed at every point of a drop loses nothing, doubles nothing, and shows nothing by halves.

The timeline has a mark of every kind; points are enumerated, not chosen.
"""

from __future__ import annotations

import sys

import pytest
from support.crashing_watcher import HOWS
from support.hot_folders import Hot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal, forks")

NAMED = {
    "claim folder made", "claim written", "claimed", "planned", "made", "delivered", "recorded", "decided",
    "notes written", "published", "moved", "journal removed", "forgotten",
}  # fmt: skip
TAKES = 6


@pytest.fixture(scope="module")
def whole(studio) -> tuple[Hot, list[str]]:
    """A drop that nobody interrupted, and the points it went through."""
    hot = studio.hot()
    hot.drop(studio.edit)
    outcome = studio.watch(hot)
    assert outcome.value["counts"] == {"delivered": 1}
    return hot, outcome.value["reached"]


def test_case_10_every_named_point_is_reached(whole) -> None:
    assert {
        point.removeprefix("point ") for point in whole[1] if point.startswith("point ")
    } == NAMED


@pytest.mark.timeout(900)
def test_case_10_killed_at_every_point_it_ends_as_if_nothing_had_happened(studio, whole) -> None:
    reference, reached = whole
    expected = set(reference.visible("out"))
    survived = 0
    for number in range(1, len(reached) + 1):
        both = HOWS if reached[number - 1].startswith("point ") else (HOWS[number % 2],)
        for how in both:
            where = f"{how} at {number}: {reached[number - 1]}"
            hot = studio.hot()
            hot.drop(studio.edit)
            died = studio.watch(hot, die_at=number, how=how)
            survived += died.returncode == 0
            assert died.returncode in {0, 137, -9}, where
            hot.check_nothing_is_half()
            places = hot.timelines()
            assert len(places) == 1 or places == [
                ".ltxbridge/work/cut.fcpxml",
                "done/cut.fcpxml",
            ], where

            assert studio.counts(hot).get("failed", 0) == 0, where
            assert hot.timelines() == ["done/cut.fcpxml"], where
            assert set(hot.visible("out")) == expected, where
            assert set(hot.visible("done")) == {"cut.fcpxml"}, where
            assert hot.visible("failed") == {}, where
            assert list(hot.work.iterdir()) == [], where
            hot.check_nothing_is_half()
    # Threads share the counter, so the last few may not be reached; hardly any may be.
    assert survived <= 5


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("ending", ["duplicate", "incomplete", "failed", "refused"])
def test_case_10_other_endings_survive_every_point_too(studio, ending: str, how: str) -> None:
    def dropped() -> Hot:
        hot = studio.hot()
        match ending:
            case "duplicate":
                hot.drop(studio.edit)
                assert studio.counts(hot) == {"delivered": 1}
                hot.drop(studio.edit, name="again.fcpxml")
            case "incomplete":
                hot.drop(studio.edit, name="again.fcpxml", media=False)
            case "failed":
                path = hot.drop(studio.edit, name="again.fcpxml", media=False)
                path.write_text(path.read_text().replace("LTX: generate", "no mark"))
            case "refused":
                hot.incoming.mkdir()
                (hot.incoming / "again.fcpxml").write_bytes(b"")
        return hot

    reference = dropped()
    reached = studio.watch(reference).value["reached"]
    named = [number for number, point in enumerate(reached, 1) if point.startswith("point ")]
    assert len(named) >= 9, reached
    for number in named:
        hot = dropped()
        studio.watch(hot, die_at=number, how=how)
        hot.check_nothing_is_half()
        counts = studio.counts(hot)
        verdict = "failed" if ending == "refused" else ending
        assert set(counts) <= {verdict}, (number, counts)
        target = "failed" if verdict == "failed" else "done"
        assert f"{target}/again.fcpxml" in hot.timelines(), reached[number - 1]
        assert hot.visible(target).keys() == reference.visible(target).keys(), reached[number - 1]
        assert len(hot.timelines()) == (2 if ending == "duplicate" else 1)
        assert list(hot.work.iterdir()) == []
