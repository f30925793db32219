"""The fault table of hot folders, by number: what concerns handling. The rest is in `test_fault_table`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys

import pytest
from support.hot_folders import Hot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="watches are forked here")
TAKES = 6


def takes(hot: Hot) -> list[str]:
    return [name for name in hot.visible("out") if name.endswith(".mov")]


def test_case_01_a_copy_that_stalls_is_taken_once_it_is_whole(studio) -> None:
    hot = studio.hot()
    whole = hot.drop(studio.edit)
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    movie = next((hot.incoming / "media").iterdir())
    frames = movie.read_bytes()
    movie.write_bytes(frames[: len(frames) // 2])
    # Given up only because these watches have no patience; nobody has any for long once.
    assert studio.counts(hot) == {"failed": 1}
    assert hot.visible("failed").keys() == {"cut.fcpxml", "cut.fcpxml.error.json"}
    whole.write_bytes(content)
    movie.write_bytes(frames)
    assert studio.counts(hot) == {"delivered": 1}
    assert len(takes(hot)) == TAKES


def test_case_07_the_same_content_again_makes_nothing_and_says_where_it_is(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    assert studio.counts(hot) == {"delivered": 1}
    before = hot.visible("out")
    hot.drop(studio.edit, name="other.fcpxml")
    assert studio.counts(hot) == {"duplicate": 1}
    assert hot.visible("out") == before
    note = json.loads(hot.visible("done")["other.fcpxml.duplicate.json"])
    assert note["duplicate_of"] == "cut.fcpxml"
    assert note["timeline"] == str(hot.root / "out" / "cut_LTX.fcpxml")
    assert hot.timelines() == ["done/cut.fcpxml", "done/other.fcpxml"]


def test_case_07_a_delivery_of_ours_that_is_dropped_makes_nothing_and_is_named(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    assert studio.counts(hot) == {"delivered": 1}
    before = hot.visible("out")
    shutil.copy(hot.root / "out" / "cut_LTX.fcpxml", hot.incoming / "cut_LTX.fcpxml")
    assert studio.counts(hot) == {"duplicate": 1}
    assert hot.visible("out") == before
    note = json.loads(hot.visible("done")["cut_LTX.fcpxml.duplicate.json"])
    assert note["duplicate_of"] == "cut.fcpxml"
    assert "nothing was made from it" in note["message"]


def test_case_07_a_delivery_that_lost_a_take_is_made_again(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    studio.counts(hot)
    lost = hot.root / "out" / takes(hot)[0]
    lost.unlink()
    hot.drop(studio.edit)
    assert studio.counts(hot) == {"delivered": 1}
    assert len(takes(hot)) == TAKES
    assert hot.timelines() == ["done/cut.fcpxml", "done/cut_2.fcpxml"]


def test_case_07_a_mark_refused_for_what_it_says_is_refused_once(studio) -> None:
    hot = studio.hot()
    for name in ("cut.fcpxml", "other.fcpxml"):
        path = hot.drop(studio.edit, name=name)
        path.write_text(path.read_text().replace("LTX: extend", "LTX: relight"))
        assert studio.counts(hot) == {"incomplete": 1}
        if name == "cut.fcpxml":
            before = hot.visible("out")
    assert hot.visible("out") == before
    message = json.loads(hot.visible("done")["other.fcpxml.duplicate.json"])["message"]
    assert "cannot be met: 1" in message
    assert "cut_report.html" in message


def test_case_07_what_media_were_missing_for_is_made_once_they_are_there(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    away = next((hot.incoming / "media").glob("B002*"))
    aside = hot.root / "aside.mov"
    away.rename(aside)
    assert studio.counts(hot) == {"incomplete": 1}
    good = {name: content for name, content in hot.visible("out").items() if "/" in name}
    assert 0 < len(takes(hot)) < TAKES
    aside.rename(away)
    hot.drop(studio.edit, name="other.fcpxml")
    assert studio.counts(hot) == {"delivered": 1}
    after = hot.visible("out")
    assert good.items() <= after.items(), "takes that are good stay as they are"
    assert len(takes(hot)) == TAKES, "and are not made again"


def test_case_07_changed_media_are_no_duplicate(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    studio.counts(hot)
    for movie in (hot.incoming / "media").iterdir():
        os.utime(movie, ns=(1, 1))
    hot.drop(studio.edit, name="other.fcpxml")
    assert studio.counts(hot) == {"delivered": 1}


def test_case_08_the_same_name_with_new_content_is_a_new_version(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    studio.counts(hot)
    before = hot.visible("out")
    hot.drop(studio.edit, note="second cut")
    assert studio.counts(hot) == {"delivered": 1}
    after = hot.visible("out")
    assert before.items() <= after.items(), "nothing of the first delivery is touched"
    assert "cut_LTX_v002.fcpxml" in after
    assert "cut_report_v002.html" in after
    assert b"second cut" in after["cut_LTX_v002.fcpxml"]
    assert len(takes(hot)) == 2 * TAKES
    assert hot.timelines() == ["done/cut.fcpxml", "done/cut_2.fcpxml"]


def test_case_09_what_was_dropped_while_nothing_watched_is_taken(studio) -> None:
    hot = studio.hot()
    for number in range(3):
        hot.drop(studio.edit, name=f"day{number}/cut.fcpxml", note=f"day {number}", media=False)
        shutil.copytree(studio.edit.originals[0].parent, hot.incoming / f"day{number}" / "media")
    assert studio.counts(hot) == {"delivered": 3}
    assert [name for name in hot.visible("out") if name.endswith("_LTX.fcpxml")] == [
        f"day{number}/cut_LTX.fcpxml" for number in range(3)
    ]
    assert sorted(hot.visible("done")) == [f"day{number}/cut.fcpxml" for number in range(3)]


def damage(hot: Hot, kind: str) -> None:
    for movie in (hot.incoming / "media").iterdir():
        content = movie.read_bytes()
        match kind:
            case "empty":
                movie.write_bytes(b"")
            case "truncated":
                movie.write_bytes(content[: len(content) * 2 // 3])
            case "text":
                movie.write_text("Dear colour department, please find the grade attached.\n" * 50)


@pytest.mark.parametrize("kind", ["empty", "truncated", "text"])
def test_case_16_damaged_media_fail_with_the_reason(studio, kind: str) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    damage(hot, kind)
    assert studio.counts(hot) == {"failed": 1}
    failed = hot.visible("failed")
    note = json.loads(failed["cut.fcpxml.error.json"])
    assert note["reason"] in {"MEDIA_DAMAGED", "MEDIA_UNSUPPORTED"}
    assert ".mov" in note["message"]
    assert note["what_to_do"]
    assert takes(hot) == []


@pytest.mark.parametrize("content", [b"", b"not a timeline", b"<fcpxml version='1.11'><resources>"])
def test_case_16_damaged_timelines_fail_with_the_reason(studio, content: bytes) -> None:
    hot = studio.hot()
    hot.incoming.mkdir()
    (hot.incoming / "cut.fcpxml").write_bytes(content)
    assert studio.counts(hot) == {"failed": 1}
    assert hot.visible("failed")["cut.fcpxml"] == content
    note = json.loads(hot.visible("failed")["cut.fcpxml.error.json"])
    assert note["reason"].startswith("DOCUMENT_")
    assert hot.visible("out") == {}


def test_a_second_failure_of_a_name_keeps_the_first(studio) -> None:
    hot = studio.hot()
    hot.incoming.mkdir()
    for content in (b"first", b"second"):
        (hot.incoming / "cut.fcpxml").write_bytes(content)
        assert studio.counts(hot) == {"failed": 1}
    failed = hot.visible("failed")
    assert (failed["cut.fcpxml"], failed["cut_2.fcpxml"]) == (b"first", b"second")
    assert {"cut.fcpxml.error.json", "cut_2.fcpxml.error.json"} < failed.keys()


def test_a_timeline_without_marks_says_so(studio) -> None:
    hot = studio.hot()
    path = hot.drop(studio.edit)
    path.write_text(path.read_text().replace("LTX:", "note:"))
    assert studio.counts(hot) == {"failed": 1}
    note = json.loads(hot.visible("failed")["cut.fcpxml.error.json"])
    assert note["reason"] == "DIRECTIVE_INVALID"


def test_one_mark_that_fails_does_not_fail_the_drop(studio) -> None:
    hot = studio.hot()
    path = hot.drop(studio.edit)
    path.write_text(path.read_text().replace("LTX: extend len=10", "LTX: extend len=nonsense"))
    assert studio.counts(hot) == {"incomplete": 1}
    assert hot.timelines() == ["done/cut.fcpxml"]
    assert len(takes(hot)) == TAKES - 1
    report = json.loads(hot.visible("out")["cut_report.json"])
    assert report["source"]["path"] == str(path), (
        "the report names the drop, not where it was worked on"
    )


def test_case_20_a_second_watch_is_refused_with_the_reason(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    state = hot.root / ".ltxbridge"
    state.mkdir()
    import fcntl

    with (state / "watch.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = studio.watch(hot)
    assert refused.returncode == 1
    assert hot.timelines() == ["in/cut.fcpxml"]
    assert studio.counts(hot) == {"delivered": 1}


def test_case_22_a_timeline_replaced_while_it_is_worked_on_is_worked_on_as_it_was(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    reached = studio.watch(hot, die_at=0).value["reached"]
    hot = studio.hot()
    dropped = hot.drop(studio.edit).read_bytes()
    assert studio.watch(hot, die_at=reached.index("point made") + 1).returncode != 0
    assert hot.timelines() == [".ltxbridge/work/cut.fcpxml"]
    hot.drop(studio.edit, note="replaced meanwhile")
    assert studio.counts(hot) == {"delivered": 2}
    assert hot.visible("done")["cut.fcpxml"] == dropped
    assert b"replaced meanwhile" in hot.visible("done")["cut_2.fcpxml"]
    assert b"replaced meanwhile" not in hot.visible("out")["cut_LTX.fcpxml"]


def test_case_22_a_timeline_removed_from_under_the_watch_is_let_go(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    reached = studio.watch(hot).value["reached"]
    hot = studio.hot()
    hot.drop(studio.edit)
    studio.watch(hot, die_at=reached.index("point claimed") + 1)
    next(hot.work.rglob("cut.fcpxml")).unlink()
    assert studio.counts(hot) == {}
    assert hot.timelines() == []
    assert list(hot.work.iterdir()) == []


def test_a_journal_that_was_tampered_with_loses_nothing_and_leads_nowhere(studio) -> None:
    hot = studio.hot()
    hot.drop(studio.edit)
    reached = studio.watch(hot).value["reached"]
    hot = studio.hot()
    hot.drop(studio.edit)
    studio.watch(hot, die_at=reached.index("point claimed") + 1)
    (journal,) = hot.work.rglob("claim.json")
    content = json.loads(journal.read_text())
    journal.write_text(json.dumps(content | {"relative": "../../escape/cut.fcpxml"}))
    assert studio.counts(hot) == {"failed": 1}
    assert hot.timelines() == ["failed/cut.fcpxml"]
    assert not (hot.root.parent / "escape").exists()


def test_originals_and_dropped_timelines_are_untouched(studio) -> None:
    hot = studio.hot()
    dropped = hot.drop(studio.edit).read_bytes()
    digests = {path: digest(path) for path in (hot.incoming / "media").iterdir()}
    studio.counts(hot)
    assert {path: digest(path) for path in (hot.incoming / "media").iterdir()} == digests
    assert hot.visible("done")["cut.fcpxml"] == dropped
    delivered = hot.visible("out")["cut_LTX.fcpxml"]
    assert delivered.count(b"file:///Volumes/SAN/show/media/") == dropped.count(
        b"file:///Volumes/SAN/show/media/"
    )


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
