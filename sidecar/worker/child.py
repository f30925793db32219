"""The worker's process: `python -P -m sidecar.worker.child`, one engine, one job at a time.

Talks lines on what were its standard input and output. What libraries print to standard output goes to
standard error, which the server logs. When the server is gone, so is the worker, at once.
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from interchange.errors import BridgeError, ExhaustedError, InternalError, Reason, StoppedError
from interchange.model.job import Progress
from sidecar.logs import configure_child_logging
from sidecar.readers.limits import confine_worker
from sidecar.worker.messages import (
    Advanced,
    Failed,
    Finished,
    FromWorker,
    Heartbeat,
    Hello,
    Ready,
    Start,
    Stop,
    read_to_worker,
    to_line,
)

_LOG = logging.getLogger(__name__)


def main() -> NoReturn:
    """Serve jobs until the server closes the pipe."""
    commands, replies = _take_over_pipes()
    configure_child_logging()
    # Ctrl-C in a terminal reaches the whole group; the server decides what becomes of the job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hello = read_to_worker(commands.readline())
    if not isinstance(hello, Hello):
        raise InternalError("A worker was not told what it is.")
    confine_worker(hello.memory_bytes)
    worker = _Worker(hello, commands, replies)
    worker.start()
    worker.work()


class _Worker:
    """The three threads of the process: one reads commands, one shows life, this one works."""

    def __init__(self, hello: Hello, commands: BinaryIO, replies: BinaryIO) -> None:
        self._hello = hello
        self._commands = commands
        self._replies = replies
        self._sending = threading.Lock()
        self._orders: queue.SimpleQueue[Start] = queue.SimpleQueue()
        self._stopped: set[str] = set()
        self._announced: Ready | None = None

    def start(self) -> None:
        """Start reading and showing life, before anything that takes long is imported."""
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        threading.Thread(target=self._live, name="heartbeat", daemon=True).start()

    def work(self) -> NoReturn:
        """Do one job after the other."""
        engine: Any = None
        tools: Any = None
        while True:
            order = self._orders.get().order

            def report(progress: Progress, *, job_id: str = order.job_id) -> None:
                self._send(Advanced(job_id, progress))

            def cancelled(*, job_id: str = order.job_id) -> bool:
                return job_id in self._stopped

            try:
                if engine is None:
                    engine = self._engine(report, cancelled)
                if tools is None:
                    tools = _imported(self._hello.stages)(
                        state_folder=Path(self._hello.state_folder),
                        product_version=self._hello.product_version,
                    )
                draft = tools.run(order, engine=engine, report=report, cancelled=cancelled)
                self._announce(engine)
            except Exception as error:  # noqa: BLE001 - the boundary of the process
                self._send(Failed(order.job_id, _crossing(error)))
            else:
                self._send(Finished(order.job_id, draft))
            self._stopped.discard(order.job_id)

    def _engine(self, report: Callable[[Progress], None], cancelled: Callable[[], bool]) -> Any:
        def progress(phase: str, done: int, total: int) -> None:
            if cancelled():  # the next job loads anew
                raise StoppedError("The job was cancelled while its engine was loaded.")
            report(Progress(phase, done, total))

        # Not at the top: it brings numpy, and the first sign of life is not to wait for that.
        from sidecar.pipelines.base import EngineFolders  # noqa: PLC0415

        folders = EngineFolders.below(Path(self._hello.state_folder), self._hello.resources)
        engine = _imported(self._hello.engines)(self._hello.engine, folders)
        engine.load(progress)
        self._announce(engine)
        return engine

    def _announce(self, engine: Any) -> None:
        """Say what the engine is, and again where that changed: checkpoints are swapped between two jobs."""
        from sidecar.pipelines.base import device_of  # noqa: PLC0415 - as above

        ready = Ready(engine.model_identity, device_of(engine))
        if ready != self._announced:
            self._announced = ready
            self._send(ready)

    def _read(self) -> None:
        for line in self._commands:
            match read_to_worker(line):
                case Start() as start:
                    self._orders.put(start)
                case Stop(job_id=job_id):
                    self._stopped.add(job_id)
                case Hello():
                    _LOG.error("told twice what to be")
        os._exit(0)  # the server is gone; whatever was being made has no reader

    def _live(self) -> None:
        pause = threading.Event()
        while True:
            self._send(Heartbeat(_memory_bytes()))
            pause.wait(self._hello.heartbeat_s)

    def _send(self, message: FromWorker) -> None:
        line = to_line(message)
        try:
            with self._sending:
                self._replies.write(line)
                self._replies.flush()
        except OSError:
            os._exit(0)


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    commands = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return commands, replies


def _imported(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    factory: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return factory


def _crossing(error: Exception) -> BridgeError:
    if isinstance(error, InternalError) or not isinstance(error, BridgeError | MemoryError):
        _LOG.error("job failed unexpectedly", exc_info=error)
    if isinstance(error, BridgeError):
        return error
    if isinstance(error, MemoryError):
        return ExhaustedError(
            "The job does not fit into this machine's memory. Try a shorter range or a smaller picture.",
            reason=Reason.MEMORY_FULL,
        )
    return InternalError(
        "The engine failed in a way it should not; the sidecar's log has the details. "
        "Please report it with that log.",
        metadata={"exception": type(error).__name__},
    )


def _memory_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0  # not Linux


if __name__ == "__main__":
    main()
