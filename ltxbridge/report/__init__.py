"""What a person reads: the HTML and JSON report of a delivery."""

from ltxbridge.report.page import render_html
from ltxbridge.report.record import render_json
from ltxbridge.report.values import (
    CredentialState,
    DeliveryReport,
    DocumentFacts,
    OriginalFacts,
    RequestReport,
    RequestState,
    SourceUse,
    Still,
    StillRole,
)

__all__ = [
    "CredentialState",
    "DeliveryReport",
    "DocumentFacts",
    "OriginalFacts",
    "RequestReport",
    "RequestState",
    "SourceUse",
    "Still",
    "StillRole",
    "render_html",
    "render_json",
]
