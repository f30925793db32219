"""What the doctor found, as values, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

SCHEMA = "ltxbridge.Doctor.1"
_RANK = ("ok", "warn", "fail")


class CheckState(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Args:
        name: What was looked at.
        state: How it came out.
        detail: What was found.
        remedy: What to do; empty where nothing is wrong.
    """

    name: str
    state: CheckState
    detail: str
    remedy: str = ""


def worst(findings: Sequence[Finding]) -> CheckState:
    """The state of the whole: that of its worst part."""
    return max((finding.state for finding in findings), key=_RANK.index, default=CheckState.OK)


def render_text(findings: Sequence[Finding]) -> str:
    """One line per finding, the remedy under it; ends in a newline."""
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<4}  {finding.name:<{width}}  {finding.detail}")
        if finding.remedy:
            lines.append(f"{'':<4}  {'':<{width}}  -> {finding.remedy}")
    return "\n".join(lines) + "\n"


def render_json(findings: Sequence[Finding]) -> str:
    """The findings as one JSON document ending in a newline."""
    document = {
        "schema": SCHEMA,
        "state": worst(findings).value,
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(document, indent=2) + "\n"
