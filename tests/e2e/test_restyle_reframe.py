"""Restyles and reframes through the whole product: a take of another size on the timeline, kept pixels in place."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import av
import numpy as np
from support.command import ltxbridge
from support.cutting_room import TAG_A, TAG_B, write_edit
from support.numbered import read_movie_numbers, read_number

from interchange.timebase import FrameRate
from sidecar.media.probe import probe_media

RATE = FrameRate(24000, 1001)
WIDTH, HEIGHT = 192, 108
TALL = 342
"""192 * 16 / 9 is 341.3; the next even number."""
TOP = 116
"""Half of what is added, 117, on an even line."""


def test_reframe_and_restyle_come_back_on_the_timeline(short_dir: Path) -> None:
    edit = write_edit(short_dir / "job", rate=RATE, engine="identity", size=(WIDTH, HEIGHT))
    text = edit.path.read_text()
    text = text.replace(
        "LTX: regenerate seed=3 engine=identity", "LTX: reframe aspect=9:16 engine=identity"
    )
    text = text.replace("LTX: retake len=16", "LTX: restyle context=sequence")
    edit.path.write_text(text)

    planned = json.loads(ltxbridge("plan", edit.path, "--json", folder=short_dir).stdout)
    words = {take["words"]["kind"]: take["words"] for take in planned["takes"]}
    assert words["reframe"]["picture"] == f"192x{TALL} around the original's 192x108 at 0,{TOP}"
    restyle = next(take for take in planned["takes"] if take["words"]["kind"] == "restyle")
    # Five frames of the shot after the gap: as many as the engine looks at on a side.
    assert [(Path(span["path"]), span["record_range"]) for span in restyle["references"]] == [
        (edit.originals[1], [edit.start + 50, edit.start + 55])
    ]
    assert any("'LTX: reframe" in note for note in words["restyle"]["notes"])

    ltxbridge("process", edit.path, "--out", short_dir / "out", folder=short_dir)

    report = json.loads(next((short_dir / "out").glob("*_report.json")).read_text())
    takes = {request["kind"]: request["take"] for request in report["requests"]}
    restyled, reframed = (Path(takes[kind]["path"]) for kind in ("restyle", "reframe"))
    assert read_movie_numbers(restyled) == [(TAG_A, 20 + n) for n in range(40)]
    check_reframed(reframed, first=30, length=40)
    check_format(next((short_dir / "out").glob("*_LTX.fcpxml")), reframed)


def check_reframed(path: Path, *, first: int, length: int) -> None:
    """Every frame: the source's own picture where it was planned, black above and below."""
    raster = probe_media(path).raster
    assert (raster.width_px, raster.height_px) == (WIDTH, TALL)
    with av.open(path) as container:
        pictures = [
            frame.to_ndarray(format="rgb24").astype(np.float32) / 255
            for frame in container.decode(video=0)
        ]
    assert len(pictures) == length
    for number, picture in enumerate(pictures, start=first):
        assert read_number(picture[TOP : TOP + HEIGHT]) == (TAG_B, number)
        # The codec's blocks may ring over the edge; beyond them it is black.
        assert picture[: TOP - 16].max() < 0.02
        assert picture[TOP + HEIGHT + 16 :].max() < 0.02


def check_format(document: Path, media: Path) -> None:
    """The take has a format of its own, and none of the original's framing."""
    root = ET.parse(document).getroot()  # noqa: S314 - our own file
    (asset,) = (each for each in root.iter("asset") if each.get("name") == media.name)
    form = next(each for each in root.iter("format") if each.get("id") == asset.get("format"))
    assert (form.get("width"), form.get("height")) == ("192", str(TALL))
    clip = next(each for each in root.iter("asset-clip") if each.get("ref") == asset.get("id"))
    assert clip.get("format") == form.get("id")
    assert not any(child.tag.startswith(("adjust-", "filter-")) for child in clip)
