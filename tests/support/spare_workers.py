"""Worker processes forked in advance, handed out where the sidecar starts `sidecar.worker.child`.

A started interpreter takes 0.3 s, a fork 5 ms. The worker runs the same `main` on the same pipes; only how the
process came to be differs, and `test_worker_faults` starts real ones.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import Any

from sidecar.worker import child

_PIPES = 3


class _Spare:
    """A forked process that waits to be told its pipes."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._control.close()
            _become_worker(theirs)
        theirs.close()

    def begin(self, *pipes: int) -> None:
        socket.send_fds(self._control, [b"go"], pipes)
        self._control.close()


def _become_worker(control: socket.socket) -> None:
    code = 1
    try:
        message, pipes, _, _ = socket.recv_fds(control, 16, _PIPES)
        if message:  # else nobody needed it
            for number, pipe in enumerate(pipes):
                os.dup2(pipe, number)
                os.close(pipe)
            control.close()
            child.main()
        code = 0
    finally:
        os._exit(code)


class _HandedOut:
    """What asyncio needs of a `subprocess.Popen`."""

    def __init__(self, spare: _Spare, stdin: Any) -> None:
        self.pid = spare.pid
        self.returncode: int | None = None
        self.stdin = None
        reads = []
        writes = []
        for _ in range(2):
            reading, writing = os.pipe()
            reads.append(reading)
            writes.append(writing)
        theirs = stdin if isinstance(stdin, int) else stdin.fileno()
        if stdin == subprocess.PIPE:
            theirs, ours = os.pipe()
            self.stdin = os.fdopen(ours, "wb", 0)
        spare.begin(theirs, *writes)
        for descriptor in writes:
            os.close(descriptor)
        if self.stdin is not None:
            os.close(theirs)
        self.stdout, self.stderr = (os.fdopen(reading, "rb", 0) for reading in reads)

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def keep_spare_workers(count: int) -> None:
    """Fork workers for this process; call it before there is any thread.

    Args:
        count: How many; once they are used up, real ones are started.
    """
    spares = [_Spare() for _ in range(count)]
    start = subprocess.Popen

    def popen(arguments: Any, *rest: Any, **options: Any) -> Any:
        if spares and "sidecar.worker.child" in arguments:
            return _HandedOut(spares.pop(0), options["stdin"])
        return start(arguments, *rest, **options)

    subprocess.Popen = popen  # type: ignore[assignment,misc]
