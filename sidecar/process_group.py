"""A child process in a group of its own: away from Ctrl-C, and killed with whatever it started."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Protocol, TypedDict

_CREATE_NEW_PROCESS_GROUP = 0x200  # subprocess has the name on Windows only


class GroupArguments(TypedDict):
    """Arguments of `subprocess.Popen`."""

    start_new_session: bool
    creationflags: int


class Process(Protocol):
    """What is needed of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def kill(self) -> None:
        """SIGKILL, or `TerminateProcess`; nothing where it has ended."""
        ...


def own_group(*, platform: str = sys.platform) -> GroupArguments:
    """How to start a child in a group of its own.

    Args:
        platform: As `sys.platform`.
    """
    windows = platform == "win32"
    return {
        "start_new_session": not windows,
        "creationflags": _CREATE_NEW_PROCESS_GROUP if windows else 0,
    }


def kill_group(
    process: Process,
    *,
    platform: str = sys.platform,
    kill_all: Callable[[int], None] | None = None,
) -> None:
    """Kill a child that was started with `own_group`, and what it started; on Windows the child alone.

    Args:
        process: The child; what it started is killed also where it has ended itself.
        platform: As `sys.platform`.
        kill_all: Kills a group of processes by the number of its first.
    """
    if platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (kill_all or _kill_all)(process.pid)


def _kill_all(group: int) -> None:
    os.killpg(group, signal.SIGKILL)
