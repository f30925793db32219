"""What a crash left goes after a day, and nothing that a job still owns or that only looks like ours."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.model_examples import example_job

from interchange.model.job import JobState
from sidecar.lifecycle.leftovers import leftover_items
from sidecar.lifecycle.policy import Kind, Limits, choose

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIMITS = Limits(max_age=timedelta(days=30))
QUEUED, ENDED, GONE = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture
def places(tmp_path):
    """The state folder, the folder takes go to, and a spool."""
    state, out, spool = tmp_path / "state", tmp_path / "out", tmp_path / "state" / "spool" / "owner"
    for folder in (out, spool, state / "pki"):
        folder.mkdir(parents=True)
    return state.resolve(), out.resolve(), spool.resolve()


def _jobs(out):
    job = example_job()
    request = replace(job.request, output=replace(job.request.output, directory=str(out)))
    queued = replace(job, job_id=QUEUED, state=JobState.QUEUED, request=request, take=None)
    return [queued, replace(queued, job_id=ENDED, state=JobState.FAILED)]


def _write(path, *, hours):
    path.write_bytes(b"12345")
    when = (NOW - timedelta(hours=hours)).timestamp()
    os.utime(path, (when, when))
    return path


def _going(places, limits=LIMITS):
    state, out, _ = places
    choices = choose(leftover_items(state, _jobs(out)), limits, now=NOW)
    assert {choice.item.kind for choice in choices} <= {Kind.LEFTOVER}
    return {choice.item.files[0].path for choice in choices if choice.goes}


def test_work_files_that_no_job_owns_go_after_a_day_though_takes_are_kept_for_a_month(places):
    state, out, spool = places
    old = {
        _write(out / f".A_LTX_v001.{ENDED}-1.mov.part", hours=25),
        _write(out / f".A_LTX_v001.{GONE}-2.unsigned.part", hours=25),
        _write(out / f".A_LTX_v002.{GONE}-2.mov.signing", hours=25),
        _write(spool / f".Sc 1_LTX_v1000.{GONE}-1.c2pa.part", hours=25),
        _write(state / ".token.4711.part", hours=25),
        _write(state / "pki" / ".authority.pem.00ff00ff00ff00ff.part", hours=25),
    }
    _write(out / f".A_LTX_v003.{GONE}-1.mov.part", hours=23)
    _write(out / f".A_LTX_v001.{QUEUED}-1.mov.part", hours=500)
    assert _going(places) == old


def test_not_even_who_asks_for_all_of_it_gets_one_that_may_still_be_written(places):
    _, out, _ = places
    _write(out / f".A_LTX_v003.{GONE}-1.mov.part", hours=1)
    assert _going(places, Limits(max_age=timedelta(0), max_total_bytes=0)) == set()


@pytest.mark.parametrize(
    "name",
    [
        "A_LTX_v001.mov",
        f"A_LTX_v001.{GONE}-1.mov.part",
        f".A.{GONE}-1.mov.part",
        f".A_LTX_v001.{GONE}.mov.part",
        ".A_LTX_v001.mov.part",
        ".token.4711.part",
        "download.part",
    ],
)
def test_what_is_not_named_as_ours_is_not_even_listed(places, name):
    state, out, _ = places
    _write(out / name, hours=1000)
    assert leftover_items(state, _jobs(out)) == ()


def test_links_are_left_alone(places, tmp_path):
    state, out, _ = places
    precious = _write(tmp_path / "original.mov", hours=1000)
    (out / f".A_LTX_v001.{GONE}-1.mov.part").symlink_to(precious)
    assert leftover_items(state, _jobs(out)) == ()


def test_a_folder_that_is_not_mounted_is_no_error(places):
    state, out, _ = places
    out.rmdir()
    assert leftover_items(state, _jobs(out)) == ()
