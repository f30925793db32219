"""What a reader's process may use, and how the system is told. Standard library only: it runs before all else."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Protocol, Self

MEMORY_STATUS = 77
"""Exit status of a reader that ended itself because it used too much memory."""

_OPEN_FILES = 64
_PROCESSORS = 2
_WATCH_EVERY_S = 0.2
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """What one call may use.

    Args:
        memory_bytes: Address space of the process. The libraries alone map 430 MB; the picture of an 8K
            movie and its decoder take 400 MB more.
        cpu_s: Processor seconds of one call.
        wall_s: Seconds of one call by the clock, after which the process is killed.
        start_s: Seconds by the clock until a new process answers.
    """

    memory_bytes: int = 1280 << 20
    cpu_s: int = 25
    wall_s: int = 28
    start_s: int = 60

    def argument(self) -> str:
        """The limits as an argument of a command line."""
        return ",".join(map(str, astuple(self)))

    @classmethod
    def from_argument(cls, text: str) -> Self:
        """Read what `argument` wrote."""
        return cls(*map(int, text.split(",")))

    def with_reading_of(self, size_bytes: int) -> ReaderLimits:
        """Limits of a call that reads a file from end to end, as the check of a signature does.

        Args:
            size_bytes: The file's size; 20 MB a second is a slow network, 100 MB a slow processor.
        """
        return ReaderLimits(
            memory_bytes=self.memory_bytes,
            cpu_s=self.cpu_s + size_bytes // 100_000_000,
            wall_s=self.wall_s + size_bytes // 20_000_000,
            start_s=self.start_s,
        )


STREAM_LIMITS = ReaderLimits(memory_bytes=4096 << 20)
"""For frames one after the other: the decoder keeps some, and one of 8K in 4:4:4 has 200 MB."""


class LimitSetter(Protocol):
    """The part of the `resource` module that is needed."""

    def __call__(self, kind: str, soft: int, hard: int) -> None:
        """Set a limit by the name of its constant, without `RLIMIT_`."""


def set_resource(kind: str, soft: int, hard: int) -> None:
    """Set one limit of this process, never above what it may already use.

    Args:
        kind: Name of the constant, without `RLIMIT_`.
        soft: In the unit of that limit; what counts now.
        hard: What it can be raised to again; -1 leaves that as it is.
    """
    import resource  # noqa: PLC0415 - there is none on Windows

    number = getattr(resource, f"RLIMIT_{kind}")
    _, most = resource.getrlimit(number)
    if most != resource.RLIM_INFINITY:
        soft = min(soft, most)
    resource.setrlimit(number, (soft, most if hard < 0 else soft))


def apply_limits(
    limits: ReaderLimits,
    *,
    platform: str = sys.platform,
    set_limit: LimitSetter = set_resource,
    watch: Callable[[int], None] | None = None,
) -> None:
    """Confine this process, as far as its system can: once, before anything else is imported.

    Linux enforces all of them. macOS does not enforce an address space, and Windows has none of these; there
    the process watches its own memory and ends itself.

    Args:
        limits: What it may use.
        platform: As `sys.platform`.
        set_limit: Sets one limit.
        watch: Starts to watch the memory of this process; the argument is in bytes.
    """
    if platform != "win32":
        set_limit("CORE", 0, 0)
        set_limit("FSIZE", 0, 0)
        set_limit("NOFILE", _OPEN_FILES, _OPEN_FILES)
    if platform == "linux":
        set_limit("AS", limits.memory_bytes, limits.memory_bytes)
        _use_few_processors()
        _refuse_new_privileges()
    else:
        (watch or watch_memory)(limits.memory_bytes)


def confine_worker(
    memory_bytes: int, *, platform: str = sys.platform, set_limit: LimitSetter = set_resource
) -> None:
    """Confine a worker, which must write files and may drive a GPU.

    Args:
        memory_bytes: Address space, 0 for no limit. CUDA maps more than any machine has, so a worker with a GPU
            has none. Linux only.
        platform: As `sys.platform`.
        set_limit: Sets one limit.
    """
    if platform != "win32":
        set_limit("CORE", 0, 0)  # a core would hold pictures and prompts
    if platform == "linux" and memory_bytes:
        set_limit("AS", memory_bytes, memory_bytes)


def allow_cpu(
    seconds: int, *, platform: str = sys.platform, set_limit: LimitSetter = set_resource
) -> None:
    """Let the next call use processor time, counted from now."""
    if platform != "win32":
        set_limit("CPU", int(time.process_time()) + 1 + seconds, -1)


def watch_memory(
    limit_bytes: int,
    *,
    peak_bytes: Callable[[], int] | None = None,
    end: Callable[[int], object] = os._exit,
    every_s: float = _WATCH_EVERY_S,
) -> None:
    """End this process as soon as it has ever used more than a limit; looked at by a thread of its own."""
    measured = peak_bytes or peak_memory_bytes
    pause = threading.Event()

    def look() -> None:
        while measured() <= limit_bytes:
            pause.wait(every_s)
        end(MEMORY_STATUS)

    threading.Thread(target=look, name="memory", daemon=True).start()


def peak_memory_bytes(*, platform: str = sys.platform) -> int:
    """The most physical memory this process ever had; 0 where the system does not tell."""
    if platform == "win32":
        return _windows_peak_bytes()
    import resource  # noqa: PLC0415 - there is none on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform == "darwin" else peak * 1024


class _MemoryCounters(ctypes.Structure):
    """`PROCESS_MEMORY_COUNTERS`."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("others", ctypes.c_size_t * 7),
    )


def _windows_peak_bytes() -> int:
    counters = _MemoryCounters()
    counters.size = ctypes.sizeof(counters)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - only there is it known to mypy
    found = kernel.K32GetProcessMemoryInfo(
        ctypes.c_void_p(-1), ctypes.byref(counters), counters.size
    )
    return counters.peak_working_set if found else 0


def _use_few_processors() -> None:
    """Decoders start a thread for each processor, and each holds pictures; on 64 of them nothing would fit."""
    processors = sorted(os.sched_getaffinity(0))
    # Not always the first ones: several readers on one machine would crowd there.
    first = os.getpid() % len(processors)
    os.sched_setaffinity(0, (processors + processors)[first : first + _PROCESSORS])


def _refuse_new_privileges() -> None:
    """No set-user-id program started from here would gain anything."""
    with contextlib.suppress(OSError, AttributeError):  # a C library without it
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
