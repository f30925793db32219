"""Every call of the box, answered by the real reader about sound files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.fcpxml_builder import Clip, Document, Mark
from support.numbered import write_numbered_movie

from interchange.errors import BridgeError, Reason
from interchange.formats.registry import format_for
from interchange.timebase import FrameRate
from sidecar.media.probe import probe_media
from sidecar.media.stills import encode_png, read_picture
from sidecar.readers.box import ReaderBox

RATE = FrameRate(25)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media").resolve() / "A001.mov"
    return write_numbered_movie(path, rate=RATE, count=12, size=(960, 540), codec="prores")


@pytest.fixture(scope="module")
def document(movie: Path) -> bytes:
    marks = (Mark(3, "LTX: retake len=4"), Mark(7, "LTX: nonsense"))
    return Document(RATE, [Clip(12, marks=marks)], url=movie.as_uri()).xml()


@pytest.fixture(scope="module")
def box() -> Iterator[ReaderBox]:
    with ReaderBox() as box:
        yield box


def test_a_timeline_reads_as_it_does_without_a_box(box: ReaderBox, document: bytes) -> None:
    path = Path("cut.fcpxml")
    reading = box.read_timeline(path, document)
    assert len(reading.segments) == len(reading.problems) == 1
    # The errors of problems are exceptions, which are only equal to themselves.
    assert repr(reading) == repr(format_for(path).read(document))


def test_a_movie_probes_and_shows_as_it_does_without_a_box(box: ReaderBox, movie: Path) -> None:
    assert box.probe_media(movie) == probe_media(movie)
    png = encode_png(read_picture(movie, 3), max_width_px=960)
    assert box.still_png(movie, 3, max_width_px=960) == png


def test_a_small_still_is_the_large_one_averaged(box: ReaderBox, movie: Path) -> None:
    """It is reduced before it is converted, to fit a reader's memory; nobody may see that."""
    expected = encode_png(read_picture(movie, 3), max_width_px=320)
    pictures = [
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
        for png in (box.still_png(movie, 3, max_width_px=320), expected)
    ]
    difference = np.abs(pictures[0] - pictures[1])
    # Where a colour is clipped, the order of clipping and averaging shows.
    assert np.percentile(difference, 99) <= 2
    assert difference.mean() < 0.2


def test_readiness_tells_whole_files_from_cut_ones(
    box: ReaderBox, movie: Path, tmp_path: Path
) -> None:
    assert box.media_opens(movie)
    cut = tmp_path / "cut.mov"
    cut.write_bytes(movie.read_bytes()[:20_000])
    assert not box.media_opens(cut)
    link = tmp_path / "folder"
    link.symlink_to(movie.parent)
    assert box.media_opens(link / movie.name)
    with pytest.raises(BridgeError) as caught:
        box.media_opens(tmp_path / "gone.mov")
    assert caught.value.reason is Reason.MEDIA_NOT_FOUND


def test_a_file_without_credentials_says_so(box: ReaderBox, movie: Path) -> None:
    with pytest.raises(BridgeError) as caught:
        box.verify_credentials(movie)
    assert caught.value.reason is Reason.CREDENTIALS_NOT_FOUND
