"""Engines and stages for a worker under test, reached there by import string.

The engine's name says how it behaves; the request's seed carries the number it needs. The stages write a few
bytes instead of video, so that a whole job takes milliseconds.
"""

# ruff: noqa: ARG001, ARG002 - the seams fix the arguments
from __future__ import annotations

import hashlib
import os
import signal
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
from support.faulty_filesystem import FaultyFileSystem
from support.model_examples import example_engine

from interchange.errors import Reason, StoppedError, UnsupportedError
from interchange.model.engine import Device
from sidecar.filesystem import FileSystem
from sidecar.jobs.runner import Stages

ENGINES = (
    "steady",
    "slow",
    "raises",
    "refuses",
    "exits",
    "dies",
    "hangs",
    "deaf",
    "hungry",
    "cursed",
    "swaps",
    "shows",
    "uninstalled",
)

ERRORS = {
    "raises": RuntimeError("a bug in the engine"),
    "refuses": UnsupportedError("Not this shot."),
    "hungry": MemoryError(),
}


def limits_of(name: str):
    """Limits that allow everything."""
    return replace(example_engine().limits, engine=name, version="1", max_frames=100_000)


ALL_LIMITS = {name: limits_of(name) for name in ENGINES}


class BrokenEngine:
    """Behaves as its name says.

    `dies` kills itself once per output folder, then works; `cursed` does so every time. `swaps` is another model
    in every job. `shows` lets people see what it does; `uninstalled` cannot even be made.
    """

    def __init__(self, name: str) -> None:
        self.limits = ALL_LIMITS[name]
        self.model_identity = f"{name} 1"
        if name == "steady":
            self.device = Device("cuda:0 NVIDIA H200", 141 << 30)
        if name == "uninstalled":
            raise UnsupportedError(
                "The engine uninstalled needs a package that is not there.",
                reason=Reason.DEPENDENCY_MISSING,
            )

    def load(self, progress) -> None:
        progress("loading", 1, 1)

    def generate_sound(self, job, *, progress, cancelled):
        return None

    def generate(self, job, *, progress, cancelled):
        made = job.request.record_range if job.request.keep_handles else job.request.file_range
        if self.limits.engine == "swaps":
            self.model_identity = f"checkpoint {job.request.seed}"
        if self.limits.engine == "shows":
            for step in range(9):
                progress("denoising", step, 8)
                job.preview(np.full((2, 2, 3), step, np.uint8))
                time.sleep(0.1)
        for number, frame in enumerate(made.frames):
            if cancelled() and self.limits.engine != "deaf":
                raise StoppedError("Stopped.")
            yield np.full((1, 1, 3), frame % 7, np.float32)
            if number == 1:
                self._misbehave(job, cancelled)

    def _misbehave(self, job, cancelled) -> None:
        match self.limits.engine:
            case "slow" | "deaf":
                self._dawdle(job, cancelled)
            case "raises" | "refuses" | "hungry":
                print("noise on standard output")  # noqa: T201 - as libraries do
                raise ERRORS[self.limits.engine]
            case "exits":
                os._exit(3)
            case "cursed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "dies":
                self._once(job, signal.SIGKILL)
            case "hangs":
                self._once(job, signal.SIGSTOP)

    def _dawdle(self, job, cancelled) -> None:
        for _ in range(job.request.seed):
            time.sleep(0.05)
            if cancelled() and self.limits.engine == "slow":
                break

    @staticmethod
    def _once(job, number) -> None:
        marker = Path(job.request.output.directory) / "died-once"
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), number)


class _TinyTake:
    def __init__(self, file) -> None:
        self._file = file

    def write(self, frame) -> None:
        self._file.write(frame.tobytes())

    def write_sound(self, sound) -> None:
        self._file.write(sound.samples.tobytes())


class _TinySpan:
    def __init__(self, span) -> None:
        self.record_range = span.record_range

    def native(self, record_frame):
        return np.full((1, 1, 3), record_frame % 5, np.float32)

    picture = native

    def sound(self, record_range):
        return None


class _NoInputs:
    image = sound = matte = None


def tiny_stages(filesystem: FileSystem) -> Stages:
    """Stages that write a few bytes a frame."""

    @contextmanager
    def open_take(path, request, sound):
        with filesystem.open_new(path) as file:
            yield _TinyTake(file)

    @contextmanager
    def open_span(span, request):
        yield _TinySpan(span)

    def check_take(path, request, sound):
        assert path.stat().st_size == request.file_range.length * 12

    def sign(unsigned, *, signed, manifest, order, engine, digests, sound):
        assert set(digests) == set(order.request.files_read)
        for path, content in ((signed, unsigned.read_bytes()), (manifest, b"manifest")):
            with filesystem.open_new(path) as file:
                # Like a real signature: never the same bytes twice.
                file.write(content + os.urandom(8))
        return ("The source carries no credentials.",)

    return Stages(
        open_span=open_span,
        open_inputs=lambda _request: nullcontext(_NoInputs()),
        encode_preview=lambda picture: b"JPEG" + picture.tobytes(),
        open_take=open_take,
        check_take=check_take,
        sign=sign,
        verify=lambda _path: None,
        digest=lambda path: hashlib.sha256(path.read_bytes()).hexdigest(),
        filesystem=filesystem,
    )


def create_engine(name: str, _folders=None) -> BrokenEngine:
    return BrokenEngine(name)


def open_stages(*, state_folder: Path, product_version: str) -> Stages:
    return tiny_stages(FileSystem())


def open_faulty_stages(*, state_folder: Path, product_version: str) -> Stages:
    """Fails as `fault.txt` in the state folder says: `operation errno number`."""
    fault = state_folder / "fault.txt"
    if not fault.exists():
        return tiny_stages(FileSystem())
    operation, code, number = fault.read_text().split()
    fault.unlink()
    return tiny_stages(FaultyFileSystem(operation, errno=int(code), number=int(number)))
