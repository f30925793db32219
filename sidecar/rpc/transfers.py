"""TransferService: parse, one call of the store, reply; files go through threads of their own."""
# ruff: noqa: D102, N802 - names and signatures are the contract's, which documents them

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import grpc

from interchange.errors import BridgeError, Reason, UnavailableError, UnsupportedError
from interchange.model.caller import Caller
from interchange.model.upload import Upload
from ltxbridge import wire
from ltxbridge.v1 import transfer_service_pb2 as pb
from ltxbridge.v1 import transfer_service_pb2_grpc as pb_grpc
from ltxbridge.wire.fields import at_least, invalid
from sidecar.rpc.auth import caller_of
from sidecar.rpc.frames import take_of
from sidecar.rpc.ports import Jobs
from sidecar.rpc.slots import Slots, Unread
from sidecar.transfers.store import UploadStore
from sidecar.transfers.take_file import TakeFile
from sidecar.transfers.upkeep import files_in_use
from sidecar.transfers.writer import UploadWriter

_SILENCE_S = 60.0
_CONCURRENT_READS = 16
_READS_OF_ONE = 8

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class TransferServicer(pb_grpc.TransferServiceServicer):
    """Takes files in and hands takes out.

    Args:
        uploads: Where files are kept.
        jobs: The job service.
        silence_s: How long a stream may send nothing, or take nothing, before it is ended, in seconds.
    """

    def __init__(self, uploads: UploadStore, jobs: Jobs, *, silence_s: float = _SILENCE_S) -> None:
        self._uploads = uploads
        self._jobs = jobs
        self._silence_s = silence_s
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._reads = Slots(_CONCURRENT_READS, most_each=_READS_OF_ONE)
        self._unread = Unread()

    async def CreateUpload(
        self, request: pb.CreateUploadRequest, context: Context
    ) -> pb.CreateUploadResponse:
        upload = await asyncio.to_thread(
            self._uploads.create,
            caller=caller_of(context),
            file_name=wire.file_name_from_proto(request.file_name),
            size_bytes=at_least(request.size_bytes, 1, at="size_bytes"),
            sha256=wire.sha256_from_proto(request.sha256),
        )
        return pb.CreateUploadResponse(upload=wire.upload_to_proto(upload))

    async def GetUpload(
        self, request: pb.GetUploadRequest, context: Context
    ) -> pb.GetUploadResponse:
        upload_id = wire.upload_id_from_name(request.name)
        upload = await asyncio.to_thread(self._uploads.get, upload_id, caller=caller_of(context))
        return pb.GetUploadResponse(upload=wire.upload_to_proto(upload))

    async def WriteUpload(
        self, request_iterator: AsyncIterator[pb.WriteUploadRequest], context: Context
    ) -> pb.WriteUploadResponse:
        first = await self._following(request_iterator)
        if first is None:
            raise invalid("name", "is missing: the stream ended before its first message")
        upload_id = wire.upload_id_from_name(first.name)
        async with self._turn(upload_id):
            upload = await self._receive(first, upload_id, request_iterator, caller_of(context))
        return pb.WriteUploadResponse(upload=wire.upload_to_proto(upload))

    async def DeleteUpload(
        self, request: pb.DeleteUploadRequest, context: Context
    ) -> pb.DeleteUploadResponse:
        upload_id = wire.upload_id_from_name(request.name)
        caller = caller_of(context)
        async with self._turn(upload_id):
            await asyncio.to_thread(self._uploads.get, upload_id, caller=caller)
            used = {path.parent.name for path in await files_in_use(self._jobs)}
            if upload_id in used:
                raise UnsupportedError(
                    "A job that has not ended reads this upload. Cancel the job first.",
                    reason=Reason.JOB_STATE,
                    metadata={"upload_id": upload_id},
                )
            await asyncio.to_thread(self._uploads.delete, upload_id, caller=caller)
        return pb.DeleteUploadResponse()

    async def ReadTake(
        self, request: pb.ReadTakeRequest, context: Context
    ) -> AsyncIterator[pb.ReadTakeResponse]:
        job_id = wire.job_id_from_name(request.name)
        if request.part not in pb.ReadTakeRequest.Part.values():
            raise invalid("part", f"has the unknown value {request.part}")
        offset = at_least(request.offset_bytes, 0, at="offset_bytes")
        caller = caller_of(context)
        take = take_of(await self._jobs.get(job_id, caller=caller))
        manifest = request.part == pb.ReadTakeRequest.PART_MANIFEST
        file = TakeFile.of_manifest(take) if manifest else TakeFile.of_media(take)
        loop = asyncio.get_running_loop()
        async with self._reads.taken(caller):
            thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="take")
            try:
                await loop.run_in_executor(thread, file.open, offset)
                yield pb.ReadTakeResponse(
                    offset_bytes=offset, size_bytes=file.size_bytes, sha256=file.sha256
                )
                while chunk := await loop.run_in_executor(thread, file.read):
                    with self._unread.within(self._silence_s, context):
                        yield pb.ReadTakeResponse(
                            offset_bytes=offset, size_bytes=file.size_bytes, chunk=chunk
                        )
                    offset += len(chunk)
            finally:
                thread.submit(file.close)
                thread.shutdown(wait=False)

    async def _receive(
        self,
        first: pb.WriteUploadRequest,
        upload_id: str,
        following: AsyncIterator[pb.WriteUploadRequest],
        caller: Caller,
    ) -> Upload:
        """Write a stream; what came before it broke is kept."""
        writers: list[UploadWriter] = []

        def begin() -> None:
            offset = first.offset_bytes
            writers.append(self._uploads.open_writer(upload_id, caller=caller, offset_bytes=offset))

        def end() -> Upload:
            if not writers:
                return self._uploads.get(upload_id, caller=caller)
            return self._uploads.close_writer(writers[0])

        loop = asyncio.get_running_loop()
        # One thread for the stream's whole life: a call that is cancelled never closes under an append.
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="upload")
        try:
            await loop.run_in_executor(thread, begin)
            message: pb.WriteUploadRequest | None = first
            while message is not None:
                chunk = _chunk_of(message, name=first.name)
                await loop.run_in_executor(thread, writers[0].append, message.offset_bytes, chunk)
                message = await self._following(following)
        except BaseException:
            with suppress(BridgeError):  # the first cause is the one to tell
                await asyncio.shield(loop.run_in_executor(thread, end))
            raise
        else:
            return await asyncio.shield(loop.run_in_executor(thread, end))
        finally:
            thread.shutdown(wait=False)

    async def _following(
        self, messages: AsyncIterator[pb.WriteUploadRequest]
    ) -> pb.WriteUploadRequest | None:
        try:
            return await asyncio.wait_for(anext(messages, None), self._silence_s)
        except TimeoutError as error:
            raise UnavailableError(
                "The stream sent nothing for too long. What arrived is kept; send the rest."
            ) from error

    def _turn(self, upload_id: str) -> asyncio.Lock:
        turn = self._turns.get(upload_id)
        if turn is None:
            turn = self._turns[upload_id] = asyncio.Lock()
        return turn


def _chunk_of(message: pb.WriteUploadRequest, *, name: str) -> bytes:
    if message.name != name:
        raise invalid("name", "must be the same in every message of a stream")
    return wire.chunk_from_proto(message.chunk)
