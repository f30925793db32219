"""Everything of ours on disk that may go one day, and what holds it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from interchange.model.job import Job
from interchange.model.take import Take
from sidecar.filesystem import FileSystem
from sidecar.lifecycle.links import TimelineLinks, documents_in, recognisable
from sidecar.lifecycle.policy import Item, Kind, StoredFile

_ROTATED_LOG = re.compile(r"[a-z-]+\.log\.\d+")
_BACKUP = re.compile(r"jobs\.sqlite3\..*(backup|bak).*")
_CACHED = re.compile(r"[0-9a-f]{64}\.tensors")
_MANIFEST_BOX = b"jumb"
_ID = re.compile(r"[0-9a-f]{32}")
_NEVER = datetime.fromtimestamp(0, UTC)


def take_items(jobs: Sequence[Job], *, keep_used_in: Sequence[Path] = ()) -> tuple[Item, ...]:
    """The takes of jobs that have ended.

    Args:
        jobs: All of the job table: those that have not ended hold the takes they read.
        keep_used_in: Folders whose timelines hold the takes they show, beside those of the deliveries.
    """
    reading = {path for job in jobs if not job.state.terminal for path in job.request.files_read}
    made = [(job, job.take) for job in jobs if job.state.terminal and job.take is not None]
    folders = {Path(take.path).parent for _, take in made}
    documents = {
        document
        for folder in folders | {folder.parent for folder in folders}
        for document in documents_in(folder)
    } | {document for folder in keep_used_in for document in documents_in(folder, deep=True)}
    links = TimelineLinks(documents, (Path(take.path).stem for _, take in made))
    return tuple(_take_item(job, take, links, reading) for job, take in made)


def _take_item(job: Job, take: Take, links: TimelineLinks, reading: Collection[str]) -> Item:
    media, manifest = Path(take.path), Path(take.manifest_path)
    shown = links.newest(media.stem)
    item = Item(
        Kind.TAKE,
        str(media),
        files=(),
        newest_use=max(job.ended or _NEVER, shown[0] if shown else _NEVER),
        job_id=job.job_id,
        linked_from=shown[1] if shown else None,
    )
    if not media.parent.is_dir():
        return replace(item, held="its folder is not there; perhaps its disk is not mounted")
    if _resolved(media.parent) != media.parent:
        return replace(item, held="its folder leads somewhere else than when it was made")
    beside = _manifest_file(manifest)
    if not os.path.lexists(media):
        return replace(item, kind=Kind.REMAINS, files=(beside,) if beside else ())
    found = stored_file(media, sha256=take.sha256)
    if found is None:
        return replace(item, held="it is a link or no file any more")
    files = (found, beside) if beside else (found,)
    return replace(item, files=files, held=_why_held(found, take, media, reading))


def _why_held(found: StoredFile, take: Take, media: Path, reading: Collection[str]) -> str:
    if found.size_bytes != take.size_bytes:
        return "it was changed after it was made"
    if str(media) in reading:
        return "a job that has not ended reads it"
    if not recognisable(media.stem):
        return "no timeline could be searched for its name"
    return ""


def upload_items(state_dir: Path, jobs: Sequence[Job]) -> tuple[Item, ...]:
    """What remote clients have sent, those that nobody sends on.

    Args:
        state_dir: The state folder.
        jobs: All of the job table: those that have not ended hold what they read.
    """
    reading = {path for job in jobs if not job.state.terminal for path in job.request.files_read}
    try:
        folders = sorted((state_dir / "uploads").resolve().iterdir())
    except OSError:  # nobody ever sent anything
        return ()
    found = (_upload_item(folder, reading) for folder in folders if _ID.fullmatch(folder.name))
    return tuple(item for item in found if item is not None)


def _upload_item(folder: Path, reading: Collection[str]) -> Item | None:
    record = stored_file(folder / "upload.json")
    if record is None or folder.is_symlink():
        return None
    # The record goes last: without it the sidecar takes what is left for what a crash left, and sweeps it.
    media = [stored_file(path) for path in sorted(folder.iterdir()) if path != record.path]
    files = (*(file for file in media if file is not None), record)
    used = any(str(file.path) in reading for file in files)
    return Item(
        Kind.UPLOAD,
        str(folder),
        files,
        modified(record),
        held="a job that has not ended reads it" if used else "",
    )


def state_items(state_dir: Path) -> tuple[Item, ...]:
    """Old logs, and job tables from before upgrades; what has no name of ours is left out."""
    return (
        *_single_files(state_dir / "logs", _ROTATED_LOG, Kind.LOG),
        *_single_files(state_dir, _BACKUP, Kind.BACKUP),
    )


def cache_items(state_dir: Path) -> tuple[Item, ...]:
    """What engines kept to save work, the least recently used first to go; all of it can be made again."""
    return tuple(_single_files(state_dir.resolve() / "cache" / "tensors", _CACHED, Kind.CACHE))


def _single_files(folder: Path, pattern: re.Pattern[str], kind: Kind) -> Iterator[Item]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:  # never made, or not ours to read
        return
    for entry in entries:
        file = stored_file(entry) if pattern.fullmatch(entry.name) else None
        if file is not None:
            yield Item(kind, str(entry), (file,), modified(file))


def stored_file(path: Path, *, sha256: str = "") -> StoredFile | None:
    """A regular file as it is now; None where there is none, or a link in its place."""
    try:
        status = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return StoredFile(path, status.st_size, status.st_mtime_ns, status.st_ino, sha256)


def modified(file: StoredFile) -> datetime:
    """When a file was last changed; a date no calendar has counts as now, so that it stays."""
    try:
        return datetime.fromtimestamp(file.modified_ns / 1e9, UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.now(UTC)


def unchanged(file: StoredFile, *, filesystem: FileSystem) -> bool:
    """Whether a file is still the one of the inventory; reads all of it where its digest is on record."""
    return is_same(file) and (not file.sha256 or filesystem.sha256(file.path) == file.sha256)


def is_same(file: StoredFile) -> bool:
    """Whether a file's size, time and place on disk are those of the inventory; reads nothing."""
    if _resolved(file.path.parent) != file.path.parent:
        return False
    return stored_file(file.path, sha256=file.sha256) == file


def _manifest_file(path: Path) -> StoredFile | None:
    file = stored_file(path)
    if file is None:
        return None
    try:
        with path.open("rb") as opened:
            head = opened.read(8)
    except OSError:
        return None
    # The table has no digest of it: what is deleted must at least be a manifest.
    return file if head[4:8] == _MANIFEST_BOX else None


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return None
