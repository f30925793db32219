"""Takes that exist only on paper, for what patches timelines."""

from __future__ import annotations

from interchange.model.media import Raster
from interchange.model.segment import Segment
from interchange.model.take import Placement, Take
from interchange.timebase import TimeRange

URL = "file:///delivery/takes/A%20shot_LTX_v001.mov"


def place(
    segment: Segment,
    record_range: TimeRange,
    *,
    handles: int = 4,
    start: int | None = None,
    url: str = URL,
    raster: Raster = Raster(384, 216),  # noqa: B008 - frozen
    channels: int = 0,
    active: bool = True,
    copy_framing: bool = True,
) -> Placement:
    """Place a take over record frames.

    Args:
        segment: The mark it answers.
        record_range: Frames to cover.
        handles: Frames in the file on each side.
        start: The file's timecode; by default so that its own time is the original's.
        url: Its link.
        raster: Picture size.
        channels: Channels of new sound.
        active: Shown.
        copy_framing: Framed as the original.
    """
    rate = record_range.rate
    if start is None:
        clip = segment.clip or segment.previous or segment.following
        start = 1_000
        if clip is not None:
            local = clip.local_start * rate.fraction
            start = local.__ceil__() + record_range.start - clip.record_range.start - handles
    take = Take(
        path="/delivery/takes/A shot_LTX_v001.mov",
        manifest_path="",
        sha256="0" * 64,
        size_bytes=1,
        record_range=record_range,
        media_range=TimeRange.of_length(start, record_range.length + 2 * handles, rate),
        head_handle_frames=handles,
        drop_frame=segment.sequence.drop_frame,
        raster=raster,
        codec="prores422hq",
        reel="",
        audio_channels=channels,
        audio_sample_rate_hz=48_000 if channels else 0,
        engine="identity",
        engine_version="1",
        model_identity="",
        seed=7,
    )
    return Placement(segment, take, url, active=active, copy_framing=copy_framing)
