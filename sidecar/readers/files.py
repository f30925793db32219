"""Opening exactly the file that was allowed: a name that leads elsewhere by now is refused.

Whoever asks has followed every link and compared the result with the roots. Between that and the opening here,
somebody with write access to the folder could put a link in the place of the file, or of a folder above it. So
the file is opened without following a link, the system is asked where it really lies, and the libraries are
given a name for what is open instead of its path.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interchange.errors import BridgeError, InvalidInputError, NotFoundError, Reason
from sidecar.media.container import unsupported


@contextmanager
def held_open(path: Path, *, platform: str = sys.platform) -> Iterator[Path]:
    """Hold a file open, and yield a name under which libraries open that very file.

    On Linux that is a name for the open file itself. Elsewhere it is the path, checked just before.

    Args:
        path: Absolute, with every link followed.
        platform: As `sys.platform`.

    Raises:
        NotFoundError: It is not there, or may not be read (MEDIA_NOT_FOUND).
        UnsupportedError: It is a folder, a pipe or a device (MEDIA_UNSUPPORTED).
        InvalidInputError: The name leads elsewhere by now (MEDIA_CHANGED).
        BridgeError: Whatever is raised inside, with the path in its message.
    """
    descriptor = _open(path)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise unsupported(path, "it is not a file")
        if where_open(descriptor, platform=platform) not in {None, str(path)}:
            raise _changed(path)
        stand_in = Path(f"/proc/self/fd/{descriptor}") if platform == "linux" else path
        try:
            yield stand_in
        except BridgeError as error:
            raise renamed(error, stand_in, path) from error
    finally:
        os.close(descriptor)


def where_open(descriptor: int, *, platform: str = sys.platform) -> str | None:
    """The path of an open file as the system knows it; None where it does not tell."""
    try:
        if platform == "linux":
            return str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if platform == "darwin":
            import fcntl  # noqa: PLC0415 - there is none on Windows

            asked: int = getattr(fcntl, "F_GETPATH")  # noqa: B009 - only there is it known to mypy
            return fcntl.fcntl(descriptor, asked, bytes(1024)).rstrip(b"\0").decode()
    except OSError:
        return None
    return None


def _open(path: Path) -> int:
    # A pipe would block the open; a link at the end of the path is refused, wherever it leads.
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY", "O_NOCTTY"):
        flags |= getattr(os, name, 0)
    try:
        return os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            f"{path} is not there. Relink the clip, mount its disk, or map its path with --map.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": str(path)},
        ) from error
    except OSError as error:
        if path.is_symlink():
            raise _changed(path) from error
        raise NotFoundError(
            f"{path} cannot be opened: {error.strerror}. Give yourself read access to it.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": str(path)},
        ) from error


def _changed(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"{path} was replaced by a link while it was being opened, and links are not followed then. Put the "
        "file itself there and run it again.",
        reason=Reason.MEDIA_CHANGED,
        metadata={"path": str(path)},
    )


def renamed(error: BridgeError, stand_in: Path, path: Path) -> BridgeError:
    """The same error about the file's own path.

    Args:
        error: What was raised.
        stand_in: The name `held_open` gave.
        path: The path it was given.
    """
    old, new = str(stand_in), str(path)
    return type(error)(
        error.message.replace(old, new),
        reason=error.reason,
        metadata={key: value.replace(old, new) for key, value in error.metadata.items()},
    )
