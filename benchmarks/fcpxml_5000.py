"""An FCPXML of 5,000 clips: our read + apply + verify against lxml and the OpenTimelineIO adapter, in one run.

Ours reads all marks (ten retakes), puts ten takes in and passes the gate, which reads the document again. lxml parses
and serialises the same document and knows nothing about it; the adapter reads it into a timeline and writes that.
Each run is a process of its own that measures only the work, not the imports; the three take turns.

    python benchmarks/fcpxml_5000.py [--clips 5000] [--rounds 5] [--adapter-rounds 1]
"""

# ruff: noqa: PLC0415 - each case loads only its own library

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from machine import in_words, machine

RESULTS = Path(__file__).parent / "results"
TAKES = 10
FRAMES = 48
START = 86400


def seconds(frames: int) -> str:
    """Frames at 23.976 as FCPXML writes them."""
    return f"{frames * 1001}/24000s"


def document(clips: int) -> str:
    """A timeline of clips with a marker, a transform and an asset each; every five-hundredth asks for a retake."""
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n\n<fcpxml version="1.11">\n'
        "    <resources>\n"
        f'        <format id="r1" frameDuration="{seconds(1)}" width="1920" height="1080"/>\n'
    )
    assets = "".join(
        f'        <asset id="a{i}" name="A{i:05d}" uid="{i:032X}" start="{seconds(START)}" '
        f'duration="{seconds(2400)}" hasVideo="1" format="r1" hasAudio="1" videoSources="1" '
        'audioSources="1" audioChannels="2" audioRate="48000">\n'
        f'            <media-rep kind="original-media" sig="{i:032X}" src="file:///M/A{i:05d}.mov"/>\n'
        "            <metadata>\n"
        f'                <md key="com.apple.proapps.studio.reel" value="R{i:04d}"/>\n'
        '                <md key="com.apple.proapps.mio.cameraName" value="ALEXA"/>\n'
        "            </metadata>\n        </asset>\n"
        for i in range(clips)
    )
    spine = "".join(
        f'                        <asset-clip ref="a{i}" offset="{seconds(START + FRAMES * i)}" '
        f'name="A{i:05d}" start="{seconds(START + 100)}" duration="{seconds(FRAMES)}" tcFormat="NDF" '
        'audioRole="dialogue">\n'
        '                            <adjust-transform position="0 0" scale="1 1" anchor="0 0"/>\n'
        f'                            <marker start="{seconds(START + 110)}" duration="{seconds(1)}" '
        f'value="{"LTX: retake len=24" if i % (clips // TAKES) == 0 else f"m{i}"}"/>\n'
        "                        </asset-clip>\n"
        for i in range(clips)
    )
    return (
        f"{head}{assets}    </resources>\n    <library>\n"
        '        <event name="E">\n            <project name="P">\n'
        f'                <sequence format="r1" duration="{seconds(FRAMES * clips)}" '
        f'tcStart="{seconds(START)}" tcFormat="NDF">\n                    <spine>\n{spine}'
        "                    </spine>\n                </sequence>\n            </project>\n"
        "        </event>\n    </library>\n</fcpxml>\n"
    )


def ours(path: Path) -> Callable[[], object]:
    """Read, apply, verify."""
    from interchange.formats.registry import format_for
    from interchange.model.media import Raster
    from interchange.model.segment import Segment
    from interchange.model.take import Placement, Take
    from interchange.timebase import TimeRange

    def placed(segment: Segment, number: int) -> Placement:
        record = TimeRange.of_length(segment.mark_range.start, 24, segment.mark_range.rate)
        take = Take(
            path=f"/M/take{number}.mov",
            manifest_path="",
            sha256="",
            size_bytes=1,
            record_range=record,
            media_range=record.padded(12, 12),
            head_handle_frames=12,
            drop_frame=False,
            raster=Raster(1920, 1080),
            codec="prores422hq",
            reel="",
            audio_channels=0,
            audio_sample_rate_hz=0,
            engine="identity",
            engine_version="1",
            model_identity="",
            seed=0,
        )
        return Placement(segment, take, f"file:///M/take{number}.mov")

    def work() -> object:
        form = format_for(path)
        raw = form.load(path)
        segments = form.read(raw).segments
        placements = [placed(segment, number) for number, segment in enumerate(segments)]
        patch = form.apply(raw, placements)
        form.verify(raw, patch, placements)
        if len(placements) != TAKES:
            raise SystemExit(f"{len(placements)} marks were found instead of {TAKES}")
        return patch.data

    return work


def lxml(path: Path) -> Callable[[], object]:
    """Parse and serialise."""
    from lxml import etree

    return lambda: etree.tostring(etree.parse(str(path)), encoding="UTF-8", xml_declaration=True)


def adapter(path: Path) -> Callable[[], object]:
    """Read and write through OpenTimelineIO."""
    import opentimelineio as otio

    warnings.simplefilter("ignore")

    def work() -> object:
        timeline = otio.adapters.read_from_file(str(path), adapter_name="fcpx_xml")
        return otio.adapters.write_to_string(timeline, adapter_name="fcpx_xml")

    return work


CASES = {"ours": ours, "lxml": lxml, "otio adapter": adapter}


def measure(case: str, path: Path) -> None:
    """Run one case once and print the CPU seconds it took."""
    work = CASES[case](path)
    started = time.process_time()
    work()
    print(time.process_time() - started)


def run(case: str, path: Path) -> float:
    """Run one case in a process of its own."""
    command = [sys.executable, __file__, "--measure", case, "--document", str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure and write `results/fcpxml_5000.json` and `.md`."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clips", type=int, default=5000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--adapter-rounds", type=int, default=1)
    options.add_argument("--measure", choices=CASES)
    options.add_argument("--document", type=Path)
    chosen = options.parse_args()
    if chosen.measure:
        measure(chosen.measure, chosen.document)
        return
    times: dict[str, list[float]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.fcpxml"
        path.write_text(document(chosen.clips), encoding="utf-8")
        size_bytes = path.stat().st_size
        for number in range(chosen.rounds):
            for case in CASES:
                if case != "otio adapter" or number < chosen.adapter_rounds:
                    times[case].append(round(run(case, path), 3))
                    print(case, times[case][-1], flush=True)
    write_results(times, clips=chosen.clips, size_bytes=size_bytes)


def write_results(times: dict[str, list[float]], *, clips: int, size_bytes: int) -> None:
    """Write the table and the numbers behind it."""
    median = {name: statistics.median(found) for name, found in times.items()}
    facts = machine("lxml", "opentimelineio", "otio-fcpx-xml-adapter")
    to_lxml, to_adapter = median["ours"] / median["lxml"], median["otio adapter"] / median["ours"]
    record = {
        "clips": clips,
        "document_bytes": size_bytes,
        "takes": TAKES,
        "cpu_s": times,
        "ours_over_lxml": round(to_lxml, 2),
        "adapter_over_ours": round(to_adapter, 1),
        "machine": facts,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fcpxml_5000.json").write_text(json.dumps(record, indent=2) + "\n")
    rows = "".join(f"| {name} | {median[name]:.2f} | {len(times[name])} |\n" for name in CASES)
    (RESULTS / "fcpxml_5000.md").write_text(
        f"# FCPXML of {clips:,} clips ({size_bytes / 1e6:.1f} MB)\n\n"
        f"| CPU seconds, median | | runs |\n|---|---|---|\n{rows}\n"
        f"Ours (read, ten takes applied, gate passed) is {to_lxml:.1f} times lxml's parse and serialise "
        f"(goal: at most 5), and {to_adapter:.0f} times faster than the adapter's read and write (goal: at "
        f"least 20).\n\n{in_words(facts)}\n"
    )
    print((RESULTS / "fcpxml_5000.md").read_text())


if __name__ == "__main__":
    main()
