"""Sign a finished, encoded take: the last thing that happens to its bytes (ADR-0009).

The signed file appears under its name only after it was read back and found whole; a failed signature of the
C2PA library leaves a full-size, invalid file behind (measured), which is removed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from c2pa import Builder, C2paError, C2paSignerInfo, C2paSigningAlg, Signer

from interchange.errors import (
    BridgeError,
    ExhaustedError,
    InternalError,
    Reason,
    UnsupportedError,
)
from sidecar.credentials.bmff import (
    WithManifest,
    inspect_container,
    open_to_read,
    read_manifest_file,
)
from sidecar.credentials.facts import CredentialFacts, file_title
from sidecar.credentials.identity import SigningIdentity
from sidecar.credentials.ingredients import JsonObject
from sidecar.credentials.manifest import ManifestDraft, draft_manifest
from sidecar.credentials.reading import make_context, read_store
from sidecar.credentials.report import (
    failure_codes,
    ingredient_warnings,
    is_recognised,
    read_ingredients,
)
from sidecar.credentials.schema import check_manifest
from sidecar.credentials.untrusted import safe_text
from sidecar.credentials.verify import manifest_candidates
from sidecar.filesystem import FileSystem

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
# How the library writes ENOSPC: Linux and macOS, Windows. The words around it are in the system's language.
_DISK_FULL = ("(os error 28)", "(os error 112)")


def sign_take(
    source: Path,
    *,
    destination: Path,
    manifest_path: Path,
    facts: CredentialFacts,
    identity: SigningIdentity,
    filesystem: FileSystem,
    title: str | None = None,
) -> tuple[str, ...]:
    """Write a signed copy of a take, and its credentials once more beside it.

    The video and sound data are copied bit for bit; the credentials go in as one box after the file type.

    Args:
        source: The encoded take, MOV or MP4; only read.
        destination: The signed file. Replaced if it is there; never the same file as `source`.
        manifest_path: The `.c2pa` for those who lose the embedded one.
        facts: What the credentials state.
        identity: Who signs.
        filesystem: The door all writing goes through.
        title: The file's name as delivered, where `destination` is only its working name.

    Returns:
        What the user should know about the sources' own credentials, one sentence each.

    Raises:
        NotFoundError: `source` is not there.
        UnsupportedError: `source` is neither MOV nor MP4.
        ExhaustedError: A disk is full: the destination's, or the one with the temporary folder.
        NotAllowedError: The destination cannot be written.
        InternalError: The library refused, or the signed file did not verify.
    """
    container = inspect_container(source)
    if container is None:
        raise UnsupportedError(
            f"{source} is neither a MOV nor an MP4 file and cannot carry credentials. Choose another --codec.",
            reason=Reason.MEDIA_UNSUPPORTED,
            metadata={"path": str(source)},
        )
    if destination.exists() and destination.samefile(source):
        raise InternalError(f"{source} cannot be signed onto itself; the library would empty it.")
    draft = draft_manifest(facts, title=title or destination.name, media_type=container.media_type)
    check_manifest(draft.definition)
    part = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.signing")
    leftovers = [part]
    try:
        with filesystem.open_new(part) as file:
            manifest, notes = _sign(source, _Output(file), draft=draft, identity=identity)
        notes += _read_back(part, media_type=container.media_type, identity=identity)
        filesystem.fsync_file(part)
        filesystem.write_atomic(manifest_path, manifest)
        leftovers.append(manifest_path)
        filesystem.replace(part, destination)
    except BaseException:
        for leftover in leftovers:
            with contextlib.suppress(BridgeError):
                filesystem.unlink(leftover, missing_ok=True)
        raise
    filesystem.fsync_folder(destination.parent)
    for note in notes:
        _log.warning("%s: %s", destination.name, note)
    return tuple(notes)


def _sign(
    source: Path, output: _Output, *, draft: ManifestDraft, identity: SigningIdentity
) -> tuple[bytes, list[str]]:
    """Sign with the sources' own credentials; one whose credentials the library refuses is named without."""
    notes: list[str] = []
    carried = {
        label: credentials
        for label, path in draft.sources.items()
        if (credentials := _source_credentials(Path(path), notes)) is not None
    }
    while True:
        try:
            return _sign_carrying(source, output, draft, carried, identity), notes
        except _SourceRefusedError as refused:
            del carried[refused.label]
            name = safe_text(file_title(draft.sources[refused.label]))
            notes.append(
                f"The credentials of the source {name} cannot be read and are not carried on ({refused})."
            )


def _sign_carrying(
    source: Path,
    output: _Output,
    draft: ManifestDraft,
    carried: Mapping[str, _SourceCredentials],
    identity: SigningIdentity,
) -> bytes:
    ingredients = {i["label"]: i for i in draft.definition["ingredients"]}
    named = [i for label, i in ingredients.items() if label not in carried]
    with make_context(identity.root_pem) as context, _signer(identity) as signer:
        try:
            with Builder({**draft.definition, "ingredients": named}, context=context) as builder:
                for label, credentials in carried.items():
                    _add_source(builder, ingredients[label], credentials)
                with open_to_read(source) as file:
                    manifest: bytes = builder.sign(signer, draft.definition["format"], file, output)
        except C2paError as exc:
            # The library swallows what its streams raise; a full disk must not look like a fault of ours.
            raise output.failure or _translated(exc) from exc
    return manifest


def _add_source(builder: Builder, ingredient: JsonObject, credentials: _SourceCredentials) -> None:
    # The library takes the identity from the source's own credentials.
    stated = {key: value for key, value in ingredient.items() if key != "instance_id"}
    with open_to_read(credentials.path) as file:
        stream = WithManifest(file, credentials.beside) if credentials.beside else file
        try:
            builder.add_ingredient(stated, credentials.media_type, stream)
        except C2paError as exc:
            raise _SourceRefusedError(ingredient["label"], safe_text(str(exc))) from exc


@contextlib.contextmanager
def _signer(identity: SigningIdentity) -> Iterator[Signer]:
    # The fourth argument is a time-stamping server, which would be asked whatever the settings say (measured).
    info = C2paSignerInfo(C2paSigningAlg.ES256, identity.certificate_pem, identity.key_pem, None)
    try:
        signer = Signer.from_info(info)
    except C2paError as exc:
        raise _translated(exc) from exc
    with signer:
        yield signer


def _source_credentials(path: Path, notes: list[str]) -> _SourceCredentials | None:
    """The credentials a source brings, inside or beside it; None without, or where they are refused."""
    try:
        container = inspect_container(path)
        if container is None or container.is_damaged:
            return None
        if container.has_credentials:
            return _SourceCredentials(path, container.media_type, None)
        for candidate in manifest_candidates(path):
            if beside := read_manifest_file(candidate):
                return _SourceCredentials(path, container.media_type, beside)
    except BridgeError as exc:
        notes.append(
            f"The source {safe_text(path.name)} was not searched for credentials: {exc.message}"
        )
    return None


def _read_back(part: Path, *, media_type: str, identity: SigningIdentity) -> list[str]:
    """Validate the signed file, hash and signature, as a stranger would.

    The library's own check after signing leaves out the file's hash.
    """
    store = read_store(part, media_type=media_type, manifest=None, anchor_pem=identity.root_pem)
    if not is_recognised(store):
        codes = ", ".join(failure_codes(store)) or safe_text(store.get("validation_state"))
        raise InternalError(
            f"The signed take does not verify ({codes}), so it was not delivered. Run it again; if it stays, "
            "please report it."
        )
    return list(ingredient_warnings(read_ingredients(store)))


def _translated(exc: C2paError) -> BridgeError:
    detail = safe_text(str(exc))
    if any(mark in str(exc) for mark in _DISK_FULL):
        return ExhaustedError(
            f"The disk with the temporary folder {tempfile.gettempdir()} is full; signing needs up to three "
            "times the size of the take there. Free some space and run it again.",
            reason=Reason.DISK_FULL,
            metadata={"detail": detail},
        )
    return InternalError(
        f"The take could not be signed: {detail}. Run it again; if it stays, please report it.",
        metadata={"detail": detail},
    )


class _SourceRefusedError(Exception):
    """The library cannot read one source's credentials; never leaves this module."""

    def __init__(self, label: str, detail: str) -> None:
        super().__init__(detail)
        self.label = label


@dataclass(frozen=True, slots=True)
class _SourceCredentials:
    """Where a source's credentials are: in the file at `path`, or `beside` it."""

    path: Path
    media_type: str
    beside: bytes | None


class _Output:
    """The signed file as the library writes it; keeps the first failure, which the library swallows."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: BridgeError | None = None

    def write(self, content: bytes) -> int:
        """Write all bytes."""
        return self._keeping(lambda: self._file.write(content))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, as files do."""
        return self._keeping(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        """Position in bytes."""
        return self._file.tell()

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._keeping(self._file.flush)

    def read(self, count: int) -> bytes:
        """Refuse: the library only writes here (measured)."""
        raise io.UnsupportedOperation(f"{count} bytes from a file that is only written")

    def _keeping(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except BridgeError as exc:
            self.failure = self.failure or exc
            raise
