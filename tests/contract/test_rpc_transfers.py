"""The transfer service as a client of the wire meets it: offsets, sizes, names, owners, digests."""

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc_status import rpc_status
from support.fake_job_service import FakeJobService
from support.model_examples import JOB_ID, example_job
from support.report_values import a_take
from support.rpc_harness import TOKEN, running_server

from interchange.errors import ExhaustedError, InvalidInputError, NotFoundError, Reason
from interchange.model.caller import LOCAL_CALLER, Caller, Role
from interchange.model.job import JobState
from ltxbridge import wire
from ltxbridge.v1 import transfer_service_pb2 as pb
from ltxbridge.v1 import transfer_service_pb2_grpc as pb_grpc
from sidecar.filesystem import FileSystem
from sidecar.transfers.store import UploadLimits, UploadStore

MIB = 1024 * 1024
METADATA = (("authorization", f"Bearer {TOKEN}"),)
CONTENT = bytes(range(256)) * 4096 * 2 + b"tail"  # two whole chunks and a little


@contextmanager
def served(folder, **options):
    with running_server(folder, **options) as running:
        channel = grpc.insecure_channel(running.endpoint.address)
        try:
            yield pb_grpc.TransferServiceStub(channel)
        finally:
            channel.close()


@contextmanager
def refused(reason):
    with pytest.raises(grpc.RpcError) as caught:
        yield
    error = wire.error_from_status(rpc_status.from_call(caught.value))
    assert error.reason is reason, error


def create(stub, content=CONTENT, *, name="a.mov", sha256=None):
    request = pb.CreateUploadRequest(
        file_name=name,
        size_bytes=len(content),
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
    )
    return stub.CreateUpload(request, metadata=METADATA).upload


def write(stub, name, content=CONTENT, *, start=0, end=None, chunk=MIB):
    end = len(content) if end is None else end
    messages = [
        pb.WriteUploadRequest(name=name, offset_bytes=at, chunk=content[at : min(at + chunk, end)])
        for at in range(start, end, chunk)
    ]
    return stub.WriteUpload(iter(messages), metadata=METADATA).upload


def test_a_file_arrives_whole_and_keeps_its_suffix(short_dir):
    with served(short_dir) as stub:
        upload = create(stub, name="A001 plate.MOV")
        done = write(stub, upload.name)
        assert done.complete
        assert done.committed_bytes == len(CONTENT)
        stored = short_dir / "uploads" / upload.name.removeprefix("uploads/") / "media.mov"
        assert stored.read_bytes() == CONTENT
        assert stored.stat().st_mtime_ns == done.modified_ns
        assert stored.parent.stat().st_mode & 0o777 == 0o700


def test_the_same_file_is_the_same_upload(short_dir):
    with served(short_dir) as stub:
        upload = create(stub)
        write(stub, upload.name)
        again = create(stub, name="another name.mxf")
        assert again.name == upload.name
        assert again.complete
        assert again.file_name == "a.mov"


def test_a_partial_stream_is_kept_and_goes_on(short_dir):
    with served(short_dir) as stub:
        upload = create(stub)
        part = write(stub, upload.name, end=MIB + 17)
        assert (part.committed_bytes, part.complete) == (MIB + 17, False)
    with served(short_dir) as stub:  # another server, the same folder
        found = stub.GetUpload(pb.GetUploadRequest(name=upload.name), metadata=METADATA).upload
        assert found.committed_bytes == MIB + 17
        assert write(stub, upload.name, start=MIB + 17).complete


@pytest.mark.parametrize("offset", [1, MIB, len(CONTENT)])
def test_a_stream_that_starts_elsewhere_is_refused(short_dir, offset):
    with served(short_dir) as stub:
        upload = create(stub)
        with refused(Reason.RANGE_INVALID):
            write(stub, upload.name, start=offset, end=offset + 1, content=CONTENT + b"x")


def test_a_hole_inside_a_stream_is_refused_and_what_came_before_is_kept(short_dir):
    with served(short_dir) as stub:
        upload = create(stub)
        messages = [
            pb.WriteUploadRequest(name=upload.name, offset_bytes=0, chunk=CONTENT[:100]),
            pb.WriteUploadRequest(name=upload.name, offset_bytes=101, chunk=b"x"),
        ]
        with refused(Reason.RANGE_INVALID):
            stub.WriteUpload(iter(messages), metadata=METADATA)
        assert create(stub).committed_bytes == 100


def test_a_chunk_over_a_mebibyte_is_refused(short_dir):
    with served(short_dir) as stub:
        upload = create(stub)
        with refused(Reason.INVALID_ARGUMENT):
            write(stub, upload.name, chunk=MIB + 1)
        assert create(stub).committed_bytes == 0


def test_another_name_inside_a_stream_is_refused(short_dir):
    with served(short_dir) as stub:
        first, second = create(stub), create(stub, b"other")
        messages = [
            pb.WriteUploadRequest(name=first.name, offset_bytes=0, chunk=b"ab"),
            pb.WriteUploadRequest(name=second.name, offset_bytes=2, chunk=b"cd"),
        ]
        with refused(Reason.INVALID_ARGUMENT):
            stub.WriteUpload(iter(messages), metadata=METADATA)


def test_more_than_was_announced_is_refused(short_dir):
    with served(short_dir) as stub:
        upload = create(stub, b"1234")
        with refused(Reason.UPLOAD_CORRUPT):
            write(stub, upload.name, b"12345")


def test_other_bytes_than_announced_are_dropped(short_dir):
    with served(short_dir) as stub:
        upload = create(stub, b"1234")
        with refused(Reason.UPLOAD_CORRUPT):
            write(stub, upload.name, b"1235")
        assert create(stub, b"1234").committed_bytes == 0
        assert write(stub, upload.name, b"1234").complete


def test_an_empty_stream_is_refused(short_dir):
    with served(short_dir) as stub, refused(Reason.INVALID_ARGUMENT):
        stub.WriteUpload(iter(()), metadata=METADATA)


@pytest.mark.parametrize(
    "name", ["uploads/../x", "uploads/" + "g" * 32, "jobs/" + "0" * 32, "/etc", ""]
)
def test_a_name_that_is_none_is_refused(short_dir, name):
    with served(short_dir) as stub:
        for call in (
            lambda: stub.GetUpload(pb.GetUploadRequest(name=name), metadata=METADATA),
            lambda: stub.DeleteUpload(pb.DeleteUploadRequest(name=name), metadata=METADATA),
            lambda: write(stub, name, b"x"),
        ):
            with refused(Reason.INVALID_ARGUMENT):
                call()


@pytest.mark.parametrize(
    "name", ["../a.mov", "/etc/passwd", "a\\b.mov", "..", "", "x" * 256, "a\nb"]
)
def test_a_file_name_that_is_a_path_is_refused(short_dir, name):
    with served(short_dir) as stub, refused(Reason.INVALID_ARGUMENT):
        create(stub, name=name)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "A" * 64, "../" + "0" * 61])
def test_a_digest_that_is_none_is_refused(short_dir, sha256):
    request = pb.CreateUploadRequest(file_name="a", size_bytes=1, sha256=sha256)
    with served(short_dir) as stub, refused(Reason.INVALID_ARGUMENT):
        stub.CreateUpload(request, metadata=METADATA)


def test_unknown_upload_is_not_found(short_dir):
    with served(short_dir) as stub, refused(Reason.UPLOAD_NOT_FOUND):
        stub.GetUpload(pb.GetUploadRequest(name="uploads/" + "0" * 32), metadata=METADATA)


def test_delete_forgets_the_bytes_but_not_under_a_job(short_dir):
    jobs = FakeJobService()
    with served(short_dir, jobs=jobs) as stub:
        upload = create(stub)
        write(stub, upload.name)
        place = short_dir / "uploads" / upload.name.removeprefix("uploads/")
        spec = replace(
            example_job().request.spec,
            source=replace(example_job().request.sources[0], path=str(place / "media.mov")),
        )
        request = replace(example_job().request, spec=spec)
        jobs.jobs[JOB_ID] = replace(example_job(), state=JobState.QUEUED, request=request)
        with refused(Reason.JOB_STATE):
            stub.DeleteUpload(pb.DeleteUploadRequest(name=upload.name), metadata=METADATA)
        jobs.jobs[JOB_ID] = replace(jobs.jobs[JOB_ID], state=JobState.CANCELLED)
        stub.DeleteUpload(pb.DeleteUploadRequest(name=upload.name), metadata=METADATA)
        assert not place.exists()


def finished(folder, media=CONTENT, manifest=b"manifest"):
    """A job service with one job whose take is on disk."""
    jobs = FakeJobService()
    path = folder.resolve() / "S_LTX_v001.mov"
    path.write_bytes(media)
    path.with_suffix(".c2pa").write_bytes(manifest)
    job = example_job()
    take = replace(
        a_take(job.request.record_range),
        path=str(path),
        manifest_path=str(path.with_suffix(".c2pa")),
        size_bytes=len(media),
        sha256=hashlib.sha256(media).hexdigest(),
    )
    jobs.jobs[JOB_ID] = replace(job, state=JobState.SUCCEEDED, take=take)
    return jobs, path


def read(stub, *, part=pb.ReadTakeRequest.PART_MEDIA, offset=0):
    request = pb.ReadTakeRequest(name=f"jobs/{JOB_ID}", part=part, offset_bytes=offset)
    return list(stub.ReadTake(request, metadata=METADATA))


@pytest.mark.parametrize("offset", [0, 1, MIB, len(CONTENT) - 1, len(CONTENT)])
def test_a_take_is_read_from_an_offset_on(short_dir, offset):
    jobs, _ = finished(short_dir)
    with served(short_dir, jobs=jobs) as stub:
        answers = read(stub, offset=offset)
        assert answers[0].sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert b"".join(answer.chunk for answer in answers) == CONTENT[offset:]
        assert max(len(answer.chunk) for answer in answers) <= MIB
        assert {answer.size_bytes for answer in answers} == {len(CONTENT)}


def test_a_manifest_is_read_with_its_digest(short_dir):
    jobs, _ = finished(short_dir)
    with served(short_dir, jobs=jobs) as stub:
        answers = read(stub, part=pb.ReadTakeRequest.PART_MANIFEST)
        assert b"".join(answer.chunk for answer in answers) == b"manifest"
        assert answers[0].sha256 == hashlib.sha256(b"manifest").hexdigest()


def test_a_take_that_was_replaced_is_told(short_dir):
    jobs, path = finished(short_dir)
    with served(short_dir, jobs=jobs) as stub:
        path.write_bytes(CONTENT[:-1] + b"?")  # the same size, other bytes
        for offset in (0, MIB, len(CONTENT)):
            with refused(Reason.MEDIA_CHANGED):
                read(stub, offset=offset)
        path.write_bytes(b"short")
        with refused(Reason.MEDIA_CHANGED):
            read(stub)
        path.unlink()
        with refused(Reason.MEDIA_NOT_FOUND):
            read(stub)
        path.symlink_to("/etc/passwd")
        with refused(Reason.MEDIA_CHANGED):
            read(stub)


def test_an_offset_past_the_end_is_refused(short_dir):
    jobs, _ = finished(short_dir)
    with served(short_dir, jobs=jobs) as stub, refused(Reason.RANGE_INVALID):
        read(stub, offset=len(CONTENT) + 1)


def test_a_job_without_a_take_has_nothing_to_read(short_dir):
    jobs, _ = finished(short_dir)
    jobs.jobs[JOB_ID] = replace(jobs.jobs[JOB_ID], state=JobState.FAILED, take=None)
    with served(short_dir, jobs=jobs) as stub, refused(Reason.JOB_STATE):
        read(stub)


ANNA = Caller("anna", Role.EDITOR)
BEN = Caller("ben", Role.EDITOR)


def announce(store, caller, content=b"1234"):
    digest = hashlib.sha256(content).hexdigest()
    return store.create(caller=caller, file_name="a.mov", size_bytes=len(content), sha256=digest)


def fill(store, upload, caller, content=b"1234"):
    writer = store.open_writer(upload.upload_id, caller=caller, offset_bytes=0)
    writer.append(0, content)
    return store.close_writer(writer)


def test_another_owners_upload_is_not_found(tmp_path):
    store = UploadStore(tmp_path / "u", filesystem=FileSystem())
    upload = announce(store, ANNA)
    fill(store, upload, ANNA)
    assert announce(store, BEN).upload_id != upload.upload_id
    for act in (
        lambda: store.get(upload.upload_id, caller=BEN),
        lambda: store.delete(upload.upload_id, caller=BEN),
        lambda: store.open_writer(upload.upload_id, caller=BEN, offset_bytes=4),
        lambda: store.stored_file(upload.upload_id, caller=BEN),
        lambda: store.stored_file(upload.upload_id, caller=LOCAL_CALLER),
    ):
        with pytest.raises(NotFoundError) as caught:
            act()
        assert caught.value.reason is Reason.UPLOAD_NOT_FOUND
    assert store.stored_file(upload.upload_id, caller=ANNA).read_bytes() == b"1234"
    assert store.get(upload.upload_id, caller=LOCAL_CALLER).complete  # an operator sees it


def test_an_unfinished_upload_is_no_source(tmp_path):
    store = UploadStore(tmp_path / "u", filesystem=FileSystem())
    upload = announce(store, ANNA)
    with pytest.raises(NotFoundError):
        store.stored_file(upload.upload_id, caller=ANNA)


def test_too_large_and_too_many_are_refused(tmp_path):
    store = UploadStore(
        tmp_path / "u", filesystem=FileSystem(), limits=UploadLimits(size_bytes=4, count=1)
    )
    announce(store, ANNA)
    with pytest.raises(InvalidInputError):
        announce(store, ANNA, b"12345")
    with pytest.raises(ExhaustedError) as caught:
        announce(store, ANNA, b"4321")
    assert caught.value.reason is Reason.QUOTA_FULL
    announce(store, ANNA)  # the one that is there still answers
    announce(store, BEN)  # and others have their own count


def test_sweep_keeps_what_is_fresh_or_used_and_removes_debris(tmp_path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    store = UploadStore(tmp_path / "u", filesystem=FileSystem(), now=lambda: now)
    used, idle = announce(store, ANNA), announce(store, ANNA, b"4321")
    fill(store, used, ANNA)
    debris = tmp_path / "u" / ("0" * 32)
    debris.mkdir()
    (debris / "media.part").write_bytes(b"x")
    assert store.sweep() == 1
    assert not debris.exists()
    path = store.stored_file(used.upload_id, caller=ANNA)
    now += timedelta(days=4)
    assert store.sweep({path}) == 1
    assert path.exists()
    with pytest.raises(NotFoundError):
        store.get(idle.upload_id, caller=ANNA)
    assert store.sweep() == 1
    assert not path.exists()
