"""What a reader's process is confined to, on each system; tested here through the seam."""

from __future__ import annotations

import threading

import pytest

from sidecar.readers.limits import (
    MEMORY_STATUS,
    ReaderLimits,
    allow_cpu,
    apply_limits,
    peak_memory_bytes,
    watch_memory,
)


def applied(platform: str) -> tuple[dict[str, tuple[int, int]], list[int]]:
    told: dict[str, tuple[int, int]] = {}
    watched: list[int] = []
    apply_limits(
        ReaderLimits(memory_bytes=1000),
        platform=platform,
        set_limit=lambda kind, soft, hard: told.update({kind: (soft, hard)}),
        watch=watched.append,
    )
    return told, watched


def test_limits_survive_the_command_line() -> None:
    limits = ReaderLimits(memory_bytes=5, cpu_s=6, wall_s=7, start_s=8)
    assert ReaderLimits.from_argument(limits.argument()) == limits


def test_macos_watches_its_memory_since_the_system_does_not() -> None:
    told, watched = applied("darwin")
    assert told == {"CORE": (0, 0), "FSIZE": (0, 0), "NOFILE": (64, 64)}
    assert watched == [1000]


def test_windows_has_no_such_limits_and_watches_its_memory() -> None:
    assert applied("win32") == ({}, [1000])


def test_a_long_file_may_be_read_longer_and_take_no_more_memory() -> None:
    usual = ReaderLimits()
    long = usual.with_reading_of(60_000_000_000)
    assert long.wall_s == usual.wall_s + 3000
    assert long.cpu_s == usual.cpu_s + 600
    assert long.memory_bytes == usual.memory_bytes


@pytest.mark.parametrize(("platform", "kinds"), [("linux", ["CPU"]), ("win32", [])])
def test_processor_time_counts_from_the_call(platform: str, kinds: list[str]) -> None:
    told: list[tuple[str, int, int]] = []
    allow_cpu(
        10, platform=platform, set_limit=lambda kind, soft, hard: told.append((kind, soft, hard))
    )
    assert [kind for kind, _, _ in told] == kinds
    assert all(soft > 10 and hard == -1 for _, soft, hard in told)


def test_a_process_that_watches_itself_ends_at_its_limit() -> None:
    sizes = iter([50, 99, 100, 101, 500])
    ended = threading.Event()
    statuses: list[int] = []

    def end(status: int) -> None:
        statuses.append(status)
        ended.set()

    watch_memory(100, peak_bytes=lambda: next(sizes), end=end, every_s=0)
    assert ended.wait(5)
    assert statuses == [MEMORY_STATUS]
    assert next(sizes) == 500


def test_peak_memory_is_in_bytes_on_both_units() -> None:
    here = peak_memory_bytes(platform="linux")
    assert here > 10_000_000
    assert peak_memory_bytes(platform="darwin") == pytest.approx(here / 1024, rel=0.5)
