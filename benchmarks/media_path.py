"""Our media path against the ffmpeg command line doing the same work, in one run.

The work: decode 1080p H.264 and encode ProRes 422 HQ with FFmpeg's `prores` encoder, kept frames only (no
colour conversion but the one both need, 8-bit 4:2:0 to 10-bit 4:2:2). Both use all cores. The two alternate, so
that a busy machine slows both; the ratio is the median of the pairs' ratios.

    python benchmarks/media_path.py [--frames 150] [--pairs 5]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import av
from machine import in_words, machine

from interchange.model.media import BT709, Raster
from interchange.model.request import Codec
from interchange.timebase import FrameRate, TimeRange
from sidecar.filesystem import FileSystem
from sidecar.media.decode import FrameReader
from sidecar.media.encode import EncodeSpec, TakeWriter

RESULTS = Path(__file__).parent / "results"
RATE = FrameRate(25)
RASTER = Raster(1920, 1080)


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float


def make_source(path: Path, frames: int) -> None:
    """Moving shapes under fine grain, so that neither codec has it too easy."""
    picture = f"testsrc2=size=1920x1080:rate=25:duration={frames / 25},noise=alls=8:allf=t"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p"]
    tags = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-bf", "2", "-g", "50"]
    subprocess.run([*command, *tags, *coding, path], check=True)


def measured(work: Callable[[], None], who: int) -> Cost:
    """Run it and take wall time and the CPU time of ourselves or our children."""
    before, start = resource.getrusage(who), time.perf_counter()
    work()
    wall, after = time.perf_counter() - start, resource.getrusage(who)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(round(wall, 3), round(cpu, 3))


def ours(source: Path, target: Path, frames: int) -> None:
    """Decode and encode through the product's own reader and writer."""
    target.unlink(missing_ok=True)
    spec = EncodeSpec(RATE, RASTER, BT709, Codec.PRORES_422_HQ, 90000, False, "A001", frames)
    with FrameReader(source) as reader, TakeWriter(target, spec, filesystem=FileSystem()) as take:
        for frame in reader.frames(TimeRange(0, frames, RATE)):
            take.write(frame)


def theirs(source: Path, target: Path) -> None:
    """The same by the command line."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-i",
        source,
        "-an",
        "-c:v",
        "prores",
        "-profile:v",
        "3",
    ]
    subprocess.run(
        [*command, "-pix_fmt", "yuv422p10le", "-timecode", "01:00:00:00", target], check=True
    )


def main() -> None:
    """Measure and write `results/media_path.json` and `.md`."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=150)
    options.add_argument("--pairs", type=int, default=5)
    chosen = options.parse_args()
    pairs: list[tuple[Cost, Cost]] = []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.mp4", Path(folder) / "take.mov"
        make_source(source, chosen.frames)
        ours(source, target, chosen.frames)  # warm: page cache, code
        theirs(source, target)
        for number in range(chosen.pairs):
            runs = {
                "ours": lambda: measured(
                    lambda: ours(source, target, chosen.frames), resource.RUSAGE_SELF
                ),
                "theirs": lambda: measured(
                    lambda: theirs(source, target), resource.RUSAGE_CHILDREN
                ),
            }
            order = ("ours", "theirs") if number % 2 else ("theirs", "ours")
            costs = {name: runs[name]() for name in order}
            pairs.append((costs["ours"], costs["theirs"]))
            print(f"pair {number + 1}: {costs}", flush=True)
    write_results(pairs, chosen.frames)


def write_results(pairs: list[tuple[Cost, Cost]], frames: int) -> None:
    """Write the table and the numbers behind it."""
    ratio = {
        kind: round(statistics.median(getattr(a, kind) / getattr(b, kind) for a, b in pairs), 3)
        for kind in ("wall_s", "cpu_s")
    }
    each = {
        name: {
            kind: round(
                1000 * statistics.median(getattr(pair[i], kind) for pair in pairs) / frames, 1
            )
            for kind in ("wall_s", "cpu_s")
        }
        for i, name in enumerate(("ours", "theirs"))
    }
    cli = subprocess.run(["ffmpeg", "-version"], check=True, capture_output=True, text=True).stdout
    hardware = machine("av")
    document = {
        "machine": hardware,
        "libavcodec": ".".join(str(part) for part in av.library_versions["libavcodec"]),
        "ffmpeg": cli.splitlines()[0],
        "frames": frames,
        "ratio": ratio,
        "ms_per_frame": each,
        "pairs": [{"ours": asdict(a), "theirs": asdict(b)} for a, b in pairs],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "media_path.json").write_text(json.dumps(document, indent=2) + "\n")
    (RESULTS / "media_path.md").write_text(
        "# Media path: 1080p H.264 to ProRes 422 HQ, kept frames\n\n"
        "| | wall ms/frame | CPU ms/frame |\n|---|---|---|\n"
        f"| ltxbridge | {each['ours']['wall_s']} | {each['ours']['cpu_s']} |\n"
        f"| ffmpeg command line | {each['theirs']['wall_s']} | {each['theirs']['cpu_s']} |\n"
        f"| ratio (median of {len(pairs)} pairs) | {ratio['wall_s']} | {ratio['cpu_s']} |\n\n"
        f"{in_words(hardware)} libavcodec {document['libavcodec']}; {document['ffmpeg']}; {frames} frames. With a load above the number of CPUs "
        "the CPU time is the figure to trust: wall time then measures the neighbours.\n"
    )
    print((RESULTS / "media_path.md").read_text())


if __name__ == "__main__":
    main()
