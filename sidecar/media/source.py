"""Opens a source span and decodes it in this very process, as the worker does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from interchange.model.media import ColourTags, Raster
from interchange.model.request import SourceSpan
from interchange.timebase import FrameRate
from sidecar.media.audio import read_sound
from sidecar.media.container import media_status
from sidecar.media.decode import FrameReader
from sidecar.media.frames import NativeFrame
from sidecar.media.probe import probe_media
from sidecar.media.span import SpanReader, changed_since, refuse_other_colour
from sidecar.pipelines.base import Sound


@contextmanager
def open_span(
    span: SourceSpan, *, frame_rate: FrameRate, raster: Raster, colour: ColourTags
) -> Iterator[SpanReader]:
    """Open the media of a span for reading by record frame.

    Args:
        span: What to read.
        frame_rate: Rate of the record frames.
        raster: Picture size wanted.
        colour: The request's colour.

    Raises:
        InvalidInputError: The file changed after planning (MEDIA_CHANGED), is damaged (MEDIA_DAMAGED), or is
            shorter than the span (RANGE_PAST_MEDIA).
        NotFoundError: It is gone.
        UnsupportedError: It cannot be read, or its colour cannot be brought into the request's.
    """
    path = Path(span.path)
    status = media_status(path)
    if (status.st_size, status.st_mtime_ns) != (span.size_bytes, span.modified_ns):
        raise changed_since(path)
    refuse_other_colour(span, colour)
    facts = probe_media(path)
    with FrameReader(path, colour=span.colour) as reader:
        media = _OpenFile(path, reader)
        yield SpanReader(
            span, facts, media=media, frame_rate=frame_rate, raster=raster, colour=colour
        )


@dataclass(frozen=True, slots=True)
class _OpenFile:
    """`SpanMedia` of a file that is open here."""

    path: Path
    reader: FrameReader

    def frame(self, number: int) -> NativeFrame:
        return self.reader.frame(number)

    def sound(self, start: Fraction, duration: Fraction) -> Sound | None:
        return read_sound(
            self.path, start=start, duration=duration, first_picture=self.reader.index.start_time
        )
