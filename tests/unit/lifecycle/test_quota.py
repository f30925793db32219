"""The disk quota: a running total that refuses before work, and never forgets what was just accepted."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.job_cases import make_take
from support.model_examples import example_job

from interchange.errors import ExhaustedError, Reason
from interchange.model.job import JobState
from sidecar.lifecycle.quota import Quota, expected_bytes, folder_bytes, job_bytes

sizes = st.integers(0, 10**12)


@given(limit=st.integers(1, 10**12), used=sizes, extra=sizes)
def test_refuses_exactly_what_would_pass_the_limit(limit, used, extra):
    quota = Quota(limit)
    quota.note(used)
    if used + extra <= limit:
        quota.check(extra)
    else:
        with pytest.raises(ExhaustedError, match="ltxbridge gc") as caught:
            quota.check(extra)
        assert caught.value.reason is Reason.QUOTA_FULL
        assert caught.value.metadata == {
            "used_bytes": str(used),
            "limit_bytes": str(limit),
            "needed_bytes": str(extra),
        }


@given(used=sizes, extra=sizes)
def test_no_limit_refuses_nothing(used, extra):
    quota = Quota()
    quota.note(used)
    quota.check(extra)


@given(before=sizes, counted=sizes, during=sizes, after=sizes)
def test_recount_replaces_what_was_noted_before_and_keeps_what_came_meanwhile(
    before, counted, during, after
):
    quota = Quota(1)
    quota.note(before)
    mark = quota.mark()
    quota.note(during)
    assert quota.settle(counted, since=mark) == counted + during
    quota.note(after)
    assert quota.used_bytes == counted + during + after


def test_jobs_count_what_they_have_made_and_what_they_are_promised(tmp_path):
    media = tmp_path / "A_LTX_v001.mov"
    media.write_bytes(b"x" * 100)
    media.with_suffix(".c2pa").write_bytes(b"y" * 11)
    job = example_job()
    take = make_take("A_LTX_v001", folder=str(tmp_path))
    made = replace(job, state=JobState.SUCCEEDED, take=take)
    gone = replace(made, take=make_take("B_LTX_v001", folder=str(tmp_path)))
    waiting = replace(job, state=JobState.QUEUED, take=None)
    failed = replace(job, state=JobState.FAILED, take=None)
    assert job_bytes([made, gone, failed]) == 111
    # A take in the spool is counted with the spool.
    assert job_bytes([made, gone, failed], beside=[tmp_path]) == 0
    assert job_bytes([made, gone, failed], beside=[tmp_path / "spool"]) == 111
    assert job_bytes([waiting]) == expected_bytes(job.request) > 0


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_folders_are_counted_without_following_links(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (inside / "deep" / "a").write_bytes(b"12345")
    (outside / "big").write_bytes(b"x" * 1000)
    (inside / "file-link").symlink_to(outside / "big")
    (inside / "folder-link").symlink_to(outside)
    assert folder_bytes(inside, tmp_path / "missing") == 5
