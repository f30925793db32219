"""The report as JSON, for scripts: the same facts as the page, without the pictures."""

from __future__ import annotations

import json

from interchange.model.take import Take
from interchange.timebase import FrameRate, TimeRange, format_timecode
from ltxbridge.report.values import DeliveryReport, DocumentFacts, RequestReport

SCHEMA = "ltxbridge.Report.1"


def render_json(report: DeliveryReport) -> str:
    """Write a report as one JSON document.

    Ranges are half-open: `start` is the first frame, `end` the first after it, both counted from 00:00:00:00
    at `rate`, an exact fraction.

    Returns:
        JSON text, ASCII only, ending in a newline.
    """
    document = {
        "schema": SCHEMA,
        "title": report.title,
        "product_version": report.product_version,
        "created": report.created.isoformat(timespec="seconds"),
        "source": _document(report.source),
        "delivered": _document(report.delivered) if report.delivered else None,
        "requests": [_request(request) for request in report.requests],
        "originals": [
            {
                "path": original.path,
                "sha256_before": original.sha256_before,
                "sha256_after": original.sha256_after,
                "unchanged": original.unchanged,
            }
            for original in report.originals
        ],
        "changes": list(report.changes),
        "checks": list(report.checks),
        "signer": report.signer,
    }
    return json.dumps(document, indent=2) + "\n"


def _document(facts: DocumentFacts) -> dict[str, object]:
    return {"path": facts.path, "sha256": facts.sha256, "size_bytes": facts.size_bytes}


def _request(request: RequestReport) -> dict[str, object]:
    drop_frame = request.sequence is not None and request.sequence.drop_frame
    return {
        "shot": request.shot,
        "kind": request.kind,
        "directive": request.directive,
        "where": request.where,
        "state": request.state.value,
        "sequence": request.sequence.name if request.sequence else None,
        "record_range": _range(request.record_range, drop_frame=drop_frame),
        "sources": [
            {
                "name": use.name,
                "role": use.role,
                "source_range": _range(use.source_range, drop_frame=use.drop_frame),
            }
            for use in request.sources
        ],
        "take": _take(request.take) if request.take else None,
        "error": (
            {
                "reason": request.error.reason.value,
                "message": request.error.message,
                "metadata": request.error.metadata,
            }
            if request.error
            else None
        ),
        "notes": list(request.notes),
        "credentials": (
            {"valid": request.credentials.valid, "summary": request.credentials.summary}
            if request.credentials
            else None
        ),
        "elapsed_ms": round(request.elapsed.total_seconds() * 1000) if request.elapsed else None,
    }


def _take(take: Take) -> dict[str, object]:
    return {
        "path": take.path,
        "manifest_path": take.manifest_path,
        "sha256": take.sha256,
        "size_bytes": take.size_bytes,
        "media_range": _range(take.media_range, drop_frame=take.drop_frame),
        "source_range": _range(take.source_range, drop_frame=take.drop_frame),
        "head_handle_frames": take.head_handle_frames,
        "tail_handle_frames": take.media_range.end - take.source_range.end,
        "width_px": take.raster.width_px,
        "height_px": take.raster.height_px,
        "codec": take.codec,
        "reel": take.reel,
        "audio_channels": take.audio_channels,
        "engine": take.engine,
        "engine_version": take.engine_version,
        "model_identity": take.model_identity,
        "seed": take.seed,
    }


def _range(value: TimeRange | None, *, drop_frame: bool) -> dict[str, object] | None:
    if value is None:
        return None
    return {
        "start": value.start,
        "end": value.end,
        "frames": value.length,
        "rate": _exact(value.rate),
        "start_timecode": format_timecode(value.start, value.rate, drop_frame=drop_frame),
        "end_timecode": format_timecode(value.end, value.rate, drop_frame=drop_frame),
    }


def _exact(rate: FrameRate) -> str:
    return f"{rate.numerator}/{rate.denominator}"
