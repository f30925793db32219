"""`ltxbridge watch` as it is installed: a drop with media beside it, a signal, a second watch, a dead sidecar."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.command import environment, ltxbridge, program
from support.cutting_room import Edit, write_edit
from support.hot_folders import Hot

from interchange.timebase import FrameRate
from ltxbridge.demo.project import write_demo_project

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture
def edit(short_dir: Path) -> Edit:
    return write_edit(short_dir / "src", rate=FrameRate(25), engine="identity")


@pytest.fixture
def hot(short_dir: Path) -> Hot:
    (short_dir / "hot").mkdir()
    return Hot(short_dir / "hot")


@contextmanager
def watching(hot: Hot, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A watch that runs until the block ends, and is killed if it does not stop then."""
    with subprocess.Popen(
        [program(), "watch", hot.root, "--settle", "0.2", "--json"],
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert next_event(process)["kind"] == "watching"
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def next_event(process: subprocess.Popen[str], *kinds: str) -> dict[str, str]:
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, str] = json.loads(line)
        if not kinds or event["kind"] in kinds:
            return event
    raise AssertionError("the watch ended")


def test_the_demo_project_comes_back_and_its_originals_are_untouched(short_dir: Path) -> None:
    root = short_dir / "hot"
    root.mkdir()
    timeline = write_demo_project(root / "in")
    originals = {path: digest(path) for path in (root / "in").rglob("*.mov")}
    assert originals
    document = timeline.read_bytes()
    # One of its five marks is there to be refused.
    options = ("--once", "--settle", "0.2", "--engine", "identity", "--json")
    done = ltxbridge("watch", root, *options, folder=short_dir, expect=1)
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds == ["watching", "claimed", "incomplete"]
    assert {path: digest(path) for path in (root / "in").rglob("*.mov")} == originals
    assert (root / "done" / timeline.name).read_bytes() == document
    assert list((root / "out").glob("*_LTX.fcpxml"))
    assert len(list((root / "out" / "takes").glob("*.mov"))) == 4


@posix
def test_dropped_while_it_watches_and_stopped_by_sigterm(
    edit: Edit, hot: Hot, short_dir: Path
) -> None:
    with watching(hot, short_dir) as process:
        hot.drop(edit)
        event = next_event(process, "delivered", "failed", "incomplete")
        assert (event["kind"], event["document"]) == ("delivered", "cut.fcpxml")
        assert Path(event["path"]).is_file()

        second = ltxbridge("watch", hot.root, folder=short_dir, expect=2)
        assert "Another watch works with" in second.stderr

        process.send_signal(signal.SIGTERM)
        assert next_event(process)["kind"] == "stopped"
        assert process.wait(60) == 0
    status = json.loads((hot.root / ".ltxbridge" / "status.json").read_text())
    assert status["state"] == "stopped"
    links = (hot.root / "out" / "cut_LTX.fcpxml").read_text()
    assert "file:///Volumes/SAN/show/media/A001" in links


@posix
def test_a_sidecar_of_its_own_that_is_killed_is_started_again(
    edit: Edit, hot: Hot, short_dir: Path
) -> None:
    discovery = short_dir / "state" / "sidecar.json"
    with watching(hot, short_dir) as process:
        hot.drop(edit)
        next_event(process, "claimed")
        give_up = time.monotonic() + 60
        while not discovery.exists():
            assert time.monotonic() < give_up
            time.sleep(0.02)
        os.kill(json.loads(discovery.read_text())["pid"], signal.SIGKILL)
        assert next_event(process, "delivered", "failed", "incomplete")["kind"] == "delivered"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert len(list((hot.root / "out" / "takes").glob("*.mov"))) == 6
    assert not list((hot.root / "out" / "takes").glob(".*.part"))


def test_a_running_sidecar_that_may_not_use_the_folder_is_named(
    running_sidecar: Path, short_dir: Path, tmp_path: Path
) -> None:
    assert running_sidecar.exists()
    refused = ltxbridge("watch", tmp_path, "--once", folder=short_dir, expect=2)
    assert "serve --media-root" in refused.stderr


def test_a_folder_that_is_not_there_is_not_made(short_dir: Path) -> None:
    refused = ltxbridge("watch", short_dir / "missing", folder=short_dir, expect=2)
    assert "mount its disk" in refused.stderr
    assert not (short_dir / "missing").exists()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
