"""Uploads in the inventory: whole folders of ours, unless a job still reads them."""

from __future__ import annotations

from dataclasses import replace

from support.model_examples import example_job

from interchange.model.job import JobState
from sidecar.lifecycle.inventory import upload_items
from sidecar.lifecycle.policy import Kind


def _upload(state, name):
    folder = state / "uploads" / name
    folder.mkdir(parents=True)
    (folder / "upload.json").write_text("{}")
    (folder / "media.mov").write_bytes(b"123")
    return folder


def test_an_upload_goes_as_a_whole_and_its_record_last(tmp_path):
    state = tmp_path.resolve()
    folder = _upload(state, "a" * 32)
    _upload(state, "strange")
    (state / "uploads" / ("b" * 32)).mkdir()  # without a record: the sidecar's own sweep takes it
    [item] = upload_items(state, [])
    assert (item.kind, item.name, item.held) == (Kind.UPLOAD, str(folder), "")
    assert [file.path.name for file in item.files] == ["media.mov", "upload.json"]


def test_an_upload_that_a_waiting_job_reads_is_held(tmp_path):
    state = tmp_path.resolve()
    folder = _upload(state, "a" * 32)
    job = example_job()
    span = replace(job.request.spec.source, path=str(folder / "media.mov"))
    request = replace(job.request, spec=replace(job.request.spec, source=span))
    waiting = replace(job, state=JobState.QUEUED, request=request)
    assert upload_items(state, [waiting])[0].held
    assert not upload_items(state, [replace(waiting, state=JobState.CANCELLED)])[0].held


def test_where_nobody_sent_anything_there_is_nothing(tmp_path):
    assert upload_items(tmp_path, []) == ()
