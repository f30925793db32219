"""What the C2PA library lets pass and must not leave our house: checked on every manifest before signing.

c2pa-rs 0.91.3 signs, and calls valid, an unknown digital source type, `c2pa.created` beside a parent, a
component that was never placed, unknown `c2pa.*` actions, broken AI disclosures and training-mining entries,
and parameters without a namespace (all measured). The library's own checks are not repeated, but those that
hold the actions and ingredients together are, so that the message names our fault and not the library's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from interchange.errors import InternalError
from sidecar.credentials.manifest import NAMESPACE, SOURCE_TYPE_BASE

# The IPTC vocabulary without its retired terms (minorHumanEdits, digitalArt, softwareImage).
SOURCE_TYPES = frozenset(
    SOURCE_TYPE_BASE + term
    for term in (
        "algorithmicMedia", "algorithmicallyEnhanced", "composite", "compositeCapture",
        "compositeSynthetic", "compositeWithTrainedAlgorithmicMedia", "computationalCapture",
        "dataDrivenMedia", "digitalCapture", "digitalCreation", "humanEdits", "negativeFilm",
        "positiveFilm", "print", "screenCapture", "trainedAlgorithmicMedia", "virtualRecording",
    )
)  # fmt: skip
_ACTIONS = frozenset(
    f"c2pa.{name}"
    for name in (
        "addedText", "adjustedColor", "changedSpeed", "color_adjustments", "converted", "created",
        "cropped", "deleted", "drawing", "dubbed", "edited", "edited.metadata", "enhanced", "filtered",
        "opened", "orientation", "placed", "published", "redacted", "removed", "repackaged", "resized",
        "resized.proportional", "transcoded", "translated", "trimmed", "unknown", "watermarked",
        "watermarked.bound", "watermarked.unbound",
    )
)  # fmt: skip
_RELATIONSHIPS = frozenset({"parentOf", "componentOf", "inputTo"})
_STANDARD_PARAMETERS = frozenset({"ingredientIds"})
_OVERSIGHT = frozenset({"fully_autonomous", "prompt_guided", "human_validated"})
_MINING_ENTRIES = frozenset(
    f"cawg.{use}"
    for use in ("ai_generative_training", "ai_training", "ai_inference", "data_mining")
)
_MINING_USES = frozenset({"allowed", "notAllowed", "constrained"})
_STANDARD_NAMESPACES = ("c2pa.", "cawg.")
_NAMESPACED = re.compile(r"[A-Za-z0-9][\w-]*(\.[A-Za-z0-9][\w-]*){2,}")
_NPT = re.compile(r"\d+(\.\d+)?")
_TEXT_LIMIT = 1024

Json = Mapping[str, Any]


def check_manifest(definition: Json) -> None:
    """Refuse a manifest that states something wrongly.

    Args:
        definition: The manifest definition, with all its ingredients.

    Raises:
        InternalError: It breaks a rule; a fault of ours, and nothing was signed.
    """
    faults = list(find_faults(definition))
    if faults:
        raise InternalError(
            "The take's credentials would have been wrong, so it was not signed: "
            + "; ".join(faults)
            + ". Please report this."
        )


def find_faults(definition: Json) -> Iterator[str]:
    """Every rule a manifest breaks, in words."""
    ingredients: list[Json] = definition["ingredients"]
    assertions: list[Json] = definition["assertions"]
    yield from _ingredient_faults(ingredients)
    labels = Counter(assertion["label"] for assertion in assertions)
    if labels["c2pa.actions.v2"] != 1:
        yield f"there are {labels['c2pa.actions.v2']} lists of actions, not one"
    for assertion in assertions:
        yield from _assertion_faults(assertion, ingredients)


def _ingredient_faults(ingredients: list[Json]) -> Iterator[str]:
    labels = Counter(ingredient["label"] for ingredient in ingredients)
    yield from (f"two ingredients are labelled {label}" for label, n in labels.items() if n > 1)
    for ingredient in ingredients:
        if ingredient["relationship"] not in _RELATIONSHIPS:
            yield f"{ingredient['relationship']} is no relationship"
        region = ingredient.get("metadata", {}).get("regionOfInterest")
        if region is not None:
            yield from _region_faults(region)
    parents = [i["label"] for i in ingredients if i["relationship"] == "parentOf"]
    if len(parents) > 1:
        yield f"there are {len(parents)} parents"


def _assertion_faults(assertion: Json, ingredients: list[Json]) -> Iterator[str]:
    label, data = assertion["label"], assertion["data"]
    if not label.startswith((*_STANDARD_NAMESPACES, f"{NAMESPACE}.")):
        yield f"the assertion {label} has no namespace of ours"
    if not label.startswith("cawg.") and assertion.get("created") is not True:
        yield f"the assertion {label} would not be attributed to the signer"
    if label == "c2pa.actions.v2":
        yield from _action_faults(data["actions"], ingredients)
    elif label.startswith(_STANDARD_NAMESPACES):
        yield from _standard_faults(label, assertion)
    yield from _bare_number_lists(data, label)


def _standard_faults(label: str, assertion: Json) -> Iterator[str]:
    data = assertion["data"]
    match label:
        case "c2pa.ai-disclosure":
            if not str(data.get("modelType", "")).startswith("c2pa.types.model"):
                yield f"{data.get('modelType')!r} is no model type"
            level = data.get("contentProfile", {}).get("humanOversightLevel")
            if level not in _OVERSIGHT:
                yield f"{level!r} is no level of human oversight"
        case "cawg.training-mining":
            for entry, permission in data["entries"].items():
                if entry not in _MINING_ENTRIES or permission.get("use") not in _MINING_USES:
                    yield f"{entry}: {permission.get('use')!r} is no training and mining entry"
        case "cawg.metadata":
            if assertion.get("kind") != "Json":
                yield "cawg.metadata would be stored as CBOR"
        case _:
            yield f"the assertion {label} is none we know"


def _action_faults(actions: list[Json], ingredients: list[Json]) -> Iterator[str]:
    relationships = {i["label"]: i["relationship"] for i in ingredients}
    yield from _beginning_faults(actions, relationships)
    used: dict[str, set[str]] = {}
    for action in actions:
        yield from _one_action_faults(action)
        named = _ingredient_ids(action)
        for label in named:
            used.setdefault(label, set()).add(action["action"])
        if action["action"] in {"c2pa.placed", "c2pa.removed"} and (
            not named or any(relationships.get(label) != "componentOf" for label in named)
        ):
            yield f"{action['action']} needs a component"
    for label in used.keys() - relationships.keys():
        yield f"an action names {label}, which is no ingredient"
    for label, relationship in relationships.items():
        if label not in used:
            yield f"no action names the ingredient {label}"
        if relationship == "componentOf" and "c2pa.placed" not in used.get(label, set()):
            yield f"the component {label} was never placed"


def _beginning_faults(actions: list[Json], relationships: Mapping[str, str]) -> Iterator[str]:
    names = [action["action"] for action in actions]
    beginnings = [name for name in names if name in {"c2pa.created", "c2pa.opened"}]
    if len(beginnings) != 1 or names[0] not in beginnings:
        yield f"the actions {names} do not begin with one of created and opened"
        return
    parents = [label for label, kind in relationships.items() if kind == "parentOf"]
    if names[0] == "c2pa.created" and parents:
        yield "a created file cannot have a parent"
    if names[0] == "c2pa.opened" and (not parents or _ingredient_ids(actions[0]) != parents):
        yield "an opened file names its one parent"


def _ingredient_ids(action: Json) -> list[str]:
    named: list[str] = action.get("parameters", {}).get("ingredientIds", [])
    return named


def _one_action_faults(action: Json) -> Iterator[str]:
    name = action["action"]
    if name not in _ACTIONS:
        yield f"{name} is no action"
    source_type = action.get("digitalSourceType")
    if source_type is None and name == "c2pa.created":
        yield "c2pa.created has no digital source type"
    if source_type is not None and source_type not in SOURCE_TYPES:
        yield f"{source_type} is no current digital source type"
    for key in action.get("parameters", {}):
        if key not in _STANDARD_PARAMETERS and not _NAMESPACED.fullmatch(key):
            yield f"the parameter {key} has no namespace"
    if "changes" in action and not action["changes"]:
        yield f"{name} lists no changes"
    for change in action.get("changes", ()):
        yield from _region_faults(change)


def _region_faults(region: Json) -> Iterator[str]:
    if "role" in region:
        yield "a region has a role, which is deprecated"
    if not region["region"]:
        yield "a region has no extent"
    for extent in region["region"]:
        time = extent.get("time", {})
        start, end = time.get("start"), time.get("end")
        if extent.get("type") != "temporal" or time.get("type") != "npt":
            yield "a region is not in normal play time"
        elif not all(isinstance(t, str) and _NPT.fullmatch(t) for t in (start, end)):
            yield f"{start!r} to {end!r} is not normal play time"
        elif Fraction(start) >= Fraction(end):
            yield f"a region of {start} to {end} has no length"


def _bare_number_lists(value: object, where: str) -> Iterator[str]:
    """Lists of whole numbers, which the library would store as byte strings, and texts without bound."""
    match value:
        case str() if len(value) > _TEXT_LIMIT:
            yield f"a text in {where} is {len(value)} characters long"
        case list():
            if value and all(type(item) is int for item in value):
                yield f"a list of whole numbers in {where} would be stored as bytes"
            for item in value:
                yield from _bare_number_lists(item, where)
        case dict():
            for item in value.values():
                yield from _bare_number_lists(item, where)
