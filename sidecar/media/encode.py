"""Writing takes: QuickTime with exact rate, timecode, reel, colour tags and sample-exact sound.

Which ProRes encoder and why is in docs/adr/0013-prores-encoder.md. The same frames give the same bytes.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from interchange.errors import BridgeError, ExhaustedError, InternalError, Reason
from interchange.model.media import ColourTags, Raster
from interchange.model.request import Codec
from interchange.timebase import FrameRate, format_timecode, round_half_up
from sidecar.media.colour import from_rgb, to_layout
from sidecar.media.delivery import (
    DELIVERY_LAYOUTS,
    DeliveryLayout,
    refuse_unfit,
    sayable_colour,
)
from sidecar.media.frames import NativeFrame, TakeFrame
from sidecar.media.pixels import write_planes
from sidecar.pipelines.base import Sound

_BUFFER_BYTES = 1 << 20
_SOUND_BLOCK = 4096
_LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
_MUXER_BITEXACT = 0x0400  # AVFMT_FLAG_BITEXACT: no dates, no encoder version


class FileSystem(Protocol):
    """The part of `sidecar.filesystem.FileSystem` a writer needs."""

    def open_new(self, path: Path) -> BinaryIO:
        """Create a file; its errors are `BridgeError`."""
        ...

    def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """Remove a file of ours."""
        ...


@dataclass(frozen=True, slots=True)
class EncodeSpec:
    """What a take's file must be; `sidecar.quality` checks the finished file against the same value.

    Args:
        frame_rate: Exact frame rate.
        raster: Picture size.
        colour: Tags to write; always encoded limited range.
        codec: Delivery codec.
        start_frame: Timecode of the first picture in frames since 00:00:00:00.
        drop_frame: How that timecode counts.
        reel: Reel name, may be empty.
        frame_count: Pictures that will be written.
        sound: (channels, samples a second), or None for a picture-only take.
    """

    frame_rate: FrameRate
    raster: Raster
    colour: ColourTags
    codec: Codec
    start_frame: int
    drop_frame: bool
    reel: str
    frame_count: int
    sound: tuple[int, int] | None = None

    @property
    def sample_count(self) -> int:
        """Samples of sound that go with `frame_count` pictures, rounded to nearest; 0 without sound."""
        if self.sound is None:
            return 0
        return round_half_up(self.frame_rate.seconds(self.frame_count) * self.sound[1])

    @property
    def layout(self) -> DeliveryLayout:
        """How the codec stores pictures."""
        return DELIVERY_LAYOUTS[self.codec]

    @property
    def delivered_colour(self) -> ColourTags:
        """The tags the file will have when it is read back: what its codec can say of `colour`."""
        return sayable_colour(self.colour, self.codec)


class TakeWriter:
    """Writes one take. Use as a context manager: leaving it finishes the file, an exception removes it.

    Args:
        path: File to create; give it a name that does not look finished and rename it after the check.
        spec: What to write.
        filesystem: Where every byte goes through.

    Raises:
        ExhaustedError: The disk is full (DISK_FULL), also from `write` and on leaving.
        NotAllowedError: The file cannot be created.
        UnsupportedError: The codec cannot hold this picture or sound.
    """

    def __init__(self, path: Path, spec: EncodeSpec, *, filesystem: FileSystem) -> None:
        self._path = path
        self._spec = spec
        self._filesystem = filesystem
        self._frames = 0
        self._samples = 0
        self._file: BinaryIO | None = filesystem.open_new(path)
        self._container: OutputContainer | None = None
        try:
            self._container = av.open(
                self._file, "w", format="mov", options={"movflags": "write_colr"},
                buffer_size=_BUFFER_BYTES,
            )  # fmt: skip
            self._container.flags |= _MUXER_BITEXACT
            self._video = self._add_video(self._container)
            self._audio = self._add_audio(self._container)
        except BaseException as error:
            self._abandon()
            if isinstance(error, (OSError, av.FFmpegError)):
                raise self._translated(error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        else:
            self._abandon()

    def write(self, frame: TakeFrame) -> None:
        """Append one picture.

        Args:
            frame: Native planes of a kept frame, or a float32 [H, W, 3] R'G'B' picture; at the raster.

        Raises:
            ExhaustedError: The disk is full.
        """
        native = self._delivered(frame)
        picture = write_planes(
            native.planes, self._spec.layout.pixel_format, bit_depth=native.bit_depth
        )
        # On the frame as well as on the stream: ProRes takes its header from the frame.
        colour = self._spec.delivered_colour
        picture.color_primaries = colour.primaries
        picture.color_trc = colour.transfer
        picture.colorspace = colour.matrix
        picture.color_range = _LIMITED_RANGE
        picture.pts = self._frames
        picture.time_base = self._spec.frame_rate.frame_duration
        self._frames += 1
        self._encode(self._video, picture)

    def write_sound(self, sound: Sound) -> None:
        """Append sound; all of it together must be exactly as long as the pictures.

        Args:
            sound: Samples at the spec's rate and channel count.

        Raises:
            ExhaustedError: The disk is full.
        """
        if self._audio is None or self._spec.sound != (
            sound.samples.shape[1],
            sound.sample_rate_hz,
        ):
            raise InternalError("The sound made for the take is not the sound that was announced.")
        # 24 bits in the upper part of 32, which is how the encoder takes them; exact for 16 and 24 bits.
        scaled = np.rint(sound.samples.astype(np.float64) * (1 << 23))
        words = np.clip(scaled, -(1 << 23), (1 << 23) - 1).astype(np.int32) << 8
        for start in range(0, len(words), _SOUND_BLOCK):
            block = np.ascontiguousarray(words[start : start + _SOUND_BLOCK]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(
                block, format="s32", layout=self._audio.codec_context.layout.name
            )
            frame.sample_rate = sound.sample_rate_hz
            frame.pts = self._samples
            frame.time_base = Fraction(1, sound.sample_rate_hz)
            self._samples += frame.samples
            self._encode(self._audio, frame)

    def _add_video(self, container: OutputContainer) -> VideoStream:
        spec, layout = self._spec, self._spec.layout
        refuse_unfit(spec.raster, spec.colour, spec.codec)
        video = container.add_stream(layout.encoder, rate=spec.frame_rate.fraction)
        if not isinstance(video, VideoStream):
            raise InternalError(f"{layout.encoder} is no picture encoder.")
        context = video.codec_context
        context.width, context.height = spec.raster.width_px, spec.raster.height_px
        context.pix_fmt = layout.pixel_format
        context.time_base = spec.frame_rate.frame_duration
        context.framerate = spec.frame_rate.fraction
        context.sample_aspect_ratio = spec.raster.pixel_aspect
        context.color_primaries = spec.colour.primaries
        context.color_trc = spec.colour.transfer
        context.colorspace = spec.delivered_colour.matrix
        context.color_range = _LIMITED_RANGE
        context.flags |= int(av.codec.context.Flags.bitexact)
        context.thread_type = "AUTO"
        context.thread_count = 0
        context.options = dict(layout.options)
        video.metadata["timecode"] = format_timecode(
            spec.start_frame, spec.frame_rate, drop_frame=spec.drop_frame
        )
        if spec.reel:
            video.metadata["reel_name"] = spec.reel
        return video

    def _add_audio(self, container: OutputContainer) -> AudioStream | None:
        if self._spec.sound is None:
            return None
        channels, sample_rate = self._spec.sound
        layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
        audio = container.add_stream("pcm_s24le", rate=sample_rate, layout=layout)
        if not isinstance(audio, AudioStream):
            raise InternalError("pcm_s24le is no sound encoder.")
        audio.codec_context.flags |= int(av.codec.context.Flags.bitexact)
        return audio

    def _delivered(self, frame: TakeFrame) -> NativeFrame:
        layout = self._spec.layout
        colour = self._spec.delivered_colour
        if isinstance(frame, NativeFrame):
            native = to_layout(
                frame, chroma=layout.chroma, bit_depth=layout.bit_depth, colour=colour
            )
        else:
            native = from_rgb(
                frame, chroma=layout.chroma, bit_depth=layout.bit_depth, colour=colour
            )
        height, width = native.planes[0].shape
        if (width, height) != (self._spec.raster.width_px, self._spec.raster.height_px):
            raise InternalError(
                f"A picture of {width}x{height} was made for a take of {self._spec.raster}."
            )
        return native

    def _encode(
        self, stream: VideoStream | AudioStream, frame: av.VideoFrame | av.AudioFrame | None
    ) -> None:
        if self._container is None:
            raise InternalError("The take's file is closed already.")
        try:
            if isinstance(stream, VideoStream):
                packets = stream.encode(frame if isinstance(frame, av.VideoFrame) else None)
            else:
                packets = stream.encode(frame if isinstance(frame, av.AudioFrame) else None)
            self._container.mux(packets)
        except BridgeError:  # some are OSErrors too
            raise
        except (OSError, av.FFmpegError) as error:
            raise self._translated(error) from error

    def _finish(self) -> None:
        try:
            self._refuse_wrong_length()
            self._encode(self._video, None)
            if self._audio is not None:
                self._encode(self._audio, None)
            self._close()
        except BaseException:
            self._abandon()
            raise

    def _refuse_wrong_length(self) -> None:
        if self._frames != self._spec.frame_count or self._samples != self._spec.sample_count:
            raise InternalError(
                f"The take got {self._frames} pictures and {self._samples} samples instead of "
                f"{self._spec.frame_count} and {self._spec.sample_count}."
            )

    def _close(self) -> None:
        # A full disk may show up only here, when the index is written and the buffer emptied.
        container, self._container = self._container, None
        file, self._file = self._file, None
        try:
            try:
                if container is not None:
                    container.close()
            finally:
                if file is not None:
                    file.close()
        except BridgeError:
            raise
        except (OSError, av.FFmpegError) as error:
            raise self._translated(error) from error

    def _abandon(self) -> None:
        with contextlib.suppress(BridgeError):
            self._close()
        with contextlib.suppress(BridgeError):
            self._filesystem.unlink(self._path, missing_ok=True)

    def _translated(self, error: Exception) -> BridgeError:
        if isinstance(error, MemoryError):
            return ExhaustedError(
                "There is not enough memory to encode the take. Close other programs and try again.",
                reason=Reason.MEMORY_FULL,
            )
        return InternalError(
            f"Encoding {self._path.name} as {self._spec.codec} failed: {error}",
            metadata={"path": str(self._path)},
        )
