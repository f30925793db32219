"""A process with everything imported, which forks itself for each call: 1,000 lives in a minute.

`python -m support.zygote FD MODULE...` imports the modules and waits. It has one thread, no gRPC and no open
database, so forking it is safe; each call runs in a child of its own that may be killed in any way. The
answer is what the child returned, how it ended, and that everything it started is gone too.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any, Self

_LONGEST_CALL = 1 << 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Args:
        returncode: As `subprocess` gives it: negative for a signal.
        value: What it returned, None where it did not.
    """

    returncode: int
    value: Any


class Zygote:
    """Runs functions by import string in forked children; may be called from several threads.

    Args:
        modules: What to import before the first fork.
    """

    def __init__(self, *modules: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.zygote", str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours
        self._sending = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        assert self._process.wait(30) == 0

    def call(self, function: str, **arguments: object) -> Outcome:
        """Run `module:function` with JSON arguments; wait until it and all it started are gone."""
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as answer:
            with self._sending:
                message = json.dumps([function, arguments]).encode()
                socket.send_fds(self._socket, [message], [writing])
            os.close(writing)
            lines = answer.read().splitlines()
        # The child's line, where it lived to write one, then the zygote's; all pipes are closed by now.
        values = [json.loads(line) for line in lines]
        codes = [value["returncode"] for value in values if "returncode" in value]
        assert len(codes) == 1, (function, arguments, values)
        returned = [value["value"] for value in values if "value" in value]
        return Outcome(codes[0], returned[0] if returned else None)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        importlib.import_module(module)
    assert threading.active_count() == 1
    gc.freeze()  # a collection in a child would touch, and so copy, every page
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                _reap(children)
            if connection in ready:
                message, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_CALL, 1)
                if not message:
                    return
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    selector.close()
                    for descriptor in (connection.detach(), woken, wake, *children.values()):
                        os.close(descriptor)
                    _serve(message, descriptors[0])
                children[child] = descriptors[0]


def _reap(children: dict[int, int]) -> None:
    for child in list(children):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            descriptor = children.pop(child)
            os.write(descriptor, json.dumps({"returncode": code}).encode() + b"\n")
            os.close(descriptor)


def _serve(message: bytes, answer: int) -> None:
    """Run one call; never returns. Whoever this process starts keeps the answer's pipe open."""
    code = 1
    try:
        function, arguments = json.loads(message)
        module, _, name = function.partition(":")
        value = getattr(importlib.import_module(module), name)(**arguments)
        os.write(answer, json.dumps({"value": value}).encode() + b"\n")
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
