"""Sidecars on other machines that this one was enrolled with, by the name `--server` takes."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from interchange.errors import BridgeError, ConflictError, InvalidInputError, NotFoundError, Reason
from ltxbridge.client import Endpoint
from ltxbridge.client.enrolment import Enrolment
from sidecar.filesystem import FileSystem
from sidecar.pki.authority import WARN_BEFORE, Identity, check_issued
from sidecar.pki.private import read_private

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?")


def join(
    state_dir: Path, file: Path, *, name: str | None = None, filesystem: FileSystem | None = None
) -> str:
    """Keep an enrolment, so that `--server NAME` reaches that sidecar.

    Args:
        state_dir: State folder of this machine.
        file: What `ltxbridge pki enrol` wrote there. It is left where it is.
        name: What to call the sidecar here; by default its host.
        filesystem: The door all writing goes through.

    Returns:
        The name.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is no enrolment, or one that has expired.
        ConflictError: The name is taken.
        BridgeError: It cannot be read or kept.
    """
    filesystem = filesystem or FileSystem()
    content = read_private(file)
    if content is None:
        raise NotFoundError(f"{file} is not there.", metadata={"path": str(file)})
    enrolment = Enrolment.from_json(content, origin=str(file))
    _identity(enrolment, origin=str(file))
    name = _check_name(name or enrolment.address.rpartition(":")[0].strip("[]").lower())
    filesystem.make_folder(state_dir, private=True)
    path = _path(state_dir, name)
    filesystem.make_folder(path.parent, private=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with filesystem.open_new(part, private=True) as kept:
            kept.write(enrolment.to_json())
        filesystem.fsync_file(part)
        if path.exists():
            raise ConflictError(
                f"This machine knows a sidecar called {name} already. Give this one another name with --as, or "
                f"remove {path} first.",
                metadata={"name": name, "path": str(path)},
            )
        filesystem.publish_new(part, path)
    finally:
        filesystem.unlink(part, missing_ok=True)
    filesystem.fsync_folder(path.parent)
    return name


def remote_endpoint(state_dir: Path, name: str, *, now: datetime | None = None) -> Endpoint:
    """Where the sidecar of this name listens, and what to show it.

    Raises:
        NotFoundError: This machine knows no such sidecar.
        InvalidInputError: The enrolment is damaged or has expired (CERTIFICATE_INVALID).
        NotAllowedError: Others can read it.
    """
    path = _path(state_dir, _check_name(name))
    content = read_private(path)
    if content is None:
        known = ", ".join(remote_names(state_dir)) or "none"
        raise NotFoundError(
            f"This machine knows no sidecar called {name} (known: {known}). Take the file that `ltxbridge pki "
            "enrol` wrote there, and run `ltxbridge pki join FILE` here.",
            metadata={"server": name},
        )
    enrolment = Enrolment.from_json(content, origin=str(path))
    expires = _identity(enrolment, origin=str(path), now=now).expires
    if expires < (now or datetime.now(UTC)) + WARN_BEFORE:
        _LOG.warning(
            "The enrolment with %s ends on %s; ask for a new file there",
            name,
            f"{expires:%Y-%m-%d}",
        )
    return Endpoint.of(enrolment)


def remote_names(state_dir: Path) -> tuple[str, ...]:
    """The sidecars that this machine was enrolled with."""
    folder = _path(state_dir, "x").parent
    try:
        names = (entry.stem for entry in folder.iterdir() if entry.suffix == ".json")
        return tuple(sorted(name for name in names if _NAME.fullmatch(name)))
    except OSError:
        return ()


def remote_warnings(state_dir: Path, *, now: datetime | None = None) -> Iterator[str]:
    """Enrolments of this machine that end soon, have ended or cannot be used; what to do."""
    moment = now or datetime.now(UTC)
    for name in remote_names(state_dir):
        try:
            path = _path(state_dir, name)
            enrolment = Enrolment.from_json(read_private(path) or b"", origin=str(path))
            expires = _identity(enrolment, origin=str(path), now=moment).expires
        except BridgeError as error:
            yield str(error)
            continue
        if expires < moment + WARN_BEFORE:
            yield f"The enrolment with {name} ends on {expires:%Y-%m-%d}; ask for a new file there."


def _identity(enrolment: Enrolment, *, origin: str, now: datetime | None = None) -> Identity:
    pem = (enrolment.key_pem + enrolment.certificate_pem).encode()
    identity = Identity.from_pem(pem, origin=origin)
    authority = enrolment.authority_pem.encode()
    check_issued(identity, authority, now or datetime.now(UTC), origin=origin)
    if identity.name != enrolment.name:
        raise InvalidInputError(
            f"{origin} names {enrolment.name}, but its certificate names another machine. Have a new one made.",
            reason=Reason.CERTIFICATE_INVALID,
            metadata={"path": origin},
        )
    return identity


def _path(state_dir: Path, name: str) -> Path:
    return state_dir / "remotes" / f"{name}.json"


def _check_name(name: str) -> str:
    if _NAME.fullmatch(name) is None or ".." in name:
        raise InvalidInputError(
            f"{name[:80]!r} cannot be the name of a sidecar: take small letters, digits, dots and hyphens, such "
            "as --as studio.",
            metadata={"server": name[:80]},
        )
    return name
