"""The oracle by other authors: OpenTimelineIO reads what we wrote, GStreamer Editing Services renders it.

Every rendered frame says in its pixels which movie and which of its frames it is. Only whole rates: at 24000/1001
and its kin OpenTimelineIO's FCPXML reader rounds each clip on its own (a contiguous 23.976 spine of 50 + 50 + 50
frames comes back as 49 + gap 3 + 49 + gap 3 + 49), so there it proves nothing; at those rates the Fractions are
compared with a second parser instead, in the interchange tests. The sequence starts at 00:00:00:00, because the
reader turns any other start into a gap of that length; the media start at 01:00:00:00.
"""

from __future__ import annotations

import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.numbered import read_movie_numbers, write_numbered_movie

from interchange.formats.fcpxml import apply_takes, read_fcpxml
from interchange.model.media import Raster
from interchange.model.segment import Segment
from interchange.model.take import Placement, Take
from interchange.timebase import FrameRate, TimeRange, format_timecode

SIZE = (320, 180)
MOVIE_FRAMES = 80
HANDLES = 6
ADAPTERS_RATE = r"\(fraction\)30/1"
"""The adapter has GES compose at 30 frames a second whatever the timeline's rate is."""
TAG_A, TAG_B, TAG_RETAKE, TAG_EXTEND = 1, 2, 3, 4


@dataclass(frozen=True)
class _Shot:
    """A clip of the test timeline: `length` frames from `source` of a movie, at record frame `record`."""

    tag: int
    record: int
    source: int
    length: int


SHOTS = (
    _Shot(TAG_A, record=0, source=7, length=20),
    _Shot(TAG_B, record=20, source=31, length=20),
    _Shot(TAG_A, record=40, source=40, length=20),
)
RETAKEN = TimeRange(24, 34, FrameRate(25))
EXTENDED = TimeRange(60, 68, FrameRate(25))


def _expected(*, takes: bool) -> list[tuple[int, int]]:
    shown = [(shot.tag, shot.source + n) for shot in SHOTS for n in range(shot.length)]
    if takes:
        shown[RETAKEN.start : RETAKEN.end] = [
            (TAG_RETAKE, HANDLES + n) for n in range(RETAKEN.length)
        ]
        shown += [(TAG_EXTEND, n) for n in range(EXTENDED.length)]
    return shown


def _document(folder: Path, rate: FrameRate, hour: int) -> bytes:
    def at(frames: int) -> str:
        return f"{frames * rate.denominator}/{rate.numerator}s"

    def clip(index: int, shot: _Shot, inside: str) -> str:
        return (
            f'<asset-clip ref="r{shot.tag + 1}" name="shot {index}" offset="{at(shot.record)}" '
            f'start="{at(hour + shot.source)}" duration="{at(shot.length)}" tcFormat="NDF">'
            f"{inside}</asset-clip>"
        )

    def marker(frame: int, text: str) -> str:
        return f'<marker start="{at(hour + frame)}" duration="{at(1)}" value="{text}"/>'

    marks = ("", marker(35, "LTX: retake len=10"), marker(59, "LTX: extend len=8"))
    clips = [clip(i, shot, mark) for i, (shot, mark) in enumerate(zip(SHOTS, marks, strict=True))]
    assets = [
        f'<asset id="r{tag + 1}" name="{name}" src="{(folder / name).as_uri()}" start="{at(hour)}" '
        f'duration="{at(MOVIE_FRAMES)}" hasVideo="1" format="r1"/>'
        for tag, name in ((TAG_A, "A.mov"), (TAG_B, "B.mov"))
    ]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE fcpxml>

<fcpxml version="1.8">
<resources><format id="r1" frameDuration="{at(1)}" width="{SIZE[0]}" height="{SIZE[1]}"/>
{"".join(assets)}</resources>
<library><event name="e"><project name="p">
<sequence format="r1" duration="{at(60)}" tcStart="0s" tcFormat="NDF"><spine>
{"".join(clips)}
</spine></sequence></project></event></library></fcpxml>
""".encode()


def _placement(segment: Segment, path: Path, record: TimeRange, handles: int) -> Placement:
    start = 3600 * record.rate.nominal
    media = TimeRange.of_length(start, record.length + 2 * handles, record.rate)
    return Placement(
        segment=segment,
        take=Take(
            path=str(path),
            manifest_path="",
            sha256="",
            size_bytes=path.stat().st_size,
            record_range=record,
            media_range=media,
            head_handle_frames=handles,
            drop_frame=False,
            raster=Raster(*SIZE),
            codec="h264",
            reel="",
            audio_channels=0,
            audio_sample_rate_hz=0,
            engine="identity",
            engine_version="1",
            model_identity="",
            seed=0,
        ),
        url=path.as_uri(),
    )


def _movie(folder: Path, name: str, *, rate: FrameRate, count: int, tag: int, start: int) -> Path:
    return write_numbered_movie(
        folder / name,
        rate=rate,
        count=count,
        size=SIZE,
        tag=tag,
        start_timecode=format_timecode(start, rate),
    )


def _rendered(document: bytes, folder: Path, *, rate: FrameRate) -> list[tuple[int, int]]:
    """What GES shows for a document, frame by frame."""
    import opentimelineio as otio

    source = folder / "cut.fcpxml"
    source.write_bytes(document)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the adapters' own
        found = otio.adapters.read_from_file(str(source), adapter_name="fcpx_xml")
        while isinstance(found, otio.schema.SerializableCollection):
            found = found[0]
        if isinstance(found, otio.schema.Stack):
            timeline = otio.schema.Timeline("cut")
            timeline.tracks = found
        else:
            timeline = found
        for clip in timeline.find_clips():
            # GES counts a file from its first picture, OpenTimelineIO from the asset's start.
            media, used = clip.media_reference.available_range, clip.source_range
            clip.source_range = otio.opentime.TimeRange(
                used.start_time - media.start_time, used.duration
            )
            clip.media_reference.available_range = otio.opentime.TimeRange(
                media.start_time - media.start_time, media.duration
            )
        project = folder / "cut.xges"
        text = otio.adapters.write_to_string(timeline, adapter_name="xges")
    assert text.count(ADAPTERS_RATE) == 1
    project.write_text(text.replace(ADAPTERS_RATE, rf"\(fraction\){rate.numerator}/1"))
    movie = folder / "render.webm"
    profile = (
        f"video/webm:video/x-raw,framerate={rate.numerator}/{rate.denominator},"
        f"width={SIZE[0]},height={SIZE[1]}->video/x-vp8"
    )
    rendered = subprocess.run(
        [
            "ges-launch-1.0",
            f"--load={project}",
            "--outputuri",
            movie.as_uri(),
            f"--format={profile}",
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
    )
    assert movie.exists(), rendered.stdout + rendered.stderr
    return read_movie_numbers(movie)


@pytest.mark.program("ges-launch-1.0")
@pytest.mark.parametrize("nominal", [24, 25, 30])
def test_ges_renders_takes_at_the_right_frames(tmp_path: Path, nominal: int) -> None:
    rate = FrameRate(nominal)
    hour = 3600 * nominal
    for name, tag in (("A.mov", TAG_A), ("B.mov", TAG_B)):
        _movie(tmp_path, name, rate=rate, count=MOVIE_FRAMES, tag=tag, start=hour)
    original = _document(tmp_path, rate, hour)
    retake, extend = read_fcpxml(original).segments
    placements = []
    for segment, record, handles, tag in (
        (retake, RETAKEN, HANDLES, TAG_RETAKE),
        (extend, EXTENDED, 0, TAG_EXTEND),
    ):
        covered = TimeRange(record.start, record.end, rate)
        path = _movie(
            tmp_path,
            f"take {tag}.mov",
            rate=rate,
            count=covered.length + 2 * handles,
            tag=tag,
            start=hour,
        )
        placements.append(_placement(segment, path, covered, handles))
    delivered = apply_takes(original, placements).data

    assert _rendered(original, tmp_path, rate=rate) == _expected(takes=False)
    (tmp_path / "render.webm").unlink()
    assert _rendered(delivered, tmp_path, rate=rate) == _expected(takes=True)
