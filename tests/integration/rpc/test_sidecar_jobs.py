"""Jobs through the whole sidecar: real socket, real queue, real worker, real media."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.model_examples import example_request
from support.numbered import read_number, write_numbered_movie

from interchange.errors import ConflictError, InvalidInputError, NotAllowedError, Reason
from interchange.model.job import JobState
from interchange.model.media import BT709, Raster
from interchange.model.request import OutputSpec, RetakeSpec, SourceSpan
from interchange.timebase import FrameRate, TimeRange
from ltxbridge.client import BridgeClient
from sidecar.launch import sidecar_for
from sidecar.settings import Settings

RATE = FrameRate(25)
SIZE = (384, 216)
UUID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    write_numbered_movie(folder / "A001.mov", rate=RATE, count=30, size=SIZE)
    return folder


@pytest.fixture
def client(short_dir, media):
    settings = Settings(short_dir / "state", short_dir / "run", log_level="error", drain_grace_s=1)
    with sidecar_for(settings, extra_roots=[media]) as endpoint, BridgeClient(endpoint) as client:
        yield client


def _retake(media, **changes):
    """Frames 1010 to 1016 of a clip whose first picture stands at record frame 1000, handles of 2."""
    path = media / "A001.mov"
    facts = path.stat()
    span = SourceSpan(
        path=str(path),
        media_rate=RATE,
        record_range=TimeRange(1000, 1030, RATE),
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=BT709,
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
    )
    request = example_request(
        frame_rate=RATE,
        record_range=TimeRange(1010, 1016, RATE),
        head_handle_frames=2,
        tail_handle_frames=2,
        raster=Raster(*SIZE),
        start_frame=1008,
        engine="identity",
        spec=RetakeSpec(source=span),
        output=OutputSpec(directory=str(media / "takes")),
    )
    return dataclasses.replace(request, **changes)


def test_take_made_watched_and_fetched_has_the_frames_that_were_asked_for(client, media):
    request = _retake(media)
    planned = client.create_job(request, validate_only=True)
    assert (planned.job_id, planned.geometry.deliver_range) == ("", request.file_range)
    job = client.create_job(request, request_id=UUID)
    snapshots = list(client.watch_job(job.job_id))
    revisions = [snapshot.revision for snapshot in snapshots]
    assert revisions == sorted(set(revisions))
    done = snapshots[-1]
    assert (done.state, done.error) == (JobState.SUCCEEDED, None)
    frames = list(client.fetch_frames(job.job_id))
    assert [frame for frame, _ in frames] == list(request.file_range.frames)
    for frame, picture in frames:
        rgb = picture[..., :3].astype(np.float64) / 65535
        assert read_number(rgb) == (1, frame - 1000)
    window = TimeRange(1012, 1014, RATE)
    assert [frame for frame, _ in client.fetch_frames(job.job_id, window)] == [1012, 1013]
    assert client.create_job(request, request_id=UUID).job_id == job.job_id
    with pytest.raises(ConflictError) as caught:
        client.create_job(dataclasses.replace(request, seed=99), request_id=UUID)
    assert caught.value.reason is Reason.REQUEST_ID_REUSED
    assert [listed.job_id for listed in client.list_jobs(states={JobState.SUCCEEDED})] == [
        job.job_id
    ]


def test_take_that_was_changed_after_it_was_made_is_not_served(client, media):
    job = list(client.watch_job(client.create_job(_retake(media)).job_id))[-1]
    with Path(job.take.path).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InvalidInputError) as caught:
        next(client.fetch_frames(job.job_id))
    assert caught.value.reason is Reason.MEDIA_CHANGED


def test_take_that_was_replaced_by_one_of_its_size_is_not_served(client, media):
    """Nor is one behind a link: what is not ours is not even parsed."""
    job = list(client.watch_job(client.create_job(_retake(media)).job_id))[-1]
    take = Path(job.take.path)
    own = take.read_bytes()
    take.write_bytes(own[:-1] + bytes([own[-1] ^ 1]))
    with pytest.raises(InvalidInputError) as caught:
        next(client.fetch_frames(job.job_id))
    assert caught.value.reason is Reason.MEDIA_CHANGED
    take.write_bytes(own)
    assert next(client.fetch_frames(job.job_id))
    take.rename(take.with_suffix(".aside"))
    take.symlink_to(take.with_suffix(".aside"))
    with pytest.raises(InvalidInputError):
        next(client.fetch_frames(job.job_id))


def test_media_outside_the_roots_is_refused_over_the_wire(client, media):
    request = _retake(media)
    span = dataclasses.replace(request.spec.source, path="/etc/passwd")
    with pytest.raises(NotAllowedError) as caught:
        client.create_job(_retake(media, spec=RetakeSpec(source=span)))
    assert caught.value.reason is Reason.PATH_OUTSIDE_ROOTS
    with pytest.raises(NotAllowedError):
        client.create_job(_retake(media, output=OutputSpec(directory="/etc")))
