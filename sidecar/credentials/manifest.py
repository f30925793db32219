"""The C2PA manifest of a take, per job kind, as the definition the C2PA library takes.

Which actions: a file that still shows frames of one source is that source, opened and edited; a file in which
every frame is new was created, with what the engine looked at as inputs. docs/adr/0009 says why, and why an
algorithm without training is `algorithmicMedia` and its mix with kept frames `composite`.

The prompt never goes in, only its digest. Lists of whole numbers are avoided in our own assertion: the library
stores them as byte strings (measured).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from interchange.model.directive import JobKind
from interchange.model.engine import DigitalSourceType
from interchange.timebase import FrameRate, TimeRange, format_timecode
from sidecar.credentials.facts import (
    CredentialFacts,
    FrameRun,
    file_title,
    frame_runs,
    has_new_sound,
    request_digest,
    source_frames,
    stills_and_sounds,
    text_digest,
)

JsonObject = dict[str, Any]

# No domain is ours yet, and a stranger's name must not be borrowed for something that is signed for good:
# `internal` is the top-level domain that ICANN keeps free for private use, so nobody can ever own this one.
NAMESPACE = "internal.ltxbridge"
GENERATION_LABEL = f"{NAMESPACE}.generation"
GENERATION_SCHEMA = 1
PRODUCT = "ltxbridge"

SOURCE_TYPE_BASE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MODEL_LABEL = "model"

# What a file is in which frames of this origin stand beside kept ones: (as an edit, as a composition).
_MIXED = {
    DigitalSourceType.ALGORITHMIC_MEDIA: ("composite", "composite"),
    DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA: (
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
    ),
}
_MINING = ("ai_generative_training", "ai_training", "ai_inference", "data_mining")


@dataclass(frozen=True, slots=True)
class ManifestDraft:
    """A manifest before it is bound to a file.

    Args:
        definition: The library's manifest definition, all ingredients included, none with bytes yet.
        sources: Path of the file behind each source ingredient, by the ingredient's label.
    """

    definition: JsonObject
    sources: dict[str, str]


def draft_manifest(facts: CredentialFacts, *, title: str, media_type: str) -> ManifestDraft:
    """Work out the manifest of a take.

    Args:
        facts: What is stated.
        title: The take's file name.
        media_type: The take's container, `video/quicktime` or `video/mp4`.
    """
    runs = frame_runs(facts.request)
    span_labels = _span_labels(facts)
    input_paths = stills_and_sounds(facts.request)
    input_labels = [f"input-{number}" for number in range(1, len(input_paths) + 1)]
    relationship = _source_relationship(facts, runs)

    ingredients = [
        _span_ingredient(facts, index, label, relationship, runs)
        for index, label in enumerate(span_labels)
    ]
    ingredients += [
        _file_ingredient(facts, path, label)
        for path, label in zip(input_paths, input_labels, strict=True)
    ]
    if _has_weights(facts):
        ingredients.append(_model_ingredient(facts))
        input_labels.append(MODEL_LABEL)

    match relationship:
        case "parentOf":
            actions = _edited_source(facts, runs, span_labels[0], input_labels)
        case "componentOf":
            actions = _joined_sources(facts, runs, span_labels, input_labels)
        case _:
            actions = [_created(facts, [*span_labels, *input_labels])]

    assertions: list[JsonObject] = [
        {
            "label": "c2pa.actions.v2",
            "created": True,
            "data": {"actions": actions, "allActionsIncluded": True},
        },
        {"label": GENERATION_LABEL, "created": True, "data": _generation(facts, runs, span_labels)},
        {
            "label": "cawg.training-mining",
            "data": {"entries": {f"cawg.{use}": {"use": "notAllowed"} for use in _MINING}},
        },
    ]
    if _has_weights(facts):
        assertions.insert(1, _ai_disclosure(facts))
    definition: JsonObject = {
        "claim_generator_info": [{"name": PRODUCT, "version": facts.product_version}],
        "title": title,
        "format": media_type,
        "ingredients": ingredients,
        "assertions": assertions,
    }
    paths = {
        label: span.path for label, span in zip(span_labels, facts.request.sources, strict=True)
    }
    return ManifestDraft(definition, paths)


def npt(frame: int, rate: FrameRate) -> str:
    """The start of a frame as normal play time in seconds, from the file's first picture.

    Where the decimal does not end (most frames at 24000/1001), it is rounded up to a nanosecond, so that the
    frame on screen at that time is exactly this one.
    """
    nanoseconds = (rate.seconds(frame) * 10**9).__ceil__()
    whole, rest = divmod(nanoseconds, 10**9)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


def _has_weights(facts: CredentialFacts) -> bool:
    return facts.limits.source_type is DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA


def _span_labels(facts: CredentialFacts) -> list[str]:
    if facts.request.kind is JobKind.BRIDGE:
        return ["outgoing", "incoming"]
    return ["source"] if facts.request.sources else []


def _source_relationship(facts: CredentialFacts, runs: Sequence[FrameRun]) -> str:
    if all(run.synthetic for run in runs):
        return "inputTo"
    return "parentOf" if len(facts.request.sources) == 1 else "componentOf"


def _agent(facts: CredentialFacts) -> JsonObject:
    return {"name": facts.limits.engine, "version": facts.limits.version}


def _edited_source(
    facts: CredentialFacts, runs: Sequence[FrameRun], parent: str, inputs: list[str]
) -> list[JsonObject]:
    """One source, some of its frames kept."""
    return [
        {"action": "c2pa.opened", "when": facts.when, "parameters": {"ingredientIds": [parent]}},
        _edit(facts, runs, inputs),
        # Its ingredient is named too, because older validators ask for it (measured).
        {
            "action": "c2pa.transcoded",
            "when": facts.when,
            "parameters": {"ingredientIds": [parent]},
        },
    ]


def _joined_sources(
    facts: CredentialFacts, runs: Sequence[FrameRun], labels: Sequence[str], inputs: list[str]
) -> list[JsonObject]:
    """Two sources, frames of both kept on either side of new ones."""
    composed = _MIXED[facts.limits.source_type][1]
    actions: list[JsonObject] = [
        {
            "action": "c2pa.created",
            "when": facts.when,
            "digitalSourceType": SOURCE_TYPE_BASE + composed,
        }
    ]
    actions += [
        {
            "action": "c2pa.placed",
            "when": facts.when,
            "parameters": {"ingredientIds": [label]},
            "changes": [_change(facts, run) for run in runs if run.source == index],
        }
        for index, label in enumerate(labels)
    ]
    return [*actions, _edit(facts, runs, inputs)]


def _created(facts: CredentialFacts, inputs: list[str]) -> JsonObject:
    """Every frame is new."""
    return {
        "action": "c2pa.created",
        "when": facts.when,
        "softwareAgent": _agent(facts),
        "digitalSourceType": SOURCE_TYPE_BASE + facts.limits.source_type.value,
        "parameters": _parameters(facts, inputs),
    }


def _edit(facts: CredentialFacts, runs: Sequence[FrameRun], inputs: list[str]) -> JsonObject:
    return {
        "action": "c2pa.edited",
        "when": facts.when,
        "softwareAgent": _agent(facts),
        "digitalSourceType": SOURCE_TYPE_BASE + _MIXED[facts.limits.source_type][0],
        "changes": [_change(facts, run) for run in runs if run.synthetic],
        "parameters": _parameters(facts, inputs),
    }


def _parameters(facts: CredentialFacts, inputs: list[str]) -> JsonObject:
    parameters: JsonObject = {f"{NAMESPACE}.seed": facts.request.seed}
    if inputs:
        parameters["ingredientIds"] = inputs
    return parameters


def _change(facts: CredentialFacts, run: FrameRun) -> JsonObject:
    inside = run.file_range(facts.request.file_range)
    origin = f"made by {facts.limits.engine}" if run.synthetic else "kept from the source"
    return {
        "description": f"frames {inside.start} to {inside.end - 1} of the file, {origin}",
        "region": [_temporal(inside)],
    }


def _temporal(frames: TimeRange) -> JsonObject:
    start, end = npt(frames.start, frames.rate), npt(frames.end, frames.rate)
    return {"type": "temporal", "time": {"type": "npt", "start": start, "end": end}}


def _span_ingredient(
    facts: CredentialFacts,
    index: int,
    label: str,
    relationship: str,
    runs: Sequence[FrameRun],
) -> JsonObject:
    span = facts.request.sources[index]
    if relationship == "inputTo":
        shown, what = [span.record_range], "frames the engine could look at"
    else:
        shown, what = [r.record_range for r in runs if r.source == index], "frames kept"
    return {
        **_file_ingredient(facts, span.path, label),
        "relationship": relationship,
        "metadata": {
            "regionOfInterest": {
                "description": what,
                "region": [_temporal(source_frames(span, record_range)) for record_range in shown],
            }
        },
    }


def _file_ingredient(facts: CredentialFacts, path: str, label: str) -> JsonObject:
    ingredient: JsonObject = {
        "label": label,
        "title": file_title(path),
        "relationship": "inputTo",
    }
    digest = facts.source_digests.get(path)
    if digest is not None:
        ingredient["instance_id"] = f"sha256:{digest}"
    return ingredient


def _model_ingredient(facts: CredentialFacts) -> JsonObject:
    return {
        "label": MODEL_LABEL,
        "title": f"{facts.limits.engine} {facts.limits.version}",
        "format": "application/octet-stream",
        "relationship": "inputTo",
        "instance_id": facts.model_identity,
        "data_types": [{"type": "c2pa.types.model", "version": facts.limits.version}],
    }


def _ai_disclosure(facts: CredentialFacts) -> JsonObject:
    return {
        "label": "c2pa.ai-disclosure",
        "created": True,
        "data": {
            "modelType": "c2pa.types.model",
            "modelName": facts.limits.engine,
            "modelIdentifier": facts.model_identity,
            "contentProfile": {"humanOversightLevel": "prompt_guided"},
        },
    }


def _generation(
    facts: CredentialFacts, runs: Sequence[FrameRun], labels: Sequence[str]
) -> JsonObject:
    """Our own assertion: what no standard field says, exactly and by frame."""
    request = facts.request
    data: JsonObject = {
        "schemaVersion": GENERATION_SCHEMA,
        "product": {"name": PRODUCT, "version": facts.product_version},
        "kind": request.kind.value,
        "engine": {**_agent(facts), "modelIdentity": facts.model_identity},
        "seed": request.seed,
        "quality": request.quality.value,
        "requestSha256": request_digest(request),
        "frameRate": _ratio(request.frame_rate.fraction),
        "frameCount": request.file_range.length,
        "startTimecode": format_timecode(
            request.start_frame, request.frame_rate, drop_frame=request.drop_frame
        ),
        "dropFrame": request.drop_frame,
        "widthPx": request.raster.width_px,
        "heightPx": request.raster.height_px,
        "pixelAspect": _ratio(request.raster.pixel_aspect),
        "codec": request.output.codec.value,
        "slate": request.output.slate,
        "sound": "synthetic" if has_new_sound(request) else "none",
        "runs": [_run(facts, run, labels) for run in runs],
        "sources": [_source(facts, index, label) for index, label in enumerate(labels)]
        + [_input(facts, path) for path in stills_and_sounds(request)],
    }
    optional = {
        "promptSha256": text_digest(request.prompt) if request.prompt else "",
        "negativePromptSha256": (
            text_digest(request.negative_prompt) if request.negative_prompt else ""
        ),
        "preset": request.preset,
    }
    return data | {key: value for key, value in optional.items() if value}


def _run(facts: CredentialFacts, run: FrameRun, labels: Sequence[str]) -> JsonObject:
    inside = run.file_range(facts.request.file_range)
    stated: JsonObject = {
        "origin": "synthetic" if run.synthetic else "kept",
        "firstFrame": inside.start,
        "endFrame": inside.end,
        **_record(facts, run.record_range),
    }
    if run.source is not None:
        shown = source_frames(facts.request.sources[run.source], run.record_range)
        stated["source"] = labels[run.source]
        stated |= {"sourceFirstFrame": shown.start, "sourceEndFrame": shown.end}
    return stated


def _source(facts: CredentialFacts, index: int, label: str) -> JsonObject:
    span = facts.request.sources[index]
    available = source_frames(span, span.record_range)
    return {
        **_input(facts, span.path),
        "label": label,
        "sizeBytes": span.size_bytes,
        "frameRate": _ratio(span.media_rate.fraction),
        "availableFirstFrame": available.start,
        "availableEndFrame": available.end,
        "step": _ratio(span.step),
        **_record(facts, span.record_range),
    }


def _input(facts: CredentialFacts, path: str) -> JsonObject:
    digest = facts.source_digests.get(path)
    stated: JsonObject = {"title": file_title(path)}
    return stated if digest is None else {**stated, "sha256": digest}


def _record(facts: CredentialFacts, record_range: TimeRange) -> JsonObject:
    """Record timecode; the out point is the frame after the last, as the cutting room counts."""
    rate, drop_frame = facts.request.frame_rate, facts.request.drop_frame
    return {
        "recordIn": format_timecode(record_range.start, rate, drop_frame=drop_frame),
        "recordOut": format_timecode(record_range.end, rate, drop_frame=drop_frame),
    }


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"
