"""Where record frames are in the media: exact sampling, what the file has, what has to be assumed about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.media import ColourTags, MediaFacts
from interchange.model.request import SourceSpan
from interchange.model.segment import ClipUse
from interchange.timebase import FrameRate, TimeRange, format_timecode


@dataclass(frozen=True, slots=True)
class PlacedMedia:
    """A file laid along the record time line by the clip that shows it.

    The file's picture at record frame r is floor(position + (r - clip.record_range.start) * step).

    Args:
        position: Source position at record in, in source frames from the file's first picture.
        step: Source frames that pass in one record frame; negative backwards.
        available_range: Record frames for which the file has a picture, used by the clip or not.
    """

    clip: ClipUse
    facts: MediaFacts
    position: Fraction
    step: Fraction
    available_range: TimeRange

    def span(self, needed: TimeRange) -> SourceSpan:
        """The part of a range of record frames that the file has pictures for.

        Args:
            needed: Holds at least one frame of the clip.
        """
        available = self.available_range
        record_range = TimeRange(
            max(available.start, needed.start), min(available.end, needed.end), needed.rate
        )
        return SourceSpan(
            path=self.facts.path,
            media_rate=self.facts.frame_rate,
            record_range=record_range,
            first_frame=self.position
            + (record_range.start - self.clip.record_range.start) * self.step,
            step=self.step,
            colour=self.colour,
            size_bytes=self.facts.size_bytes,
            modified_ns=self.facts.modified_ns,
        )

    @property
    def colour(self) -> ColourTags:
        """The file's colour with nothing unspecified."""
        return self.facts.colour.resolved(self.facts.raster)

    @property
    def delivered_colour(self) -> ColourTags:
        """The same colour at video levels: the mezzanine codecs have no other."""
        return replace(self.colour, full_range=False)


def place_media(clip: ClipUse, facts: MediaFacts) -> PlacedMedia:
    """Lay a clip's file along the record time line.

    Args:
        clip: Has media, and a speed that is not 0.
        facts: Of that media.

    Raises:
        InvalidInputError: `RANGE_PAST_MEDIA` where the clip uses frames that the file does not have.
    """
    rate = clip.record_range.rate
    position, step = sampling(clip, facts.frame_rate)
    placed = PlacedMedia(
        clip=clip,
        facts=facts,
        position=position,
        step=step,
        available_range=_available(
            position, step, facts.frame_count, clip.record_range.start, rate
        ),
    )
    _check_use(placed)
    return placed


def sampling(clip: ClipUse, media_rate: FrameRate) -> tuple[Fraction, Fraction]:
    """How a clip samples its file: the picture at record frame r is floor(position + (r - record in) * step).

    Args:
        clip: The clip.
        media_rate: Rate of its file.

    Returns:
        Source position at record in, in source frames from the file's first picture; source frames that pass in
        one record frame, negative backwards.
    """
    step = media_rate.fraction * clip.speed / clip.record_range.rate.fraction
    position = clip.source_offset * media_rate.fraction
    if step < 0:
        # Played backwards from x, a frame ends where it begins: frame ceil(x) - 1 is shown, which is
        # floor(x - e) for the smallest step e between positions.
        position -= Fraction(1, math.lcm(position.denominator, step.denominator))
    return position, step


def _available(
    position: Fraction, step: Fraction, frame_count: int, record_in: int, rate: FrameRate
) -> TimeRange:
    """Record frames r with 0 <= position + (r - record_in) * step < frame_count."""
    to_first, to_end = -position / step, (frame_count - position) / step
    if step > 0:
        return TimeRange(record_in + math.ceil(to_first), record_in + math.ceil(to_end), rate)
    return TimeRange(record_in + math.floor(to_end) + 1, record_in + math.floor(to_first) + 1, rate)


def _check_use(placed: PlacedMedia) -> None:
    used, available = placed.clip.record_range, placed.available_range
    if available.covers(used):
        return
    before = min(max(0, available.start - used.start), used.length)
    after = min(max(0, used.end - available.end), used.length)
    sides = [f"{frames_text(before)} before the first"] if before else []
    sides += [f"{frames_text(after)} past the last"] if after else []
    raise InvalidInputError(
        f"{placed.clip.name!r} uses {' and '.join(sides)} picture of {_file_name(placed.facts)}. "
        "Trim the clip, or relink it to the media it was cut with.",
        reason=Reason.RANGE_PAST_MEDIA,
        metadata={"frames_before": str(before), "frames_after": str(after)},
    )


def check_clip(clip: ClipUse) -> None:
    """Refuse clips that no take can be made for.

    Raises:
        UnsupportedError: `TARGET_UNSUPPORTED`, with the reason.
    """
    if clip.obstacle is not None:
        why = clip.obstacle
    elif clip.media is None:
        why = "it has no media"
    elif clip.speed == 0:
        why = "it is a freeze frame; render it first"
    elif clip.record_range.length == 0:
        why = "it is shorter than one frame"
    else:
        return
    raise UnsupportedError(
        f"{clip.name!r} cannot be used: {why}.", reason=Reason.TARGET_UNSUPPORTED
    )


def media_notes(placed: PlacedMedia) -> list[str]:
    """What is assumed about a file, or cannot be carried into a take, one sentence each."""
    clip, facts = placed.clip, placed.facts
    file_name, rate = _file_name(facts), clip.record_range.rate
    notes = []
    if not clip.enabled:
        notes.append(f"{clip.name!r} is switched off; the take will be seen where it is not.")
    if facts.frame_rate != rate:
        notes.append(
            f"{file_name} runs at {facts.frame_rate}, the sequence at {rate}: each timeline frame takes "
            "the picture that is on screen when it starts."
        )
    if clip.speed != 1:
        notes.append(
            f"{clip.name!r} plays at {_percent(clip.speed)}; the take holds it as it plays, at 100%."
        )
    if placed.colour != facts.colour:
        system = "BT.709" if placed.colour.matrix == 1 else "BT.601"
        notes.append(
            f"{file_name} does not say all about its colour; what is missing is taken as {system}."
        )
    if facts.colour.full_range:
        notes.append(
            f"{file_name} has full-range levels; the take has video levels, and looks the same."
        )
    if facts.has_alpha:
        notes.append(f"The alpha channel of {file_name} is not carried into the take.")
    if facts.rotation:
        notes.append(f"{file_name} is turned by {facts.rotation} degrees; the take is upright.")
    return notes


def frames_text(count: int) -> str:
    """Write a number of frames for people: `1 frame`, `2 frames`."""
    return f"{count} frame" if count == 1 else f"{count} frames"


def source_timecode(facts: MediaFacts, frame: int) -> str:
    """Name a picture of a file for people.

    Args:
        facts: Of the file.
        frame: From the file's first picture; may be the one after the last.

    Returns:
        Its source timecode, or `frame N` where the file has none.
    """
    if facts.start_frame is None:
        return f"frame {frame}"
    drop_frame = facts.drop_frame and facts.frame_rate.drop_frame_capable
    return format_timecode(facts.start_frame + frame, facts.frame_rate, drop_frame=drop_frame)


def _file_name(facts: MediaFacts) -> str:
    return facts.path.replace("\\", "/").rpartition("/")[2]


def _percent(speed: Fraction) -> str:
    # For reading only; the sampling uses the exact fraction.
    return f"{float(speed * 100):.4g}%"
