"""The results of all parts as one table, with what they were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from measure import GB, Row

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "numpy")


def surroundings(device: torch.device) -> dict[str, str]:
    """Hardware and versions."""
    facts = {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts["device"] = f"{properties.name}, {properties.total_memory / GB:.0f} GB"
        facts["cuda"] = str(torch.version.cuda)
        facts["cudnn"] = str(torch.backends.cudnn.version())
    else:
        facts["device"] = device.type
    return facts


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def table(results: Sequence[Mapping[str, Any]], *, missing: Iterable[str], tiny: bool) -> str:
    """Markdown.

    Args:
        results: The documents of the finished parts, in order.
        missing: Titles of parts without a result.
        tiny: Whether it is the tests' model.
    """
    lines = ["# LTX-2.3 on a GPU", ""]
    if tiny:
        lines += ["The tests' tiny model: the numbers say nothing, only that all this runs.", ""]
    seen = dict.fromkeys(
        f"{name}: {value}" for result in results for name, value in result["machine"].items()
    )
    lines += [*(f"- {line}" for line in seen), ""]
    lines += [
        "| what | s | TFLOP | limit s | MFU | peak GB | goal | met | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- | --- | --- |",
    ]
    rows = [Row(**row) for result in results for row in result["rows"]]
    lines += [_line(row) for row in rows]
    goals = [row for row in rows if row.goal]
    met = sum(row.met is True for row in goals)
    untold = sum(row.met is None for row in goals)
    lines += ["", f"{met} of {len(goals)} goals met, {untold} that this machine cannot tell."]
    lines += [f"Not run: {title}." for title in missing]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    share = row.utilisation
    cells = (
        row.what,
        _number(row.seconds, "{:.3f}"),
        _number(row.tflop, "{:.0f}"),
        _number(row.limit_s, "{:.3f}"),
        "" if share is None else f"{share:.0%}",
        _number(row.peak_bytes / GB or None, "{:.1f}"),
        row.goal,
        {True: "yes", False: "**no**", None: ""}[row.met],
        row.note,
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
