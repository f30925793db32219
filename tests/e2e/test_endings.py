"""How commands end: exit codes, JSON for scripts on every path, and readers that walk away."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.command import environment, ltxbridge, program


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("plan", "nowhere/x.fcpxml"), 2, "FILE_NOT_FOUND"),
        (("export", "nowhere/x.fcpxml"), 2, "FILE_NOT_FOUND"),
        (("verify", "nowhere.mov"), 2, None),
        (("plan", "--handles", "-3", "x.fcpxml"), 2, "INVALID_ARGUMENT"),
        (("jobs", "list"), 3, "SIDECAR_UNREACHABLE"),
        (("jobs", "watch", "0123"), 3, "SIDECAR_UNREACHABLE"),
    ],
)
def test_a_script_gets_json_also_where_a_command_fails(
    short_dir: Path, arguments: tuple[str, ...], code: int, reason: str | None
) -> None:
    done = ltxbridge(*arguments, "--json", folder=short_dir, expect=code)
    error = json.loads(done.stdout)["error"]
    assert error["message"]
    assert reason in {None, error["reason"]}
    assert done.stderr


def test_without_json_nothing_is_on_standard_output(short_dir: Path) -> None:
    assert ltxbridge("plan", "x.fcpxml", folder=short_dir, expect=2).stdout == ""


def test_a_reader_that_has_seen_enough_is_no_failure(short_dir: Path) -> None:
    with subprocess.Popen(
        [program(), "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(short_dir),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_timeline_that_is_not_there_leaves_no_folders(short_dir: Path) -> None:
    missing = short_dir / "typo" / "x.fcpxml"
    ltxbridge("process", missing, folder=short_dir, expect=2)
    assert not missing.parent.exists()
