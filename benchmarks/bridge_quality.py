"""Does animatic bridge a gap better than a dissolve or a held frame? Ten moving clips with the truth known.

    python benchmarks/bridge_quality.py [--sheets FOLDER] [--clips NAME ...]

From each clip a window is taken out and bridged from the five frames on either side. Each made frame is compared
with the true one by SSIM on luma. The dissolve runs linearly between the last frame before and the first after;
the held frame is whichever of the two is the better. Half of the clips pan, zoom and turn over photographs
that come inside scikit-image's wheel, half are drawn here. Everything is deterministic.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from interchange.model.directive import JobKind
from interchange.model.media import Raster
from interchange.timebase import TimeRange
from sidecar.pipelines.animatic.limits import LIMITS
from sidecar.pipelines.base import Engine, EngineJob, Sound
from sidecar.pipelines.registry import create_engine
from sidecar.pipelines.synthetic import WINDOW_START, synthetic_job, without_slate

Picture = NDArray[np.float32]
Clip = Callable[[int, Raster], Picture]
"""Draws frame t of a clip, t counted from the first frame taken out."""

RASTER = Raster(640, 360)
RESULTS = Path(__file__).parent / "results"
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def photograph(name: str) -> Picture:
    """A photograph packaged with scikit-image, as R'G'B' 0..1; nothing is downloaded."""
    path = Path(skimage.__file__).parent / "data" / name
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"{name} is not in this scikit-image; install the wheel of 0.25 or later.")
    return picture[..., ::-1].astype(np.float32) / 255


def texture(seed: int, *, size: int = 900, finest: float = 2.0) -> Picture:
    """Coloured cloud with detail at every scale."""
    dice = np.random.default_rng(seed)
    total = np.zeros((size, size, 3), np.float32)
    sigma = finest
    while sigma < size / 6:
        noise = cv2.GaussianBlur(
            dice.standard_normal((size, size, 3)).astype(np.float32), (0, 0), sigma
        )
        total += noise / noise.std() * sigma**0.5
        sigma *= 2
    low, high = np.percentile(total, (1, 99))
    return np.clip((total - low) / (high - low), 0, 1).astype(np.float32)


def look_at(
    picture: Picture, raster: Raster, *, x: float, y: float, zoom: float = 1.0, degrees: float = 0.0
) -> Picture:
    """A camera over a flat picture: centred at (x, y), shares of its size; zoom 1 shows 60 % of its width."""
    height, width = picture.shape[:2]
    scale = 0.6 * width / raster.width_px / zoom
    angle = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([x * width, y * height])
    origin = centre - linear @ np.array([raster.width_px / 2, raster.height_px / 2])
    matrix = np.column_stack((linear, origin))
    # Twice the size, then averaged: no aliasing that a real lens would not have.
    doubled = matrix.copy()
    doubled[:, :2] /= 2
    doubled[:, 2] -= linear @ np.array([0.25, 0.25])
    large = cv2.warpAffine(
        picture,
        doubled,
        (2 * raster.width_px, 2 * raster.height_px),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    small = cv2.resize(large, (raster.width_px, raster.height_px), interpolation=cv2.INTER_AREA)
    return np.clip(small, 0, 1)


def lay(
    ground: Picture, picture: Picture, *, x: float, y: float, radius: float, roundness: float = 2.0
) -> Picture:
    """Lay a textured disc (or, with more roundness, a box) on a ground; x, y and radius in pixels."""
    height, width = ground.shape[:2]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = (
        np.abs((xs - x) / radius) ** roundness + np.abs((ys - y) / radius) ** roundness
    ) ** (1 / roundness)
    cover = np.clip((1 - distance) * radius + 0.5, 0, 1)[..., None]
    matrix = np.array([[1.0, 0.0, 300 - x], [0.0, 1.0, 300 - y]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    surface = np.clip(
        cv2.warpAffine(
            picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        ),
        0,
        1,
    )
    return ground + (surface - ground) * cover


class Clips:
    """The ten clips; pictures they are made of are drawn once."""

    def __init__(self) -> None:
        self._coffee = photograph("coffee.png")
        self._astronaut = photograph("astronaut.png")
        self._cat = photograph("chelsea.png")
        self._rocket = photograph("rocket.jpg")
        self._stars = photograph("hubble_deep_field.jpg")
        self._cloud = texture(1)
        self._earth = texture(2)
        self._sky = texture(3, finest=6)

    def by_name(self) -> dict[str, Clip]:
        """All of them."""
        return {
            "photo pan": self.photo_pan,
            "photo push": self.photo_push,
            "photo roll": self.photo_roll,
            "photo handheld": self.photo_handheld,
            "photo whip": self.photo_whip,
            "texture slide": self.texture_slide,
            "texture spin": self.texture_spin,
            "parallax": self.parallax,
            "passing object": self.passing_object,
            "crossing objects": self.crossing_objects,
        }

    def photo_pan(self, t: int, raster: Raster) -> Picture:
        """A pan that picks up speed."""
        return look_at(self._coffee, raster, x=0.40 + 0.006 * t + 0.00012 * t * t, y=0.5)

    def photo_push(self, t: int, raster: Raster) -> Picture:
        """A push in, one and a half per cent a frame."""
        return look_at(self._astronaut, raster, x=0.45, y=0.32, zoom=1.1 * 1.015**t)

    def photo_roll(self, t: int, raster: Raster) -> Picture:
        """A roll of a degree and a half a frame."""
        return look_at(self._cat, raster, x=0.5, y=0.45, zoom=1.25, degrees=-12 + 1.5 * t)

    def photo_handheld(self, t: int, raster: Raster) -> Picture:
        """A drifting camera."""
        x = 0.48 + 0.004 * t + 0.012 * np.sin(t / 5.0)
        y = 0.5 + 0.010 * np.sin(t / 4.0 + 1)
        return look_at(self._rocket, raster, x=x, y=y, degrees=0.8 * np.sin(t / 6.0))

    def photo_whip(self, t: int, raster: Raster) -> Picture:
        """A fast diagonal pan: most of the picture is exchanged."""
        return look_at(self._stars, raster, x=0.40 + 0.012 * t, y=0.45 + 0.006 * t, zoom=1.2)

    def texture_slide(self, t: int, raster: Raster) -> Picture:
        """A steady slide."""
        return look_at(self._cloud, raster, x=0.40 + 0.009 * t, y=0.5 - 0.004 * t)

    def texture_spin(self, t: int, raster: Raster) -> Picture:
        """A turn and a zoom at once."""
        return look_at(self._earth, raster, x=0.5, y=0.5, zoom=1.1 * 1.01**t, degrees=2.0 * t)

    def parallax(self, t: int, raster: Raster) -> Picture:
        """Three layers at three speeds."""
        back = look_at(self._sky, raster, x=0.4 + 0.002 * t, y=0.4)
        scale = raster.width_px / 640
        middle = lay(
            back,
            self._earth,
            x=(420 - 4.5 * t) * scale,
            y=300 * scale,
            radius=150 * scale,
            roundness=4,
        )
        return lay(
            middle,
            self._cloud,
            x=(180 - 9 * t) * scale,
            y=330 * scale,
            radius=110 * scale,
            roundness=3,
        )

    def passing_object(self, t: int, raster: Raster) -> Picture:
        """A ball in front of a still background."""
        scale = raster.width_px / 640
        ground = look_at(self._coffee, raster, x=0.5, y=0.5)
        return lay(
            ground,
            self._cloud,
            x=(180 + 11 * t) * scale,
            y=(200 + 2 * t) * scale,
            radius=70 * scale,
        )

    def crossing_objects(self, t: int, raster: Raster) -> Picture:
        """Two boxes pass in front of each other, over a slow pan."""
        scale = raster.width_px / 640
        ground = look_at(self._rocket, raster, x=0.48 + 0.002 * t, y=0.5)
        one = lay(
            ground,
            self._earth,
            x=(400 - 7 * t) * scale,
            y=190 * scale,
            radius=80 * scale,
            roundness=5,
        )
        return lay(one, self._cloud, x=(200 + 7 * t) * scale, y=230 * scale, radius=60 * scale)


WINDOWS = {"photo pan": 12, "photo push": 16, "photo roll": 12, "photo handheld": 12, "photo whip": 8,
           "texture slide": 12, "texture spin": 10, "parallax": 12, "passing object": 12, "crossing objects": 12}  # fmt: skip
"""Frames taken out of each clip."""


@dataclass(frozen=True, slots=True)
class ClipPictures:
    """One side of the gap, as an engine reads it."""

    clip: Clip
    raster: Raster
    record_range: TimeRange

    def picture(self, record_frame: int) -> Picture:
        """Refuse to show a frame that was taken out."""
        if record_frame not in self.record_range:
            raise AssertionError(f"frame {record_frame - WINDOW_START} was taken out")
        return self.clip(record_frame - WINDOW_START, self.raster)

    def sound(self, record_range: TimeRange) -> Sound | None:  # noqa: ARG002 - part of the seam
        """Clips are silent."""
        return None


def bridge_job(clip: Clip, *, length: int, raster: Raster) -> EngineJob:
    """The job that bridges frames 0 to `length` of a clip."""
    job = without_slate(synthetic_job(JobKind.BRIDGE, limits=LIMITS, raster=raster, length=length))
    sources = tuple(ClipPictures(clip, raster, span.record_range) for span in job.request.sources)
    return EngineJob(job.request, job.geometry, sources, job.slate_lines)


def compare(engine: Engine, clip: Clip, *, length: int, raster: Raster) -> dict[str, float]:
    """Mean SSIM to the truth of the bridge, the dissolve and the better held frame."""
    first, last = clip(-1, raster), clip(length, raster)
    job = bridge_job(clip, length=length, raster=raster)
    made = list(engine.generate(job, progress=lambda *_: None, cancelled=lambda: False))
    scores: dict[str, list[float]] = {
        "animatic": [],
        "dissolve": [],
        "held before": [],
        "held after": [],
    }
    for t in range(length):
        truth = clip(t, raster)
        share = np.float32((t + 1) / (length + 1))
        scores["animatic"].append(similarity(truth, made[t]))
        scores["dissolve"].append(similarity(truth, first + (last - first) * share))
        scores["held before"].append(similarity(truth, first))
        scores["held after"].append(similarity(truth, last))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    return {
        "animatic": means["animatic"],
        "animatic worst frame": float(np.min(scores["animatic"])),
        "dissolve": means["dissolve"],
        "held": max(means["held before"], means["held after"]),
    }


def similarity(truth: Picture, made: Picture) -> float:
    """SSIM on luma, Gaussian window as in Wang et al. 2004."""
    return float(
        structural_similarity(
            truth @ LUMA,
            np.clip(made, 0, 1) @ LUMA,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def contact_sheet(engine: Engine, clip: Clip, *, length: int, raster: Raster) -> NDArray[np.uint8]:
    """Truth, bridge and dissolve in three rows, five moments across."""
    first, last = clip(-1, raster), clip(length, raster)
    job = bridge_job(clip, length=length, raster=raster)
    made = list(engine.generate(job, progress=lambda *_: None, cancelled=lambda: False))
    moments = np.unique(np.linspace(0, length - 1, 5).round().astype(int)).tolist()
    rows = [
        [clip(t, raster) for t in moments],
        [made[t] for t in moments],
        [first + (last - first) * np.float32((t + 1) / (length + 1)) for t in moments],
    ]
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    return np.round(np.clip(sheet[..., ::-1], 0, 1) * 255).astype(np.uint8)


def as_markdown(report: dict) -> str:
    """The table people read."""
    lines = [
        "# Bridges against dissolves and held frames",
        "",
        "Mean SSIM on luma to the frames that were taken out; higher is better. Written by",
        "`benchmarks/bridge_quality.py`; the clips are described there.",
        "",
        "| clip | frames | animatic | worst frame | dissolve | held |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, row in report["clips"].items():
        lines.append(
            f"| {name} | {row['frames']} | **{row['animatic']:.4f}** | {row['animatic worst frame']:.4f}"
            f" | {row['dissolve']:.4f} | {row['held']:.4f} |"
        )
    lines += [
        "",
        f"{report['raster']}, {report['machine']}; "
        + ", ".join(f"{k} {v}" for k, v in report["versions"].items())
        + ".",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the comparison; 1 where a dissolve or a held frame beats a bridge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheets", type=Path, help="write a contact sheet of each clip here")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these; writes no results")
    options = parser.parse_args()
    engine = create_engine("animatic")
    clips = Clips().by_name()
    chosen = {name: clips[name] for name in options.clips or clips}
    rows: dict[str, dict[str, float]] = {}
    for name, clip in chosen.items():
        row = compare(engine, clip, length=WINDOWS[name], raster=RASTER)
        rows[name] = {"frames": WINDOWS[name], **row}
        print(f"{name:18} " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()))
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            sheet = contact_sheet(engine, clip, length=WINDOWS[name], raster=RASTER)
            cv2.imwrite(str(options.sheets / f"{name.replace(' ', '_')}.png"), sheet)
    if not options.clips:
        report = {
            "raster": str(RASTER),
            "machine": f"{platform.machine()}",
            "versions": {
                "animatic": engine.model_identity.rsplit(maxsplit=1)[-1],
                "Python": platform.python_version(),
                "OpenCV": cv2.__version__,
                "NumPy": np.__version__,
                "scikit-image": skimage.__version__,
            },
            "clips": rows,
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "bridge_quality.json").write_text(json.dumps(report, indent=2) + "\n")
        (RESULTS / "bridge_quality.md").write_text(as_markdown(report))
    beaten = [
        name for name, row in rows.items() if row["animatic"] <= max(row["dissolve"], row["held"])
    ]
    if beaten:
        print(f"beaten by a dissolve or a held frame: {', '.join(beaten)}")
    return 1 if beaten else 0


if __name__ == "__main__":
    raise SystemExit(main())
