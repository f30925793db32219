"""How long animatic takes for a 1080p frame of each kind, start-up of the take included.

python benchmarks/animatic_speed.py
"""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path

import cv2
import numpy as np

from interchange.model.directive import JobKind, Quality
from interchange.model.media import Raster
from sidecar.pipelines.animatic.limits import LIMITS
from sidecar.pipelines.registry import create_engine
from sidecar.pipelines.synthetic import synthetic_job, with_quality

RESULTS = Path(__file__).parent / "results"
RASTER = Raster(1920, 1080)
FRAMES = 24
KINDS = (
    JobKind.BRIDGE,
    JobKind.RETAKE,
    JobKind.EXTEND,
    JobKind.REGENERATE,
    JobKind.GENERATE,
)


def main() -> None:
    """Measure, print and write the results."""
    engine = create_engine("animatic")
    rows = {}
    for kind in KINDS:
        for quality in Quality:
            job = with_quality(
                synthetic_job(kind, limits=LIMITS, raster=RASTER, length=FRAMES), quality
            )
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in engine.generate(job, progress=lambda *_: None, cancelled=lambda: False):
                pass
            rows[f"{kind} {quality}"] = {
                "wall ms/frame": round(1000 * (time.perf_counter() - wall) / FRAMES),
                "cpu ms/frame": round(1000 * (time.process_time() - cpu) / FRAMES),
            }
            print(kind, quality, rows[f"{kind} {quality}"])
    report = {
        "raster": str(RASTER),
        "frames": FRAMES,
        "machine": f"{platform.machine()}, {cv2.getNumberOfCPUs()} cores",
        "versions": {"OpenCV": cv2.__version__, "NumPy": np.__version__},
        "kinds": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "animatic_speed.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
