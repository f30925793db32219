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

from interchange.model.directive import Box, JobKind
from interchange.model.engine import DigitalSourceType
from interchange.model.request import RestyleSpec, RetakeSpec, SourceSpan
from interchange.timebase import TimeRange, format_timecode
from sidecar.credentials.facts import (
    CredentialFacts,
    FrameOrigin,
    FrameRun,
    file_title,
    frame_runs,
    request_digest,
    source_frames,
    stills_and_sounds,
    text_digest,
)
from sidecar.credentials.ingredients import (
    JsonObject,
    file_ingredient,
    model_ingredient,
    source_ingredient,
    span_ingredient,
    temporal,
)

# No domain is ours yet, and a stranger's name must not be borrowed for something that is signed for good:
# `internal` is the top-level domain that ICANN keeps free for private use, so nobody can ever own this one.
NAMESPACE = "internal.ltxbridge"
GENERATION_LABEL = f"{NAMESPACE}.generation"
GENERATION_SCHEMA = 1
PRODUCT = "ltxbridge"

SOURCE_TYPE_BASE = "http://cv.iptc.org/newscodes/digitalsourcetype/"

# What a file is in which frames of this origin stand beside kept ones: (as an edit, as a composition).
_MIXED = {
    DigitalSourceType.ALGORITHMIC_MEDIA: ("composite", "composite"),
    DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA: (
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
    ),
}
# What an engine says may be of any length; a manifest may not.
_MOST_REMARKS = 16
_LONGEST_REMARK = 500
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
    inputs = _inputs(facts)
    input_labels = [ingredient["label"] for ingredient in inputs]
    relationship = _source_relationship(facts, runs)
    ingredients = [
        source_ingredient(facts, index, label, relationship, runs)
        for index, label in enumerate(span_labels)
    ] + inputs

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
        {"label": GENERATION_LABEL, "created": True, "data": _generation(facts, runs)},
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
    spans = _spans(facts) | _references(facts)
    return ManifestDraft(definition, {label: span.path for label, span in spans.items()})


def _has_weights(facts: CredentialFacts) -> bool:
    return facts.limits.source_type is DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA


def _span_labels(facts: CredentialFacts) -> list[str]:
    if facts.request.kind is JobKind.BRIDGE:
        return ["outgoing", "incoming"]
    return ["source"] if facts.request.sources else []


def _spans(facts: CredentialFacts) -> dict[str, SourceSpan]:
    """The shots the request is about, by label."""
    return dict(zip(_span_labels(facts), facts.request.sources, strict=True))


def _references(facts: CredentialFacts) -> dict[str, SourceSpan]:
    """The shots beside them, by label."""
    return {
        f"reference-{number}": span for number, span in enumerate(facts.request.references, start=1)
    }


def _inputs(facts: CredentialFacts) -> list[JsonObject]:
    """Everything the engine was given besides the shots, none of which is shown."""
    paths = stills_and_sounds(facts.request)
    shots = [span_ingredient(facts, span, label) for label, span in _references(facts).items()]
    files = [
        file_ingredient(facts, path, f"input-{number}")
        for number, path in enumerate(paths, start=1)
    ]
    weights = [model_ingredient(facts)] if _has_weights(facts) else []
    return shots + files + weights


def _source_relationship(facts: CredentialFacts, runs: Sequence[FrameRun]) -> str:
    if all(run.source is None for run in runs):
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
        "changes": [_change(facts, run) for run in runs if run.made] or [_change_of_sound(facts)],
        "parameters": _parameters(facts, inputs),
    }


def _parameters(facts: CredentialFacts, inputs: list[str]) -> JsonObject:
    parameters: JsonObject = {f"{NAMESPACE}.seed": facts.request.seed}
    if inputs:
        parameters["ingredientIds"] = inputs
    return parameters


def _change(facts: CredentialFacts, run: FrameRun) -> JsonObject:
    inside = run.file_range(facts.request.file_range)
    engine = facts.limits.engine
    origin = {
        FrameOrigin.KEPT: "kept from the source",
        FrameOrigin.SYNTHETIC: f"made by {engine}",
        FrameOrigin.COMPOSITE: f"in part kept from the source, in part made by {engine}",
    }[run.origin]
    return {
        "description": f"frames {inside.start} to {inside.end - 1} of the file, {origin}",
        "region": [temporal(inside)],
    }


def _change_of_sound(facts: CredentialFacts) -> JsonObject:
    """Where no picture was made: the sound of the window."""
    request = facts.request
    made = request.record_range if request.keep_handles else request.file_range
    inside = FrameRun(FrameOrigin.KEPT, made).file_range(request.file_range)
    return {
        "description": f"sound over frames {inside.start} to {inside.end - 1} of the file, made by "
        f"{facts.limits.engine}",
        "region": [temporal(inside)],
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


def _generation(facts: CredentialFacts, runs: Sequence[FrameRun]) -> JsonObject:
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
        "sound": facts.sound.value,
        "runs": [_run(facts, run) for run in runs],
        "sources": [_source(facts, span, label) for label, span in _spans(facts).items()]
        + [_input(facts, path) for path in stills_and_sounds(request)],
    }
    optional = {
        "promptSha256": text_digest(request.prompt) if request.prompt else "",
        "negativePromptSha256": (
            text_digest(request.negative_prompt) if request.negative_prompt else ""
        ),
        "preset": request.preset,
        "references": [_source(facts, span, label) for label, span in _references(facts).items()],
        "madeInside": _made_inside(facts),
        "remarks": [remark[:_LONGEST_REMARK] for remark in facts.remarks[:_MOST_REMARKS]],
    }
    return data | {key: value for key, value in optional.items() if value}


def _made_inside(facts: CredentialFacts) -> JsonObject:
    """Which part of composite frames is new, where a box says so; a matte is among the sources."""
    match facts.request.spec:
        case RetakeSpec(box=Box() as box) | RestyleSpec(box=Box() as box):
            return {"xPx": box.x, "yPx": box.y, "widthPx": box.width, "heightPx": box.height}
        case _:
            return {}


def _run(facts: CredentialFacts, run: FrameRun) -> JsonObject:
    inside = run.file_range(facts.request.file_range)
    stated: JsonObject = {
        "origin": run.origin.value,
        "firstFrame": inside.start,
        "endFrame": inside.end,
        **_record(facts, run.record_range),
    }
    if run.source is not None:
        shown = source_frames(facts.request.sources[run.source], run.record_range)
        stated["source"] = _span_labels(facts)[run.source]
        stated |= {"sourceFirstFrame": shown.start, "sourceEndFrame": shown.end}
    return stated


def _source(facts: CredentialFacts, span: SourceSpan, label: str) -> JsonObject:
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
