"""Several processes meet an empty folder at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from support.identity_racer import meet


def test_racing_processes_agree_on_one_key(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(4), spawn.Queue()
    racers = [
        spawn.Process(target=meet, args=(tmp_path / "identity", start, answers)) for _ in range(4)
    ]
    for racer in racers:
        racer.start()
    got = [answers.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert len({fingerprint for fingerprint, _ in got}) == 1
    assert sum(is_new for _, is_new in got) == 1
    assert len(list((tmp_path / "identity").iterdir())) == 2
