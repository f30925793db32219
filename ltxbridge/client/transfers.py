"""Sends files to a sidecar that shares no folder with this machine, and reads its takes."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from interchange.errors import (
    BridgeError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    Reason,
    UnavailableError,
)
from interchange.model.caller import Door
from interchange.model.upload import CHUNK_BYTES, Upload
from ltxbridge import wire
from ltxbridge.client.connection import Connection, receiving
from ltxbridge.client.endpoint import Endpoint
from ltxbridge.v1 import transfer_service_pb2 as pb
from ltxbridge.v1 import transfer_service_pb2_grpc as pb_grpc

_CALL_TIMEOUT_S = 60.0
_PATIENCE_S = 60.0
_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 3.0


@dataclass(frozen=True, slots=True)
class Carried:
    """How far one file has got, either way.

    Args:
        what: The file's name, or the take's shot.
        phase: `sending` or `fetching`.
        done_bytes: Carried so far, earlier runs included.
        size_bytes: Of the whole file.
    """

    what: str
    phase: str
    done_bytes: int
    size_bytes: int


TransferObserver = Callable[[Carried], None]
"""Told how far a file has got; for one that is sent, on a thread of the connection's."""


@dataclass(frozen=True, slots=True)
class TakePart:
    """One chunk of a take's file.

    Args:
        offset_bytes: Where it starts.
        size_bytes: Of the whole file.
        sha256: Of the whole file, in the first chunk; empty in the others.
        chunk: Its bytes; none in the first one.
    """

    offset_bytes: int
    size_bytes: int
    sha256: str
    chunk: bytes


class TransferClient:
    """Carries media to and from one sidecar. Use it as a context manager.

    Args:
        endpoint: Where the sidecar listens.
        door: Which program this is; see `interchange.model.caller.Caller`.
        patience_s: How long to try on without any progress, in seconds.
        observer: Told how far each file has got.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        door: Door = Door.CLI,
        patience_s: float = _PATIENCE_S,
        observer: TransferObserver = lambda _carried: None,
    ) -> None:
        self.observer = observer
        self._patience_s = patience_s
        self._connection = Connection(endpoint, door=door, timeout_s=_CALL_TIMEOUT_S)
        self._stub = pb_grpc.TransferServiceStub(self._connection.channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; open streams end."""
        self._connection.close()

    def upload(self, path: Path) -> Upload:
        """Send a file, or find that it is there. A broken connection is taken up where it broke.

        Args:
            path: The file; only read.

        Returns:
            The complete upload; its `name` stands for the path in a request.

        Raises:
            NotFoundError: There is no such file.
            InvalidInputError: It changed while it was sent (UPLOAD_CORRUPT).
            UnavailableError: The sidecar did not come back in time.
            ExhaustedError: Its disk or quota is full.
        """
        size, sha256 = _measured(path)
        patience = Patience(self._patience_s)
        while True:
            try:
                upload = self._announce(path, size, sha256)
                self.observer(Carried(path.name, "sending", upload.committed_bytes, size))
                if upload.complete:
                    return upload
                patience.saw(upload.committed_bytes)
                self._send(path, upload)
            except UnavailableError as error:
                patience.wait(error)
            except InvalidInputError as error:
                # Another stream for the same file was faster; ask again where to go on.
                if error.reason is not Reason.RANGE_INVALID:
                    raise
                patience.wait(error)

    def read_take(
        self, job_id: str, *, manifest: bool, offset_bytes: int
    ) -> Generator[TakePart, None, None]:
        """Read a finished job's media or manifest from an offset on; the first part has no bytes yet.

        Args:
            job_id: A job that succeeded.
            manifest: The manifest instead of the media.
            offset_bytes: Where to start. At the end of the file nothing follows the first part, which then says
                that the file is there and whole.

        Raises:
            NotFoundError: There is no such job, or its take is gone.
            InvalidInputError: The take is not what was made (MEDIA_CHANGED).
            UnavailableError: The connection broke; read on from the last byte that came.
        """
        part = pb.ReadTakeRequest.PART_MANIFEST if manifest else pb.ReadTakeRequest.PART_MEDIA
        request = pb.ReadTakeRequest(
            name=wire.job_name(job_id), part=part, offset_bytes=offset_bytes
        )
        expected = offset_bytes
        for answer in self._connection.stream(self._stub.ReadTake, request):
            if answer.offset_bytes != expected or len(answer.chunk) > CHUNK_BYTES:
                raise InternalError("The sidecar sent a take with a hole in it; fetch it again.")
            expected += len(answer.chunk)
            yield TakePart(answer.offset_bytes, answer.size_bytes, answer.sha256, answer.chunk)

    def _announce(self, path: Path, size: int, sha256: str) -> Upload:
        answer = self._connection.call(
            self._stub.CreateUpload,
            pb.CreateUploadRequest(file_name=_plain_name(path), size_bytes=size, sha256=sha256),
        )
        with receiving():
            return wire.upload_from_proto(answer.upload)

    def _send(self, path: Path, upload: Upload) -> None:
        chunks = _Chunks(path, upload, self.observer)
        try:
            self._connection.send(self._stub.WriteUpload, iter(chunks))
        except BridgeError as error:
            # gRPC reads the file on a thread of its own and would only say that reading failed.
            raise chunks.failure or error from error
        if chunks.failure is not None:
            raise chunks.failure


class Patience:
    """Waits between attempts, longer each time, and gives up where nothing moves any more.

    Args:
        longest_s: How long to go on without any progress, in seconds.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._progress = -1
        self._failing_since: float | None = None
        self._backoff_s = _FIRST_BACKOFF_S

    def saw(self, progress: int) -> None:
        """Note how far things are; further than ever starts the clock anew."""
        if progress > self._progress:
            self._progress = progress
            self._failing_since = None
            self._backoff_s = _FIRST_BACKOFF_S

    def wait(self, error: BridgeError) -> None:
        """Wait a little, or give up.

        Raises:
            BridgeError: The error given, where nothing has moved for too long.
        """
        now = time.monotonic()
        self._failing_since = now if self._failing_since is None else self._failing_since
        if now - self._failing_since > self._longest_s:
            raise error
        time.sleep(self._backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the retries
        self._backoff_s = min(self._backoff_s * 2, _LONGEST_BACKOFF_S)


class _Chunks:
    """Reads a file for one stream; a failure to read ends it and is kept, since gRPC would swallow it."""

    def __init__(self, path: Path, upload: Upload, observer: TransferObserver) -> None:
        self._path = path
        self._upload = upload
        self._observer = observer
        self.failure: BridgeError | None = None

    def __iter__(self) -> Iterator[pb.WriteUploadRequest]:
        name, at, size = self._upload.name, self._upload.committed_bytes, self._upload.size_bytes
        try:
            with self._path.open("rb") as file:
                file.seek(at)
                # Also with nothing left to send: the last stream may have ended just before the check.
                while True:
                    chunk = file.read(min(CHUNK_BYTES, size - at))
                    yield pb.WriteUploadRequest(name=name, offset_bytes=at, chunk=chunk)
                    at += len(chunk)
                    self._observer(Carried(self._path.name, "sending", at, size))
                    if at == size or not chunk:
                        break
        except OSError as error:
            self.failure = _unreadable(self._path, error)
            return
        if at < size:
            self.failure = InvalidInputError(
                f"{self._path} became shorter while it was sent. Run it again when it is finished.",
                reason=Reason.MEDIA_CHANGED,
                metadata={"path": str(self._path)},
            )


def _measured(path: Path) -> tuple[int, str]:
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), sha256
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> NotFoundError:
    return NotFoundError(
        f"{path} cannot be read to send it: {error.strerror or error}.",
        reason=Reason.MEDIA_NOT_FOUND,
        metadata={"path": str(path)},
    )


def _plain_name(path: Path) -> str:
    """The file's name as the contract takes it: printable and short; only its suffix means something."""
    stem = "".join(letter for letter in path.stem if letter.isprintable() and letter not in "/\\")
    while len(f"{stem}{path.suffix}".encode(errors="replace")) > 255:
        stem = stem[:-1]
    return f"{stem or 'media'}{path.suffix}"
