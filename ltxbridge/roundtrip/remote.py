"""Takes from a sidecar that shares no folder with this machine: send what is read, fetch what is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from interchange.errors import (
    BridgeError,
    InvalidInputError,
    NotAuthenticatedError,
    NotFoundError,
    UnavailableError,
)
from interchange.model.job import Job
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    JobSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.model.upload import SPOOL, Upload
from interchange.plan import PlannedTake
from ltxbridge.client import BridgeClient
from ltxbridge.client.transfers import TransferClient
from ltxbridge.roundtrip.downloads import download_take, find_take
from ltxbridge.roundtrip.making import JobObserver, Outcome, make_takes
from sidecar.filesystem import FileSystem


def make_takes_remotely(
    planned: Sequence[PlannedTake],
    *,
    client: BridgeClient,
    transfers: TransferClient,
    document_digest: str,
    observer: JobObserver,
    filesystem: FileSystem,
) -> tuple[Outcome, ...]:
    """As `make_takes`, with the media sent there and the takes fetched into the folders that were planned.

    Every file is sent once, whole. An upload is named by its content, so that a run that is repeated asks for the
    same jobs, whatever became of the first one.

    Raises:
        UnavailableError: The sidecar is gone and does not come back.
        NotAuthenticatedError: It does not know this machine.
    """
    files = _Files(transfers)
    outcomes: dict[int, Outcome] = {}
    sent: dict[int, PlannedTake] = {}
    for index, take in enumerate(planned):
        try:
            sent[index] = replace(take, request=_as_sent(take.request, files))
        except (UnavailableError, NotAuthenticatedError):
            raise
        except BridgeError as error:
            outcomes[index] = Outcome(take, None, error)
    local = {id(sent[index]): planned[index] for index in sent}
    made = make_takes(
        tuple(sent.values()),
        client=client,
        document_digest=document_digest,
        observer=lambda take, job: observer(local[id(take)], job),
        still_good=partial(
            _can_be_had, planned=planned, transfers=transfers, filesystem=filesystem
        ),
    )
    for index, outcome in zip(sent, made, strict=True):
        outcomes[index] = _fetched(
            replace(outcome, planned=planned[index]), transfers=transfers, filesystem=filesystem
        )
    return tuple(outcomes[index] for index in range(len(planned)))


class _Files:
    """Sends every file once.

    Args:
        transfers: The way to the sidecar.
    """

    def __init__(self, transfers: TransferClient) -> None:
        self._transfers = transfers
        self._uploads: dict[str, Upload] = {}

    def sent(self, path: str) -> Upload:
        """The upload of a file."""
        if path not in self._uploads:
            self._uploads[path] = self._transfers.upload(Path(path))
        return self._uploads[path]


def _as_sent(request: GenerationRequest, files: _Files) -> GenerationRequest:
    """The request as the other machine understands it."""
    return replace(
        request,
        spec=_spec_as_sent(request.spec, files),
        references=tuple(_span_as_sent(span, files) for span in request.references),
        output=replace(request.output, directory=SPOOL),
    )


def _span_as_sent(span: SourceSpan, files: _Files) -> SourceSpan:
    upload = files.sent(span.path)
    return replace(
        span, path=upload.name, size_bytes=upload.size_bytes, modified_ns=upload.modified_ns
    )


def _spec_as_sent(spec: JobSpec, files: _Files) -> JobSpec:
    def span(source: SourceSpan) -> SourceSpan:
        return _span_as_sent(source, files)

    def name(path: str | None) -> str | None:
        return None if path is None else files.sent(path).name

    match spec:
        case RetakeSpec() | RestyleSpec():
            return replace(spec, source=span(spec.source), matte=name(spec.matte))
        case RegenerateSpec() | ExtendSpec() | ReframeSpec():
            return replace(spec, source=span(spec.source))
        case BridgeSpec():
            return replace(spec, outgoing=span(spec.outgoing), incoming=span(spec.incoming))
        case GenerateSpec():
            return replace(spec, image=name(spec.image), audio_file=name(spec.audio_file))


def _can_be_had(
    job: Job,
    *,
    planned: Sequence[PlannedTake],
    transfers: TransferClient,
    filesystem: FileSystem,
) -> bool:
    """Whether a finished job's take is here already, or whole at the sidecar."""
    if job.take is None:
        return False
    folders = {Path(take.request.output.directory) for take in planned}
    if any(find_take(job, folder, filesystem=filesystem) is not None for folder in folders):
        return True
    try:
        for _ in transfers.read_take(job.job_id, manifest=False, offset_bytes=job.take.size_bytes):
            pass
    except (NotFoundError, InvalidInputError):
        return False
    return True


def _fetched(outcome: Outcome, *, transfers: TransferClient, filesystem: FileSystem) -> Outcome:
    job = outcome.job
    if job is None or job.take is None:
        return outcome
    folder = Path(outcome.planned.request.output.directory)
    try:
        take = download_take(job, folder, transfers=transfers, filesystem=filesystem)
    except (UnavailableError, NotAuthenticatedError):
        raise
    except BridgeError as error:
        return replace(outcome, job=replace(job, take=None), error=error)
    return replace(outcome, job=replace(job, take=take))
