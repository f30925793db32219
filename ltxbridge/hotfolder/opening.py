"""Whether a file that has settled may be opened, or another program still holds it. Nothing is read."""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_GENERIC_READ = 0x80000000
_SHARE_NOTHING = 0
_OPEN_EXISTING = 3
_OPEN_REPARSE_POINT = 0x00200000  # the link itself, never what it leads to


def held_by_another(path: Path, *, open_alone: Callable[[Path], None] | None = None) -> str:
    """Why a timeline cannot be opened now: what the system says; empty where it can be.

    Args:
        path: A file, or a bundle, of which the files at its top are tried.
        open_alone: Opens and closes one file; raises `OSError`. None takes this platform's way.
    """
    attempt = open_alone or _OPEN_ALONE
    try:
        for file in _files_of(path):
            attempt(file)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def open_as_posix(path: Path) -> None:
    """Open and close a file, following no link and waiting for nobody.

    Raises:
        OSError: It cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    os.close(descriptor)


def open_as_windows(
    path: Path,
    *,
    create_file: Callable[..., int],
    close_handle: Callable[[int], object],
    failure: Callable[[], OSError],
) -> None:
    """Open and close a file that nobody else may have open: a copy in progress shares nothing for writing.

    Args:
        path: The file.
        create_file: `CreateFileW`.
        close_handle: `CloseHandle`.
        failure: The error of the last call, as `ctypes.WinError`.

    Raises:
        OSError: Somebody has it open.
    """
    handle = create_file(
        str(path), _GENERIC_READ, _SHARE_NOTHING, None, _OPEN_EXISTING, _OPEN_REPARSE_POINT, None
    )
    if handle in {-1, None, ctypes.c_void_p(-1).value}:
        raise failure()
    close_handle(handle)


def _files_of(path: Path) -> Iterator[Path]:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        yield path
        return
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield path / entry.name


def _windows_way() -> Callable[[Path], None]:
    platform: Any = ctypes  # these names are not there elsewhere
    kernel = platform.WinDLL("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = ctypes.c_void_p
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]

    def open_alone(path: Path) -> None:
        open_as_windows(
            path,
            create_file=kernel.CreateFileW,
            close_handle=kernel.CloseHandle,
            failure=lambda: platform.WinError(platform.get_last_error()),
        )

    return open_alone


_OPEN_ALONE = _windows_way() if sys.platform == "win32" else open_as_posix
