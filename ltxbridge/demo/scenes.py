"""Three moving landscapes, drawn from noise: enough depth and motion to judge a bridge or a retake by.

Each scene is a stack of layers that are drawn once, wider than the picture, and slide at their own speed, so that
near things pass faster than far ones; a subject moves through them. Same code, same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from interchange.model.media import Raster

Image = NDArray[np.float32]
"""float32 [H, W, 3] R'G'B', 0 to 1."""

Colour = tuple[float, float, float]

_MARGIN = 0.5  # of the picture's width, on the right of every layer, for it to slide into
_GRAIN = 0.008
_SUBPIXEL_BITS = 6


@dataclass(frozen=True, slots=True)
class _Layer:
    """A drawn layer.

    Args:
        image: Premultiplied colour, wider than the picture.
        alpha: float32 [H, W, 1] coverage.
        speed: Share of the camera's travel that it makes: 0 stands still, 1 is at the lens.
        top: First row that is not empty.
        opaque: Covers everything.
    """

    image: Image
    alpha: Image
    speed: float
    top: int = field(init=False)
    opaque: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "top", int(np.flatnonzero(self.alpha.any(axis=(1, 2)))[0]))
        object.__setattr__(self, "opaque", bool(self.alpha.all()))


Subject = Callable[[Image, float], None]
"""Draws what moves into a picture; the second argument runs from 0 to 1 over the shot."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A shot to be drawn.

    Args:
        layers: From far to near.
        subject: Drawn over the first `subject_depth` layers.
        travel: Picture widths the camera moves over the shot.
    """

    layers: tuple[_Layer, ...]
    subject: Subject
    subject_depth: int
    travel: float
    grain_seed: int

    def pictures(self, frame_count: int) -> Iterator[Image]:
        """Draw the shot frame by frame."""
        grain = np.random.default_rng(self.grain_seed)
        height = self.layers[0].image.shape[0]
        width = round(self.layers[0].image.shape[1] / (1 + _MARGIN))
        for frame in range(frame_count):
            progress = frame / (frame_count - 1)
            picture = np.zeros((height, width, 3), np.float32)
            for depth, layer in enumerate(self.layers):
                if depth == self.subject_depth:
                    self.subject(picture, progress)
                shift = self.travel * layer.speed * progress * width
                _lay_over(picture, layer, shift=shift)
            # Half the noise twice as coarse: it looks like film and survives compression.
            noise = grain.standard_normal((height // 2, width // 2), np.float32)
            picture += _GRAIN * cv2.resize(noise, (width, height))[..., None]
            yield np.clip(picture, 0, 1)


def ridge(raster: Raster) -> Scene:
    """Dawn over mountains, a balloon drifting; the camera pans slowly to the right."""
    size = _Size(raster)
    haze, near = (0.93, 0.72, 0.55), (0.10, 0.15, 0.20)
    layers = [size.sky((0.36, 0.50, 0.66), (0.98, 0.80, 0.60), sun=(0.66, 0.47, 0.055))]
    for index, (base, height, speed) in enumerate(
        ((0.54, 0.20, 0.10), (0.62, 0.18, 0.22), (0.72, 0.16, 0.42), (0.86, 0.15, 0.85))
    ):
        colour = _mix(haze, near, (index + 0.7) / 3.7)
        layers.append(
            size.hills(colour, base=base, height=height, speed=speed, seed=11 + index, haze=haze)
        )

    def balloon(picture: Image, progress: float) -> None:
        _balloon(picture, x=0.30 + 0.15 * progress, y=0.34 - 0.05 * math.sin(2.2 * progress))

    return Scene(tuple(layers), balloon, subject_depth=3, travel=0.38, grain_seed=1)


def lake(raster: Raster) -> Scene:
    """A still lake at noon with a sailing boat; the camera follows it."""
    size = _Size(raster)
    haze, near = (0.78, 0.86, 0.88), (0.11, 0.22, 0.20)
    layers = [
        size.sky((0.28, 0.50, 0.70), (0.86, 0.92, 0.90), sun=None),
        size.hills((0.62, 0.73, 0.78), base=0.44, height=0.16, speed=0.10, seed=31, haze=haze),
        size.hills((0.36, 0.52, 0.54), base=0.51, height=0.12, speed=0.25, seed=32, haze=haze),
        size.water((0.52, 0.68, 0.72), (0.12, 0.28, 0.34), top=0.535, speed=0.45, seed=33),
        size.hills(near, base=0.985, height=0.10, speed=1.0, seed=34, haze=near),
    ]

    def boat(picture: Image, progress: float) -> None:
        bob = 0.004 * math.sin(2 * math.pi * 3 * progress)
        _boat(picture, x=0.20 + 0.46 * progress, y=0.66 + bob, length=0.13)

    return Scene(tuple(layers), boat, subject_depth=4, travel=0.34, grain_seed=2)


def viaduct(raster: Raster) -> Scene:
    """Dusk; a lit train crosses a viaduct while the camera drifts the other way."""
    size = _Size(raster)
    haze, near = (0.56, 0.40, 0.48), (0.05, 0.06, 0.11)
    layers = [
        size.sky((0.09, 0.12, 0.25), (0.86, 0.50, 0.42), sun=None, stars=140),
        size.hills((0.36, 0.29, 0.42), base=0.56, height=0.20, speed=0.10, seed=51, haze=haze),
        size.hills((0.20, 0.18, 0.30), base=0.68, height=0.14, speed=0.28, seed=52, haze=haze),
        size.arches((0.11, 0.11, 0.19), top=0.60, speed=0.45),
        size.hills(near, base=0.93, height=0.14, speed=0.9, seed=54, haze=near),
    ]

    def train(picture: Image, progress: float) -> None:
        _train(picture, x=-0.45 + 1.25 * progress, y=0.60)

    return Scene(tuple(layers), train, subject_depth=3, travel=0.22, grain_seed=3)


class _Size:
    """Draws layers for one raster; lengths are shares of the picture's height, or width where across."""

    def __init__(self, raster: Raster) -> None:
        self.height = raster.height_px
        self.width = round(raster.width_px * (1 + _MARGIN))

    def sky(
        self,
        top: Colour,
        bottom: Colour,
        *,
        sun: tuple[float, float, float] | None,
        stars: int = 0,
    ) -> _Layer:
        share = np.linspace(0, 1.6, self.height, dtype=np.float32).clip(0, 1)[:, None, None]
        image = (1 - share) * np.asarray(top, np.float32) + share * np.asarray(bottom, np.float32)
        image = np.repeat(image, self.width, axis=1).astype(np.float32)
        clouds = self._clouds(seed=7)
        image += clouds[..., None] * (1 - share * 0.4) * np.float32(0.16)
        if sun is not None:
            x, y, radius = sun[0] * self.width / (1 + _MARGIN), sun[1] * self.height, sun[2]
            rows, columns = np.ogrid[: self.height, : self.width]
            distance = np.hypot(columns - x, rows - y) / self.height
            glow = np.exp(-distance / (3.2 * radius)).astype(np.float32)[..., None]
            disc = np.clip((radius - distance) * self.height / 2, 0, 1).astype(np.float32)
            image += glow * np.asarray((0.30, 0.22, 0.10), np.float32)
            image = np.maximum(image, disc[..., None] * np.asarray((1.0, 0.95, 0.82), np.float32))
        if stars:
            random = np.random.default_rng(stars)
            for _ in range(stars):
                centre = (random.integers(self.width), random.integers(self.height * 2 // 5))
                light = float(random.uniform(0.25, 0.9))
                cv2.circle(
                    image, (int(centre[0]), int(centre[1])), 1, (light,) * 3, -1, cv2.LINE_AA
                )
        return _Layer(image, np.ones((self.height, self.width, 1), np.float32), speed=0.03)

    def hills(
        self, colour: Colour, *, base: float, height: float, speed: float, seed: int, haze: Colour
    ) -> _Layer:
        crest = (base - height * _profile(self.width, seed=seed)) * self.height
        rows = np.arange(self.height, dtype=np.float32)[:, None]
        alpha = np.clip(rows - crest[None, :] + 0.5, 0, 1).astype(np.float32)[..., None]
        # Slopes catch light on one side; valleys fill with haze towards the foot.
        slope = np.gradient(cv2.GaussianBlur(crest[None, :], (0, 0), 4)[0])
        light = 1 + 0.35 * np.tanh(slope)[None, :, None] * np.exp(
            -np.maximum(rows - crest[None, :], 0)[..., None] / (0.10 * self.height)
        )
        fog = np.clip((rows - crest[None, :]) / (0.42 * self.height), 0, 1)[..., None] * 0.55
        body = (
            np.asarray(colour, np.float32) * light * (1 - fog) + np.asarray(haze, np.float32) * fog
        )
        texture = self._noise(seed=seed + 100, cells=48)[..., None] * 0.05
        image = (body * (1 + texture)).astype(np.float32) * alpha
        return _Layer(image, alpha, speed)

    def water(self, far: Colour, near: Colour, *, top: float, speed: float, seed: int) -> _Layer:
        rows = np.arange(self.height, dtype=np.float32)[:, None]
        alpha = np.clip(rows - top * self.height + 0.5, 0, 1)[..., None].astype(np.float32)
        depth = np.clip((rows / self.height - top) / (1 - top), 0, 1)[..., None]
        body = (1 - depth**0.7) * np.asarray(far, np.float32) + depth**0.7 * np.asarray(
            near, np.float32
        )
        ripples = self._noise(seed=seed, cells=20, stretch=9)[..., None]
        image = (body * (1 + (0.10 + 0.22 * depth) * ripples)).astype(np.float32)
        image = np.broadcast_to(image, (self.height, self.width, 3)) * alpha
        alpha = np.broadcast_to(alpha, (self.height, self.width, 1)).copy()
        return _Layer(np.ascontiguousarray(image), alpha, speed)

    def arches(self, colour: Colour, *, top: float, speed: float) -> _Layer:
        mask = np.zeros((self.height, self.width), np.uint8)
        deck, pitch = round(top * self.height), round(0.235 * self.height)
        foot = self.height
        cv2.rectangle(mask, (0, deck), (self.width, foot), 255, -1)
        pier = round(0.05 * self.height)
        for left in range(0, self.width, pitch):
            radius = (pitch - pier) // 2
            centre = (left + pier + radius, deck + round(0.055 * self.height) + radius)
            cv2.circle(mask, centre, radius, 0, -1, cv2.LINE_AA)
            cv2.rectangle(mask, (centre[0] - radius, centre[1]), (centre[0] + radius, foot), 0, -1)
        shade = np.linspace(1.25, 0.8, self.height, dtype=np.float32)[:, None, None]
        alpha = mask[..., None].astype(np.float32) / np.float32(255)
        return _Layer(
            np.ascontiguousarray(np.asarray(colour, np.float32) * shade * alpha), alpha, speed
        )

    def _noise(self, *, seed: int, cells: int, stretch: int = 1) -> Image:
        """Smooth noise, -1 to 1; `stretch` makes it wider than high."""
        random = np.random.default_rng(seed)
        total = np.zeros((self.height, self.width), np.float32)
        for octave in range(3):
            rows = cells << octave
            columns = max(2, rows * self.width // self.height // stretch)
            coarse = random.uniform(-1, 1, (rows, columns)).astype(np.float32)
            size = (self.width, self.height)
            total += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) / (1 << octave)
        return total / 1.75

    def _clouds(self, *, seed: int) -> Image:
        noise = self._noise(seed=seed, cells=4, stretch=4)
        rows = np.linspace(1, 0, self.height, dtype=np.float32)[:, None]
        clouds: Image = np.clip(noise - 0.05, 0, 1) * rows
        return clouds


def _profile(width: int, *, seed: int) -> Image:
    """A ridge line, 0 to 1."""
    random = np.random.default_rng(seed)
    total = np.zeros(width, np.float32)
    for octave in range(6):
        points = 4 << octave
        coarse = random.uniform(0, 1, (1, points)).astype(np.float32)
        line = cv2.resize(coarse, (width, 1), interpolation=cv2.INTER_CUBIC)[0]
        total += line / (1 << octave) ** 1.15
    low, high = float(total.min()), float(total.max())
    return (total - low) / (high - low)


def _lay_over(picture: Image, layer: _Layer, *, shift: float) -> None:
    """Composite a layer that has slid to the left by `shift` pixels, a fraction included."""
    height, width = picture.shape[:2]
    moved = np.asarray([[1, 0, -shift], [0, 1, 0]], np.float32)
    seen = slice(layer.top, height)
    size = (width, height - layer.top)
    image = cv2.warpAffine(layer.image[seen], moved, size, flags=cv2.INTER_LINEAR)
    if layer.opaque:
        picture[:] = image
        return
    alpha = cv2.warpAffine(layer.alpha[seen], moved, size, flags=cv2.INTER_LINEAR)
    picture[seen] *= 1 - alpha[..., None]
    picture[seen] += image


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    mixed = np.asarray(first) * (1 - share) + np.asarray(second) * share
    return (float(mixed[0]), float(mixed[1]), float(mixed[2]))


def _fill(picture: Image, points: list[tuple[float, float]], colour: Colour) -> None:
    """Fill a polygon given in shares of the picture's width and height."""
    height, width = picture.shape[:2]
    corners = np.array([(x * width, y * height) for x, y in points])
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 2
    part = picture[top:bottom, left:right]
    if not part.size:
        return
    # OpenCV smooths edges in 8-bit pictures only, so the polygon is drawn as a mask.
    mask = np.zeros(part.shape[:2], np.uint8)
    shifted = ((corners - (left, top)) * (1 << _SUBPIXEL_BITS)).round().astype(np.int32)
    cv2.fillPoly(mask, [shifted], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    cover = mask[..., None].astype(np.float32) / np.float32(255)
    part *= 1 - cover
    part += cover * np.asarray(colour, np.float32)


def _balloon(picture: Image, *, x: float, y: float) -> None:
    """A striped balloon of an eighth of the picture's height across, lit from the right."""
    aspect = picture.shape[0] / picture.shape[1]
    radius = 0.115
    bands = 9
    for band in range(bands):
        # Gores are meridians of a sphere, seen from the side; below the equator they run to the mouth.
        edges = [math.sin(math.pi * (share / bands - 0.5)) for share in (band, band + 1)]
        rim = []
        for edge, downwards in ((edges[0], True), (edges[1], False)):
            angles = range(0, 181, 9) if downwards else range(180, -1, -9)
            for angle in angles:
                height = -math.cos(math.radians(angle))
                narrow = math.sin(math.radians(angle))
                if height > 0:
                    height *= 1.25
                    narrow = 0.16 + 0.84 * narrow
                rim.append((x + edge * narrow * radius * aspect, y + height * radius))
        light = 0.72 + 0.36 * (band / (bands - 1))
        colour = (0.80, 0.26, 0.18) if band % 2 else (0.95, 0.88, 0.74)
        _fill(picture, rim, (colour[0] * light, colour[1] * light, colour[2] * light))
    mouth, basket = y + 1.25 * radius, y + 1.58 * radius
    for side in (-1, 1):
        edge = x + side * 0.016 * aspect
        _fill(picture, [(edge - 0.0008, mouth), (edge + 0.0008, mouth), (edge + 0.0008, basket),
                        (edge - 0.0008, basket)], (0.16, 0.12, 0.10))  # fmt: skip
    _fill(picture, [(x - 0.022 * aspect, basket), (x + 0.022 * aspect, basket),
                    (x + 0.018 * aspect, basket + 0.034), (x - 0.018 * aspect, basket + 0.034)],
          (0.26, 0.17, 0.11))  # fmt: skip


def _boat(picture: Image, *, x: float, y: float, length: float) -> None:
    half = length / 2
    _fill(picture, [(x - half, y), (x + half, y), (x + half * 0.75, y + 0.045), (x - half * 0.7, y + 0.045)],
          (0.42, 0.16, 0.12))  # fmt: skip
    _fill(
        picture,
        [(x - 0.004, y), (x - 0.004, y - 0.30), (x - half * 0.95, y - 0.02)],
        (0.95, 0.93, 0.88),
    )
    _fill(
        picture,
        [(x + 0.004, y), (x + 0.004, y - 0.26), (x + half * 0.8, y - 0.02)],
        (0.84, 0.80, 0.74),
    )
    # Its reflection, broken by the swell.
    for row in range(7):
        top = y + 0.055 + row * 0.022
        reach = half * (0.85 - row * 0.10)
        _fill(picture, [(x - reach, top), (x + reach * 0.8, top), (x + reach * 0.8, top + 0.007),
                        (x - reach, top + 0.007)], (0.62, 0.68, 0.68))  # fmt: skip


def _train(picture: Image, *, x: float, y: float) -> None:
    carriage, gap = 0.125, 0.006
    for index in range(4):
        left = x + index * (carriage + gap)
        right = left + carriage
        nose = 0.02 if index == 3 else 0.0
        _fill(picture, [(left, y), (left, y - 0.058), (right - nose, y - 0.058), (right, y - 0.02), (right, y)],
              (0.34, 0.10, 0.12))  # fmt: skip
        for window in range(5):
            edge = left + 0.010 + window * 0.0215
            _fill(picture, [(edge, y - 0.045), (edge + 0.015, y - 0.045), (edge + 0.015, y - 0.024),
                            (edge, y - 0.024)], (1.0, 0.86, 0.55))  # fmt: skip
