"""A source span that is decoded in a box: `sidecar.media.source.open_span` for whoever must outlive the file.

Only decoding happens in the reader. What it sends are planes and samples of a known size; colour and framing are
worked out here, by the same code as everywhere else, from tags that were planned with.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from interchange.errors import InvalidInputError, Reason
from interchange.model.media import ColourTags, MediaFacts, Raster
from interchange.model.request import SourceSpan
from interchange.timebase import FrameRate, round_half_up
from sidecar.media.frames import NativeFrame
from sidecar.media.span import SpanReader, changed_since, refuse_other_colour
from sidecar.pipelines.base import Sound
from sidecar.readers.box import ReaderBox
from sidecar.readers.calls import OneFrame, SoundRange

_BLOCK_BYTES = 64 << 20
_MOST_CHANNELS = 128


def boxed_span(
    span: SourceSpan,
    *,
    frame_rate: FrameRate,
    raster: Raster,
    colour: ColourTags,
    box: ReaderBox,
) -> SpanReader:
    """Read the media of a span by record frame, as `open_span` does, with one frame of it in this process.

    Args:
        span: What to read; its path is absolute and resolved.
        frame_rate: Rate of the record frames.
        raster: Picture size wanted.
        colour: The request's colour.
        box: Decodes; nobody else should ask it meanwhile, or the file is opened again for each frame.

    Raises:
        InvalidInputError: The file changed after planning (MEDIA_CHANGED), is damaged (MEDIA_DAMAGED), or takes
            too much (READER_LIMIT).
        NotFoundError: It is gone.
        UnsupportedError: It cannot be read, or its colour cannot be brought into the request's.
    """
    refuse_other_colour(span, colour)
    path = Path(span.path)
    facts = box.probe_media(path)
    if (facts.size_bytes, facts.modified_ns) != (span.size_bytes, span.modified_ns):
        raise changed_since(path)
    return SpanReader(
        span,
        facts,
        media=_BoxedFile(facts, span.colour, box),
        frame_rate=frame_rate,
        raster=raster,
        colour=colour,
    )


@dataclass(frozen=True, slots=True)
class _BoxedFile:
    """`SpanMedia` of a file that a reader has open."""

    facts: MediaFacts
    colour: ColourTags
    box: ReaderBox

    def frame(self, number: int) -> NativeFrame:
        facts = self.facts
        width, height = facts.raster.width_px, facts.raster.height_px
        if facts.rotation in {90, 270}:
            width, height = height, width
        call = OneFrame(
            facts.path,
            facts.size_bytes,
            facts.modified_ns,
            number,
            width_px=width,
            height_px=height,
        )
        layout, content = self.box.frame_planes(call)
        samples = np.frombuffer(content, np.uint16)
        planes, taken = [], 0
        for lines, columns in layout.shapes(width, height):
            planes.append(samples[taken : taken + lines * columns].reshape(lines, columns))
            taken += lines * columns
        return NativeFrame(
            planes=tuple(planes),
            chroma=layout.chroma,
            bit_depth=layout.bit_depth,
            colour=self.colour.resolved(Raster(width, height)),
        )

    def sound(self, start: Fraction, duration: Fraction) -> Sound | None:
        """In blocks, so that a long range fits through the pipe and into the reader."""
        facts = self.facts
        rate = facts.audio[0].sample_rate_hz
        channels = sum(track.channels for track in facts.audio)
        if not (0 < channels <= _MOST_CHANNELS and rate > 0):
            raise _strange_sound(facts)
        first = round_half_up(start * rate)
        end = round_half_up((start + duration) * rate)
        samples = np.zeros((end - first, channels), dtype=np.float32)
        step = _BLOCK_BYTES // (4 * channels)
        for at in range(first, max(end, first + 1), step):
            count = min(step, end - at)
            call = SoundRange(
                facts.path,
                facts.size_bytes,
                facts.modified_ns,
                start=Fraction(at, rate),
                duration=Fraction(count, rate),
            )
            layout, content = self.box.sound(call)
            if layout.channels == 0:
                return None
            if (layout.channels, layout.sample_rate_hz) != (channels, rate):
                raise _strange_sound(facts)
            block = np.frombuffer(content, np.float32).reshape(count, channels)
            samples[at - first : at - first + count] = block
        return Sound(samples, rate)


def _strange_sound(facts: MediaFacts) -> InvalidInputError:
    return InvalidInputError(
        f"{facts.path} cannot be read: its sound is not what its tracks say. Copy it again from the original, or "
        "relink the clip.",
        reason=Reason.MEDIA_DAMAGED,
        metadata={"path": facts.path},
    )
