"""What a running sidecar leaves in its state folder for its clients: a token, and where it listens."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from interchange.errors import NotAllowedError, Reason
from ltxbridge.client import Endpoint
from sidecar.filesystem import FileSystem

ALREADY_RUNNING_STATUS = 75
"""Exit status of a sidecar that found another one at work (EX_TEMPFAIL)."""

_TOKEN_BYTES = 32
# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107


@dataclass(frozen=True, slots=True)
class Discovery:
    """How to reach a sidecar.

    Args:
        address: gRPC address.
        pid: Its process.
        version: Its version.
        temporary: Whether it runs only as long as the command that started it.
        media_roots: Folders it may read.
        maps_paths: Whether it maps paths of other machines.
    """

    address: str
    pid: int
    version: str
    temporary: bool
    media_roots: tuple[str, ...]
    maps_paths: bool

    def endpoint(self, state_dir: Path) -> Endpoint:
        """The same for the client."""
        return Endpoint(self.address, token_path(state_dir), temporary=self.temporary)


def token_path(state_dir: Path) -> Path:
    """The token file of a state folder."""
    return state_dir / "token"


def discovery_path(state_dir: Path) -> Path:
    """The discovery file of a state folder."""
    return state_dir / "sidecar.json"


def create_token(state_dir: Path, *, filesystem: FileSystem) -> str:
    """Make a new secret, which ends the validity of the one before; its file is 0600.

    Raises:
        BridgeError: The file cannot be written.
    """
    token = secrets.token_hex(_TOKEN_BYTES)
    filesystem.write_atomic(token_path(state_dir), token.encode(), private=True)
    return token


def write_discovery(state_dir: Path, discovery: Discovery, *, filesystem: FileSystem) -> None:
    """Say where the sidecar listens.

    Raises:
        BridgeError: The file cannot be written.
    """
    content = json.dumps(asdict(discovery), indent=1).encode()
    filesystem.write_atomic(discovery_path(state_dir), content, private=True)


def read_discovery(state_dir: Path) -> Discovery | None:
    """Where a sidecar listens, or said so before it died; None where nothing can be read."""
    try:
        fields = json.loads(discovery_path(state_dir).read_text(encoding="utf-8"))
        return Discovery(
            address=str(fields["address"]),
            pid=int(fields["pid"]),
            version=str(fields["version"]),
            temporary=bool(fields["temporary"]),
            media_roots=tuple(map(str, fields["media_roots"])),
            maps_paths=bool(fields["maps_paths"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def socket_path(state_dir: Path, runtime_dir: Path) -> Path:
    """Where the unix socket of a state folder goes: one name each, and never too long for the kernel."""
    name = f"{hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]}.sock"
    path = runtime_dir / name
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    short = Path(tempfile.gettempdir())
    if len(os.fsencode(short)) > 40:
        short = Path("/tmp")  # noqa: S108 - the folder below is made private and checked
    return short / f"ltxbridge-{os.getuid()}" / name


def make_private_folder(path: Path, *, platform: str = sys.platform) -> None:
    """Make a folder only this user may enter, or make sure that the one there is such.

    Args:
        path: The folder.
        platform: As `sys.platform`; on Windows the access list it inherits is relied on.

    Raises:
        NotAllowedError: It cannot be made, is a link, belongs to somebody else, or others may enter it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise _refused(path, f"cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise _refused(path, "is a link or a file, not a folder")
    if platform == "win32":
        return  # the folder inherits the access list of the user's own profile
    if status.st_uid != os.getuid():
        raise _refused(path, "belongs to another user")
    if status.st_mode & 0o077:
        raise _refused(path, f"can be entered by others; run: chmod 700 '{path}'")


def _refused(path: Path, problem: str) -> NotAllowedError:
    return NotAllowedError(
        f"The folder {path} {problem}. Or choose another one with --state-dir and --runtime-dir.",
        reason=Reason.OUTPUT_NOT_WRITABLE,
        metadata={"path": str(path)},
    )
