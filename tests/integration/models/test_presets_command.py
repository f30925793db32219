"""`ltxbridge presets`: what can be named on a mark, and what one lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ltxbridge.cli.main import run

LOOK = 'summary = "Mine."\nrecipe = "distilled"\n'
LACKING = LOOK + '[[lora]]\npath = "nowhere.safetensors"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LTXBRIDGE_STATE_DIR", str(tmp_path))
    (tmp_path / "presets").mkdir()
    return tmp_path / "presets"


def test_ones_own_stand_beside_the_shipped_and_a_broken_one_hides_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.toml").write_text(LOOK)
    (folder / "lacking.toml").write_text(LACKING)
    (folder / "broken.toml").write_text("recipe = 'tow-stage'\n")
    assert run(["presets", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in document["presets"]}
    assert rows["mine"]["problem"] == rows["two-stage"]["problem"] == ""
    assert "nowhere.safetensors" in rows["lacking"]["problem"]
    assert "two-stage" in rows["broken"]["problem"]
    assert document["folder"] == str(folder)


def test_the_page_says_what_is_lacking_under_its_preset(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lacking.toml").write_text(LACKING)
    assert run(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("lacking"))
    assert lines[at].endswith("Mine.")
    assert "nowhere.safetensors" in lines[at + 1]
    assert str(folder) in lines[-1]
