"""Which frames one denoise run sees, keeps and makes: record frames laid on the model's latents. Pure, no torch.

A canvas has 8 k + 1 pictures: its first latent holds one, each other one eight. What is generated begins and
ends on the edges of latents; kept frames lie before it (8 a + 1, so that the first edge falls where it must)
and after it (8 b). A take that is longer than a canvas is made in several, each of which keeps the last
frames of the one before. All but the last make a latent more than they deliver: a clip's very end, behind which
neither model nor decoder sees anything, is its weakest part.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from interchange.errors import InternalError
from interchange.timebase import TimeRange
from sidecar.pipelines.ltx23.grid import latent_frames, on_latents
from sidecar.pipelines.ltx23.limits import TEMPORAL_FRAMES

MOST_HEAD_FRAMES: Final = 4 * TEMPORAL_FRAMES + 1
"""Kept frames before what is generated, at most: more than the model makes use of costs only time."""
MOST_TAIL_FRAMES: Final = 4 * TEMPORAL_FRAMES
"""Kept frames after it, at most."""
MOST_CANVAS_FRAMES: Final = 257
"""Pictures of one canvas unless memory says less: what the model was trained for, some ten seconds."""
RUN_OUT_FRAMES: Final = TEMPORAL_FRAMES
"""Made behind a window that is not the last, and thrown away."""
FEWEST_CANVAS_FRAMES: Final = MOST_HEAD_FRAMES + TEMPORAL_FRAMES + RUN_OUT_FRAMES
"""Fewer leave a window of a long take nothing to make beside what it keeps."""

AUDIO_TOKEN_SECONDS: Final = Fraction(1, 25)
"""What one audio token lasts; the first of a canvas holds only a quarter of it."""
_MEL_SECONDS: Final = Fraction(1, 100)
_LEAST_HEAD_LATENTS: Final = 2
_LEAST_TAIL_LATENTS: Final = 1


@dataclass(frozen=True, slots=True)
class Canvas:
    """One denoise run; all ranges in record frames.

    Args:
        frames: Every picture of it, 8 k + 1.
        generate: What is made, from one edge of a latent to another; of windows that are not the last, the run-out too.
        deliver: What of that the take shows; never empty.
        continues: The kept frames before `generate` were made by the canvas before this one.
    """

    frames: TimeRange
    generate: TimeRange
    deliver: TimeRange
    continues: bool = False

    def __post_init__(self) -> None:
        for edge in (self.generate.start, self.generate.end):
            if edge != self.frames.start and (edge - self.frames.start - 1) % TEMPORAL_FRAMES:
                raise InternalError(f"Frame {edge} is no edge of a latent of {self.frames}.")
        if (self.frames.length - 1) % TEMPORAL_FRAMES:
            raise InternalError(f"{self.frames.length} pictures are no canvas.")
        if not (self.frames.covers(self.generate) and self.generate.covers(self.deliver)):
            raise InternalError(f"{self.deliver} is not made by {self.generate}.")

    @property
    def head(self) -> TimeRange:
        """Kept frames before what is generated; may be empty."""
        return TimeRange(self.frames.start, self.generate.start, self.frames.rate)

    @property
    def tail(self) -> TimeRange:
        """Kept frames after what is generated; may be empty."""
        return TimeRange(self.generate.end, self.frames.end, self.frames.rate)

    @property
    def latent_count(self) -> int:
        """Latent frames of the canvas."""
        return latent_frames(self.frames.length)

    def pictures_of(self, latent: int) -> TimeRange:
        """Record frames one latent frame holds."""
        start = self.frames.start
        if latent == 0:
            return TimeRange(start, start + 1, self.frames.rate)
        first = start + TEMPORAL_FRAMES * (latent - 1) + 1
        return TimeRange.of_length(first, TEMPORAL_FRAMES, self.frames.rate)

    def place(self, record_frame: int) -> int:
        """The pixel frame of the canvas at a record frame; negative before it, past its end after it."""
        return record_frame - self.frames.start

    def audio_tokens(self, wanted: TimeRange, *, count: int) -> range:
        """Audio tokens that sound during record frames; tokens are cut at 40 ms, frames are not.

        Args:
            wanted: Record frames.
            count: Audio tokens of the canvas.
        """
        rate = self.frames.rate
        start, end = (rate.seconds(self.place(edge)) for edge in (wanted.start, wanted.end))
        meeting = [
            token for token in range(count) if _token_end(token) > start and _token_start(token) < end
        ]  # fmt: skip
        return range(meeting[0], meeting[-1] + 1) if meeting else range(0)


def _token_start(token: int) -> Fraction:
    return max(0, 4 * token - 3) * _MEL_SECONDS


def _token_end(token: int) -> Fraction:
    return (4 * token + 1) * _MEL_SECONDS


@dataclass(frozen=True, slots=True)
class _Context:
    """Kept frames directly before and after what is generated."""

    head: int
    tail: int

    @classmethod
    def around(cls, generate: TimeRange, kept: TimeRange) -> _Context:
        """What fits on latents, 8 a + 1 before and 8 b after, and none more than is of use."""
        head = generate.start - kept.start if kept.end >= generate.start else 0
        tail = kept.end - generate.end if kept.start <= generate.end else 0
        head = min(head, MOST_HEAD_FRAMES)
        tail = min(tail, MOST_TAIL_FRAMES)
        return cls(
            on_latents(head) if head > 0 else 0,
            tail // TEMPORAL_FRAMES * TEMPORAL_FRAMES if tail > 0 else 0,
        )

    @property
    def head_latents(self) -> int:
        """Latents of the kept frames before."""
        return _latents_of_head(self.head)

    @property
    def tail_latents(self) -> int:
        """Of those after."""
        return self.tail // TEMPORAL_FRAMES

    def within(self, most_latents: int) -> _Context | None:
        """As much of it as fits, nine and eight frames at least, the longer side cut first; None where that is too much."""
        head, tail = self.head_latents, self.tail_latents
        while head + tail > most_latents:
            if head > _LEAST_HEAD_LATENTS and (head > tail or tail <= _LEAST_TAIL_LATENTS):
                head -= 1
            elif tail > _LEAST_TAIL_LATENTS:
                tail -= 1
            else:
                return None
        return _Context(TEMPORAL_FRAMES * (head - 1) + 1 if head else 0, TEMPORAL_FRAMES * tail)


def widened(made: TimeRange, *, at_head: bool, after_context: bool) -> TimeRange:
    """The latents' frames that cover a range, at most seven more, all of them on one side.

    Args:
        made: Frames that must be made, in record frames.
        at_head: Put the surplus before the range, so that its end lies on an edge.
        after_context: Kept frames lie before it: then whole latents of eight are made, else the first holds one.
    """
    whole = made.length if after_context else made.length - 1
    surplus = -whole % TEMPORAL_FRAMES
    return made.padded(surplus, 0) if at_head else made.padded(0, surplus)


def canvases(
    generate: TimeRange,
    *,
    made: TimeRange,
    kept: TimeRange,
    most_frames: int = MOST_CANVAS_FRAMES,
) -> tuple[Canvas, ...]:
    """Lay what must be made on as few canvases as it fits.

    Args:
        generate: Planned superset of `made`, in record frames.
        made: Frames of the take.
        kept: Record frames that have a picture of their own around `generate`, on either side or both; those
            within it are not kept.
        most_frames: Pictures a canvas may have, at least `FEWEST_CANVAS_FRAMES`.

    Returns:
        In rising order. Their `deliver` ranges are `made`, cut without gap or overlap. From the first to the last
        they generate `generate`; where that is not on the latents of these kept frames, the nearest superset of `made`.

    Raises:
        InternalError: `generate` does not cover `made`, or the canvas is too small.
    """
    if not generate.covers(made) or made.length == 0:
        raise InternalError(f"{generate} was planned for {made}.")
    if most_frames < FEWEST_CANVAS_FRAMES:
        raise InternalError(f"A canvas of {most_frames} pictures holds nothing new.")
    used = _Context.around(generate, kept)
    if widened(generate, at_head=False, after_context=used.head > 0) != generate:
        after_context = _Context.around(made, kept).head > 0
        at_head = not after_context and generate.start < made.start
        generate = widened(made, at_head=at_head, after_context=after_context)
        used = _Context.around(generate, kept)
    return tuple(_laid_out(generate, made=made, used=used, most_frames=most_frames))


def _laid_out(
    generate: TimeRange, *, made: TimeRange, used: _Context, most_frames: int
) -> list[Canvas]:
    latents = _latents(generate.length, after_context=used.head > 0)
    most_latents = latent_frames(most_frames)
    alone = used.within(most_latents - latents)
    if alone is not None:
        return [Canvas(generate.padded(alone.head, alone.tail), generate, made)]
    # Little room is for what is new; one latent of what follows is enough to meet it.
    tail = min(used.tail_latents, most_latents - _latents_of_head(MOST_HEAD_FRAMES) - 1)
    room = _rooms(latents, head=used.head_latents, tail=tail, most_latents=most_latents)
    found: list[Canvas] = []
    start, head = generate.start, used.head
    for number, capacity in enumerate(room):
        last = number == len(room) - 1
        # Even shares: a last window of a few frames would be all context.
        share = max(-(-latents // (len(room) - number)), latents - sum(room[number + 1 :]))
        share = min(share, capacity)
        latents -= share
        length = TEMPORAL_FRAMES * share - (0 if head else TEMPORAL_FRAMES - 1)
        part = TimeRange.of_length(start, length, made.rate)
        delivered = part.intersect(made)
        if delivered is None:
            raise InternalError(f"{part} shows nothing of {made}.")
        run = part if last else part.padded(0, RUN_OUT_FRAMES)
        frames = run.padded(head, TEMPORAL_FRAMES * tail if last else 0)
        found.append(Canvas(frames, run, delivered, continues=number > 0))
        start, head = part.end, MOST_HEAD_FRAMES
    return found


def _rooms(latents: int, *, head: int, tail: int, most_latents: int) -> list[int]:
    """Latents each of two or more windows may deliver, for as few windows as hold them all."""
    run_out = RUN_OUT_FRAMES // TEMPORAL_FRAMES
    shared = _latents_of_head(MOST_HEAD_FRAMES)
    first, later = most_latents - head - run_out, most_latents - shared - run_out
    last = most_latents - shared - tail
    between = max(0, -(-(latents - first - last) // later))
    return [first, *[later] * between, last]


def _latents_of_head(frames: int) -> int:
    return latent_frames(frames) if frames else 0


def _latents(frames: int, *, after_context: bool) -> int:
    return frames // TEMPORAL_FRAMES if after_context else latent_frames(frames)
