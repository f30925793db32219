"""A source span as pictures and sound by record frame, conformed to the take's raster; decodes nothing itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from interchange.conform import fitted_box
from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.directive import Box
from interchange.model.media import ColourTags, MediaFacts, Raster
from interchange.model.request import SourceSpan
from interchange.timebase import FrameRate, TimeRange, round_half_up
from sidecar.media.colour import from_rgb, to_rgb
from sidecar.media.fit import placed
from sidecar.media.frames import NativeFrame
from sidecar.pipelines.base import Picture, Sound

_WIDE_GAMUTS = frozenset({9, 11, 12})
_CONFORMED_DEPTH = 12


class SpanMedia(Protocol):
    """Where a span's pictures and sound are decoded."""

    def frame(self, number: int) -> NativeFrame:
        """Decode the picture of that number, counted from the file's first."""
        ...

    def sound(self, start: Fraction, duration: Fraction) -> Sound | None:
        """Decode a range of sound, in seconds from the file's first picture; None where it has none."""
        ...


class SpanReader:
    """Pictures and sound of one span; implements `sidecar.pipelines.base.SourcePictures`.

    Made by `sidecar.media.source.open_span`, and by `sidecar.readers.spans.boxed_span` where a reader decodes. A
    picture of the raster's own size is never touched; any other is turned upright
    and fitted inside, black around it, never squeezed.
    """

    def __init__(
        self,
        span: SourceSpan,
        facts: MediaFacts,
        *,
        media: SpanMedia,
        frame_rate: FrameRate,
        raster: Raster,
        colour: ColourTags,
    ) -> None:
        self._span = span
        self._facts = facts
        self._media = media
        self._frame_rate = frame_rate
        self._raster = raster
        self._colour = colour
        self._untouched = facts.raster == raster and facts.rotation == 0

    @property
    def record_range(self) -> TimeRange:
        """Record frames for which the file has a picture of its own; outside, the nearest is held."""
        return self._span.record_range

    @property
    def picture_box(self) -> Box:
        """Where the source's own picture lies in the raster; what is around it is black."""
        return fitted_box(self._facts.raster, self._raster)

    def picture(self, record_frame: int) -> Picture:
        """The picture shown at a record frame, at the raster; the array is the caller's own.

        Raises:
            InvalidInputError: The frame is damaged or past the file's end.
        """
        picture = to_rgb(self._decoded(record_frame))
        return picture if self._untouched else self._conformed(picture)

    def native(self, record_frame: int) -> NativeFrame:
        """The kept frame shown at a record frame: the decoder's own planes wherever the size allows it.

        Raises:
            InvalidInputError: The frame is damaged or past the file's end.
        """
        frame = self._decoded(record_frame)
        if self._untouched:
            return frame
        return from_rgb(
            self._conformed(to_rgb(frame)),
            chroma="444",
            bit_depth=max(_CONFORMED_DEPTH, frame.bit_depth),
            colour=self._colour,
        )

    def sound(self, record_range: TimeRange) -> Sound | None:
        """The source's sound over record frames, sample-exact; silence outside the span.

        None where the file has none, and where the clip does not run at normal speed: its sound would have
        to be stretched, which is the NLE's business.

        Args:
            record_range: In record frames.

        Returns:
            As many samples as `EncodeSpec.sample_count` says for the range, from its rounded start on.
        """
        span = self._span
        if (
            span.step * self._frame_rate.fraction != span.media_rate.fraction
            or not self._facts.audio
        ):
            return None
        rate = self._facts.audio[0].sample_rate_hz
        first = round_half_up(self._source_seconds(record_range.start) * rate)
        count = round_half_up(record_range.duration_seconds * rate)

        def position(record_frame: int) -> int:
            sample = round_half_up(self._source_seconds(record_frame) * rate) - first
            return min(max(sample, 0), count)

        start = position(span.record_range.start)
        # As many samples as the range lasts can be one more than lie between its rounded edges: the source
        # has that one too.
        reaches_end = record_range.end <= span.record_range.end
        end = max(start, count if reaches_end else position(span.record_range.end))
        sound = self._media.sound(Fraction(first + start, rate), Fraction(end - start, rate))
        if sound is None:
            return None
        samples = np.zeros((count, sound.samples.shape[1]), dtype=np.float32)
        samples[start:end] = sound.samples
        return Sound(samples, rate)

    def _source_seconds(self, record_frame: int) -> Fraction:
        """When a record frame starts, from the file's first picture, at normal speed.

        Sound follows this exact position, not the picture on screen, which is rounded down to a frame.
        """
        span = self._span
        into_span = self._frame_rate.seconds(record_frame - span.record_range.start)
        return span.first_frame * span.media_rate.frame_duration + into_span

    def _decoded(self, record_frame: int) -> NativeFrame:
        return self._media.frame(self._span.source_frame(record_frame))

    def _conformed(self, picture: Picture) -> Picture:
        upright = np.rot90(picture, k=-self._facts.rotation // 90)
        return placed(upright, self.picture_box, self._raster)


def refuse_other_colour(span: SourceSpan, colour: ColourTags) -> None:
    """Refuse HDR next to SDR, and wide gamut next to BT.709: they would need grading decisions that are not ours.

    Args:
        span: What is to be read.
        colour: The colour of the take it goes into.

    Raises:
        UnsupportedError: They differ in that way (MEDIA_UNSUPPORTED).
    """
    any_hdr = span.colour.high_dynamic_range or colour.high_dynamic_range
    any_wide = not _WIDE_GAMUTS.isdisjoint({span.colour.primaries, colour.primaries})
    for own, wanted, special in (
        (span.colour.transfer, colour.transfer, any_hdr),
        (span.colour.primaries, colour.primaries, any_wide),
    ):
        if own != wanted and special:
            raise UnsupportedError(
                f"{span.path} has another colour space (H.273 {own}) than the take ({wanted}). Bring both "
                "clips into one colour space in your NLE and relink.",
                reason=Reason.MEDIA_UNSUPPORTED,
                metadata={"path": span.path},
            )


def changed_since(path: Path) -> InvalidInputError:
    """The error for a file that is not the one that was planned with (MEDIA_CHANGED)."""
    return InvalidInputError(
        f"{path} changed after the work was planned. Run it again to plan with the file as it is now.",
        reason=Reason.MEDIA_CHANGED,
        metadata={"path": str(path)},
    )
