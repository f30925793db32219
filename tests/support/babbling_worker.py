"""A worker that says what no worker of ours would, reached as an engine by import string.

It stands in for a decoder that was taken over by a hostile file, or a library that writes where it should not.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.broken_engines import BrokenEngine, limits_of
from support.job_cases import make_take
from support.model_examples import JOB_ID

from interchange.errors import StoppedError
from interchange.model.job import LONGEST_PREVIEW_BYTES, Progress
from sidecar.jobs.work import TakeDraft
from sidecar.worker.messages import LONGEST_LINE_BYTES, Advanced, Failed, Finished, to_line


def garbage(pipe: int, _job: Any) -> None:
    _say(pipe, os.urandom(4096) + b"\n")


def no_message_of_ours(pipe: int, _job: Any) -> None:
    _say(pipe, b'{"kind": "Finished", "draft": {"__reduce__": ["os.system", "x"]}}\n')


def huge_line(pipe: int, _job: Any) -> None:
    _say(pipe, b'"' + b"x" * (LONGEST_LINE_BYTES + 1) + b'"\n')


def endless_line(pipe: int, _job: Any) -> None:
    while True:
        _say(pipe, b"x" * (1 << 20))


def closes_the_pipe(pipe: int, _job: Any) -> None:
    os.close(pipe)
    time.sleep(60)


def prints(_pipe: int, _job: Any) -> None:
    print("x" * (1 << 20))  # noqa: T201 - as libraries do
    sys.stdout.flush()
    os.write(1, b"straight to the descriptor\n")


def holds_the_interpreter(_pipe: int, _job: Any) -> None:
    ctypes.PyDLL(None).sleep(60)  # with its lock held: no heartbeat either


def stops(_pipe: int, _job: Any) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def is_killed(_pipe: int, _job: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def claims_a_strangers_file(pipe: int, job: Any) -> None:
    secret = Path(job.request.output.directory).parent / "secret"
    draft = TakeDraft(str(secret), str(secret), "0" * 64, make_take())
    _say(pipe, to_line(Finished(_job_id(job), draft)))


def answers_for_another_job(pipe: int, _job: Any) -> None:
    _say(pipe, to_line(Failed(JOB_ID, StoppedError("Stopped."))))


def shows_too_much(pipe: int, job: Any) -> None:
    preview = bytes(LONGEST_PREVIEW_BYTES + 1)
    _say(pipe, to_line(Advanced(_job_id(job), Progress("denoising", preview=preview))))


def behaves(_pipe: int, _job: Any) -> None:
    pass


DOINGS = {
    doing.__name__: doing
    for doing in (
        garbage, no_message_of_ours, huge_line, endless_line, closes_the_pipe, prints,
        holds_the_interpreter, stops, is_killed, claims_a_strangers_file, answers_for_another_job,
        shows_too_much, behaves,
    )
}  # fmt: skip


def limits() -> dict[str, Any]:
    """Limits of an engine for each of the doings."""
    return {name: replace(limits_of("steady"), engine=name) for name in DOINGS}


def create_engine(name: str, _folders=None) -> BabblingEngine:
    """The engine that does it."""
    return BabblingEngine(name)


class BabblingEngine(BrokenEngine):
    """Does it at the second picture, every time."""

    def __init__(self, name: str) -> None:
        self.limits = limits()[name]
        self.model_identity = f"{name} 1"

    def _misbehave(self, job: Any, *_: Any) -> None:
        DOINGS[self.limits.engine](_replies(), job)


def _replies() -> int:
    """The descriptor of this process's own pipe to the server."""
    # By name: the process runs the module as `__main__`.
    workers = [thing for thing in gc.get_objects() if type(thing).__name__ == "_Worker"]
    descriptor: int = workers[0]._replies.fileno()
    return descriptor


def _job_id(job: Any) -> str:
    """The job this process works on, from the name of its work file."""
    parts = Path(job.request.output.directory).glob(".*.unsigned.part")
    return next(parts).name.split(".")[2].split("-")[0]


def _say(pipe: int, content: bytes) -> None:
    while content:
        content = content[os.write(pipe, content) :]
