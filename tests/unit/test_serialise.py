from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.model_examples import example_geometry, example_request
from support.model_strategies import bridge_errors, requests, takes

from interchange.errors import BridgeError, InternalError
from interchange.model.engine import PlannedGeometry
from interchange.model.job import Progress
from interchange.model.request import GenerationRequest
from interchange.model.take import Take
from sidecar.serialise import dump, fingerprint, load


@given(requests())
def test_every_request_comes_back_exactly(request):
    assert load(GenerationRequest, dump(request)) == request


@given(takes())
def test_every_take_comes_back_exactly(take):
    assert load(Take, dump(take)) == take


@given(bridge_errors)
def test_every_error_comes_back_exactly(error):
    again = load(BridgeError, dump(error))
    assert type(again) is type(error)
    assert (again.message, again.reason, again.metadata) == (
        error.message,
        error.reason,
        error.metadata,
    )


def test_geometry_and_progress_come_back_exactly():
    geometry = example_geometry(example_request())
    assert load(PlannedGeometry, dump(geometry)) == geometry
    progress = Progress("generating", 3, 10, 0.1 + 0.2)
    assert load(Progress, dump(progress)) == progress


@dataclass(frozen=True)
class Everything:
    when: datetime
    share: Fraction
    names: frozenset[str]
    pair: tuple[int, int]
    maybe: str | None = None
    table: dict[str, int] | None = None


def test_scalars_and_containers():
    value = Everything(
        datetime(2026, 1, 2, tzinfo=UTC), Fraction(-1, 3), frozenset("ab"), (1, 2), table={"a": 1}
    )
    assert load(Everything, dump(value)) == value


def test_a_field_added_later_takes_its_default():
    text = dump(Progress("generating", 1, 2, 0.5))
    stored = json.loads(text)
    del stored["value"]["fraction"]
    assert load(Progress, json.dumps(stored)) == Progress("generating", 1, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"done": True},
        {"done": 1.0},
        {"done": "1"},
        {"done": None},
        {"phase": 1},
        {"unheard": 1},
        {"type": "Take"},
        {"fraction": "0.5"},
        {"fraction": True},
    ],
)
def test_anything_but_the_type_is_refused(change):
    stored = json.loads(dump(Progress()))
    stored["value"] |= change
    with pytest.raises(InternalError):
        load(Progress, json.dumps(stored))


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_garbage_is_refused(text):
    with pytest.raises(InternalError):
        load(GenerationRequest, text)


def test_hostile_nesting_is_refused():
    with pytest.raises(InternalError):
        load(Progress, "[" * 100_000)


def test_a_stored_error_can_only_be_one_of_ours():
    text = dump(InternalError("x")).replace('"InternalError"', '"SystemExit"')
    with pytest.raises(InternalError, match="cannot be read back"):
        load(BridgeError, text)


def test_what_cannot_be_stored_exactly_is_not_stored():
    with pytest.raises(InternalError):
        dump(object())
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump(Progress(fraction=float("nan")))


@settings(max_examples=25)
@given(requests(), requests())
def test_fingerprints_tell_requests_apart(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (one == other)
    assert fingerprint(one) == fingerprint(load(GenerationRequest, dump(one)))


def test_fingerprint_is_pinned():
    """A change of the stored form would turn every repeated request into a conflict."""
    request = example_request()
    assert fingerprint(request).startswith("d265fcb0b5912fc2")
    assert fingerprint(replace(request, seed=8)) != fingerprint(request)


def test_references_count_where_there_are_any():
    request = example_request()
    (span,) = request.sources
    one, two = (replace(request, references=(span,) * count) for count in (1, 2))
    assert len({fingerprint(value) for value in (request, one, two)}) == 3
    assert load(GenerationRequest, dump(one)) == one


def test_progress_without_preview_is_written_as_before():
    assert "preview" not in dump(Progress("generating", 1, 2, 0.5))
    shown = Progress("generating", 1, 2, 0.5, b"\xff\xd8")
    assert load(Progress, dump(shown)) == shown
