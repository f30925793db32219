"""A reader that was taken over: does what the name of the document says. Run in the place of the real one."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from interchange.errors import (
    ExhaustedError,
    InvalidInputError,
    NotAllowedError,
    Reason,
    StoppedError,
    UnavailableError,
)
from interchange.model.segment import Reading
from sidecar.readers.calls import MediaOpens, ReadTimeline, Verdict
from sidecar.readers.child import main
from sidecar.readers.pipe import _HEADER, ANSWER

_REPLIES = 4  # the first descriptors that a process makes are 3 and 4
_NOTHING = Reading((), (), ())


def _answer_anything(text: bytes) -> None:
    os.write(_REPLIES, _HEADER.pack(ANSWER, 0, len(text), 0) + text)


def _spin() -> None:
    while True:
        pass


def _spin_without_a_switch() -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")  # in C, holding the interpreter's lock


def _allocate() -> None:
    kept = []
    while True:
        kept.append(bytearray(64 << 20))


def _crash() -> None:
    ctypes.string_at(0)


def _crash_late() -> None:
    """Leave a wound that kills the next call."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.3)


def _start_a_child_that_holds_the_pipe() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=[_REPLIES])
    os._exit(0)


def _write_a_file(path: str) -> None:
    with Path(path).open("wb") as file:
        file.write(b"mine")


_DEEDS = {
    "spin": _spin,
    "lock": _spin_without_a_switch,
    "nap": lambda: time.sleep(1),
    "sleep": lambda: time.sleep(600),
    "allocate": _allocate,
    "crash": _crash,
    "crash-late": _crash_late,
    "abort": os.abort,
    "exit": lambda: os._exit(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "heir": _start_a_child_that_holds_the_pipe,
    "close": lambda: (os.close(_REPLIES), time.sleep(600)),
    "garbage": lambda: os.write(_REPLIES, b"\xff" * 4096),
    "short": lambda: (os.write(_REPLIES, b"A\0\0"), os._exit(0)),
    "huge": lambda: os.write(_REPLIES, _HEADER.pack(ANSWER, 0, 0xFFFFFFFF, 0xFFFFFFFF)),
    "endless": lambda: [os.write(_REPLIES, bytes(1 << 16)) for _ in iter(int, 1)],
    "no-text": lambda: _answer_anything(b"\xff\xfe\xfd"),
    "no-json": lambda: _answer_anything(b"Reading"),
    "deep": lambda: _answer_anything(b"[" * 200_000),
    "other": lambda: _answer_anything(b'{"version":1,"value":{"type":"Verdict","holds":true}}'),
    "number": lambda: _answer_anything(b'{"version":1,"value":' + b"9" * 100_000 + b"}"),
    "nan": lambda: _answer_anything(b'{"version":1,"value":NaN}'),
}


_EXCUSES = {
    "stopped": StoppedError("The watch was stopped."),
    "away": UnavailableError("The share is away."),
    "disk": ExhaustedError("The disk is full.", reason=Reason.DISK_FULL),
    "refused": NotAllowedError("Not writable.", reason=Reason.OUTPUT_NOT_WRITABLE),
}
"""What would have a file waited for, or its failure forgotten."""


def do_as_named(call: ReadTimeline, _document: bytes) -> tuple[Reading, bytes]:
    """Do what the document's name says."""
    deed = Path(call.name).stem
    if deed == "loud":
        raise InvalidInputError("\x1b[2J" + "x" * 100_000, metadata={"path": "\u202e\x07" * 5000})
    if deed in _EXCUSES:
        raise _EXCUSES[deed]
    if deed in _DEEDS:
        _DEEDS[deed]()
    return _NOTHING, b""


def write(call: MediaOpens, _content: bytes) -> tuple[Verdict, bytes]:
    """Try to leave something on the disk."""
    try:
        _write_a_file(call.path)
    except OSError as error:
        raise NotAllowedError(f"not written: {error}") from error
    return Verdict(holds=True), b""


CALLS = {ReadTimeline: "__main__:do_as_named", MediaOpens: "__main__:write"}

if __name__ == "__main__":
    main("__main__:CALLS")
