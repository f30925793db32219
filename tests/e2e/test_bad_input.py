"""What goes wrong in a cutting room: each gets a sentence that says what to do, and nothing is lost."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from support.command import ltxbridge
from support.cutting_room import Edit, write_edit
from support.faulty_filesystem import FaultyFileSystem
from support.numbered import write_numbered_movie

from interchange.errors import BridgeError, ExhaustedError, NotAllowedError
from interchange.timebase import FrameRate
from ltxbridge.cli.options import TakeChoices
from ltxbridge.cli.process import process_all
from sidecar.settings import load_settings

RATE = FrameRate(24000, 1001)


@pytest.fixture
def edit(short_dir: Path) -> Edit:
    return write_edit(short_dir / "job", rate=RATE, engine="identity")


def refusals(edit: Edit, folder: Path, *options: str) -> dict[str, str]:
    """What `plan` says of the marks it cannot meet: reason and message by mark."""
    done = ltxbridge("plan", edit.path, "--json", *options, folder=folder, expect=1)
    problems = json.loads(done.stdout)["problems"]
    return {problem["reason"]: problem["message"] for problem in problems}


def rewrite(edit: Edit, old: str, new: str) -> None:
    text = edit.path.read_text()
    assert old in text
    edit.path.write_text(text.replace(old, new))


def test_missing_media_is_said_to_be_relinked(edit: Edit, short_dir: Path) -> None:
    edit.originals[0].unlink()
    message = refusals(edit, short_dir)["MEDIA_NOT_FOUND"]
    assert edit.originals[0].name in message
    assert "Relink" in message


def test_media_outside_the_roots_is_refused_with_the_option_that_admits_it(
    edit: Edit, short_dir: Path
) -> None:
    elsewhere = short_dir / "elsewhere"
    elsewhere.mkdir()
    moved = elsewhere / edit.originals[0].name
    edit.originals[0].rename(moved)
    rewrite(edit, edit.originals[0].as_uri(), moved.as_uri())

    message = refusals(edit, short_dir)["PATH_OUTSIDE_ROOTS"]
    assert "--media-root" in message
    ltxbridge("plan", edit.path, "--media-root", elsewhere, folder=short_dir)


def test_variable_frame_rate_is_refused_with_what_to_do(edit: Edit, short_dir: Path) -> None:
    edit.originals[0].unlink()
    write_numbered_movie(
        edit.originals[0], rate=RATE, count=100, size=(192, 108), skip=frozenset({7, 9, 30})
    )
    message = refusals(edit, short_dir)["MEDIA_VARIABLE_RATE"]
    assert "constant" in message.lower()


def test_clip_longer_than_its_media_is_refused_with_the_number_of_frames(
    edit: Edit, short_dir: Path
) -> None:
    edit.originals[1].unlink()
    write_numbered_movie(
        edit.originals[1],
        rate=RATE,
        count=60,
        size=(192, 108),
        start_timecode="01:00:00:00",
        reel="B002",
    )
    message = refusals(edit, short_dir)["RANGE_PAST_MEDIA"]
    assert "10" in message


def test_picture_the_codec_cannot_hold_is_one_problem_of_each_mark_before_any_work(
    edit: Edit, short_dir: Path
) -> None:
    rewrite(edit, "LTX: retake len=16", "LTX: retake len=16 takes=3")
    done = ltxbridge("plan", edit.path, "--json", "--codec", "dnxhrhqx", folder=short_dir, expect=1)
    problems = json.loads(done.stdout)["problems"]
    assert {problem["reason"] for problem in problems} == {"TARGET_UNSUPPORTED"}
    assert all("--codec prores422hq" in problem["message"] for problem in problems)
    assert len(problems) == len(edit.expected())
    ltxbridge("plan", edit.path, folder=short_dir)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("LTX: retake len=16", "LTX: retak len=16", "retake"),
        ("LTX: retake len=16", "LTX: retake lenght=16", "len"),
        ("LTX: extend len=10", "LTX: extend", "len="),
        ("LTX: retake len=16", "LTX: retake len=400", "frames"),
        ("LTX: retake len=16", "LTX: restyle len=16", "restyle"),
    ],
)
def test_directive_that_cannot_be_met_says_what_is_right(
    edit: Edit, short_dir: Path, old: str, new: str, says: str
) -> None:
    rewrite(edit, old, new)
    messages = refusals(edit, short_dir)
    assert len(messages) == 1
    assert says in next(iter(messages.values()))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda text: text.replace("<!DOCTYPE fcpxml>", '<!DOCTYPE fcpxml [<!ENTITY a "b">]>'),
            "entit",
        ),
        (lambda text: text[: len(text) // 2], "line"),
        (lambda _: "", "line"),
        (lambda _: "just words", "line"),
        (lambda text: text.replace('version="1.11"', 'version="9.0"'), "version"),
    ],
    ids=["entity", "truncated", "empty", "no-xml", "version"],
)
@pytest.mark.parametrize("command", ["plan", "process", "export"])
def test_document_that_cannot_be_read_ends_with_2_and_a_sentence(
    edit: Edit, short_dir: Path, damage, says: str, command: str
) -> None:
    edit.path.write_text(damage(edit.path.read_text()))
    done = ltxbridge(command, edit.path, folder=short_dir, expect=2)
    assert done.stderr.startswith("ltxbridge: ")
    assert says in done.stderr.lower()


def test_timeline_that_is_not_there_ends_with_2(short_dir: Path) -> None:
    done = ltxbridge("plan", short_dir / "nothing.fcpxml", folder=short_dir, expect=2)
    assert "nothing.fcpxml" in done.stderr


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EROFS, NotAllowedError), (errno.ENOSPC, ExhaustedError)]
)
def test_output_that_cannot_be_written_leaves_no_half_delivery(
    edit: Edit, short_dir: Path, number: int, error: type[BridgeError]
) -> None:
    """Injected at the delivered timeline itself, after the takes are made: the worst moment."""
    settings = load_settings({"state_dir": short_dir / "state", "runtime_dir": short_dir / "run"})
    choices = TakeChoices(
        engine="identity",
        out=short_dir / "out",
        codec="prores422hq",
        handles=12,
        generated_handles=0,
        no_slate=False,
    )
    faulty = FaultyFileSystem("write", errno=number, only="_LTX.part.fcpxml")

    (_, result), *_ = process_all([edit.path], settings, choices, quiet=True, filesystem=faulty)

    assert isinstance(result, error)
    assert "--out" in result.message
    assert [path.name for path in (short_dir / "out").iterdir()] == ["takes"]
    (_, again), *_ = process_all([edit.path], settings, choices, quiet=True)
    assert not isinstance(again, BridgeError)
    assert len(list((short_dir / "out" / "takes").glob("*.mov"))) == 6


def test_wrong_token_ends_with_3_and_says_so(
    edit: Edit, short_dir: Path, running_sidecar: Path
) -> None:
    running_sidecar.write_text("0" * 64)
    done = ltxbridge("jobs", "list", folder=short_dir, expect=3)
    assert "token" in done.stderr
    done = ltxbridge("process", edit.path, folder=short_dir, expect=3)
    assert "token" in done.stderr


def test_jobs_without_a_sidecar_ends_with_3(short_dir: Path) -> None:
    done = ltxbridge("jobs", "list", folder=short_dir, expect=3)
    assert "ltxbridge serve" in done.stderr


def test_usage_errors_end_with_2(short_dir: Path) -> None:
    assert "Usage" in ltxbridge("process", folder=short_dir, expect=2).stderr
    ltxbridge("plan", "x.fcpxml", "--codec", "mpeg2", folder=short_dir, expect=2)
