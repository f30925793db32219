"""The other commands, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import ltxbridge
from support.credential_examples import verify_independently
from support.cutting_room import HANDLES, TAG_A, TAG_B, write_edit
from support.numbered import read_movie_numbers

from interchange.timebase import FrameRate
from sidecar.credentials.identity import ROOT_FILE
from sidecar.media.probe import probe_media

RATE = FrameRate(30000, 1001)


def takes_of(folder: Path, *options: str) -> list[Path]:
    edit = write_edit(folder / "job", rate=RATE, drop_frame=True)
    done = ltxbridge("process", edit.path, "--json", *options, folder=folder)
    return [Path(path) for path in json.loads(done.stdout)[0]["delivered"]]


def test_every_take_is_accepted_by_an_independent_verifier(short_dir: Path) -> None:
    takes = takes_of(short_dir)
    root = (short_dir / "state" / ROOT_FILE).read_bytes()
    assert len(takes) == 6
    for take in takes:
        assert take.with_suffix(".c2pa").is_file()
        assert verify_independently(take, root_pem=root)["validation_state"] in {"Valid", "Trusted"}
        assert "signed by this installation" in ltxbridge("verify", take, folder=short_dir).stdout


@pytest.mark.parametrize("box", [b"mdat", b"moov"])
def test_flipped_byte_makes_verify_fail_with_a_clear_line(short_dir: Path, box: bytes) -> None:
    take = takes_of(short_dir, "--engine", "identity")[0]
    raw = bytearray(take.read_bytes())
    raw[raw.index(box) + 4 + 200] ^= 0xFF
    take.write_bytes(raw)
    done = ltxbridge("verify", take, folder=short_dir, expect=2)
    assert "changed after" in done.stderr
    assert take.name in done.stderr


def test_plan_starts_nothing_and_says_exact_ranges(short_dir: Path) -> None:
    edit = write_edit(short_dir / "job", rate=RATE, drop_frame=True)
    before = sorted(short_dir.rglob("*"))
    text = ltxbridge("plan", edit.path, folder=short_dir).stdout
    document = json.loads(ltxbridge("plan", edit.path, "--json", folder=short_dir).stdout)
    assert sorted(short_dir.rglob("*")) == before
    assert "01:00:00;10 - 01:00:00;26" in text
    retake = next(take for take in document["takes"] if "retake" in take["mark"])
    assert retake["record_range"] == [edit.start + 10, edit.start + 26]
    assert retake["rate"] == "30000/1001"


def test_export_writes_plates_with_handles_and_a_record_each(short_dir: Path) -> None:
    edit = write_edit(short_dir / "job", rate=RATE, drop_frame=True)
    done = ltxbridge("export", edit.path, "--json", folder=short_dir)
    plates = {Path(entry["media"]).stem: entry for entry in json.loads(done.stdout)["plates"]}
    shots = {name: read_movie_numbers(Path(entry["media"])) for name, entry in plates.items()}

    assert shots["A001_one_plate"] == [(TAG_A, n) for n in range(30 - HANDLES, 46 + HANDLES)]
    facts = probe_media(Path(plates["A001_one_plate"]["media"]))
    assert (facts.start_frame, facts.drop_frame) == (edit.start + 30 - HANDLES, True)
    assert sum(name.endswith("outgoing") for name in shots) == 2
    incoming = next(n for n in shots if n.endswith("incoming") and "two" in n)
    assert (TAG_B, 10) in shots[incoming]
    record = json.loads(Path(plates["A001_one_plate"]["record"]).read_text())
    assert record["verb"] == "retake"
    assert record["prompt"] == "wider"
    assert not (short_dir / "state").exists(), "export needs no sidecar"


def test_jobs_of_a_running_sidecar_can_be_listed_shown_and_watched(
    short_dir: Path, running_sidecar: Path
) -> None:
    assert running_sidecar.is_file()
    takes = takes_of(short_dir, "--engine", "identity")
    listed = json.loads(ltxbridge("jobs", "list", "--json", folder=short_dir).stdout)
    assert len(listed) == len(takes) == 6
    name = listed[0]["name"]
    assert "succeeded" in ltxbridge("jobs", "show", name, folder=short_dir).stdout
    assert json.loads(ltxbridge("jobs", "watch", name, "--json", folder=short_dir).stdout)["take"]
    assert "succeeded" in ltxbridge("jobs", "cancel", name, folder=short_dir).stdout
    missing = ltxbridge("jobs", "show", "0" * 32, folder=short_dir, expect=2)
    assert "jobs list" in missing.stderr or "no job" in missing.stderr.lower()


def test_doctor_tells_what_works_and_what_is_missing(short_dir: Path) -> None:
    findings = json.loads(ltxbridge("doctor", "--json", folder=short_dir).stdout)
    assert findings
    assert "sidecar" in ltxbridge("doctor", folder=short_dir).stdout.lower()
