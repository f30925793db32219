"""The hub of weights: what it says of repositories, of which nothing is believed, and its faults in our words."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from interchange.errors import (
    BridgeError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
    UnavailableError,
    UnsupportedError,
)
from sidecar.filesystem import FileSystem
from sidecar.models.catalogue import Source

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_FORBIDDEN: Final = frozenset("\\:")
_LONGEST_NAME_BYTES: Final = 200  # with our ending it fits every file system


@dataclass(frozen=True, slots=True)
class Remote:
    """One file of a repository at one commit.

    Args:
        repo: `owner/name` on the hub.
        revision: The commit.
        name: In the repository, with forward slashes.
        size_bytes: Its length.
        sha256: Its digest; None where the hub states another one.
        blob: Its digest as git makes it, SHA-1.
        folder: Where it goes.
    """

    repo: str
    revision: str
    name: str
    size_bytes: int
    sha256: str | None
    blob: str | None
    folder: Path

    @property
    def path(self) -> Path:
        """Where it will lie."""
        return self.folder.joinpath(*PurePosixPath(self.name).parts)

    @property
    def part(self) -> Path:
        """Where it grows."""
        return self.path.with_name(f".{self.path.name}.part")


class Pins:
    """The commit of each repository, decided once for a download.

    Args:
        path: The file that says so.
        filesystem: Writes it.
    """

    def __init__(self, path: Path, filesystem: FileSystem) -> None:
        self._path = path
        self._filesystem = filesystem

    def all(self) -> dict[str, str]:
        """Commits by repository."""
        try:
            pins = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(repo): str(revision) for repo, revision in pins.items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}

    def keep(self, repo: str, revision: str) -> None:
        """Decide for one.

        Raises:
            BridgeError: It cannot be written.
        """
        pins = self.all() | {repo: revision}
        self._filesystem.write_atomic(self._path, json.dumps(pins, indent=1).encode())


def check_hub(endpoint: str | None, *, token: str | None) -> None:
    """Refuse, before anybody is asked for anything, what a pull could only fail at or should not do.

    Args:
        endpoint: Another hub; None for the usual one.
        token: The access token.

    Raises:
        UnsupportedError: The hub's library is not installed.
        InvalidInputError: The address is none, or a token would cross the network in the clear.
    """
    hub_library()
    if endpoint is None:
        return
    try:
        address = urlsplit(endpoint)
        host = address.hostname
    except ValueError:
        host = None
    if host is None or address.scheme not in {"http", "https"}:
        raise InvalidInputError(
            f"{endpoint[:200]!r} is no address of a hub. Write it as https://NAME."
        )
    if token and address.scheme == "http" and not _loopback(host):
        raise InvalidInputError(
            f"The token would cross the network to {host} in the clear. Write the hub's address with https://, or "
            "leave --token-file out."
        )


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hub_library() -> Any:
    """The hub's own library.

    Raises:
        UnsupportedError: It is not installed.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise UnsupportedError(
            "Pulling needs the Python package huggingface_hub. Install the engine's packages: pip install "
            "'ltxbridge[ltx]'.",
            reason=Reason.DEPENDENCY_MISSING,
            metadata={"package": "huggingface_hub"},
        ) from error


def listed(
    hub: Any, api: Any, source: Source, folder: Path, *, pins: Pins, token: str | None
) -> list[Remote]:
    """What of a repository will be downloaded.

    Args:
        hub: The library.
        api: Its client.
        source: What is wanted.
        folder: Where it goes.
        pins: Has or gets the commit.
        token: The access token; None for none.

    Raises:
        BridgeError: The repository is closed, gone, or described in a way that cannot be believed.
    """
    wanted = source.revision or pins.all().get(source.repo)
    with _understood(source.repo):
        with translated(hub, source.repo, token):
            info = api.model_info(source.repo, revision=wanted, files_metadata=True)
        found = [
            file
            for file in info.siblings or ()
            if any(fnmatch.fnmatchcase(file.rfilename, pattern) for pattern in source.patterns)
        ]
        if not found:
            raise NotFoundError(
                f"{source.repo} has none of {', '.join(source.patterns)} any more. Update ltxbridge, or download the "
                "weights yourself and `ltxbridge models add` them.",
                metadata={"repo": source.repo},
            )
        if not _COMMIT.fullmatch(str(info.sha)):
            raise _nonsense(source.repo, "it does not say which commit it has")
        into = folder / source.into if source.into else folder
        remotes = [_remote(source.repo, info.sha, file, into) for file in found]
    pins.keep(source.repo, info.sha)
    return remotes


def _remote(repo: str, revision: str, file: Any, folder: Path) -> Remote:
    """One file of a listing, which is what a stranger says."""
    name = PurePosixPath(file.rfilename)
    if (
        name.is_absolute()
        or not {".", ".."}.isdisjoint(file.rfilename.split("/"))
        or not _FORBIDDEN.isdisjoint(file.rfilename)
        or not file.rfilename.isprintable()
        or max(len(part.encode()) for part in name.parts) > _LONGEST_NAME_BYTES
    ):
        raise InvalidInputError(
            f"{repo} names a file {file.rfilename[:_LONGEST_NAME_BYTES]!r}, which would be written elsewhere. "
            "Nothing was downloaded; do not trust this hub.",
            metadata={"repo": repo, "file": file.rfilename[:_LONGEST_NAME_BYTES]},
        )
    size, sha256, blob = file.size, file.lfs.sha256 if file.lfs else None, file.blob_id
    if not isinstance(size, int) or size < 0:
        raise _nonsense(repo, f"it does not say how long {file.rfilename} is")
    if not (_SHA256.fullmatch(str(sha256)) if file.lfs else _COMMIT.fullmatch(str(blob))):
        raise _nonsense(repo, f"it does not say what {file.rfilename} is by a digest")
    return Remote(repo, revision, file.rfilename, size, sha256, blob, folder)


@contextlib.contextmanager
def _understood(repo: str) -> Iterator[None]:
    """The library believes what a hub says; where that is of another shape it fails in its own depth."""
    try:
        yield
    except BridgeError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise _nonsense(repo, f"{type(error).__name__}") from error


def _nonsense(repo: str, problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"What the hub says of {repo} cannot be used: {problem}. Nothing was downloaded. Check --hub, and what stands "
        "between this machine and the hub.",
        metadata={"repo": repo},
    )


def _of_the_network(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] in {"httpx", "httpcore", "httpx2", "requests"} or (
        isinstance(error, ConnectionError | TimeoutError)
        or "Consistency check failed" in str(error)
    )


@contextlib.contextmanager
def translated(hub: Any, repo: str, token: str | None) -> Iterator[None]:
    """Say in the editor's words what the library met.

    Args:
        hub: The library.
        repo: `owner/name` on the hub.
        token: The access token; None for none.

    Raises:
        BridgeError: Whatever it was.
    """
    errors = hub.errors
    try:
        yield
    except BridgeError:
        raise
    except (errors.GatedRepoError, errors.RepositoryNotFoundError) as error:
        raise _closed(repo, token) from error
    except (errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        raise NotFoundError(
            f"{repo} does not have what was pinned any more. Remove the half-finished download and pull again, or "
            "update ltxbridge.",
            metadata={"repo": repo},
        ) from error
    except errors.HfHubHTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if status in {401, 403}:
            raise _closed(repo, token) from error
        raise _away(repo, f"it answered with status {status}") from error
    except errors.OfflineModeIsEnabled as error:
        raise _away(repo, "HF_HUB_OFFLINE is set") from error
    except Exception as error:
        if _of_the_network(error):
            raise _away(repo, str(error) or type(error).__name__) from error
        if isinstance(error, OSError):
            raise NotAllowedError(
                f"The download from {repo} cannot be written: {error}.",
                reason=Reason.OUTPUT_NOT_WRITABLE,
                metadata={"repo": repo},
            ) from error
        raise


def _closed(repo: str, token: str | None) -> NotAllowedError:
    refused = "does not let your token in" if token else "is gated, or is not there"
    return NotAllowedError(
        f"{repo} {refused}. Accept its terms on its page on the hub, make an access token that may read it, write "
        "that into a file, and run the command again with --token-file FILE.",
        reason=Reason.NOT_PERMITTED,
        metadata={"repo": repo},
    )


def _away(repo: str, problem: str) -> UnavailableError:
    return UnavailableError(
        f"{repo} could not be downloaded: {problem}. What has arrived is kept; run the command again to go on.",
        reason=Reason.STORAGE_UNAVAILABLE,
        metadata={"repo": repo},
    )
