"""What a mark names beside the shots: a still to start from, a sound to follow, a matte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from interchange.errors import Reason, UnsupportedError
from interchange.model.directive import Box
from interchange.model.request import (
    GenerateSpec,
    GenerationRequest,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.timebase import TimeRange
from sidecar.media.audio import read_sound, sound_start
from sidecar.media.decode import FrameReader
from sidecar.media.fit import fitted, still_box
from sidecar.media.frames import NativeFrame
from sidecar.media.probe import probe_media
from sidecar.media.span import SpanReader
from sidecar.media.stills import is_still, read_still
from sidecar.pipelines.base import Picture, Sound, SourcePictures

# BT.709's, for the odd matte that is not grey.
_LUMA_WEIGHTS = np.array((0.2126, 0.7152, 0.0722), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class OpenInputs:
    """The named files of a request, open; see `sidecar.pipelines.base.EngineJob`.

    Args:
        image: The still, at the request's raster.
        sound: The sound over the made range.
        matte: By record frame, 0..1, the same in all three channels.
    """

    image: Picture | None = None
    sound: Sound | None = None
    matte: SourcePictures | None = None


@contextmanager
def open_inputs(request: GenerationRequest) -> Iterator[OpenInputs]:
    """Open what a request names beside its source spans.

    Raises:
        NotFoundError: A file is gone.
        InvalidInputError: It is damaged (MEDIA_DAMAGED).
        UnsupportedError: It is of a kind that cannot be used for this (MEDIA_UNSUPPORTED).
    """
    with ExitStack() as opened:
        match request.spec:
            case GenerateSpec(image=image, audio_file=audio_file):
                yield OpenInputs(
                    image=read_image(Path(image), request) if image else None,
                    sound=read_own_sound(Path(audio_file), request) if audio_file else None,
                )
            case RetakeSpec(matte=matte) | RestyleSpec(matte=matte) if matte:
                yield OpenInputs(matte=opened.enter_context(open_matte(Path(matte), request)))
            case _:
                yield OpenInputs()


def read_image(path: Path, request: GenerationRequest) -> Picture:
    """Read the still of `image=`, its sRGB values taken as the request's R'G'B', fitted into its raster.

    The screen's curve of sRGB and BT.709 code values differ by less than a grade. Takes in HDR never come here:
    `plan_geometry` refuses a still in them.

    Raises:
        NotFoundError: It is gone.
        InvalidInputError: It is damaged (MEDIA_DAMAGED).
        UnsupportedError: It is no still that we read (MEDIA_UNSUPPORTED).
    """
    return fitted(read_still(path), request.raster)


def read_own_sound(path: Path, request: GenerationRequest) -> Sound:
    """Read the sound of `audio_file=` over the made range, from its own start, with silence after its end.

    Returns:
        float32 [S, C] at the file's own rate, S the made range's duration rounded to nearest.

    Raises:
        NotFoundError: It is gone.
        InvalidInputError: It is damaged (MEDIA_DAMAGED).
        UnsupportedError: It has no sound (MEDIA_UNSUPPORTED).
    """
    sound = read_sound(
        path,
        start=Fraction(0),
        duration=request.made_range.duration_seconds,
        first_picture=sound_start(path),
    )
    if sound is None:
        raise UnsupportedError(
            f"{path} has no sound to follow. Name a file with sound in audio_file=.",
            reason=Reason.MEDIA_UNSUPPORTED,
            metadata={"path": str(path)},
        )
    return sound


@contextmanager
def open_matte(path: Path, request: GenerationRequest) -> Iterator[SourcePictures]:
    """Open the matte of `matte=`: white where the picture is made again.

    A still holds for every frame. A movie's first picture lies at the start of `record_range` and the others
    follow frame by frame at the request's rate, whatever its own; the last is held.

    Raises:
        NotFoundError: It is gone.
        InvalidInputError: It is damaged (MEDIA_DAMAGED).
        UnsupportedError: It is neither still nor movie that we read (MEDIA_UNSUPPORTED).
    """
    if is_still(path):
        still = read_still(path)
        yield _StillMatte(
            luma=_luma(fitted(still, request.raster)),
            record_range=request.made_range,
            picture_box=still_box(still, request.raster),
        )
        return
    facts = probe_media(path)
    colour = facts.colour.resolved(facts.raster)
    span = SourceSpan(
        path=str(path),
        media_rate=facts.frame_rate,
        record_range=TimeRange.of_length(
            request.record_range.start, facts.frame_count, request.frame_rate
        ),
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=colour,
        size_bytes=facts.size_bytes,
        modified_ns=facts.modified_ns,
    )
    with FrameReader(path, colour=colour) as reader:
        yield _MovieMatte(
            SpanReader(
                span,
                facts,
                media=_PicturesOnly(reader),
                frame_rate=request.frame_rate,
                raster=request.raster,
                colour=colour,
            )
        )


@dataclass(frozen=True, slots=True)
class _StillMatte:
    """`SourcePictures` of one picture."""

    luma: Picture
    record_range: TimeRange
    picture_box: Box

    def picture(self, _record_frame: int) -> Picture:
        return self.luma.copy()

    def sound(self, _record_range: TimeRange) -> Sound | None:
        return None


@dataclass(frozen=True, slots=True)
class _MovieMatte:
    """`SourcePictures` of a movie's luma."""

    pictures: SpanReader

    @property
    def record_range(self) -> TimeRange:
        return self.pictures.record_range

    @property
    def picture_box(self) -> Box:
        return self.pictures.picture_box

    def picture(self, record_frame: int) -> Picture:
        return _luma(self.pictures.picture(record_frame))

    def sound(self, _record_range: TimeRange) -> Sound | None:
        return None


@dataclass(frozen=True, slots=True)
class _PicturesOnly:
    """`SpanMedia` of a matte."""

    reader: FrameReader

    def frame(self, number: int) -> NativeFrame:
        return self.reader.frame(number)

    def sound(self, _start: Fraction, _duration: Fraction) -> Sound | None:
        return None


def _luma(picture: Picture) -> Picture:
    """Brightness, 0..1, in all three channels: [H, W, 3]."""
    grey = np.clip(picture @ _LUMA_WEIGHTS, 0.0, 1.0)
    return np.repeat(grey[..., None], 3, axis=2)
