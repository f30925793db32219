"""What a take was made from, as the C2PA library takes it: shots, references, other files, weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from interchange.model.request import SourceSpan
from interchange.timebase import FrameRate, TimeRange
from sidecar.credentials.facts import (
    CredentialFacts,
    FrameOrigin,
    FrameRun,
    file_title,
    source_frames,
)

JsonObject = dict[str, Any]

MODEL_LABEL = "model"


def npt(frame: int, rate: FrameRate) -> str:
    """The start of a frame as normal play time in seconds, from the file's first picture.

    Where the decimal does not end (most frames at 24000/1001), it is rounded up to a nanosecond, so that the
    frame on screen at that time is exactly this one.
    """
    nanoseconds = (rate.seconds(frame) * 10**9).__ceil__()
    whole, rest = divmod(nanoseconds, 10**9)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


def temporal(frames: TimeRange) -> JsonObject:
    """A region in time, counted from the file's first picture."""
    start, end = npt(frames.start, frames.rate), npt(frames.end, frames.rate)
    return {"type": "temporal", "time": {"type": "npt", "start": start, "end": end}}


def source_ingredient(
    facts: CredentialFacts,
    index: int,
    label: str,
    relationship: str,
    runs: Sequence[FrameRun],
) -> JsonObject:
    """One of the shots the request is about.

    Args:
        facts: What is stated.
        index: Which of the request's sources.
        label: How actions name it.
        relationship: C2PA's; `inputTo` where none of its frames is shown.
        runs: Every frame of the take.
    """
    span = facts.request.sources[index]
    if relationship == "inputTo":
        return span_ingredient(facts, span, label)
    shown = [run for run in runs if run.source == index]
    whole = all(run.origin is FrameOrigin.KEPT for run in shown)
    return {
        **file_ingredient(facts, span.path, label),
        "relationship": relationship,
        **_region(
            "frames kept" if whole else "frames kept, whole or in part",
            (source_frames(span, run.record_range) for run in shown),
        ),
    }


def span_ingredient(facts: CredentialFacts, span: SourceSpan, label: str) -> JsonObject:
    """A shot the engine could look at, and of which nothing is shown."""
    looked_at = source_frames(span, span.record_range)
    return {
        **file_ingredient(facts, span.path, label),
        **_region("frames the engine could look at", [looked_at]),
    }


def _region(what: str, ranges: Iterable[TimeRange]) -> JsonObject:
    region = [temporal(frames) for frames in ranges]
    return {"metadata": {"regionOfInterest": {"description": what, "region": region}}}


def file_ingredient(facts: CredentialFacts, path: str, label: str) -> JsonObject:
    """A file the engine was given."""
    ingredient: JsonObject = {
        "label": label,
        "title": file_title(path),
        "relationship": "inputTo",
    }
    digest = facts.source_digests.get(path)
    if digest is not None:
        ingredient["instance_id"] = f"sha256:{digest}"
    return ingredient


def model_ingredient(facts: CredentialFacts) -> JsonObject:
    """The weights."""
    return {
        "label": MODEL_LABEL,
        "title": f"{facts.limits.engine} {facts.limits.version}",
        "format": "application/octet-stream",
        "relationship": "inputTo",
        "instance_id": facts.model_identity,
        "data_types": [{"type": "c2pa.types.model", "version": facts.limits.version}],
    }
