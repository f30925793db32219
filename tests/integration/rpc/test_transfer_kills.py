"""A sidecar killed while files come in or takes go out; a disk that fills; chunks of any size."""

import errno
import hashlib
import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command import environment, program
from support.fake_job_service import FakeJobService
from support.faulty_filesystem import FaultyFileSystem
from support.model_examples import JOB_ID, example_job, example_request
from support.report_values import a_take
from support.rpc_harness import running_server

from interchange.errors import (
    BridgeError,
    ConflictError,
    ExhaustedError,
    InvalidInputError,
    UnavailableError,
)
from interchange.model.caller import LOCAL_CALLER
from interchange.model.job import JobState
from interchange.model.request import Raster, RegenerateSpec
from interchange.timebase import FrameRate, TimeRange
from ltxbridge.client import BridgeClient
from ltxbridge.client.transfers import TransferClient
from ltxbridge.roundtrip.downloads import download_take
from sidecar.filesystem import FileSystem
from sidecar.instance import read_discovery
from sidecar.jobs.lock import FolderLock
from sidecar.transfers.store import UploadStore

MIB = 1024 * 1024


def start(folder, port):
    process = subprocess.Popen(
        [program(), "serve", "--listen", f"127.0.0.1:{port}"],
        env=environment(folder),
        stderr=subprocess.DEVNULL,
    )
    for _ in range(400):
        found = read_discovery(folder / "state")
        if found is not None and found.pid == process.pid:
            return process, found.endpoint(folder / "state")
        threading.Event().wait(0.05)
    process.kill()
    raise AssertionError("the sidecar did not start")


def test_upload_goes_on_after_the_sidecar_was_killed_in_its_middle(short_dir):
    content = os.urandom(96 * MIB)
    path = short_dir / "big.mov"
    path.write_bytes(content)
    process, endpoint = start(short_dir, 0)
    port = int(endpoint.address.rpartition(":")[2])
    restarted = []
    starts = []

    def observer(carried):
        starts.append(carried.done_bytes)
        if not restarted and carried.done_bytes >= carried.size_bytes // 2:
            process.send_signal(signal.SIGKILL)
            process.wait()
            restarted.append(threading.Thread(target=lambda: again.append(start(short_dir, port))))
            restarted[0].start()

    again = []
    try:
        with TransferClient(endpoint, observer=observer) as transfers:
            upload = transfers.upload(path)
        restarted[0].join()
        stored = short_dir / "state" / "uploads" / upload.upload_id / "media.mov"
        assert hashlib.sha256(stored.read_bytes()).digest() == hashlib.sha256(content).digest()
        assert starts.count(0) <= 2  # announced, and the first chunk: it did not begin anew
    finally:
        for running, _ in again:
            running.terminate()
            running.wait(30)


def with_take(folder, content):
    jobs = FakeJobService()
    path = folder.resolve() / "far.mov"
    path.write_bytes(content)
    path.with_suffix(".c2pa").write_bytes(b"manifest")
    take = replace(
        a_take(example_job().request.record_range),
        path=str(path),
        manifest_path=str(path.with_suffix(".c2pa")),
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    jobs.jobs[JOB_ID] = replace(example_job(), state=JobState.SUCCEEDED, take=take)
    return jobs


class BreakingClient(TransferClient):
    """Loses the connection after every few chunks."""

    breaks = 0
    offsets = ()

    def read_take(self, job_id, *, manifest, offset_bytes):
        self.offsets = (*self.offsets, offset_bytes)
        for number, part in enumerate(
            super().read_take(job_id, manifest=manifest, offset_bytes=offset_bytes)
        ):
            if number == 3:
                self.breaks += 1
                raise UnavailableError("the line is dead")
            yield part


def test_download_goes_on_where_the_line_broke_and_takes_no_name(short_dir):
    content = os.urandom(7 * MIB + 11)
    jobs = with_take(short_dir, content)
    near = short_dir / "near"
    near.mkdir()
    job = jobs.jobs[JOB_ID]
    first = near / f"{job.request.shot}_LTX_v001.mov"
    first.write_bytes(b"somebody's")
    with (
        running_server(short_dir, jobs=jobs) as running,
        BreakingClient(running.endpoint) as client,
    ):
        take = download_take(job, near, transfers=client, filesystem=FileSystem())
        assert client.breaks == 3
        assert client.offsets[1:] == (0, 2 * MIB, 4 * MIB, 6 * MIB)
        again = download_take(job, near, transfers=client, filesystem=FileSystem())
    assert take == again
    assert take.path.endswith("_LTX_v002.mov")
    assert (near / take.path).read_bytes() == content
    assert first.read_bytes() == b"somebody's"
    assert sorted(path.name for path in near.iterdir() if path.name.startswith(".")) == []


def write_noise(path):
    """A movie that no codec makes small: 6 frames, so that its take has many chunks."""
    noise = np.random.default_rng(1)
    with av.open(str(path), "w") as movie:
        stream = movie.add_stream("prores", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv422p10le"
        for _ in range(6):
            picture = noise.integers(0, 256, (720, 1280, 3), np.uint8)
            movie.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        movie.mux(stream.encode())
    return path


class KillingClient(TransferClient):
    """Has the sidecar killed after a few chunks of its first read of the media, and started anew."""

    def __init__(self, endpoint, process, restart):
        super().__init__(endpoint)
        self.process = process
        self.restart = restart
        self.offsets = []

    def read_take(self, job_id, *, manifest, offset_bytes):
        if not manifest:
            self.offsets.append(offset_bytes)
        parts = super().read_take(job_id, manifest=manifest, offset_bytes=offset_bytes)
        for number, part in enumerate(parts):
            yield part
            if not manifest and number == 2 and self.process is not None:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
                self.process = None
                self.restart()


def test_download_goes_on_after_the_sidecar_was_killed_in_its_middle(short_dir):
    process, endpoint = start(short_dir, 0)
    port = int(endpoint.address.rpartition(":")[2])
    again = []
    restarting = threading.Thread(target=lambda: again.append(start(short_dir, port)))
    rate = FrameRate(25, 1)
    with TransferClient(endpoint) as transfers:
        upload = transfers.upload(write_noise(short_dir / "noise.mov"))
    span = replace(
        example_request().sources[0],
        path=upload.name,
        media_rate=rate,
        record_range=TimeRange(0, 6, rate),
        size_bytes=upload.size_bytes,
        modified_ns=upload.modified_ns,
    )
    request = replace(
        example_request(),
        spec=RegenerateSpec(source=span),
        record_range=TimeRange(0, 6, rate),
        frame_rate=rate,
        raster=Raster(1280, 720),
        engine="identity",
        start_frame=0,
        head_handle_frames=0,
        tail_handle_frames=0,
        output=replace(example_request().output, directory="spool"),
    )
    near = short_dir / "near"
    try:
        with BridgeClient(endpoint) as client:
            *_, job = client.watch_job(client.create_job(request).job_id)
        assert job.state is JobState.SUCCEEDED, job.error
        assert job.take.size_bytes > 4 * MIB
        with KillingClient(endpoint, process, restarting.start) as transfers:
            take = download_take(job, near, transfers=transfers, filesystem=FileSystem())
    finally:
        process.kill()
        process.wait()
        if restarting.ident is not None:
            restarting.join()
        for running, _ in again:
            running.terminate()
            running.wait(30)
    assert transfers.offsets[0] == 0
    assert transfers.offsets[-1] >= 2 * MIB  # gone on, not begun anew
    assert Path(take.path).read_bytes() == Path(job.take.path).read_bytes()
    assert sorted(near.iterdir()) == sorted([Path(take.path), Path(take.manifest_path)])


def test_two_runs_fetch_the_same_job_into_the_same_folder(short_dir):
    content = os.urandom(6 * MIB)
    jobs = with_take(short_dir, content)
    job = jobs.jobs[JOB_ID]
    near = short_dir / "near"
    together = threading.Barrier(4)

    def fetch():
        with TransferClient(running.endpoint) as client:
            together.wait()
            return download_take(job, near, transfers=client, filesystem=FileSystem())

    with running_server(short_dir, jobs=jobs) as running, ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(fetch) for _ in range(4)]
        takes = {run.result(60) for run in runs}
    (take,) = takes
    assert Path(take.path).read_bytes() == content
    assert sorted(near.iterdir()) == sorted([Path(take.path), Path(take.manifest_path)])


def test_a_run_that_waits_in_vain_says_for_what(short_dir):
    jobs = with_take(short_dir, b"take")
    near = short_dir / "near"
    near.mkdir()
    lock = FolderLock(near, name=".ltxbridge-fetching.lock")
    try:
        with (
            running_server(short_dir, jobs=jobs) as running,
            TransferClient(running.endpoint) as client,
            pytest.raises(ConflictError, match="Another run works with"),
        ):
            download_take(
                jobs.jobs[JOB_ID], near, transfers=client, filesystem=FileSystem(), patience_s=0.2
            )
        assert not list(near.glob("*.mov"))
        lock.path.unlink()
        assert not lock.stands
    finally:
        lock.release()


@pytest.mark.parametrize(
    "operation", ["open_to_append", "write", "fsync_file", "publish_new", "fsync_folder", "sha256"]
)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_download_that_fails_anywhere_is_told_and_goes_on_later(short_dir, operation, number):
    content = os.urandom(2 * MIB + 1)
    jobs = with_take(short_dir, content)
    near = short_dir / "near"
    faulty = FaultyFileSystem(operation, errno=errno.ENOSPC, number=number)
    with (
        running_server(short_dir, jobs=jobs) as running,
        TransferClient(running.endpoint) as client,
    ):
        job = jobs.jobs[JOB_ID]
        try:
            download_take(job, near, transfers=client, filesystem=faulty)
        except ExhaustedError:
            assert faulty.failed
        faulty.heal()
        take = download_take(job, near, transfers=client, filesystem=faulty)
    assert (near / take.path).read_bytes() == content
    assert len(list(near.glob("*.mov"))) == 1
    assert not list(near.glob(".*"))


@pytest.mark.parametrize("operation", ["make_folder", "open_new", "open_to_append", "write", "close",
                                       "fsync_file", "fsync_folder", "replace", "set_modified"])  # fmt: skip
@pytest.mark.parametrize("number", [1, 2, 3])
def test_upload_that_fails_anywhere_is_told_and_works_afterwards(tmp_path, operation, number):
    content = os.urandom(3 * MIB)
    sha256 = hashlib.sha256(content).hexdigest()
    faulty = FaultyFileSystem(operation, errno=errno.ENOSPC, number=number)
    store = UploadStore(tmp_path / "u", filesystem=faulty)

    def send():
        upload = store.create(
            caller=LOCAL_CALLER, file_name="a.mov", size_bytes=len(content), sha256=sha256
        )
        at = upload.committed_bytes
        writer = store.open_writer(upload.upload_id, caller=LOCAL_CALLER, offset_bytes=at)
        try:
            for start_at in range(at, len(content), MIB):
                writer.append(start_at, content[start_at : start_at + MIB])
        finally:
            upload = store.close_writer(writer)
        return upload

    try:
        done = send()
    except ExhaustedError:
        assert faulty.failed
        faulty.heal()
        found = store.create(
            caller=LOCAL_CALLER, file_name="a.mov", size_bytes=len(content), sha256=sha256
        )
        done = found if found.complete else send()
    assert done.complete
    assert store.stored_file(done.upload_id, caller=LOCAL_CALLER).read_bytes() == content


@settings(max_examples=40, deadline=None)
@given(
    content=st.binary(min_size=1, max_size=3000),
    steps=st.lists(st.tuples(st.integers(0, 700), st.booleans(), st.integers(-3, 3)), max_size=30),
)
def test_any_chunks_and_breaks_make_the_same_file(tmp_path_factory, content, steps):
    """Chunks of any size, streams that break anywhere, offsets that are off, stores that start anew."""
    folder = tmp_path_factory.mktemp("uploads")
    sha256 = hashlib.sha256(content).hexdigest()

    def announce(store):
        return store.create(
            caller=LOCAL_CALLER, file_name="a.mov", size_bytes=len(content), sha256=sha256
        )

    for length, restart, wrong in [*steps, (len(content), True, 0)]:
        store = UploadStore(folder, filesystem=FileSystem())
        upload = announce(store)
        if upload.complete:
            break
        at = upload.committed_bytes
        if wrong:
            with pytest.raises(BridgeError):
                store.open_writer(upload.upload_id, caller=LOCAL_CALLER, offset_bytes=at + wrong)
        writer = store.open_writer(upload.upload_id, caller=LOCAL_CALLER, offset_bytes=at)
        if wrong:
            with pytest.raises(InvalidInputError):
                writer.append(at + wrong, b"?")
        writer.append(at, content[at : at + length])
        if restart:  # killed just before it would have been flushed and closed in order
            writer._file.flush()
            writer._file.close()
        else:
            store.close_writer(writer)
    store = UploadStore(folder, filesystem=FileSystem())
    upload = announce(store)
    if not upload.complete:
        at = upload.committed_bytes
        writer = store.open_writer(upload.upload_id, caller=LOCAL_CALLER, offset_bytes=at)
        writer.append(at, content[at:])
        upload = store.close_writer(writer)
    assert upload.complete
    assert store.stored_file(upload.upload_id, caller=LOCAL_CALLER).read_bytes() == content
