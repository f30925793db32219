"""What a result was measured on; numbers without it say nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine(*distributions: str) -> dict[str, object]:
    """Processor, system, load, Python, and the versions of the packages named."""
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in distributions},
    }


def in_words(facts: dict[str, object]) -> str:
    """One line for the Markdown result."""
    packages = facts["packages"]
    named = packages.items() if isinstance(packages, dict) else ()
    versions = ", ".join(f"{name} {found}" for name, found in named)
    return (
        f"{facts['cpus']} CPUs, {facts['processor']}, {facts['system']}; load {facts['load_average']} "
        f"at the end; Python {facts['python']}; {versions}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, "unknown")
