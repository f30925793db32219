"""The slate card: what a shot that is nothing but words looks like until it is made."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Final

import numpy as np

from interchange.model.request import GenerationRequest
from interchange.timebase import TimeRange, format_timecode
from sidecar.pipelines.animatic.fields import as_field
from sidecar.pipelines.animatic.slate import reference_white
from sidecar.pipelines.animatic.typesetting import BOLD, MEDIUM, REGULAR, Typeface, paint
from sidecar.pipelines.base import Picture

_GROUND: Final = 0.105
_INK: Final = 0.88
_QUIET: Final = 0.48
_RULE: Final = 0.24


@dataclass(frozen=True, slots=True)
class Card:
    """A card whose counter and bar move with each frame; the rest is set once.

    Args:
        request: What is to be made.
        frames: Record frames the card runs over.
        ground: Everything that stands still.
        accent: R'G'B' of the bar, by seed.
        unit: A hundredth of the layout's height in pixels.
    """

    request: GenerationRequest
    frames: TimeRange
    ground: Picture
    accent: tuple[float, float, float]
    unit: float

    @classmethod
    def of(cls, request: GenerationRequest, *, frames: TimeRange) -> Card:
        """Set the card for a request."""
        width, height = request.raster.width_px, request.raster.height_px
        unit = min(height, width * 0.72) / 100
        white = reference_white(request.colour)
        hue = (request.seed * 0.61803398875) % 1.0  # neighbouring seeds get far hues
        red, green, blue = colorsys.hls_to_rgb(hue, 0.60, 0.55)
        accent = (red * white, green * white, blue * white)
        ground = np.full((height, width, 3), _GROUND * white, np.float32)
        ground *= _vignette(width, height)
        card = cls(request, frames, ground, accent, unit)
        card._set_ground()
        return card

    def picture(self, record_frame: int) -> Picture:
        """Make the card's picture at a record frame of its range."""
        picture = self.ground.copy()
        done = record_frame - self.frames.start + 1
        self._set_counter(picture, done)
        self._set_bar(picture, done)
        return picture

    @property
    def _white(self) -> float:
        return reference_white(self.request.colour)

    @property
    def _margin(self) -> int:
        return round(self.request.raster.width_px * 0.05)

    @property
    def _column(self) -> int:
        """Width of the text in pixels."""
        return max(8, self.request.raster.width_px - 2 * self._margin)

    def _face(self, size: float, weight: int = REGULAR) -> Typeface:
        return Typeface(max(6, round(size * self.unit)), weight)

    def _y(self, share: float) -> int:
        return round(self.request.raster.height_px * share)

    def _set_ground(self) -> None:
        request = self.request
        label = self._face(2.4, BOLD)
        paint(
            self.ground,
            label.set_line("PREVIZ"),
            x=self._margin,
            y=self._y(0.095),
            colour=self.accent,
        )
        sequence = label.shortened(request.sequence_name, width_px=round(self._column * 0.6))
        quiet = self._face(2.4)
        paint(
            self.ground,
            quiet.set_line(sequence),
            x=self._margin + self._column - quiet.measure(sequence),
            y=self._y(0.095),
            colour=_QUIET * self._white,
        )
        title = self._face(9.5, BOLD)
        while title.measure(request.shot) > self._column and title.size_px > 6:
            title = Typeface(title.size_px - max(1, title.size_px // 12), BOLD)
        self._line(title, title.shortened(request.shot, width_px=self._column), self._y(0.17), _INK)
        top = self._y(0.17) + title.line_px + round(2.2 * self.unit)
        top = self._set_words(top)
        self._set_facts()

    def _set_words(self, top: int) -> int:
        request = self.request
        body = self._face(4.0)
        room = self._y(0.70) - top
        lines_left = max(1, room // body.line_px - (2 if request.negative_prompt else 0))
        if request.prompt.strip():
            words, tone = request.prompt, _INK * 0.94
        else:
            words, tone = "No prompt: nothing is said about this shot yet.", _QUIET
        for line in body.wrap(words, width_px=self._column, most_lines=min(lines_left, 8)):
            self._line(body, line, top, tone)
            top += body.line_px
        if request.negative_prompt.strip():
            small = self._face(2.8)
            without = f"Without: {request.negative_prompt}"
            top += round(1.2 * self.unit)
            for line in small.wrap(without, width_px=self._column, most_lines=2):
                self._line(small, line, top, _QUIET)
                top += small.line_px
        return top

    def _set_facts(self) -> None:
        """Three columns under a hairline: length, record in, seed."""
        request = self.request
        rate = request.frame_rate
        length = self.frames.length
        start = format_timecode(request.record_range.start, rate, drop_frame=request.drop_frame)
        duration = format_timecode(length, rate, drop_frame=request.drop_frame)
        facts = (
            ("Length", f"{length} {'frame' if length == 1 else 'frames'}", duration),
            ("Record in", start, f"at {rate}"),
            ("Seed", str(request.seed), str(request.quality)),
        )
        top = self._y(0.735)
        rule = np.ones((max(1, round(0.2 * self.unit)), self._column), np.float32)
        paint(self.ground, rule, x=self._margin, y=top, colour=_RULE * self._white)
        top += round(2.0 * self.unit)
        label, value = self._face(2.0), self._face(2.9, MEDIUM)
        room = self._column // 3 - round(2 * self.unit)
        for index, (name, *lines) in enumerate(facts):
            x = self._margin + index * self._column // 3
            paint(self.ground, label.set_line(name), x=x, y=top, colour=_QUIET * self._white)
            y = top + label.line_px
            for face, line, tone in ((value, lines[0], _INK), (label, lines[1], _QUIET)):
                mask = face.set_line(face.shortened(line, width_px=max(4, room)))
                paint(self.ground, mask, x=x, y=y, colour=tone * self._white)
                y += face.line_px

    def _set_counter(self, picture: Picture, done: int) -> None:
        face = self._face(2.4, MEDIUM)
        text = f"{done:0{len(str(self.frames.length))}}"
        advance = max(face.measure(digit) for digit in "0123456789") + 1
        total = f" / {self.frames.length}"
        x = self._margin + self._column - face.measure(total) - advance * len(text)
        y = self._y(0.905) - face.line_px - round(1.0 * self.unit)
        for digit in text:
            paint(picture, face.set_line(digit), x=x, y=y, colour=_INK * self._white)
            x += advance
        paint(picture, face.set_line(total), x=x, y=y, colour=_QUIET * self._white)

    def _set_bar(self, picture: Picture, done: int) -> None:
        thick = max(1, round(0.7 * self.unit))
        top = self._y(0.905)
        track = np.ones((thick, self._column), np.float32)
        paint(picture, track, x=self._margin, y=top, colour=_RULE * self._white)
        filled = self._column * done / self.frames.length
        columns = np.clip(filled - np.arange(self._column, dtype=np.float32), 0, 1)
        bar = np.broadcast_to(columns, (thick, self._column)).astype(np.float32)
        paint(picture, bar, x=self._margin, y=top, colour=self.accent)

    def _line(self, face: Typeface, text: str, y: int, tone: float) -> None:
        paint(self.ground, face.set_line(text), x=self._margin, y=y, colour=tone * self._white)


def _vignette(width: int, height: int) -> Picture:
    """A hardly visible fall-off towards the corners: [height, width, 1]."""
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return as_field(1.06 - 0.16 * (np.square(across) + np.square(down)))[..., None]
