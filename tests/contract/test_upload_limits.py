"""What one sender can take from the others: disk, places, turns; refused before a byte is sent."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from grpc_status import rpc_status
from support.fake_job_service import FakeJobService
from support.rpc_harness import TOKEN, running_server

from interchange.errors import ExhaustedError, InvalidInputError, Reason, UnavailableError
from interchange.model.caller import LOCAL_CALLER, Caller, Role
from ltxbridge import wire
from ltxbridge.v1 import transfer_service_pb2 as pb
from ltxbridge.v1 import transfer_service_pb2_grpc as pb_grpc
from sidecar.filesystem import FileSystem
from sidecar.lifecycle.quota import Quota
from sidecar.rpc.transfers import TransferServicer
from sidecar.transfers.store import UploadLimits, UploadStore

METADATA = (("authorization", f"Bearer {TOKEN}"),)
ANNA = Caller("anna", Role.EDITOR)
CONTENT = os.urandom(64 * 1024)


def bytes_under(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def announce(store, content, *, caller=ANNA):
    digest = hashlib.sha256(content).hexdigest()
    return store.create(caller=caller, file_name="a.mov", size_bytes=len(content), sha256=digest)


def test_an_upload_past_the_quota_is_refused_before_a_byte_of_it(short_dir):
    quota = Quota(100_000)
    store = UploadStore(short_dir / "uploads", filesystem=FileSystem(), quota=quota)
    with running_server(short_dir, uploads=store) as running:
        channel = grpc.insecure_channel(running.endpoint.address)
        stub = pb_grpc.TransferServiceStub(channel)

        def create(size, digit):
            return stub.CreateUpload(
                pb.CreateUploadRequest(file_name="a.mov", size_bytes=size, sha256=digit * 64),
                metadata=METADATA,
            )

        create(60_000, "1")
        with pytest.raises(grpc.RpcError) as caught:
            create(60_000, "2")  # what was announced first counts, though nothing of it has come
        error = wire.error_from_status(rpc_status.from_call(caught.value))
        assert error.reason is Reason.QUOTA_FULL
        assert error.metadata["needed_bytes"] == "60000"
        create(60_000, "1")  # the first is not counted again
        create(40_000, "3")
        channel.close()
    assert quota.used_bytes == 100_000
    assert len(list((short_dir / "uploads").iterdir())) == 2


def test_a_thousand_announcements_without_a_byte_take_next_to_nothing(tmp_path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    store = UploadStore(tmp_path / "u", filesystem=FileSystem(), now=lambda: now)
    refused = []
    for number in range(1000):
        try:
            announce(store, b"%d" % number)
        except ExhaustedError as error:
            refused.append(error.reason)
    assert refused == [Reason.QUOTA_FULL] * (1000 - UploadLimits().unfinished)
    assert bytes_under(tmp_path) < 100_000
    assert not store._writers
    announce(store, b"ben's", caller=Caller("ben", Role.EDITOR))
    now += UploadLimits().idle - timedelta(seconds=1)
    assert store.sweep() == 0
    announce(store, b"0")  # asked for again: kept on
    now += timedelta(seconds=1)
    assert store.sweep() == UploadLimits().unfinished  # ben's and all of anna's but one
    assert len(list((tmp_path / "u").iterdir())) == 1
    announce(store, b"new")


class Call:
    """A call of this machine's own, without a socket."""


class Stream:
    """The messages of one sender; it sends the next when the test lets it, and may fall silent for ever."""

    def __init__(self, name, *chunks):
        self.messages = asyncio.Queue()
        self.taken = asyncio.Queue()
        at = 0
        for chunk in chunks:
            self.put(name, at, chunk)
            at += len(chunk)

    def put(self, name, at, chunk):
        self.messages.put_nowait(pb.WriteUploadRequest(name=name, offset_bytes=at, chunk=chunk))

    def end(self):
        self.messages.put_nowait(None)

    def __aiter__(self):
        return self

    async def __anext__(self):
        message = await self.messages.get()
        self.taken.put_nowait(message)
        if message is None:
            raise StopAsyncIteration
        return message


@pytest.fixture
def called_by_this_machine(monkeypatch):
    monkeypatch.setattr("sidecar.rpc.transfers.caller_of", lambda _context: LOCAL_CALLER)


@pytest.mark.usefixtures("called_by_this_machine")
def test_a_stream_that_falls_silent_is_ended_and_its_bytes_are_kept(tmp_path):
    store = UploadStore(tmp_path / "u", filesystem=FileSystem())
    upload = announce(store, CONTENT, caller=LOCAL_CALLER)

    async def run():
        servicer = TransferServicer(store, FakeJobService(), silence_s=0.05)
        silent = Stream(upload.name, CONTENT[:1000])
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(servicer.WriteUpload(silent, Call()), 10)
        never = Stream(upload.name)
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(servicer.WriteUpload(never, Call()), 10)
        assert store.get(upload.upload_id, caller=LOCAL_CALLER).committed_bytes == 1000
        rest = Stream(upload.name)
        rest.put(upload.name, 1000, CONTENT[1000:])
        rest.end()
        return await asyncio.wait_for(servicer.WriteUpload(rest, Call()), 10)

    assert asyncio.run(run()).upload.complete
    assert store.stored_file(upload.upload_id, caller=LOCAL_CALLER).read_bytes() == CONTENT


@pytest.mark.usefixtures("called_by_this_machine")
def test_of_two_writers_at_once_one_waits_and_is_told_where_things_are(tmp_path):
    store = UploadStore(tmp_path / "u", filesystem=FileSystem())
    upload = announce(store, CONTENT, caller=LOCAL_CALLER)

    async def run():
        servicer = TransferServicer(store, FakeJobService())
        first = Stream(upload.name, CONTENT[:1000])
        second = Stream(upload.name, CONTENT)
        second.end()
        one = asyncio.create_task(servicer.WriteUpload(first, Call()))
        await first.taken.get()
        two = asyncio.create_task(servicer.WriteUpload(second, Call()))
        await second.taken.get()
        assert not two.done()
        first.put(upload.name, 1000, CONTENT[1000:])
        first.end()
        done = await asyncio.wait_for(one, 10)
        with pytest.raises(InvalidInputError) as caught:
            await asyncio.wait_for(two, 10)
        assert caught.value.reason is Reason.RANGE_INVALID
        assert caught.value.metadata["committed_bytes"] == str(len(CONTENT))
        return done

    assert asyncio.run(run()).upload.complete
    assert store.stored_file(upload.upload_id, caller=LOCAL_CALLER).read_bytes() == CONTENT
