"""Download an entry of the catalogue. The only code of ours that connects to the outside.

Files come from one commit of each repository, resolved once and kept, so that a download that broke off goes on with
the same files days later. Each is compared with the digest the hub states before anything of it is used.
"""

from __future__ import annotations

import hashlib
import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from interchange.errors import ExhaustedError, InvalidInputError, Reason
from sidecar.filesystem import FileSystem
from sidecar.jobs.lock import FolderLock
from sidecar.models.catalogue import Entry
from sidecar.models.checkpoint import Checkpoint
from sidecar.models.digests import DigestProgress
from sidecar.models.hub import Pins, Remote, hub_library, listed, translated
from sidecar.models.layout import inspect
from sidecar.models.registry import ModelRegistry

_PINS: Final = ".revisions.json"
_SPARE_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought.

    Args:
        checkpoint: As it is on the list now.
        licences: The licence files that came with it; they are the text that counts.
    """

    checkpoint: Checkpoint
    licences: tuple[Path, ...]


def pull(
    entry: Entry,
    registry: ModelRegistry,
    filesystem: FileSystem,
    *,
    engine: str,
    token: str | None,
    endpoint: str | None,
    progress: DigestProgress,
) -> Pulled:
    """Download an entry and put it on the list; what is there already is not downloaded again.

    The licences were accepted before; this does not ask.

    Args:
        entry: What.
        registry: Where it goes; the files lie in `weights` beside it.
        filesystem: Writes it.
        engine: Which engine loads it.
        token: The access token for gated repositories.
        endpoint: Another hub; None for the usual one.
        progress: Called with (file, bytes done, bytes in all).

    Raises:
        ConflictError: Another command downloads it now.
        UnsupportedError: The package `huggingface_hub` is not installed.
        NotAllowedError: A repository is gated and the token does not open it.
        NotFoundError: A repository or file is not there any more.
        UnavailableError: The hub does not answer, or the connection broke again and again.
        InvalidInputError: A file is not what the hub says it is.
        ExhaustedError: The disk has too little room.
    """
    hub = hub_library()
    folder = registry.folder / "weights" / entry.name
    filesystem.make_folder(folder, private=True)
    # Two that append to one file would spoil it for each other.
    lock = FolderLock(folder, name="pull.lock", holder="`ltxbridge models pull`")
    try:
        return _pulled(
            hub, entry, registry, folder,
            filesystem=filesystem, engine=engine, token=token, endpoint=endpoint, progress=progress,
        )  # fmt: skip
    finally:
        lock.release()


def _pulled(
    hub: Any,
    entry: Entry,
    registry: ModelRegistry,
    folder: Path,
    *,
    filesystem: FileSystem,
    engine: str,
    token: str | None,
    endpoint: str | None,
    progress: DigestProgress,
) -> Pulled:
    pins = Pins(folder / _PINS, filesystem)
    api = hub.HfApi(endpoint=endpoint, token=token or False)
    files = [
        file
        for source in entry.sources
        for file in listed(hub, api, source, folder, pins=pins, token=token)
    ]
    _check_room(files, folder, filesystem)
    report = _Bytes(sum(file.size_bytes for file in files), progress)
    known = {}
    for file in files:
        known[file.path.absolute()] = _fetched(
            hub, file, token, endpoint, filesystem=filesystem, report=report
        )
    found = inspect(
        folder / entry.main if entry.main else folder,
        variant=entry.variant,
        upsampler=folder / entry.upsampler if entry.upsampler else None,
        text_encoder=folder / entry.text_encoder if entry.text_encoder else None,
    )
    revisions = ", ".join(f"{repo}@{revision}" for repo, revision in pins.all().items())
    checkpoint = registry.add(
        found, name=entry.name, engine=engine, source=revisions, known=known, progress=progress
    )
    licences = tuple(file.path for file in files if file.path.name.startswith("LICENSE"))
    return Pulled(checkpoint, licences)


class _Bytes:
    """Adds up what has arrived over all files."""

    def __init__(self, total: int, progress: DigestProgress) -> None:
        self._total = total
        self._progress = progress
        self._before = 0

    def within(self, name: str, done: int) -> None:
        self._progress(name, min(self._before + done, self._total), self._total)

    def finished(self, name: str, size: int) -> None:
        self._before += size
        self._progress(name, self._before, self._total)


def _check_room(files: list[Remote], folder: Path, filesystem: FileSystem) -> None:
    missing = sum(
        file.size_bytes
        for file in files
        if not (file.path.is_file() and file.path.stat().st_size == file.size_bytes)
    )
    free = filesystem.free_bytes(folder)
    if missing + _SPARE_BYTES > free and missing:
        raise ExhaustedError(
            f"The disk with {folder} has {free / 1e9:.1f} GB free, and {missing / 1e9:.1f} GB are to be downloaded. "
            "Free some space there, or let `state_dir` in the settings be on another disk.",
            reason=Reason.DISK_FULL,
            metadata={"path": str(folder), "needed_bytes": str(missing), "free_bytes": str(free)},
        )


def _fetched(
    hub: Any,
    file: Remote,
    token: str | None,
    endpoint: str | None,
    *,
    filesystem: FileSystem,
    report: _Bytes,
) -> str:
    """Download one file, unless it is there, and check it; its SHA-256."""
    digest = _checked(file, file.path) if file.path.is_file() else None
    if digest is None:
        filesystem.make_folder(file.path.parent)
        with translated(hub, file.repo, token):
            _download(hub, file, token, endpoint, filesystem=filesystem, report=report)
        digest = _checked(file, file.part)
        if digest is None:
            filesystem.unlink(file.part)
            raise InvalidInputError(
                f"{file.name} of {file.repo} is not what the hub says it is: the digest of what arrived is another one "
                f"than {file.sha256 or file.blob}. It was removed; run the command again, and if it happens twice do "
                "not trust the connection.",
                metadata={"file": file.name, "repo": file.repo},
            )
        filesystem.fsync_file(file.part)
        filesystem.replace(file.part, file.path)
        filesystem.fsync_folder(file.path.parent)
    report.finished(file.name, file.size_bytes)
    return digest


def _download(
    hub: Any,
    file: Remote,
    token: str | None,
    endpoint: str | None,
    *,
    filesystem: FileSystem,
    report: _Bytes,
) -> None:
    """Go on with a file where it stopped, in this life or an earlier one.

    The library's own `hf_hub_download` forgets what it has when its process ends (2.x); its inner call does not.
    """
    if file.part.is_file() and file.part.stat().st_size > file.size_bytes:
        filesystem.unlink(file.part)
    downloads = importlib.import_module("huggingface_hub.file_download")
    with filesystem.open_to_append(file.part) as part:
        part.seek(0, io.SEEK_END)
        downloads.http_get(
            hub.hf_hub_url(file.repo, file.name, revision=file.revision, endpoint=endpoint),
            part,
            resume_size=part.tell(),
            headers=hub.utils.build_hf_headers(token=token or False),
            expected_size=file.size_bytes,
            tqdm_class=_bar(file.name, report),
        )


def _bar(name: str, report: _Bytes) -> type[Any]:
    """A progress bar that draws nothing and tells the bytes to us."""
    base: type[Any] = importlib.import_module("tqdm").tqdm

    class Bar(base):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            report.within(name, int(self.n))
            return shown

    return Bar


def _checked(file: Remote, path: Path) -> str | None:
    """The SHA-256 of a file that is what the hub says; None where it is not."""
    if path.stat().st_size != file.size_bytes:
        return None
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)
    with path.open("rb") as content:
        while chunk := content.read(8 << 20):
            sha256.update(chunk)
            if file.sha256 is None:
                blob.update(chunk)
    found = sha256.hexdigest()
    if file.sha256 is not None:
        return found if found == file.sha256 else None
    return found if file.blob == blob.hexdigest() else None
