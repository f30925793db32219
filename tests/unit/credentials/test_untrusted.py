"""Strings and numbers that a stranger wrote."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.credentials.report import report_from_store
from sidecar.credentials.untrusted import items, mapping, safe_text, whole_number

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07take.mov", "[2J]0;ownedtake.mov"),
        ("gpj.\u202evom\u2066", "gpj.vom"),
        ("two\r\nlines\tand\x00 more", "two lines and more"),
        ("line\u2028separator\u200b", "line separator"),
        ("Прекрасно 🎬 é", "Прекрасно 🎬 é"),
        (b"bytes", ""),
        (7, ""),
        (None, ""),
    ],
)
def test_only_visible_signs_on_one_line_are_shown(hostile, shown):
    assert safe_text(hostile) == shown


@given(st.text() | st.text(st.characters(codec=None, categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_safe_text_is_always_printable_and_bounded(text):
    shown = safe_text(text * 40, limit=50)
    assert len(shown) <= 50
    assert not {unicodedata.category(sign) for sign in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_a_long_text_is_cut_and_shows_it():
    assert safe_text("x" * 100_000, limit=10) == "x" * 9 + "…"


@pytest.mark.parametrize("value", [True, 1.5, "1", 2**63, -(2**70), None, [1]])
def test_only_whole_numbers_count(value):
    assert whole_number(value) is None


def test_wrong_shapes_are_empty_and_long_lists_are_cut():
    assert mapping([1]) == {}
    assert items({"a": 1}) == ()
    assert len(items(list(range(10_000)))) == 256


@given(json_values, json_values, json_values, json_values)
def test_a_report_is_made_of_any_store_without_failing(manifest, results, ingredients, data):
    """The signature of a hostile manifest may well be valid; its shape is then anything."""
    fields = manifest if isinstance(manifest, dict) else {"title": manifest}
    active = {
        "signature_info": results,
        **fields,
        "ingredients": ingredients,
        "assertions": [
            {"label": "internal.ltxbridge.generation", "data": {"runs": data, "engine": results}},
            {"label": "c2pa.actions.v2", "data": {"actions": data}},
            data,
        ],
    }
    store = {
        "active_manifest": "m",
        "manifests": {"m": active, "n": ingredients, "o": {"ingredients": data}},
        "validation_results": results,
        "validation_state": "Valid",
    }
    report = report_from_store(store, path="t.mov", found="embedded")
    assert not report.signed_here
    for text in (report.summary, report.signer, report.title, report.made_with, *report.actions):
        assert text.isprintable() or not text


def test_a_recognised_state_needs_our_own_anchor():
    """Another trust list in the library must never make a stranger look like this installation."""
    store = {"active_manifest": "m", "manifests": {"m": {}}, "validation_state": "Trusted"}
    assert not report_from_store(store, path="t", found="embedded").signed_here
    store["validation_results"] = {"trustListUri": "urn:somebody"}
    assert not report_from_store(store, path="t", found="embedded").signed_here
    store["validation_results"] = {"trustListUri": "urn:ltxbridge:this-installation"}
    assert report_from_store(store, path="t", found="embedded").signed_here
