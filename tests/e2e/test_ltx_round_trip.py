"""A marked timeline through the installed command and the LTX engine: what came back, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.command import ltxbridge
from support.cutting_room import HANDLES, TAG_A, Edit, write_edit
from support.delivered import read_delivered
from support.ltx_presets import write_presets
from support.placed import placed_takes

from interchange.timebase import FrameRate

SIZE = (96, 54)
TALL = (96, 172)
MARKS = {
    "LTX: regenerate seed=3": "LTX: restyle preset=in-context takes=2 context=sequence",
    "LTX: bridge len=7": "LTX: restyle preset=deblur",
    "LTX: extend len=10": "LTX: reframe aspect=9:16",
}


def marked(folder: Path) -> Edit:
    edit = write_edit(folder, rate=FrameRate(24000, 1001), engine="ltx-tiny", size=SIZE)
    text = edit.path.read_text(encoding="utf-8")
    for old, new in MARKS.items():
        assert old in text
        text = text.replace(old, new)
    edit.path.write_text(text, encoding="utf-8")
    return edit


def report_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads(next(folder.glob("*_report.json")).read_text(encoding="utf-8"))["requests"]


def test_marks_come_back_as_takes_and_one_that_cannot_be_made_says_why(short_dir: Path) -> None:
    edit, out = marked(short_dir / "job"), short_dir / "out"
    write_presets(short_dir / "state" / "presets")

    planned = json.loads(ltxbridge("plan", edit.path, "--json", folder=short_dir).stdout)
    notes = [note for take in planned["takes"] for note in take["words"]["notes"]]
    assert any("ltx-tiny makes 16 frames" in note and "to fill 10" in note for note in notes)
    ltxbridge("process", edit.path, "--out", out, folder=short_dir, expect=1)

    requests = report_of(out)
    (refused,) = (request for request in requests if request["state"] != "delivered")
    assert "ltx-2.3-22b-ic-lora-deblur-0.9.safetensors" in refused["error"]["message"]
    made = [request for request in requests if request["state"] == "delivered"]
    assert sorted(request["kind"] for request in made) == [
        "bridge", "generate", "reframe", "restyle", "restyle", "retake",
    ]  # fmt: skip

    placed = {
        media.name: (
            int(start / edit.rate.frame_duration) - edit.start,
            int(length / edit.rate.frame_duration),
        )
        for media, start, length, _ in placed_takes(next(out.glob("*_LTX.fcpxml")))
    }
    expected = {
        "retake": (10, 16), "bridge": (40, 10), "restyle": (50, 40), "generate": (150, 12),
        "reframe": (130, 40),
    }  # fmt: skip
    assert len(placed) == 6
    for request in made:
        path = Path(request["take"]["path"])
        assert placed[path.name] == expected[request["kind"]]
        take = read_delivered(path)
        retake = request["kind"] == "retake"
        assert take.count == expected[request["kind"]][1] + (2 * HANDLES if retake else 0)
        assert take.size == (TALL if request["kind"] == "reframe" else SIZE)
        assert take.rate == edit.rate.fraction
        if retake:
            assert take.numbers[:HANDLES] == [(TAG_A, 18 + n) for n in range(HANDLES)]
            assert take.numbers[-HANDLES:] == [(TAG_A, 46 + n) for n in range(HANDLES)]
        stated = json.loads(ltxbridge("verify", path, "--json", folder=short_dir).stdout)
        assert stated["generation"]["kind"] == request["kind"]
        assert stated["generation"]["model_identity"].startswith("sha256:")

    again = ltxbridge("process", edit.path, "--out", out, folder=short_dir, expect=1)
    assert "Traceback" not in again.stderr
    assert len(list((out / "takes").glob("*.mov"))) == 6
