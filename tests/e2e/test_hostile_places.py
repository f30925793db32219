"""Every place a command line takes: what is no plain file or folder of ours is refused in a sentence, and soon."""

import os
import subprocess

import pytest
from support.command import environment, ltxbridge, program

HOSTILE = (
    "http://127.0.0.1:9/x",
    "\\\\server\\share\\x",
    "/dev/zero",
    "pipe",
    "loop",
)

COMMANDS = {
    "plan": ("plan", "{}"),
    "process": ("process", "{}"),
    "verify": ("verify", "{}"),
    "export": ("export", "{}"),
    "pki join": ("pki", "join", "{}"),
    "config": ("plan", "--config", "{}", "x.fcpxml"),
    "watch": ("watch", "{}"),
}


@pytest.fixture
def places(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "x.fcpxml").write_text("<fcpxml/>")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_place_is_refused_soon(places, command):
    for place in HOSTILE:
        done = subprocess.run(
            [program(), *(word.format(place) for word in COMMANDS[command])],
            cwd=places,
            env=environment(places),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2, f"{place}: {done.returncode} {done.stdout} {done.stderr}"
        assert "Traceback" not in done.stderr, place
        assert "fault of ours" not in done.stderr, f"{place}: {done.stderr}"
        assert done.stderr.strip(), place
    assert {path.name for path in places.iterdir()} <= {"pipe", "loop", "x.fcpxml", "state", "run"}


def test_pki_by_command_line_from_nothing_to_a_joined_machine(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    file = tmp_path / "anna.enrolment"
    ltxbridge("pki", "enrol", "anna", "-o", file, folder=here, expect=2)
    ltxbridge("pki", "init", "--host", "10.0.0.5", folder=here)
    ltxbridge("pki", "init", "--host", "10.0.0.5", folder=here, expect=2)
    ltxbridge("pki", "enrol", "anna", "-o", file, folder=here)
    ltxbridge("pki", "enrol", "../anna", "-o", tmp_path / "x", folder=here, expect=2)
    assert "10.0.0.5:50051" in file.read_text()
    assert (
        "--server studio" in ltxbridge("pki", "join", file, "--as", "studio", folder=there).stdout
    )
    ltxbridge("pki", "join", file, "--as", "../studio", folder=there, expect=2)
    assert "editor" in ltxbridge("pki", "list", folder=here).stdout
    shown = ltxbridge("pki", "list", "--json", folder=here).stdout
    assert '"name": "anna"' in shown
    assert "token" not in shown
    ltxbridge("pki", "revoke", "anna", folder=here)
    assert "revoked" in ltxbridge("pki", "list", folder=here).stdout
    ltxbridge("pki", "revoke", "anna", folder=here, expect=2)
