"""Writes the demo project: three movies with timecode and reel, and an FCPXML with one mark of every sort.

What the marks ask for: a retake under a title, a bridge over a gap where half a second of a shot is missing, a
whole shot again by its clip name (and it is scaled, so the take must be too), an extend past the end of the
media, and a verb that does not exist, to show how a refusal reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from interchange.model.media import BT709, Raster
from interchange.model.request import Codec
from interchange.timebase import FrameRate, parse_timecode
from ltxbridge.demo.scenes import Scene, lake, ridge, viaduct
from sidecar.filesystem import FileSystem
from sidecar.media.encode import EncodeSpec, TakeWriter

_NAME = "First light"
_RATE = FrameRate(24000, 1001)
_RASTER = Raster(960, 540)
_FRAME_COUNT = 96


@dataclass(frozen=True, slots=True)
class _Movie:
    scene: Callable[[Raster], Scene]
    reel: str
    timecode: str
    codec: Codec


_MOVIES = (
    _Movie(ridge, "A001C003", "06:12:40:00", Codec.PRORES_422_HQ),
    _Movie(lake, "A001C007", "11:47:05:12", Codec.H264),
    _Movie(viaduct, "A002C001", "20:31:18:06", Codec.PRORES_422_HQ),
)


@dataclass(frozen=True, slots=True)
class _Asset:
    """What the timeline says about a movie."""

    reel: str
    url: str
    start_frame: int
    frame_count: int


def write_demo_project(folder: Path, *, filesystem: FileSystem | None = None) -> Path:
    """Write the project; movies that are there from an earlier time are kept.

    Args:
        folder: Where to; made if missing.
        filesystem: For tests.

    Returns:
        The timeline, an FCPXML document at 23.976 that starts at 01:00:00:00.

    Raises:
        ExhaustedError: The disk is full.
        NotAllowedError: The folder cannot be written.
    """
    filesystem = filesystem or FileSystem()
    media = folder.resolve() / "media"
    filesystem.make_folder(media)
    assets = tuple(_write_movie(movie, folder=media, filesystem=filesystem) for movie in _MOVIES)
    timeline = folder.resolve() / f"{_NAME}.fcpxml"
    filesystem.write_atomic(timeline, _document(assets).encode())
    return timeline


def _write_movie(movie: _Movie, *, folder: Path, filesystem: FileSystem) -> _Asset:
    start_frame, drop_frame = parse_timecode(movie.timecode, _RATE)
    path = folder / f"{movie.reel}.mov"
    spec = EncodeSpec(
        frame_rate=_RATE,
        raster=_RASTER,
        colour=BT709,
        codec=movie.codec,
        start_frame=start_frame,
        drop_frame=drop_frame,
        reel=movie.reel,
        frame_count=_FRAME_COUNT,
    )
    if not path.exists():
        unfinished = path.with_suffix(".part")
        filesystem.unlink(unfinished, missing_ok=True)
        with TakeWriter(unfinished, spec, filesystem=filesystem) as writer:
            for picture in movie.scene(_RASTER).pictures(_FRAME_COUNT):
                writer.write(picture)
        filesystem.replace(unfinished, path)
    return _Asset(movie.reel, path.as_uri(), start_frame, _FRAME_COUNT)


def _document(assets: tuple[_Asset, ...]) -> str:
    environment = Environment(
        loader=PackageLoader("ltxbridge.demo"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["time"] = _time
    ridge_asset, lake_asset, viaduct_asset = assets
    return environment.get_template("project.fcpxml").render(
        name=_NAME,
        raster=_RASTER,
        movies=assets,
        ridge=ridge_asset.start_frame,
        lake=lake_asset.start_frame,
        viaduct=viaduct_asset.start_frame,
    )


def _time(frames: int) -> str:
    """Frames as FCPXML writes time: an unreduced fraction of a second."""
    return f"{frames * _RATE.denominator}/{_RATE.numerator}s"
