"""Brings a take from a sidecar that shares no folder with this machine: resumable, checked, never over another."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from pathlib import Path

from interchange.errors import (
    BridgeError,
    ConflictError,
    InternalError,
    InvalidInputError,
    Reason,
    UnavailableError,
)
from interchange.model.job import Job
from interchange.model.take import Take
from ltxbridge.client.transfers import Carried, Patience, TransferClient
from ltxbridge.roundtrip.alone import alone_in
from sidecar.filesystem import FileSystem
from sidecar.jobs.work import MANIFEST_SUFFIX, MEDIA_SUFFIX, highest_version_in, take_name

_PATIENCE_S = 60.0
_LOCK = ".ltxbridge-fetching.lock"


def download_take(
    job: Job,
    folder: Path,
    *,
    transfers: TransferClient,
    filesystem: FileSystem,
    patience_s: float = _PATIENCE_S,
) -> Take:
    """Fetch a finished job's media and manifest.

    What a killed run left is gone on with, and a take that is there already is found by its digest. The file gets
    the next free version in the folder, which need not be the one it has at the sidecar.

    Args:
        job: A job with a take.
        folder: Where it goes.
        transfers: The way to the sidecar.
        filesystem: For everything written.
        patience_s: How long to try on without any progress, in seconds.

    Returns:
        The take, with its paths here.

    Raises:
        InvalidInputError: What came is not what was made (MEDIA_CHANGED); make the take again.
        NotFoundError: The sidecar has it no more.
        UnavailableError: The sidecar did not come back in time.
        ConflictError: Another run fetches into the folder and gets nowhere.
        ExhaustedError: The disk is full.
    """
    filesystem.make_folder(folder)
    with _alone_in(folder, filesystem=filesystem, patience_s=patience_s):
        found = find_take(job, folder, filesystem=filesystem)
        if found is not None:
            return found
        manifest = _fetched(
            job, folder / f".{job.job_id}{MANIFEST_SUFFIX}.part", None,
            transfers=transfers, filesystem=filesystem, patience_s=patience_s,
        )  # fmt: skip
        media = _fetched(
            job, folder / f".{job.job_id}{MEDIA_SUFFIX}.part", _take_of(job),
            transfers=transfers, filesystem=filesystem, patience_s=patience_s,
        )  # fmt: skip
        return _published(job, folder, manifest, media, filesystem=filesystem)


def find_take(job: Job, folder: Path, *, filesystem: FileSystem) -> Take | None:
    """A job's take where it was fetched before and is still what it was; None where it was not."""
    take = _take_of(job)
    for version in range(highest_version_in(folder, job.request.shot), 0, -1):
        media = folder / f"{take_name(job.request.shot, version)}{MEDIA_SUFFIX}"
        manifest = media.with_suffix(MANIFEST_SUFFIX)
        if (
            manifest.is_file()
            and media.is_file()
            and media.stat().st_size == take.size_bytes
            and filesystem.sha256(media) == take.sha256
        ):
            return replace(take, path=str(media), manifest_path=str(manifest))
    return None


def _alone_in(
    folder: Path, *, filesystem: FileSystem, patience_s: float
) -> AbstractContextManager[None]:
    """Two runs would write the same parts; wait as long as the other one gets on."""
    patience = Patience(patience_s)

    def wait(error: ConflictError) -> None:
        patience.saw(_fetched_bytes(folder))
        patience.wait(error)

    return alone_in(folder, lock_name=_LOCK, filesystem=filesystem, wait=wait)


def _fetched_bytes(folder: Path) -> int:
    """How much another run has fetched so far; what it has renamed meanwhile counts nothing."""
    total = 0
    for part in folder.glob(".*.part"):
        with suppress(FileNotFoundError):
            total += part.stat().st_size
    return total


def _published(
    job: Job, folder: Path, manifest: Path, media: Path, *, filesystem: FileSystem
) -> Take:
    name = _free_name(job.request.shot, folder, manifest, filesystem=filesystem)
    local = replace(
        _take_of(job),
        path=str(folder / f"{name}{MEDIA_SUFFIX}"),
        manifest_path=str(folder / f"{name}{MANIFEST_SUFFIX}"),
    )
    # The media's name is what people look for, so it comes last.
    if Path(local.manifest_path).exists():
        filesystem.unlink(manifest)
    else:
        filesystem.publish_new(manifest, Path(local.manifest_path))
    filesystem.publish_new(media, Path(local.path))
    filesystem.fsync_folder(folder)
    return local


def _take_of(job: Job) -> Take:
    if job.take is None:
        raise InternalError(f"Job {job.job_id} has no take to fetch.")
    return job.take


def _fetched(
    job: Job,
    part: Path,
    take: Take | None,
    *,
    transfers: TransferClient,
    filesystem: FileSystem,
    patience_s: float,
) -> Path:
    """Fetch one file into its part: the media of a take, or the manifest where None."""
    patience = Patience(patience_s)
    while True:
        try:
            expected = _fetch_on(job, part, take, transfers=transfers, filesystem=filesystem)
        except UnavailableError as error:
            patience.saw(part.stat().st_size if part.exists() else 0)
            patience.wait(error)
        else:
            break
    filesystem.fsync_file(part)
    if filesystem.sha256(part) != expected or (take is not None and expected != take.sha256):
        filesystem.unlink(part)
        raise InvalidInputError(
            f"What came of job {job.job_id} is not the take that was made. Run it again.",
            reason=Reason.MEDIA_CHANGED,
            metadata={"job_id": job.job_id},
        )
    return part


def _fetch_on(
    job: Job,
    part: Path,
    take: Take | None,
    *,
    transfers: TransferClient,
    filesystem: FileSystem,
) -> str:
    """Read on from what is there; the digest the sidecar gives for the whole."""
    have = part.stat().st_size if part.exists() else 0
    if (take is None and have) or (take is not None and have > take.size_bytes):
        filesystem.unlink(part)  # a manifest is small, and may be another by now
        have = 0
    expected = ""
    answers = transfers.read_take(job.job_id, manifest=take is None, offset_bytes=have)
    with closing(answers), filesystem.open_to_append(part) as file:
        for answer in answers:
            expected = expected or answer.sha256
            file.write(answer.chunk)
            if take is not None:
                done = answer.offset_bytes + len(answer.chunk)
                transfers.observer(Carried(job.request.shot, "fetching", done, answer.size_bytes))
    return expected


def _free_name(shot: str, folder: Path, manifest: Path, *, filesystem: FileSystem) -> str:
    """The next free version; the last one where a kill left only our manifest of it."""
    highest = highest_version_in(folder, shot)
    if highest:
        name = take_name(shot, highest)
        there = folder / f"{name}{MANIFEST_SUFFIX}"
        alone = not (folder / f"{name}{MEDIA_SUFFIX}").exists()
        try:
            if alone and filesystem.sha256(there) == filesystem.sha256(manifest):
                return name
        except BridgeError:  # no manifest either: another kind of file has the name
            pass
    return take_name(shot, highest + 1)
