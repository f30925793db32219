"""LTX-2.3 at full size with random weights: how long it takes, how much memory it fills, and against what.

    python benchmarks/gpu/run.py --all --out DIR        every part that has no result yet, each in its own process
    python benchmarks/gpu/run.py --part 3 --out DIR     one part
    python benchmarks/gpu/run.py --list

A part takes at most eight minutes. Its result is a file of DIR, written whole or not at all: whatever was cut off is
done again by the next `--all`, and nothing that was finished. DIR/table.md is written after each part.

Needs a checkout of this repository, torch and the wheels of `wheels.py`; no weights, no network, no PyAV, no OpenCV.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TITLES = (
    "check: every module built, counted and run",
    "DiT of a draft",
    "DiT of 1080p, five seconds",
    "DiT of 1080p, ten seconds",
    "against diffusers",
    "pictures, sound and text, each way",
    "a whole job",
    "12 GB",
    "16 GB",
    "24 GB",
    "32 GB",
)
LONGEST_S = 480


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 0 where every part asked for has a result."""
    options = _options(arguments)
    if options.list:
        print("\n".join(f"{number:2}  {title}" for number, title in enumerate(TITLES, 1)))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    if options.part:
        for number in options.part:
            _run(number, options)
            _write_table(options)
        return 0
    missing = _missing(options)
    # Caps are a process's own, and what one part leaves behind may harm no other; the tiny model has neither.
    for numbers in [missing] if options.tiny and missing else [[number] for number in missing]:
        _spawn(numbers, options)
    _write_table(options)
    print((options.out / "table.md").read_text(encoding="utf-8"))
    return 1 if _missing(options) else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--all", action="store_true", help="every part that has no result yet")
    what.add_argument(
        "--part",
        type=int,
        nargs="+",
        choices=range(1, len(TITLES) + 1),
        help="these parts, in this process",
    )
    what.add_argument("--list", action="store_true", help="say which parts there are")
    parser.add_argument("--out", type=Path, default=Path("gpu-benchmark"), help="results folder")
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--tiny", action="store_true", help="the tests' model, to see that it runs")
    parser.add_argument("--code", default=_code(), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _missing(options: argparse.Namespace) -> list[int]:
    return [number for number in range(1, len(TITLES) + 1) if _result(number, options) is None]


def _spawn(numbers: list[int], options: argparse.Namespace) -> None:
    """Parts in a process of their own; one that takes too long has no result."""
    command = [sys.executable, str(HERE / "run.py"), "--part", *map(str, numbers)]
    command += ["--out", str(options.out), "--device", options.device, "--code", options.code]
    try:
        subprocess.run(
            [*command, *(["--tiny"] if options.tiny else [])],
            check=False,
            timeout=LONGEST_S * len(numbers),
        )
    except subprocess.TimeoutExpired:
        print(f"parts {numbers} took more than {LONGEST_S} s each and were ended", flush=True)


def _run(number: int, options: argparse.Namespace) -> None:
    # Before torch.
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch  # noqa: PLC0415 - `--list` and `--all` need none of this
    from against import against_diffusers  # noqa: PLC0415
    from bench import Bench  # noqa: PLC0415
    from parts import (  # noqa: PLC0415
        check,
        codecs,
        draft_transformer,
        large_transformer,
        long_transformer,
        whole_job,
    )
    from report import surroundings  # noqa: PLC0415
    from tiers import CAPS_GB, capped  # noqa: PLC0415

    parts = (
        check, draft_transformer, large_transformer, long_transformer, against_diffusers, codecs, whole_job,
        *(capped(cap) for cap in CAPS_GB),
    )  # fmt: skip
    print(f"[{number}/{len(TITLES)}] {TITLES[number - 1]}", flush=True)
    device = torch.device(options.device)
    start = time.perf_counter()
    rows = []
    for row in parts[number - 1](Bench(device, options.tiny, options.out / "cache")):
        print(f"  {row.what}: {_said(row.seconds, row.peak_bytes)} {row.note}", flush=True)
        rows.append(row.document())
    document = {
        "part": TITLES[number - 1],
        "settings": _settings(options),
        "machine": surroundings(device),
        "seconds": round(time.perf_counter() - start, 1),
        "rows": rows,
    }
    _write(_path(number, options), json.dumps(document, indent=2) + "\n")


def _said(seconds: float | None, peak_bytes: int) -> str:
    time_taken = "" if seconds is None else f"{seconds:.3f} s"
    return f"{time_taken} {peak_bytes / 1e9:.1f} GB" if peak_bytes else time_taken


def _settings(options: argparse.Namespace) -> dict[str, str | bool]:
    """What a result holds for: the same model on the same kind of device, by the same code."""
    return {"tiny": options.tiny, "device": options.device, "code": options.code}


def _code() -> str:
    code = hashlib.sha256()
    engine = HERE.parents[1] / "sidecar" / "pipelines" / "ltx23"
    for path in sorted([*HERE.glob("*.py"), *engine.glob("*.py")]):
        code.update(path.read_bytes())
    return code.hexdigest()


def _path(number: int, options: argparse.Namespace) -> Path:
    path: Path = options.out / f"part-{number:02}.json"
    return path


def _result(number: int, options: argparse.Namespace) -> Mapping[str, Any] | None:
    """A finished part; None where it has not been run, or for something else."""
    try:
        result: dict[str, Any] = json.loads(_path(number, options).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if result.get("settings") == _settings(options) else None


def _write_table(options: argparse.Namespace) -> None:
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]
    from report import table  # noqa: PLC0415

    found = [_result(number, options) for number in range(1, len(TITLES) + 1)]
    text = table(
        [result for result in found if result],
        missing=[title for title, result in zip(TITLES, found, strict=True) if not result],
        tiny=options.tiny,
    )
    _write(options.out / "table.md", text)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
