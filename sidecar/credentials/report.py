"""From the library's report to values a door can show: every string is safe, every list is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from interchange.errors import InvalidInputError
from interchange.timebase import FrameRate
from sidecar.credentials.manifest import GENERATION_LABEL, SOURCE_TYPE_BASE
from sidecar.credentials.reading import ANCHOR_NAME
from sidecar.credentials.statement import (
    CredentialReport,
    CredentialState,
    Generation,
    IngredientReport,
    StatedRun,
)
from sidecar.credentials.untrusted import LIST_LIMIT, items, mapping, safe_text, whole_number

UNTRUSTED = "signingCredential.untrusted"
_TRUSTED = "Trusted"
_MOST_RATE_DIGITS = 20


def is_recognised(store: Mapping[str, Any]) -> bool:
    """Whether the signature leads to this installation's anchor."""
    results = mapping(store.get("validation_results"))
    return store.get("validation_state") == _TRUSTED and results.get("trustListUri") == ANCHOR_NAME


def failure_codes(store: Mapping[str, Any]) -> tuple[str, ...]:
    """Validation codes of what is wrong with the file itself."""
    return _codes(store.get("validation_results"), "failure")


def report_from_store(store: Mapping[str, Any], *, path: str, found: str) -> CredentialReport:
    """Make the report of a store that validated.

    Args:
        store: The library's report.
        path: The media file.
        found: `embedded`, or the path of the `.c2pa`.
    """
    active = _active(store)
    actions = list(_actions(active))
    generation = _generation(active)
    ingredients = read_ingredients(store)
    state = (
        CredentialState.SIGNED_HERE if is_recognised(store) else CredentialState.SIGNED_ELSEWHERE
    )
    warnings = ingredient_warnings(ingredients)
    results = store.get("validation_results")
    signature = mapping(active.get("signature_info"))
    generator = mapping(next(iter(items(active.get("claim_generator_info"))), None))
    return CredentialReport(
        path=path,
        state=state,
        summary=" ".join((_summary(state, generation), *warnings)),
        signer=safe_text(signature.get("issuer")) or "no name in the certificate",
        found=found,
        title=safe_text(active.get("title")),
        made_with=" ".join(
            filter(None, (safe_text(generator.get("name")), safe_text(generator.get("version"))))
        ),
        made=safe_text(next((a["when"] for a in actions if "when" in a), "")),
        actions=tuple(safe_text(action.get("action")) for action in actions),
        source_types=tuple(
            safe_text(action["digitalSourceType"]).removeprefix(SOURCE_TYPE_BASE)
            for action in actions
            if "digitalSourceType" in action
        ),
        generation=generation,
        ingredients=ingredients,
        warnings=warnings,
        codes=(
            _codes(results, "failure")
            + _codes(results, "informational")
            + _codes(results, "success")
        ),
    )


def read_ingredients(store: Mapping[str, Any]) -> tuple[IngredientReport, ...]:
    """All direct ingredients, and those of ancestors whose own credentials failed."""
    active = _active(store)
    found = [_ingredient(entry, is_direct=True) for entry in items(active.get("ingredients"))]
    for manifest in list(mapping(store.get("manifests")).values())[:LIST_LIMIT]:
        if manifest is not active:
            older = (
                _ingredient(entry, is_direct=False)
                for entry in items(mapping(manifest).get("ingredients"))
            )
            found += [ingredient for ingredient in older if ingredient.failures]
    return tuple(found[:LIST_LIMIT])


def ingredient_warnings(ingredients: tuple[IngredientReport, ...]) -> tuple[str, ...]:
    """One sentence for each ingredient that had been changed after it was signed.

    The library calls a file valid whatever happened to what it was made from (measured).
    """
    return tuple(
        f"Its source {ingredient.title or 'without a name'} had been changed after signing, or its credentials "
        f"were damaged, when this was made ({', '.join(ingredient.failures)})."
        for ingredient in ingredients
        if ingredient.failures
    )


def _summary(state: CredentialState, generation: Generation | None) -> str:
    words = {
        CredentialState.SIGNED_HERE: (
            "Unchanged since signing, and signed by this installation: this machine's own key, not a verified "
            "identity."
        ),
        CredentialState.SIGNED_ELSEWHERE: (
            "Unchanged since signing, but by a signer this machine does not recognise: what it says is that "
            "signer's word."
        ),
    }[state]
    if generation is None:
        return words
    spans = ", ".join(
        f"{run.first_frame}-{run.end_frame - 1}{' in part' if run.in_part else ''} "
        f"(record in {run.record_in}, out {run.record_out})"
        for run in generation.runs
        if run.synthetic
    )
    sound = "synthetic sound; " if generation.sound == "synthetic" else ""
    by = f"{sound}made by {generation.engine} as {generation.kind}."
    return f"{words} Synthetic frames: {spans or 'none'}; {by}"


def _active(store: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(store.get("manifests")).get(str(store.get("active_manifest"))))


def _assertion(manifest: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    for assertion in items(manifest.get("assertions")):
        if mapping(assertion).get("label") == label:
            return mapping(mapping(assertion).get("data"))
    return {}


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    data = _assertion(manifest, "c2pa.actions.v2") or _assertion(manifest, "c2pa.actions")
    return (mapping(action) for action in items(data.get("actions")))


def _codes(results: object, kind: str) -> tuple[str, ...]:
    entries = mapping(mapping(results).get("activeManifest")).get(kind)
    return tuple(safe_text(mapping(entry).get("code")) for entry in items(entries))


def _ingredient(entry: object, *, is_direct: bool) -> IngredientReport:
    ingredient = mapping(entry)
    codes = _codes(ingredient.get("validation_results"), "failure")
    return IngredientReport(
        title=safe_text(ingredient.get("title")),
        relationship=safe_text(ingredient.get("relationship")),
        has_credentials="active_manifest" in ingredient,
        is_direct=is_direct,
        failures=tuple(code for code in codes if code != UNTRUSTED),
    )


def _generation(manifest: Mapping[str, Any]) -> Generation | None:
    data = _assertion(manifest, GENERATION_LABEL)
    if not data:
        return None
    engine = mapping(data.get("engine"))
    return Generation(
        kind=safe_text(data.get("kind")),
        engine=safe_text(engine.get("name")),
        engine_version=safe_text(engine.get("version")),
        model_identity=safe_text(engine.get("modelIdentity")),
        seed=whole_number(data.get("seed")),
        frame_rate=_frame_rate(data.get("frameRate")),
        frame_count=whole_number(data.get("frameCount")),
        codec=safe_text(data.get("codec")),
        request_sha256=safe_text(data.get("requestSha256")),
        prompt_sha256=safe_text(data.get("promptSha256")),
        runs=tuple(_runs(data.get("runs"))),
        sound=safe_text(data.get("sound")),
        remarks=tuple(safe_text(remark) for remark in items(data.get("remarks"))),
    )


def _runs(value: object) -> Iterator[StatedRun]:
    for entry in items(value):
        run = mapping(entry)
        first, end = whole_number(run.get("firstFrame")), whole_number(run.get("endFrame"))
        if first is not None and end is not None and 0 <= first < end:
            yield StatedRun(
                # What is not plainly called kept counts as synthetic.
                synthetic=run.get("origin") != "kept",
                first_frame=first,
                end_frame=end,
                record_in=safe_text(run.get("recordIn")),
                record_out=safe_text(run.get("recordOut")),
                in_part=run.get("origin") == "composite",
            )


def _frame_rate(value: object) -> FrameRate | None:
    text = safe_text(value)
    try:
        return FrameRate.parse(text) if 0 < len(text) <= _MOST_RATE_DIGITS else None
    except InvalidInputError:
        return None
