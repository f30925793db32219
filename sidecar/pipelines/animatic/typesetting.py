"""Setting text into coverage masks. OpenCV 5 brings its own variable sans; OpenCV 4 has stroke letters only."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Coverage = NDArray[np.float32]
"""float32 [h, w], 0..1: how much of each pixel the letters cover."""

REGULAR: Final = 400
MEDIUM: Final = 500
BOLD: Final = 700

_LONGEST_TEXT: Final = 2000  # characters; no card has room for more, and measuring takes time
_PLAIN_SIGNS: Final = str.maketrans("\u2013\u2014\u2018\u2019\u201c\u201d", "--''\"\"")
_OVERSAMPLING: Final = 4
_STROKE_SIZE_PX: Final = 30.0  # a size of FONT_HERSHEY_DUPLEX at scale 1, counted as designers do


@dataclass(frozen=True, slots=True)
class Typeface:
    """A sans at one size and weight.

    Args:
        size_px: Size in pixels, as designers count it: capitals are about 0.7 of it high.
        weight: 400 regular to 700 bold.
    """

    size_px: int
    weight: int = REGULAR

    @property
    def line_px(self) -> int:
        """Distance from one line to the next."""
        return round(self.size_px * 1.36)

    def measure(self, text: str) -> int:
        """Width of a line in pixels."""
        text = printable(text)
        if not text:
            return 0
        if _has_outlines():
            box = cv2.getTextSize(
                (1, 1), text, (0, 0), cv2.FontFace("sans"), self.size_px, self.weight
            )
            return int(box[0] + box[2])
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, self._stroke_scale, 1)
        return int(width) + 1

    def set_line(self, text: str) -> Coverage:
        """Set one line: [line_px, its width], the base line at three quarters of the height."""
        text = printable(text)
        height, width = self.line_px, max(1, self.measure(text) + 1)
        base = round(height * 0.75)
        if _has_outlines():
            mask = np.zeros((height, width), np.uint8)
            cv2.putText(mask, text, (0, base), 255, cv2.FontFace("sans"), self.size_px, self.weight)
        else:
            large = np.zeros((height * _OVERSAMPLING, width * _OVERSAMPLING), np.uint8)
            cv2.putText(
                large,
                text,
                (0, base * _OVERSAMPLING),
                cv2.FONT_HERSHEY_DUPLEX,
                self._stroke_scale * _OVERSAMPLING,
                255,
                max(1, round(self.size_px * _OVERSAMPLING * self.weight / 6000)),
                cv2.LINE_AA,
            )
            mask = np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA))
        return mask.astype(np.float32) / np.float32(255)

    def wrap(self, text: str, *, width_px: int, most_lines: int) -> list[str]:
        """Break text into lines that fit; where `most_lines` are not enough the last ends in an ellipsis.

        A word wider than a line is broken.
        """
        lines: list[str] = [""]
        for word in printable(text[:_LONGEST_TEXT]).split():
            longer = f"{lines[-1]} {word}".lstrip()
            if self.measure(longer) <= width_px:
                lines[-1] = longer
                continue
            for piece in self._broken(word, width_px):
                if lines[-1]:
                    lines.append(piece)
                else:
                    lines[-1] = piece
            if len(lines) > most_lines:
                break
        if len(lines) <= most_lines and len(text) <= _LONGEST_TEXT:
            return lines
        kept = lines[:most_lines]
        kept[-1] = self.shortened(kept[-1] + "...", width_px=width_px)
        return kept

    def shortened(self, text: str, *, width_px: int) -> str:
        """Cut a line so that it fits, with an ellipsis where something was cut."""
        if self.measure(text) <= width_px:
            return text
        fits = self._fitting(text, width_px - self.measure("..."))
        return text[:fits].rstrip(". ") + "..."

    def _broken(self, word: str, width_px: int) -> list[str]:
        pieces = []
        while self.measure(word) > width_px and len(word) > 1:
            fits = max(1, self._fitting(word, width_px))
            pieces.append(word[:fits])
            word = word[fits:]
        return [*pieces, word]

    def _fitting(self, text: str, width_px: int) -> int:
        """Number of leading characters that fit."""
        lengths = range(1, len(text) + 1)
        return bisect_right(lengths, width_px, key=lambda length: self.measure(text[:length]))

    @property
    def _stroke_scale(self) -> float:
        return self.size_px / _STROKE_SIZE_PX


def printable(text: str) -> str:
    """Text a typeface can set: control characters become spaces, and what has no letters a question mark.

    OpenCV 4 sets ASCII only, so accents are dropped there.
    """
    spaced = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    if _has_outlines():
        return spaced
    plain = unicodedata.normalize("NFKD", spaced.translate(_PLAIN_SIGNS))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return plain.encode("ascii", "replace").decode("ascii")


def paint(
    picture: NDArray[np.float32],
    mask: Coverage,
    *,
    x: int,
    y: int,
    colour: Any,
    opacity: float = 1.0,
) -> None:
    """Lay a colour over a picture where a mask covers it, in place; what falls outside is cut off.

    Args:
        picture: [H, W, 3].
        mask: [h, w].
        x: Left edge of the mask in the picture.
        y: Top edge.
        colour: R'G'B', three numbers or one for grey.
        opacity: 0..1.
    """
    height, width = picture.shape[:2]
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + mask.shape[1], width), min(y + mask.shape[0], height)
    if left >= right or top >= bottom:
        return
    cover = mask[top - y : bottom - y, left - x : right - x, None] * np.float32(opacity)
    region = picture[top:bottom, left:right]
    region += (np.asarray(colour, np.float32) - region) * cover


def _has_outlines() -> bool:
    return hasattr(cv2, "FontFace")
