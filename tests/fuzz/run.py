"""`python -m fuzz.run [TARGET...] --executions N --out FILE`: fuzz in batches, each in a limited child of its own.

Needs atheris (`pip install atheris`), which is not a dependency of the tests. Findings are written beside the
corpus with the input that caused them; the table says what was run.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SHARE_OF_A_DECODER = 0.2
"""Targets that run a decoder in C get this much of what the others get."""


@dataclass(frozen=True)
class Batch:
    """What one child did.

    Args:
        target: What it fuzzed.
        executions: How many inputs it ran.
        seconds: How long it took.
        resident_mb: The most memory it held.
        slowest_s: Whole seconds its slowest input took.
        finding: What libFuzzer said where it stopped early, else empty.
    """

    target: str
    executions: int
    seconds: float
    resident_mb: int
    slowest_s: int
    finding: str


def main() -> int:
    """Fuzz and write the table; 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--executions", type=int, default=1_000_000, help="in all")
    parser.add_argument("--batch", type=int, default=20_000, help="inputs of one child")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument(
        "--corpus", type=Path, default=Path(tempfile.gettempdir()) / "ltxbridge-fuzz"
    )
    parser.add_argument("--out", type=Path, help="Markdown table to write")
    chosen = parser.parse_args()
    names = _names(chosen.targets)
    orders = list(_orders(names, chosen.executions, chosen.batch))
    started = time.monotonic()
    with ThreadPoolExecutor(chosen.parallel) as pool:
        batches = list(pool.map(lambda order: _run(*order, chosen.corpus), orders))
    table = _table(batches, time.monotonic() - started)
    sys.stdout.write(table)
    if chosen.out:
        chosen.out.write_text(table, encoding="utf-8")
    return int(any(batch.finding for batch in batches))


def _names(wanted: list[str]) -> dict[str, bool]:
    """The targets to run, and whether each is a decoder."""
    from fuzz.targets import all_targets

    with tempfile.TemporaryDirectory() as folder:
        targets = all_targets(Path(folder))
    unknown = set(wanted) - targets.keys()
    if unknown:
        raise SystemExit(
            f"There is no target {', '.join(unknown)}; there are {', '.join(targets)}."
        )
    return {name: targets[name].decodes for name in wanted or targets}


def _orders(names: dict[str, bool], executions: int, batch: int) -> Iterator[tuple[str, int]]:
    weights = {name: SHARE_OF_A_DECODER if slow else 1.0 for name, slow in names.items()}
    each = executions / sum(weights.values())
    for name, weight in weights.items():
        left = -int(-each * weight)
        while left > 0:
            yield name, min(batch, left)
            left -= batch


def _run(target: str, executions: int, corpus: Path) -> Batch:
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.child", target, str(folder), str(executions)],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    finding = "" if done.returncode == 0 else _first_complaint(said, done.returncode)
    if finding:
        (corpus / f"log-{target}.txt").write_text(said, encoding="utf-8")
    return Batch(
        target,
        _stat(said, "number_of_executed_units"),
        time.monotonic() - started,
        _stat(said, "peak_rss_mb"),
        _stat(said, "slowest_unit_time_sec"),
        finding,
    )


def _stat(said: str, name: str) -> int:
    found = re.search(rf"stat::{name}:\s+(\d+)", said)
    return int(found[1]) if found else 0


def _first_complaint(said: str, status: int) -> str:
    lines = [line for line in said.splitlines() if "ERROR" in line or "Error" in line]
    return (lines[0] if lines else f"status {status}")[:120]


def _table(batches: list[Batch], seconds: float) -> str:
    total = sum(batch.executions for batch in batches)
    findings = [batch for batch in batches if batch.finding]
    lines = [
        "# Fuzzing",
        "",
        (
            f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, Python "
            f"{platform.python_version()}, atheris in batches inside limited children "
            "(`python -m fuzz.run`, in `tests/`)."
        ),
        "",
        (
            f"**{total:,} executions** in {seconds:.0f} s; findings: {len(findings)}; slowest input "
            f"{max(batch.slowest_s for batch in batches)} s (limit 5 s); most memory "
            f"{max(batch.resident_mb for batch in batches)} MB (limit 1024 MB)."
        ),
        "",
        "| target | executions | per second | most memory, MB | slowest, s | findings |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name in dict.fromkeys(batch.target for batch in batches):
        mine = [batch for batch in batches if batch.target == name]
        count = sum(batch.executions for batch in mine)
        found = "; ".join(batch.finding for batch in mine if batch.finding) or "none"
        lines.append(
            f"| {name} | {count:,} | {count / sum(batch.seconds for batch in mine):,.0f} | "
            f"{max(batch.resident_mb for batch in mine)} | "
            f"{max(batch.slowest_s for batch in mine)} | {found} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
