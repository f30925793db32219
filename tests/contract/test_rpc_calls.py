"""Every call, over a real socket, against a strict fake service."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from support.fake_job_service import FakeJobService
from support.model_examples import JOB_ID, example_engine, example_geometry, example_request
from support.rpc_harness import running_server

from interchange import errors
from interchange.errors import (
    BridgeError,
    ConflictError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    Reason,
    UnsupportedError,
)
from interchange.model.job import JobState
from interchange.model.take import Take
from interchange.timebase import FrameRate, TimeRange
from ltxbridge.client import BridgeClient

UUID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"


@pytest.fixture(params=["unix", "tcp"])
def running(request, short_dir):
    with running_server(short_dir, transport=request.param) as server:
        yield server


@pytest.fixture
def client(running):
    with BridgeClient(running.endpoint, timeout_s=10) as client:
        yield client


def _take(request) -> Take:
    return Take(
        path="/out/a.mov",
        manifest_path="/out/a.c2pa",
        sha256="0" * 64,
        size_bytes=1,
        record_range=request.record_range,
        media_range=TimeRange.of_length(
            request.start_frame, request.file_range.length, request.frame_rate
        ),
        head_handle_frames=request.head_handle_frames,
        drop_frame=False,
        raster=request.raster,
        codec="prores422hq",
        reel="A001",
        audio_channels=0,
        audio_sample_rate_hz=0,
        engine="animatic",
        engine_version="1",
        model_identity="animatic 1",
        seed=7,
    )


def test_created_job_is_found_listed_cancelled_and_deleted(client, running):
    request = example_request()
    job = client.create_job(request, priority=3)
    assert (job.request, job.geometry, job.priority) == (request, example_geometry(request), 3)
    assert client.get_job(job.job_id) == job
    assert list(client.list_jobs()) == [job]
    assert list(client.list_jobs(states={JobState.FAILED})) == []
    cancelled = client.cancel_job(job.job_id)
    assert cancelled.state is JobState.CANCELLED
    assert client.cancel_job(job.job_id) == cancelled
    client.delete_job(job.job_id)
    assert running.jobs.jobs == {}


def test_validation_returns_the_geometry_and_queues_nothing(client, running):
    job = client.create_job(example_request(), validate_only=True)
    assert job.job_id == ""
    assert job.geometry == example_geometry(example_request())
    assert running.jobs.jobs == {}


def test_same_request_id_with_the_same_request_is_the_same_job(client):
    first = client.create_job(example_request(), request_id=UUID)
    assert client.create_job(example_request(), request_id=UUID) == first


def test_same_request_id_with_another_request_is_a_conflict(client):
    client.create_job(example_request(), request_id=UUID)
    with pytest.raises(ConflictError) as caught:
        client.create_job(example_request(seed=8), request_id=UUID)
    assert caught.value.reason is Reason.REQUEST_ID_REUSED
    assert caught.value.metadata == {"request_id": UUID}


def test_list_goes_on_over_pages_newest_first(client):
    created = [client.create_job(example_request(seed=seed)) for seed in range(7)]
    assert list(client.list_jobs(page_size=3)) == created[::-1]


def test_page_too_large_for_a_message_is_cut_shorter(client):
    request = example_request(prompt="p" * 16_000, negative_prompt="n" * 16_000)
    created = [client.create_job(request) for _ in range(150)]  # 4.8 MB in one answer
    assert len(list(client.list_jobs(page_size=1000))) == len(created)


def test_engines_arrive_whole(client):
    assert client.list_engines() == (example_engine(),)


@pytest.mark.parametrize(
    "call", [BridgeClient.get_job, BridgeClient.cancel_job, BridgeClient.delete_job]
)
def test_unknown_job_is_not_found(client, call):
    with pytest.raises(NotFoundError) as caught:
        call(client, JOB_ID)
    assert caught.value.reason is Reason.JOB_NOT_FOUND
    assert caught.value.metadata == {"job_id": JOB_ID}


@pytest.mark.parametrize("job_id", ["../../x", "", "A" * 32, "0" * 32 + "\n", "\0"])
def test_id_off_the_pattern_never_reaches_the_service(client, job_id):
    calls = (
        client.get_job,
        client.cancel_job,
        client.delete_job,
        lambda name: next(client.watch_job(name)),
        lambda name: next(client.fetch_frames(name)),
    )
    for call in calls:
        with pytest.raises(InvalidInputError):
            call(job_id)


def test_deleting_a_job_that_has_not_ended_is_refused(client):
    job = client.create_job(example_request())
    with pytest.raises(UnsupportedError) as caught:
        client.delete_job(job.job_id)
    assert caught.value.reason is Reason.JOB_STATE


def test_request_that_cannot_be_right_is_refused_with_its_field(client):
    with pytest.raises(InvalidInputError) as caught:
        client.create_job(example_request(head_handle_frames=-1))
    assert caught.value.metadata == {"field": "request.head_handle_frames"}
    with pytest.raises(InvalidInputError) as caught:
        client.create_job(example_request(), request_id="not a uuid")
    assert caught.value.metadata == {"field": "request_id"}


@pytest.mark.parametrize(
    "kind", [k for k in BridgeError.__subclasses__() if k is not InternalError]
)
def test_error_of_the_service_arrives_as_it_was(short_dir, kind):
    failure = kind("What happened, in the editor's words.", metadata={"path": "/ä/b"})
    with (
        running_server(short_dir, jobs=FakeJobService(failure)) as running,
        BridgeClient(running.endpoint) as client,
        pytest.raises(kind) as caught,
    ):
        client.get_job(JOB_ID)
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.reason, caught.value.metadata) == (
        failure.message,
        failure.reason,
        failure.metadata,
    )


def test_error_with_an_overlong_message_still_arrives_typed(short_dir):
    failure = errors.ExhaustedError(
        "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 20_000, metadata={"k": "v" * 90_000}
    )
    with (
        running_server(short_dir, jobs=FakeJobService(failure)) as running,
        BridgeClient(running.endpoint) as client,
        pytest.raises(errors.ExhaustedError) as caught,
    ):
        client.get_job(JOB_ID)
    assert caught.value.reason is Reason.DISK_FULL
    assert caught.value.message.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_fault_of_the_service_leaks_nothing_and_is_logged_once(short_dir, caplog):
    with (
        running_server(short_dir, jobs=FakeJobService(RuntimeError("secret /home/x"))) as running,
        BridgeClient(running.endpoint) as client,
        pytest.raises(InternalError) as caught,
    ):
        client.get_job(JOB_ID)
    assert "secret" not in str(caught.value) + str(caught.value.metadata)
    assert [
        record.exc_info is not None for record in caplog.records if record.levelname == "ERROR"
    ] == [True]


def test_frames_arrive_in_order_and_exact(client, running):
    request = example_request()
    job = client.create_job(request)
    running.run(running.jobs.advance(job.job_id, state=JobState.SUCCEEDED, take=_take(request)))
    wanted = TimeRange(request.file_range.start, request.file_range.start + 3, request.frame_rate)
    frames = list(client.fetch_frames(job.job_id, wanted))
    assert [number for number, _ in frames] == list(wanted.frames)
    for number, picture in frames:
        assert picture.shape == (36, 64, 4)
        assert picture.dtype == np.uint16
        assert (picture == [number % 256 * 257, 65535, 0, 65535]).all()
    every = [number for number, _ in client.fetch_frames(job.job_id)]
    assert every == list(request.file_range.frames)


def test_frame_larger_than_a_message_arrives_in_chunks(short_dir):
    with running_server(short_dir) as running, BridgeClient(running.endpoint) as client:
        large = replace(example_request().raster, width_px=1920, height_px=1080)  # 16.6 MB
        request = example_request(raster=large)
        job = client.create_job(request)
        running.run(running.jobs.advance(job.job_id, state=JobState.SUCCEEDED, take=_take(request)))
        wanted = TimeRange.of_length(request.record_range.start, 1, request.frame_rate)
        [(number, picture)] = client.fetch_frames(job.job_id, wanted)
        assert (picture[..., 0] == number % 256 * 257).all()


def test_frames_outside_the_file_or_at_another_rate_are_refused(client, running):
    request = example_request()
    job = client.create_job(request)
    with pytest.raises(UnsupportedError) as caught:
        next(client.fetch_frames(job.job_id))
    assert caught.value.reason is Reason.JOB_STATE
    running.run(running.jobs.advance(job.job_id, state=JobState.SUCCEEDED, take=_take(request)))
    file_range = request.file_range
    refused = {
        file_range.padded(1, 0): Reason.RANGE_PAST_MEDIA,
        file_range.padded(0, 1): Reason.RANGE_PAST_MEDIA,
        TimeRange(file_range.start, file_range.start, file_range.rate): Reason.RANGE_INVALID,
        TimeRange(file_range.start, file_range.end, FrameRate(25)): Reason.RANGE_INVALID,
    }
    for wanted, reason in refused.items():
        with pytest.raises(InvalidInputError) as caught:
            next(client.fetch_frames(job.job_id, wanted))
        assert caught.value.reason is reason


def test_reader_that_walks_away_frees_the_stream(client, running):
    request = example_request()
    job = client.create_job(request)
    running.run(running.jobs.advance(job.job_id, state=JobState.SUCCEEDED, take=_take(request)))
    for _ in range(12):  # more than there are slots
        with closing(client.fetch_frames(job.job_id)) as frames:
            next(frames)
    assert len(list(client.fetch_frames(job.job_id))) == request.file_range.length
