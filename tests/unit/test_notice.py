"""Completion notices: a command that is told on standard input, and the desktop."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltxbridge.notice import Notice, Notifier, desktop_command, document

NOTICE = Notice(
    "ltxbridge: done", 'reel "1" <b>\n$(touch x)', Path("/out/A_LTX.fcpxml"), complete=True
)


def _script(folder, text):
    path = folder / "hook.py"
    path.write_text(text, encoding="utf-8")
    return (sys.executable, str(path))


def test_the_command_gets_the_notice_as_json_and_its_arguments_as_they_are(tmp_path):
    command = _script(
        tmp_path,
        "import json, sys\n"
        "open(sys.argv[1], 'w').write(json.dumps([json.load(sys.stdin), sys.argv[2:]]))\n",
    )
    told = tmp_path / "told.json"
    Notifier((*command, str(told), "$(touch y)", "a b")).tell(NOTICE)
    content, arguments = json.loads(told.read_text())
    assert content == {
        "schema": "ltxbridge.Notice.1",
        "title": NOTICE.title,
        "text": NOTICE.text,
        "path": str(NOTICE.path),
        "complete": True,
    }
    assert arguments == ["$(touch y)", "a b"]  # no shell ever read them
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hook.py", "told.json"]


@pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")
def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path, caplog):
    pids = tmp_path / "pids"
    command = _script(
        tmp_path,
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(60)\n",
    )
    started = time.monotonic()
    Notifier((*command, str(pids)), limit_s=1.5).tell(NOTICE)
    assert time.monotonic() - started < 20
    for pid in map(int, pids.read_text().split()):
        assert _ends(pid)
    assert "longer than 1.5 s" in caplog.text


def _ends(pid):
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            os.kill(pid, 0)
            status = Path(f"/proc/{pid}/stat")
            if status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    "command",
    [
        ("/no/such/program",),
        (sys.executable, "-c", "raise SystemExit(3)"),
        (sys.executable, "-c", "import os; os.close(0)"),
    ],
)
def test_what_fails_is_logged_without_the_words_and_never_raised(command, caplog):
    with caplog.at_level(logging.DEBUG):
        Notifier(command).tell(Notice("secret" * 5000, "secret", None, complete=False))
    assert "secret" not in caplog.text


def test_without_settings_nobody_is_told(caplog):
    Notifier().tell(NOTICE)
    assert caplog.text == ""


@given(
    st.builds(
        Notice, st.text(), st.text(), st.none() | st.just(Path("/x")), complete=st.booleans()
    ),
    st.sampled_from(["linux", "darwin", "win32"]),
)
def test_words_reach_the_desktop_as_arguments_only(notice, platform):
    argv = desktop_command(notice, platform=platform)
    if platform == "win32":
        assert argv == ()
        return
    *head, mark, title, text = argv
    assert mark == "--"
    assert (
        head == list(desktop_command(NOTICE, platform=platform))[:-3]
    )  # the same whatever is told
    assert all(character.isprintable() for character in title + text)
    if platform == "linux":
        assert not {"<", ">"} & set(text)


@given(st.text(), st.text())
def test_the_document_is_one_line_of_json(title, text):
    line = document(Notice(title, text, None, complete=True))
    assert line.count("\n") == 1
    assert json.loads(line)["text"] == text


@pytest.mark.skipif(os.name == "nt", reason="a script with a shebang")
def test_the_desktop_program_is_run_where_it_is_installed(tmp_path, monkeypatch):
    shown = tmp_path / "shown.json"
    program = tmp_path / "notify-send"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"open({str(shown)!r}, 'w').write(json.dumps(sys.argv[1:]))\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    Notifier(desktop=True, platform="linux").tell(NOTICE)
    assert json.loads(shown.read_text())[-2] == NOTICE.title
