"""Is this machine fit for work, and if not, what to do."""

from ltxbridge.doctor.checks import run_checks
from ltxbridge.doctor.findings import CheckState, Finding, render_json, render_text, worst
from ltxbridge.doctor.subject import Subject

__all__ = [
    "CheckState",
    "Finding",
    "Subject",
    "render_json",
    "render_text",
    "run_checks",
    "worst",
]
