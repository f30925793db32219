"""What goes and what stays, for any inventory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sidecar.lifecycle.policy import Item, Kind, Limits, StoredFile, choose

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

files = st.builds(
    StoredFile,
    path=st.just(Path("/takes/A.mov")),
    size_bytes=st.integers(0, 10**9),
    modified_ns=st.just(0),
    inode=st.just(1),
)
items = st.builds(
    Item,
    kind=st.sampled_from(Kind),
    name=st.text("abc", min_size=1, max_size=4),
    files=st.lists(files, max_size=2).map(tuple),
    newest_use=st.integers(-5, 400).map(lambda days: NOW - timedelta(days=days, hours=1)),
    linked_from=st.none() | st.just(Path("/out/A.fcpxml")),
    held=st.sampled_from(["", "", "", "in work"]),
)
inventories = st.lists(items, max_size=12)
limits = st.builds(
    Limits,
    max_age=st.none() | st.integers(0, 365).map(lambda days: timedelta(days=days)),
    max_total_bytes=st.none() | st.integers(0, 4 * 10**9),
    include_linked=st.booleans(),
)


def _going(choices):
    return [choice.item for choice in choices if choice.goes]


@given(inventories, limits)
def test_every_item_is_decided_once_and_with_a_reason(inventory, limits):
    choices = choose(inventory, limits, now=NOW)
    assert sorted(map(repr, inventory)) == sorted(repr(choice.item) for choice in choices)
    assert all(choice.why for choice in choices)


@given(inventories, limits)
def test_what_is_held_or_shown_never_goes(inventory, limits):
    for item in _going(choose(inventory, limits, now=NOW)):
        assert not item.held
        assert item.linked_from is None or limits.include_linked


@given(inventories, limits)
def test_all_that_is_too_old_goes(inventory, limits):
    for choice in choose(inventory, limits, now=NOW):
        item = choice.item
        free = not item.held and (limits.include_linked or item.linked_from is None)
        if free and limits.max_age is not None and NOW - item.newest_use > limits.max_age:
            assert choice.goes


def _most_age(item, asked):
    return min(asked, timedelta(days=1)) if item.kind is Kind.LEFTOVER else asked


@given(inventories, limits)
def test_nothing_goes_without_need(inventory, limits):
    choices = choose(inventory, limits, now=NOW)
    young = [
        item
        for item in _going(choices)
        if limits.max_age is None or NOW - item.newest_use <= _most_age(item, limits.max_age)
    ]
    if young:
        assert limits.max_total_bytes is not None
        staying = sum(choice.item.size_bytes for choice in choices if not choice.goes)
        assert staying + young[-1].size_bytes > limits.max_total_bytes


@given(inventories, limits)
def test_the_size_is_met_or_nothing_more_may_go(inventory, limits):
    choices = choose(inventory, limits, now=NOW)
    staying = [choice.item for choice in choices if not choice.goes]
    if (
        limits.max_total_bytes is not None
        and sum(i.size_bytes for i in staying) > limits.max_total_bytes
    ):
        assert all(
            item.held
            or not item.size_bytes
            or (item.linked_from is not None and not limits.include_linked)
            or (item.kind is Kind.LEFTOVER and NOW - item.newest_use <= timedelta(days=1))
            for item in staying
        )


@given(inventories, limits, st.randoms(use_true_random=False))
def test_the_order_of_the_inventory_does_not_matter(inventory, limits, random):
    shuffled = inventory[:]
    random.shuffle(shuffled)
    assert list(map(repr, choose(shuffled, limits, now=NOW))) == list(
        map(repr, choose(inventory, limits, now=NOW))
    ) or len({(i.newest_use, i.kind, i.name, i.job_id) for i in inventory}) < len(inventory)


@given(inventories, limits)
def test_a_second_run_finds_nothing_more(inventory, limits):
    staying = [choice.item for choice in choose(inventory, limits, now=NOW) if not choice.goes]
    assert _going(choose(staying, limits, now=NOW)) == []


@given(inventories)
def test_a_use_in_the_future_counts_as_now(inventory):
    future = [replace(item, newest_use=NOW + timedelta(days=400)) for item in inventory]
    assert _going(choose(future, Limits(max_age=timedelta(0)), now=NOW)) == []
