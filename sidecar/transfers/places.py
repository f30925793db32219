"""What a path in a request means, depending on who asks: an upload, the spool, or a path of this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from interchange.errors import NotAllowedError, Reason
from interchange.model.caller import LOCAL, Caller
from interchange.model.upload import SPOOL, UPLOAD_NAME
from sidecar.jobs.admission import Paths


class StoredFiles(Protocol):
    """Finds complete uploads; `sidecar.transfers.store.UploadStore`."""

    def stored_file(self, upload_id: str, *, caller: Caller) -> Path:
        """The path of a complete upload of the caller's own."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """Every place a request can name.

    Args:
        paths: Paths of this machine.
        uploads: What was sent.
        spool: Folder for takes that are to be fetched; a folder in it for each owner.
        remote_paths: Whether callers from other machines may name paths of this one: shared storage.
    """

    paths: Paths
    uploads: StoredFiles
    spool: Path
    remote_paths: bool = False

    def seen_by(self, caller: Caller) -> Paths:
        """The same, as one caller may use it."""
        return _CallersPlaces(self, caller)


@dataclass(frozen=True, slots=True)
class _CallersPlaces:
    places: Places
    caller: Caller

    def source(self, path_text: str) -> Path:
        match = UPLOAD_NAME.fullmatch(path_text)
        if match is not None:
            return self.places.uploads.stored_file(match[1], caller=self.caller)
        return self._paths(path_text).source(path_text)

    def output_directory(self, path_text: str) -> Path:
        if path_text == SPOOL:
            # A digest: whatever a certificate calls its owner never becomes part of a path.
            owner = hashlib.sha256(self.caller.name.encode()).hexdigest()[:32]
            return self.places.spool.resolve() / owner
        return self._paths(path_text).output_directory(path_text)

    def _paths(self, path_text: str) -> Paths:
        if self.caller.name == LOCAL or self.places.remote_paths:
            return self.places.paths
        raise NotAllowedError(
            "From another machine only files that were sent can be used, and takes are fetched. Use "
            "`ltxbridge process --server`; where both machines see the same storage, the sidecar's operator "
            "can set `remote_paths = yes`.",
            reason=Reason.PATH_OUTSIDE_ROOTS,
            metadata={"path": path_text},
        )
