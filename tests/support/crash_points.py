"""Every place where a kill could matter, found by listening instead of by a list somebody keeps.

Between two effects on the world the disk does not change, so killing before each effect tries every state a
crash can leave. The effects are heard where nobody can forget to report them:

- `os`: the interpreter's own audit events for making, linking, renaming and removing files;
- `file`: `FileSystem.before`, which also knows fsync and close;
- `sql`: every statement of every connection, by SQLite's trace;
- `stage`: before and after each field of `Stages`, and each picture;
- `say` and `hear`: every message between server and worker, except the heartbeat, which a clock sends;
- `scenario`: what the test itself does.

A point is called by what happens and in whose code, and counted: `sql COMMIT in succeed`, the first.
"""

from __future__ import annotations

import dataclasses
import mmap
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sidecar.filesystem import FileSystem
from sidecar.jobs.runner import Stages
from sidecar.worker import child, supervisor

HOWS = ("exit", "kill")
_CHANGES = frozenset({"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate",
                      "shutil.copyfile", "sqlite3.connect", "fcntl.flock"})  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class CrashPoints:
    """Counts the points of one process tree; kills one process of it, once, at one of them.

    Args:
        root: Only files below it count.
        point: `server` or `worker`, then the point's name; empty to kill nobody.
        number: Which occurrence, from 1.
        how: `exit` for `os._exit(137)`, `kill` for SIGKILL to oneself.
        record: File to append the name of each point to, None for none.
    """

    def __init__(
        self, root: str, *, point: str = "", number: int = 1, how: str = "kill", record: str | None
    ) -> None:
        assert how in HOWS
        self.role = "server"
        self._root = root
        self._point = point
        self._number = number
        self._how = how
        self._seen: Counter[str] = Counter()
        # Shared with the workers, so that a job whose worker was killed meets no second kill.
        self._spent = mmap.mmap(-1, 1)
        self._record = None
        if record is not None:
            self._record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def hit(self, name: str) -> None:
        """One point is reached."""
        point = f"{self.role} {name}"
        self._seen[point] += 1
        if self._record is not None:
            os.write(self._record, point.encode() + b"\n")
        if point == self._point and self._seen[point] == self._number and not self._spent[0]:
            self._spent[0] = 1
            if self._how == "exit":
                os._exit(137)
            os.kill(os.getpid(), signal.SIGKILL)

    def listen(self) -> None:
        """Hear all points of this process, and of workers forked from it, for the rest of its life."""
        FileSystem.before = lambda _self, operation, path: self.hit(  # type: ignore[method-assign]
            f"file {operation} {_named(path)}"
        )
        child.to_line = self._before_message("say", child.to_line)
        supervisor.to_line = self._before_message("say", supervisor.to_line)
        supervisor.read_from_worker = self._after_message("hear", supervisor.read_from_worker)
        child.read_to_worker = self._after_message("hear", child.read_to_worker)
        sqlite3.connect = self._traced(sqlite3.connect)
        sys.addaudithook(self._audit)

    def around(self, stages: Stages) -> Stages:
        """The stages, with a point before and after each of them and each picture."""
        functions = {
            field.name: self._around(field.name, getattr(stages, field.name))
            for field in dataclasses.fields(stages)
            if field.name != "filesystem"
        }
        return dataclasses.replace(stages, **functions)

    def _traced(self, connect: Callable[..., sqlite3.Connection]) -> Callable[..., Any]:
        def connected(*arguments: Any, **keywords: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **keywords)
            connection.set_trace_callback(self._statement)
            return connection

        return connected

    def _around(self, name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
        def staged(*arguments: Any, **keywords: Any) -> Any:
            self.hit(f"stage before {name}")
            value = stage(*arguments, **keywords)
            self.hit(f"stage after {name}")
            return self._written(value) if name == "open_take" else value

        return staged

    @contextmanager
    def _written(self, opening: AbstractContextManager[Any]) -> Iterator[Any]:
        with opening as take:
            yield SimpleNamespace(
                write=self._around("write", take.write),
                write_sound=self._around("write_sound", take.write_sound),
            )
            self.hit("stage before finishing")
        self.hit("stage after finishing")

    def _before_message(self, verb: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def told(message: Any) -> Any:
            if not isinstance(message, child.Heartbeat):
                self.hit(f"{verb} {type(message).__name__}")
            return write(message)

        return told

    def _after_message(self, verb: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def heard(line: bytes) -> Any:
            message = read(line)
            if not isinstance(message, child.Heartbeat):
                self.hit(f"{verb} {type(message).__name__}")
            return message

        return heard

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | Path) and flags & _WRITING and self._ours(path):
                self.hit(f"os open {_named(Path(path))}")
        elif event in _CHANGES:
            paths = [a for a in arguments if isinstance(a, str | Path) and self._ours(a)]
            if paths:
                self.hit(f"{event.replace('.', ' ')} {_named(Path(paths[-1]))}")

    def _ours(self, path: str | Path) -> bool:
        return str(path).startswith(self._root + os.sep)

    def _statement(self, sql: str) -> None:
        self.hit(f"sql {sql.split(maxsplit=1)[0]} in {_asker()}")


def _named(path: Path) -> str:
    """What kind of file it is; job ids, boots and attempts differ from run to run."""
    if path.suffix == ".part":
        return "".join(path.suffixes[-2:])
    return path.suffix or path.name


def _asker() -> str:
    """The outermost function of the job store that is at work."""
    name = ""
    frame = sys._getframe(1)
    while frame is not None:
        folder, _, module = frame.f_code.co_filename.rpartition(os.sep)
        if folder.endswith(f"sidecar{os.sep}jobs") and module not in {
            "desk.py",
            "lane.py",
            "service.py",
        }:
            name = frame.f_code.co_name
        frame = frame.f_back  # type: ignore[assignment]
    return name.strip("<>")
