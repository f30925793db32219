"""The stills before a take show what the timeline shows, by the planner's own sampling rule."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.marked import clip, segment
from support.numbered import read_number, write_numbered_movie

from interchange.model.segment import MediaLink
from interchange.timebase import FrameRate, TimeRange
from ltxbridge.roundtrip.contact_sheet import stills_before
from sidecar.media.probe import probe_media
from sidecar.readers.box import ReaderBox

RATE = FrameRate(25)


@pytest.mark.parametrize(
    ("speed", "offset", "shown"),
    [
        (Fraction(1), Fraction(20, 25), [20, 21, 22, 23, 24]),
        (Fraction(2), Fraction(20, 25), [20, 22, 24, 26, 28]),
        # From the end of frame 39 backwards: 39 first, not 40.
        (Fraction(-1), Fraction(40, 25), [39, 38, 37, 36, 35]),
    ],
    ids=["forward", "double", "reverse"],
)
def test_stills_before_show_the_frames_on_the_timeline(
    tmp_path: Path, speed, offset, shown
) -> None:
    movie = write_numbered_movie(tmp_path / "a.mov", rate=RATE, count=60)
    facts = probe_media(movie)
    used = clip(
        "A", start=100, length=5, speed=speed, source_offset=offset,
        media=MediaLink(movie.as_uri(), "a.mov", Fraction(0), None),
    )  # fmt: skip
    with ReaderBox() as box:
        stills = stills_before(
            segment("LTX: retake", used),
            TimeRange(100, 105, RATE),
            facts_of=lambda _link: facts,
            box=box,
        )

    pictures = [cv2.imdecode(np.frombuffer(s.png, np.uint8), cv2.IMREAD_COLOR) for s in stills]
    assert [read_number(p.astype(np.float32) / 255)[1] for p in pictures] == shown
