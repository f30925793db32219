"""What the library lets pass: each mistake, made in a manifest that was right, is named."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from support.credential_examples import facts_of, request_of

from interchange.errors import InternalError
from sidecar.credentials.manifest import GENERATION_LABEL, SOURCE_TYPE_BASE, draft_manifest
from sidecar.credentials.schema import check_manifest


def definition(kind: str = "retake", *, trained: bool = True) -> dict:
    facts = facts_of(request_of(kind), trained=trained)
    return copy.deepcopy(
        draft_manifest(facts, title="t.mov", media_type="video/quicktime").definition
    )


def of(manifest: dict, label: str) -> dict:
    (found,) = [a for a in manifest["assertions"] if a["label"] == label]
    return found


def action(manifest: dict, number: int) -> dict:
    return of(manifest, "c2pa.actions.v2")["data"]["actions"][number]


Break = Callable[[dict], object]

RETAKE: dict[str, tuple[str, Break]] = {
    "unknown source type": (
        "no current digital source type",
        lambda m: action(m, 1).update(digitalSourceType=SOURCE_TYPE_BASE + "aiMedia"),
    ),
    "retired source type": (
        "no current digital source type",
        lambda m: action(m, 1).update(digitalSourceType=SOURCE_TYPE_BASE + "digitalArt"),
    ),
    "bare source type": (
        "no current digital source type",
        lambda m: action(m, 1).update(digitalSourceType="composite"),
    ),
    "created beside a parent": (
        "created file cannot have a parent",
        lambda m: action(m, 0).update(
            action="c2pa.created", digitalSourceType=SOURCE_TYPE_BASE + "composite"
        ),
    ),
    "two beginnings": (
        "do not begin with one of",
        lambda m: action(m, 2).update(action="c2pa.opened"),
    ),
    "no beginning": (
        "do not begin with one of",
        lambda m: action(m, 0).update(action="c2pa.edited"),
    ),
    "opened without parent": (
        "names its one parent",
        lambda m: m["ingredients"][0].update(relationship="inputTo"),
    ),
    "two parents": (
        "there are 2 parents",
        lambda m: m["ingredients"][1].update(relationship="parentOf"),
    ),
    "unknown action": ("c2pa.made is no action", lambda m: action(m, 1).update(action="c2pa.made")),
    "unknown ingredient": (
        "zzz, which is no ingredient",
        lambda m: action(m, 1)["parameters"].update(ingredientIds=["zzz"]),
    ),
    "unused ingredient": (
        "no action names the ingredient model",
        lambda m: action(m, 1)["parameters"].update(ingredientIds=[]),
    ),
    "same label twice": (
        "two ingredients are labelled source",
        lambda m: m["ingredients"][1].update(label="source"),
    ),
    "unknown relationship": (
        "friendOf is no relationship",
        lambda m: m["ingredients"][1].update(relationship="friendOf"),
    ),
    "bare parameter": (
        "the parameter seed has no namespace",
        lambda m: action(m, 1)["parameters"].update(seed=1),
    ),
    "region role": (
        "role, which is deprecated",
        lambda m: action(m, 1)["changes"][0].update(role="c2pa.edited"),
    ),
    "region in numbers": (
        "is not normal play time",
        lambda m: action(m, 1)["changes"][0]["region"][0]["time"].update(start=0.1),
    ),
    "region backwards": (
        "has no length",
        lambda m: action(m, 1)["changes"][0]["region"][0]["time"].update(start="10", end="9.5"),
    ),
    "region in frames": (
        "not in normal play time",
        lambda m: action(m, 1)["changes"][0]["region"][0].update(type="frame"),
    ),
    "region without extent": (
        "has no extent",
        lambda m: action(m, 1)["changes"][0].update(region=[]),
    ),
    "no changes": ("lists no changes", lambda m: action(m, 1).update(changes=[])),
    "bad oversight": (
        "no level of human oversight",
        lambda m: of(m, "c2pa.ai-disclosure")["data"].update(
            contentProfile={"humanOversightLevel": "some"}
        ),
    ),
    "bad model type": (
        "no model type",
        lambda m: of(m, "c2pa.ai-disclosure")["data"].update(modelType="model"),
    ),
    "bad mining use": (
        "no training and mining entry",
        lambda m: of(m, "cawg.training-mining")["data"]["entries"].update(
            {"cawg.ai_training": {"use": "no"}}
        ),
    ),
    "bad mining entry": (
        "no training and mining entry",
        lambda m: of(m, "cawg.training-mining")["data"]["entries"].update(
            {"cawg.everything": {"use": "notAllowed"}}
        ),
    ),
    "metadata as CBOR": (
        "stored as CBOR",
        lambda m: m["assertions"].append({"label": "cawg.metadata", "data": {}}),
    ),
    "standard label nobody defined": (
        "c2pa.ai-model is none we know",
        lambda m: m["assertions"].append({"label": "c2pa.ai-model", "created": True, "data": {}}),
    ),
    "foreign namespace": (
        "no namespace of ours",
        lambda m: of(m, GENERATION_LABEL).update(label="generation"),
    ),
    "not ours to gather": (
        "not be attributed to the signer",
        lambda m: of(m, GENERATION_LABEL).pop("created"),
    ),
    "number list": (
        "stored as bytes",
        lambda m: of(m, GENERATION_LABEL)["data"].update(range=[1, 2]),
    ),
    "endless text": (
        "2000 characters",
        lambda m: of(m, GENERATION_LABEL)["data"].update(preset="x" * 2000),
    ),
    "two action lists": (
        "there are 2 lists of actions",
        lambda m: m["assertions"].append(m["assertions"][0]),
    ),
}


@pytest.mark.parametrize("mistake", RETAKE)
def test_a_mistake_is_named_and_nothing_is_signed(mistake):
    words, break_it = RETAKE[mistake]
    manifest = definition()
    check_manifest(manifest)
    break_it(manifest)
    with pytest.raises(InternalError, match="was not signed") as caught:
        check_manifest(manifest)
    assert words in caught.value.message


def test_created_needs_a_source_type():
    manifest = definition("generate")
    del action(manifest, 0)["digitalSourceType"]
    with pytest.raises(InternalError, match="has no digital source type"):
        check_manifest(manifest)


def test_a_component_must_have_been_placed():
    manifest = definition("bridge with handles")
    placed = action(manifest, 1)
    placed.update(action="c2pa.edited")
    with pytest.raises(InternalError, match="outgoing was never placed"):
        check_manifest(manifest)


def test_only_components_are_placed():
    manifest = definition("bridge")
    of(manifest, "c2pa.actions.v2")["data"]["actions"].append(
        {"action": "c2pa.placed", "parameters": {"ingredientIds": ["outgoing"]}}
    )
    with pytest.raises(InternalError, match="placed needs a component"):
        check_manifest(manifest)
