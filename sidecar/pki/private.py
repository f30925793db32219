"""Files with keys in them: read only where nobody else can read or replace them."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from interchange.errors import InvalidInputError, NotAllowedError, Reason

_MOST_BYTES = 64 * 1024


def read_private(path: Path, *, platform: str = sys.platform) -> bytes | None:
    """Read a file with a key in it; None where there is none.

    Args:
        path: The file.
        platform: As `sys.platform`; on Windows the access list it inherits is relied on.

    Raises:
        NotAllowedError: It is a link, another user's, no plain file, or others may read it.
        InvalidInputError: It is far too long.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # each where the platform has it
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        what = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
        raise _refused(path, what) from error
    try:
        _insist_on_private(path, os.fstat(descriptor), platform)
        content = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MOST_BYTES:
        raise InvalidInputError(
            f"{path} is far too long to be a key.",
            reason=Reason.CERTIFICATE_INVALID,
            metadata={"path": str(path)},
        )
    return content


def _insist_on_private(path: Path, facts: os.stat_result, platform: str) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise _refused(path, "is not a plain file")
    if platform == "win32":
        return  # the folder inherits the access list of the user's own profile
    if facts.st_uid not in {os.geteuid(), 0}:
        raise _refused(path, "belongs to another user")
    if facts.st_mode & 0o077:
        raise _refused(path, f"can be read by other users; run: chmod 600 '{path}'")


def _refused(path: Path, what: str) -> NotAllowedError:
    return NotAllowedError(
        f"{path} {what}. It holds a private key; make it a plain file that only you can read.",
        reason=Reason.NOT_PERMITTED,
        metadata={"path": str(path)},
    )
