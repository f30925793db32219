"""`ltxbridge plan` on a cold process against `python -c "import av"`, in one run.

`plan` must probe the media, hence import av; the question is what all the rest costs. The two take turns on the demo
project, each in a fresh process with its byte code and the file cache warm.

    python benchmarks/plan_cold.py [--pairs 15]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from machine import in_words, machine

from ltxbridge.demo import write_demo_project

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Cost:
    """What one run took, in seconds."""

    wall: float
    cpu: float


def cost(command: list[str], *, accepted: tuple[int, ...] = (0,)) -> Cost:
    """Run a command to its end."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(command, check=False, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode not in accepted:
        raise SystemExit(ended.stderr.decode())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(round(wall, 4), round(cpu, 4))


def main() -> None:
    """Measure and write `results/plan_cold.json` and `.md`."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pairs", type=int, default=15)
    pairs = options.parse_args().pairs
    found: list[tuple[Cost, Cost]] = []
    with tempfile.TemporaryDirectory() as folder:
        timeline = write_demo_project(Path(folder))
        # 1: the demo has a mark that cannot be met, on purpose.
        plan = [str(Path(sys.executable).with_name("ltxbridge")), "plan", str(timeline)]
        bare = [sys.executable, "-c", "import av"]
        cost(plan, accepted=(0, 1))
        cost(bare)
        for number in range(pairs):
            if number % 2:
                ours = cost(plan, accepted=(0, 1))
                found.append((ours, cost(bare)))
            else:
                theirs = cost(bare)
                found.append((cost(plan, accepted=(0, 1)), theirs))
    write_results(found)


def write_results(found: list[tuple[Cost, Cost]]) -> None:
    """Write the table and the numbers behind it."""
    median = {
        kind: (
            statistics.median(getattr(ours, kind) for ours, _ in found),
            statistics.median(getattr(bare, kind) for _, bare in found),
            statistics.median(getattr(ours, kind) - getattr(bare, kind) for ours, bare in found),
        )
        for kind in ("wall", "cpu")
    }
    facts = machine("av", "click", "rich", "numpy")
    record = {
        "pairs": [{"plan": asdict(ours), "import_av": asdict(bare)} for ours, bare in found],
        "difference_s": {kind: round(values[2], 4) for kind, values in median.items()},
        "machine": facts,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "plan_cold.json").write_text(json.dumps(record, indent=2) + "\n")
    names = (
        "`ltxbridge plan`, demo project",
        '`python -c "import av"`',
        f"difference, median of {len(found)} pairs (goal: at most 0.4)",
    )
    rows = "".join(
        f"| {name} | {median['wall'][i]:.3f} | {median['cpu'][i]:.3f} |\n"
        for i, name in enumerate(names)
    )
    (RESULTS / "plan_cold.md").write_text(
        "# `ltxbridge plan` on a cold process\n\n"
        f"| seconds, median | wall | CPU |\n|---|---|---|\n{rows}\n{in_words(facts)}\n"
    )
    print((RESULTS / "plan_cold.md").read_text())


if __name__ == "__main__":
    main()
