"""A parser of another author agrees on the exact times of a written timeline, at fractional rates.

OTIO's FCPXML reader is wrong there: it reads a contiguous 23.976 spine as 49 frames, a gap of 3, 49 frames, so
it cannot be the judge (see docs/adr on patching in place). fcp-mcp keeps every time as a pair of integers.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from support.fcpxml_builder import Clip, Document, Gap, Mark
from support.placements import place

from interchange.formats.fcpxml import apply_takes, read_fcpxml
from interchange.timebase import FrameRate, TimeRange

parser = pytest.importorskip(
    "fcp_mcp.fcpxml.parser",
    reason="needs fcp-mcp, a second FCPXML parser (the `test` group has it)",
)

FIRST = Clip(53, source_in=17, name="first", marks=(Mark(50, "LTX: bridge len=6"),))
CONNECTED = Clip(31, source_in=3, name="over", lane=1, at=7, marks=(Mark(4, "LTX: retake len=9"),))
SECOND = Clip(
    47, source_in=111, name="second", connected=(CONNECTED,), marks=(Mark(1, "LTX: retake len=5"),)
)


def exact(time: Any) -> Fraction:
    return Fraction(time.numerator, time.denominator)


def seen(path: Path) -> tuple[dict[str, tuple[Fraction, Fraction, Fraction]], Any]:
    """Absolute start, duration and source start of every clip, by the other parser's own arithmetic."""
    document = parser.FCPXMLParser().parse(path)
    sequence = document.library.events[0].projects[0].sequence
    found = {}
    for clip in sequence.spine.clips:
        found[clip.name] = (exact(clip.offset), exact(clip.duration), exact(clip.start))
        for child in clip.connected_clips:
            start = exact(clip.offset + child.offset - clip.start)
            found[child.name] = (start, exact(child.duration), exact(child.start))
    return found, document


@pytest.mark.parametrize(
    ("rate", "start", "drop_frame"),
    [
        (FrameRate(24000, 1001), 86_400, False),
        (FrameRate(30000, 1001), 107_892, True),
        (FrameRate(60000, 1001), 215_784, True),
        (FrameRate(120000, 1001), 432_000, False),
        (FrameRate(24000, 1001), 0, False),
    ],
    ids=["23.976", "29.97 DF", "59.94 DF", "119.88", "23.976 from zero"],
)
def test_other_parser_sees_takes_and_originals_on_the_same_fractions(
    tmp_path: Path, rate: FrameRate, start: int, drop_frame: bool
) -> None:
    document = Document(
        rate, [FIRST, Gap(13), SECOND], start=start, drop_frame=drop_frame, asset_start=start + 1234
    )
    raw = document.xml()
    windows = {
        "bridge": TimeRange.of_length(start + 50, 6, rate),
        "second": TimeRange.of_length(start + 67, 5, rate),
        "over": TimeRange.of_length(start + 77, 9, rate),
    }
    bridge, second, over = read_fcpxml(raw).segments
    assert [each.mark_range.start for each in (bridge, second, over)] == [
        window.start for window in windows.values()
    ]
    placements = [
        place(segment, window, url=f"file:///takes/{name}.mov")
        for segment, (name, window) in zip((bridge, second, over), windows.items(), strict=True)
    ]
    original, delivered = tmp_path / "original.fcpxml", tmp_path / "delivered.fcpxml"
    original.write_bytes(raw)
    delivered.write_bytes(apply_takes(raw, placements).data)

    before, _ = seen(original)
    after, document_seen = seen(delivered)
    assert {name: after[name] for name in before} == before
    for placement, (name, window) in zip(placements, windows.items(), strict=True):
        take = placement.take
        assert after[f"{name}.mov"] == (
            window.start * rate.frame_duration,
            window.length * rate.frame_duration,
            take.source_range.start * rate.frame_duration,
        )
        (asset,) = (each for each in document_seen.assets.values() if each.name == f"{name}.mov")
        assert exact(asset.start) == take.media_range.start * rate.frame_duration
        assert exact(asset.duration) == take.media_range.length * rate.frame_duration
        form = document_seen.formats[asset.format_ref]
        assert exact(form.frame_duration) == rate.frame_duration
