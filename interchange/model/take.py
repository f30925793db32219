"""A finished, published take, and where it goes on the timeline."""

from __future__ import annotations

from dataclasses import dataclass

from interchange.model.media import Raster
from interchange.model.segment import Segment
from interchange.timebase import TimeRange


@dataclass(frozen=True, slots=True)
class Take:
    """A published media file.

    Args:
        path: Absolute path of the media.
        manifest_path: Absolute path of the `.c2pa` beside it.
        sha256: Digest of the media file.
        size_bytes: Size of the media file.
        record_range: Record frames it covers on the timeline.
        media_range: All frames in the file in its own timecode count: starts at the tmcd start
            timecode, handles included.
        head_handle_frames: Frames in the file before `record_range`.
        drop_frame: How its timecode counts.
        raster: Picture size.
        codec: Codec name as in `OutputSpec`.
        reel: Reel name in the file.
        audio_channels: Channels of new sound in the file; 0 where it is picture only.
        audio_sample_rate_hz: Sample rate of that sound, 0 without.
        engine: Engine that made it.
        engine_version: Its version.
        model_identity: Digest of the weights, or the algorithm's own identity.
        seed: Seed used.
        notes: What was padded, held or assumed.
    """

    path: str
    manifest_path: str
    sha256: str
    size_bytes: int
    record_range: TimeRange
    media_range: TimeRange
    head_handle_frames: int
    drop_frame: bool
    raster: Raster
    codec: str
    reel: str
    audio_channels: int
    audio_sample_rate_hz: int
    engine: str
    engine_version: str
    model_identity: str
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def file_range(self) -> TimeRange:
        """The record frames its file has pictures for, handles included."""
        start = self.record_range.start - self.head_handle_frames
        return TimeRange.of_length(start, self.media_range.length, self.record_range.rate)

    @property
    def source_range(self) -> TimeRange:
        """The covered frames in the file's own timecode count."""
        return TimeRange.of_length(
            self.media_range.start + self.head_handle_frames,
            self.record_range.length,
            self.media_range.rate,
        )


@dataclass(frozen=True, slots=True)
class Placement:
    """A take and the segment it answers; a format's `apply` puts it on the timeline.

    Args:
        segment: Where it belongs, as read from the very document that is patched.
        take: The media.
        url: How the document should link to the media.
        active: Shown; further takes of the same segment are placed switched off.
        copy_framing: Whether the original clip's framing (conform, transform, crop, opacity) applies.
    """

    segment: Segment
    take: Take
    url: str
    active: bool = True
    copy_framing: bool = True
