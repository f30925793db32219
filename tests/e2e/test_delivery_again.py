"""What a second run leaves alone, and what it makes anew."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.command import ltxbridge
from support.cutting_room import Edit, write_edit

from interchange.timebase import FrameRate
from ltxbridge.roundtrip.process import report_stem


@pytest.fixture
def edit(short_dir: Path) -> Edit:
    return write_edit(short_dir / "job", rate=FrameRate(25), engine="identity")


def process(edit: Edit, folder: Path, *options: str) -> dict[str, list[str]]:
    done = ltxbridge("process", edit.path, "--json", *options, folder=folder)
    (document,) = json.loads(done.stdout)
    return document


def test_a_take_that_was_damaged_is_made_again_beside_it(edit: Edit, short_dir: Path) -> None:
    first = process(edit, short_dir)["delivered"]
    damaged = Path(first[0])
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)

    second = process(edit, short_dir)["delivered"]
    assert second[1:] == first[1:]
    assert second[0] != first[0]
    assert damaged.read_bytes() == content, "what somebody changed is theirs"


@pytest.mark.usefixtures("running_sidecar")
def test_four_terminals_at_once_get_one_delivery(edit: Edit, short_dir: Path) -> None:
    with ThreadPoolExecutor(4) as terminals:
        runs = [terminals.submit(process, edit, short_dir) for _ in range(4)]
        deliveries = [run.result() for run in runs]
    assert all(delivery == deliveries[0] for delivery in deliveries)
    assert len(deliveries[0]["delivered"]) == 6
    left = sorted(path.name for path in (edit.path.parent / "out").iterdir())
    assert left == [
        f"{edit.path.stem}_LTX.fcpxml",
        f"{edit.path.stem}_report.html",
        f"{edit.path.stem}_report.json",
        "takes",
    ]


def test_paths_are_mapped_once_where_a_mapping_leads_into_itself(
    edit: Edit, short_dir: Path
) -> None:
    inner = short_dir / "job" / "here" / "media"
    inner.parent.mkdir()
    (short_dir / "job" / "media").rename(inner)
    outer = short_dir / "job"
    delivered = process(edit, short_dir, "--map", f"{outer}={outer / 'here'}")["delivered"]
    assert len(delivered) == 6


@pytest.mark.parametrize(
    ("source", "delivered", "stem"),
    [
        ("cut", "cut_LTX", "cut_report"),
        ("cut", "cut_LTX_v002", "cut_report_v002"),
        ("cut_v002", "cut_v002_LTX", "cut_v002_report"),
        ("cut_LTX", "cut_LTX_LTX", "cut_LTX_report"),
        ("cut_LTX", None, "cut_LTX_report"),
        ("cut", None, "cut_report"),
    ],
)
def test_no_two_timelines_share_a_report(source: str, delivered: str | None, stem: str) -> None:
    written = Path(f"{delivered}.fcpxml") if delivered else None
    assert report_stem(Path(f"{source}.fcpxml"), written) == stem
