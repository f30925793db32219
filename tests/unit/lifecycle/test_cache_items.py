"""What engines kept to save work is listed by `ltxbridge gc`, counted by the quota, and goes when it is old."""

import os
from datetime import UTC, datetime, timedelta

from sidecar.lifecycle.glance import used_bytes
from sidecar.lifecycle.inventory import cache_items
from sidecar.lifecycle.policy import Kind, Limits, choose

NAME = "ab" * 32 + ".tensors"


def _kept(state_dir, *, age_days=0, name=NAME):
    folder = state_dir / "cache" / "tensors"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"x" * 100)
    then = (datetime.now(UTC) - timedelta(days=age_days)).timestamp()
    os.utime(path, (then, then))
    return path


def test_an_entry_goes_when_it_was_not_used_for_long(tmp_path):
    old = _kept(tmp_path, age_days=40, name="cd" * 32 + ".tensors")
    _kept(tmp_path, age_days=1)
    choices = choose(cache_items(tmp_path), Limits(timedelta(days=30)), now=datetime.now(UTC))
    assert {choice.item.kind for choice in choices} == {Kind.CACHE}
    assert [choice.item.files[0].path for choice in choices if choice.goes] == [old.resolve()]
    assert len(choices) == 2


def test_it_counts_against_the_quota(tmp_path):
    _kept(tmp_path)
    assert used_bytes(tmp_path) == 100


def test_what_has_another_name_or_is_a_link_is_left_out(tmp_path):
    _kept(tmp_path, name="notes.txt")
    _kept(tmp_path, name="AB" * 32 + ".tensors")
    (tmp_path / "cache" / "tensors" / NAME).symlink_to(tmp_path / "elsewhere")
    assert cache_items(tmp_path) == ()


def test_without_a_cache_there_is_nothing(tmp_path):
    assert cache_items(tmp_path) == ()
