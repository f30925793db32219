"""Who is enrolled: names, roles, fingerprints and hashes of tokens. Read again whenever the file changes."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from interchange.errors import InvalidInputError, Reason
from interchange.model.caller import Role
from ltxbridge.client.enrolment import NAME
from sidecar.filesystem import FileSystem

_LOG = logging.getLogger(__name__)
_SCHEMA = "ltxbridge.Clients.1"
_MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Client:
    """One machine that was enrolled. Nothing here helps whoever reads it to come in.

    Args:
        name: Also the owner of its jobs; never given to another machine, not even after it was revoked.
        role: What it may do.
        fingerprint: SHA-256 of its certificate.
        token_sha256: SHA-256 of its token. The token has 256 random bits, so that a slow hash adds nothing.
        enrolled: When its present certificate was made.
        expires: When that certificate ends.
        revoked: When it was shut out, or None.
    """

    name: str
    role: Role
    fingerprint: str
    token_sha256: str
    enrolled: datetime
    expires: datetime
    revoked: datetime | None = None


def token_sha256(token: bytes) -> str:
    """What the register keeps of a token."""
    return hashlib.sha256(token).hexdigest()


def read_clients(path: Path) -> tuple[Client, ...]:
    """Everybody who was ever enrolled, by name.

    Raises:
        InvalidInputError: The file is damaged (CERTIFICATE_INVALID).
    """
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_MOST_BYTES))
        if document["schema"] != _SCHEMA:
            raise _damaged(path)
        return tuple(_client(item) for item in document["clients"])
    except FileNotFoundError:
        return ()
    except InvalidInputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error


def write_clients(path: Path, clients: Sequence[Client], *, filesystem: FileSystem) -> None:
    """Replace the file, whole or not at all.

    Raises:
        BridgeError: It cannot be written.
    """
    document = {
        "schema": _SCHEMA,
        "clients": [asdict(client) for client in sorted(clients, key=lambda item: item.name)],
    }
    content = json.dumps(document, indent=1, default=datetime.isoformat).encode() + b"\n"
    filesystem.write_atomic(path, content, private=True)


class Register:
    """The file as a running sidecar sees it: a change takes effect with the next call.

    Args:
        path: The file.
        now: The clock.
    """

    def __init__(
        self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._seen: object = None
        self._clients: dict[str, Client] = {}

    def holder_of(self, token: bytes) -> str | None:
        """Whose token this is, None where it is nobody's."""
        shown = token_sha256(token)
        found = None
        for client in self._current().values():  # all of them: the time it takes tells nothing
            if hmac.compare_digest(client.token_sha256, shown):
                found = client.name
        return found

    def admitted(self, name: str, fingerprint: str) -> Client | None:
        """The client of this name, where it may come in with this certificate now."""
        client = self._current().get(name)
        if client is None or client.revoked is not None or self._now() >= client.expires:
            return None
        return client if hmac.compare_digest(client.fingerprint, fingerprint) else None

    def _current(self) -> dict[str, Client]:
        with self._lock:
            try:
                facts = self._path.stat()
                seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            except OSError:
                seen = None
            if seen is None or seen != self._seen:
                self._seen = seen
                try:
                    self._clients = {client.name: client for client in read_clients(self._path)}
                except InvalidInputError as error:
                    # Closed rather than as it was: somebody may just have been revoked.
                    self._clients = {}
                    _LOG.error("No other machine is let in: %s", error)
            return self._clients


def _client(item: dict[str, str]) -> Client:
    revoked = item["revoked"]
    client = Client(
        name=item["name"],
        role=Role(item["role"]),
        fingerprint=item["fingerprint"],
        token_sha256=item["token_sha256"],
        enrolled=datetime.fromisoformat(item["enrolled"]),
        expires=datetime.fromisoformat(item["expires"]),
        revoked=datetime.fromisoformat(revoked) if revoked else None,
    )
    if NAME.fullmatch(client.name) is None or client.expires.tzinfo is None:
        raise ValueError(client.name)
    return client


def _damaged(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"{path}, the list of enrolled machines, is damaged. Put it back from a backup, or move it away and "
        "enrol every machine anew.",
        reason=Reason.CERTIFICATE_INVALID,
        metadata={"path": str(path)},
    )
