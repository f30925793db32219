"""`ltxbridge watch --once` in a process that is killed where it is told to be.

Run by `support.zygote`, through the very function the command runs. Points are counted: those the watch names
itself, after each of its steps, and the interpreter's own audit events before each change of the disk below
the hot folder, which nobody can forget to report.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ltxbridge.cli.options import TakeChoices
from ltxbridge.cli.watch import WatchChoices, watch_folder
from sidecar.settings import load_settings

HOWS = ("exit", "kill")
_CHANGES = {"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def watch_once(folder: str, state: str, *, die_at: int = 0, how: str = "kill") -> dict[str, Any]:
    """Watch a folder until it is empty; die at the Nth point, where that is not 0.

    Returns:
        How many timelines ended how, every event as text, and the points that were reached.
    """
    assert how in HOWS
    reached: list[str] = []
    turn = threading.Lock()

    def hit(name: str) -> None:
        with turn:
            reached.append(name)
            if len(reached) == die_at:
                if how == "exit":
                    os._exit(137)
                os.kill(os.getpid(), signal.SIGKILL)

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if opened or event in _CHANGES:
            ours = [str(path) for path in arguments[:2] if str(path).startswith(folder + os.sep)]
            if ours:
                hit(f"{event} {ours[-1]}")

    settings = load_settings(
        environment={"LTXBRIDGE_STATE_DIR": state, "LTXBRIDGE_RUNTIME_DIR": f"{state}/run"}
    )
    events: list[str] = []
    sys.addaudithook(heard)
    watcher = watch_folder(
        Path(folder),
        settings,
        TakeChoices(engine="identity"),
        WatchChoices(once=True, settle_s=0.05, patience_s=0.1),
        announce=lambda event: events.append(event.as_text()),
        crash_point=lambda name: hit(f"point {name}"),
    )
    return {"counts": dict(watcher.counts), "events": events, "reached": reached}
