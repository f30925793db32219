"""The whole product, as an editor uses it: a marked FCPXML and its media in, a relinked one and takes out.

Everything goes through the installed `ltxbridge` command and a real sidecar. The media carry their frame number
in the pixels, so that every frame of every take can be told from its neighbours.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from support.command import ltxbridge
from support.cutting_room import HANDLES, TAG_A, write_edit
from support.numbered import read_movie_numbers
from support.placed import placed_takes

from interchange.timebase import FrameRate
from sidecar.media.probe import probe_media

RATES = [
    pytest.param(FrameRate(24000, 1001), False, id="23.976"),
    pytest.param(FrameRate(24), False, id="24"),
    pytest.param(FrameRate(25), False, id="25"),
    pytest.param(FrameRate(30000, 1001), True, id="29.97DF"),
    pytest.param(FrameRate(30), False, id="30"),
    pytest.param(FrameRate(50), False, id="50"),
    pytest.param(FrameRate(60000, 1001), False, id="59.94"),
    pytest.param(FrameRate(120000, 1001), False, id="119.88"),
]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("rate", "drop_frame"), RATES)
def test_process_with_identity_puts_the_asked_frames_on_the_timeline(
    rate: FrameRate, drop_frame: bool, short_dir: Path
) -> None:
    edit = write_edit(short_dir / "job", rate=rate, drop_frame=drop_frame)
    before = {path: digest(path) for path in (edit.path, *edit.originals)}

    ltxbridge(
        "process", edit.path, "--engine", "identity", "--out", short_dir / "out", folder=short_dir
    )

    assert {path: digest(path) for path in before} == before
    takes = placed_takes(next((short_dir / "out").glob("*_LTX.fcpxml")))
    assert len(takes) == 6
    wanted = edit.expected()
    for media, record_start, duration, source_offset in takes:
        start = (record_start / rate.frame_duration) - edit.start
        length = duration / rate.frame_duration
        first = source_offset / rate.frame_duration
        assert {start.denominator, length.denominator, first.denominator} == {1}
        verb, frames = next(
            (verb, frames)
            for verb, (at, frames) in wanted.items()
            if at == start and len(frames) == length
        )
        shown = read_movie_numbers(media)[int(first) : int(first + length)]
        if verb == "generate":
            assert [number for _, number in shown] == [number for _, number in frames]
        else:
            assert shown == frames, verb
        wanted.pop(verb)
    assert not wanted


@pytest.mark.parametrize(("rate", "drop_frame"), [RATES[0], RATES[3]])
def test_retake_media_carry_the_sources_own_handles_and_timecode(
    rate: FrameRate, drop_frame: bool, short_dir: Path
) -> None:
    edit = write_edit(short_dir / "job", rate=rate, drop_frame=drop_frame)
    ltxbridge("process", edit.path, "--out", short_dir / "out", folder=short_dir)
    report = json.loads(next((short_dir / "out").glob("*_report.json")).read_text())
    retake = next(r for r in report["requests"] if r["kind"] == "retake")
    facts = probe_media(Path(retake["take"]["path"]))
    numbers = read_movie_numbers(Path(retake["take"]["path"]))

    assert facts.frame_rate == rate
    assert facts.frame_count == 16 + 2 * HANDLES
    assert (facts.start_frame, facts.drop_frame) == (edit.start + 30 - HANDLES, drop_frame)
    assert numbers[:HANDLES] == [(TAG_A, 18 + n) for n in range(HANDLES)]
    assert numbers[-HANDLES:] == [(TAG_A, 46 + n) for n in range(HANDLES)]


def test_animatic_takes_have_the_right_length_and_place_at_every_kind(short_dir: Path) -> None:
    edit = write_edit(short_dir / "job", rate=FrameRate(24000, 1001))
    ltxbridge("process", edit.path, "--out", short_dir / "out", folder=short_dir)

    places = {
        (
            int(start / edit.rate.frame_duration) - edit.start,
            int(duration / edit.rate.frame_duration),
        )
        for _, start, duration, _ in placed_takes(next((short_dir / "out").glob("*_LTX.fcpxml")))
    }
    assert places == {(at, len(frames)) for at, frames in edit.expected().values()}


def test_process_again_takes_the_takes_that_are_there(short_dir: Path) -> None:
    edit = write_edit(short_dir / "job", rate=FrameRate(25))
    for _ in range(2):
        ltxbridge(
            "process",
            edit.path,
            "--engine",
            "identity",
            "--out",
            short_dir / "out",
            folder=short_dir,
        )

    assert len(list((short_dir / "out" / "takes").glob("*.mov"))) == 6
    assert len(list((short_dir / "out").glob("*.fcpxml"))) == 1


def test_process_with_a_mark_that_cannot_be_met_delivers_the_rest(short_dir: Path) -> None:
    edit = write_edit(short_dir / "job", rate=FrameRate(25), engine="identity")
    text = edit.path.read_text().replace("LTX: extend len=10", "LTX: extnd len=10")
    edit.path.write_text(text)

    done = ltxbridge(
        "process", edit.path, "--out", short_dir / "out", "--json", folder=short_dir, expect=1
    )

    report = json.loads(next((short_dir / "out").glob("*_report.json")).read_text())
    refused = [r for r in report["requests"] if r["state"] == "refused"]
    assert len(report["requests"]) == 6
    assert len(refused) == 1
    assert "extend" in refused[0]["error"]["message"]
    assert json.loads(done.stdout)
