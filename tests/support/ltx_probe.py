"""`ltx-probe` and `ltx-held`: `ltx-tiny` that is held in a phase or starved of memory; plug-ins of a real sidecar.

What a job is to suffer stands in its prompt: `hold in PHASE` waits there until the job is cancelled, `linger in
PHASE` stays there long enough to be seen by watchers, `starve N` lets memory run out in the first N denoisings.
While a file `hold-loading` is in the state folder, `ltx-held` does not end loading. The model, and how it stops and steps
down, are the product's own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sidecar.pipelines.ltx23.limits import TINY_LIMITS

if TYPE_CHECKING:  # torch takes seconds to import, and the sidecar asks for limits only
    from interchange.model.engine import EngineLimits
    from sidecar.pipelines.base import (
        CancelCheck,
        Engine,
        EngineJob,
        Picture,
        ProgressCallback,
        Sound,
    )

ENGINE: Final = "ltx-probe"
HELD: Final = "ltx-held"
STATE: Final = "LTX_PROBE_STATE"
HOLD_LOADING: Final = "hold-loading"

_HELD_S = 30.0
_LINGER_S = 0.7
_POLL_S = 0.01


def install(folder: Path, *, state: Path) -> dict[str, str]:
    """Write the plug-in's metadata into a folder.

    Args:
        folder: For the metadata.
        state: State folder of the sidecar that is to find it.

    Returns:
        Variables of the environment with which that sidecar finds it.
    """
    metadata = folder / "ltx_probe-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ltx-probe\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        f"[ltxbridge.engines]\n{ENGINE} = support.ltx_probe:PROBE\n"
        f"{HELD} = support.ltx_probe:HELD_PROBE\n"
    )
    tests = Path(__file__).resolve().parents[1]
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(filter(None, (str(folder), str(tests), known)))
    return {"PYTHONPATH": path, STATE: str(state)}


class _Entry:
    def __init__(self, engine: str) -> None:
        self.limits = replace(TINY_LIMITS, engine=engine, summary="Test only: held and starved.")

    def create(self) -> Engine:
        return _probe(self.limits, Path(os.environ[STATE]))


PROBE = _Entry(ENGINE)
HELD_PROBE = _Entry(HELD)


def _probe(limits: EngineLimits, state: Path) -> Engine:
    import torch

    from sidecar.filesystem import FileSystem
    from sidecar.pipelines.base import EngineFolders
    from sidecar.pipelines.ltx23.engine import LtxEngine
    from sidecar.pipelines.ltx23.runtime import Runtime, open_runtime
    from sidecar.pipelines.ltx23.tiny import tiny_checkpoint

    suffering = _Suffering()

    class Starved(Runtime):
        @contextmanager
        def transformer(self, *, forwards: int = 1) -> Iterator[Any]:
            if suffering.starves:
                suffering.starves -= 1
                raise torch.OutOfMemoryError("injected")
            with super().transformer(forwards=forwards) as transformer:
                yield transformer

    def opened(checkpoint: Any, **how: Any) -> Runtime:
        runtime = open_runtime(checkpoint, **how)
        runtime.__class__ = Starved
        return runtime

    class Probe(LtxEngine):
        def load(self, progress: ProgressCallback) -> None:
            super().load(progress)
            give_up = time.monotonic() + _HELD_S
            while limits.engine == HELD and (state / HOLD_LOADING).exists():
                assert time.monotonic() < give_up, "nobody stopped it"
                progress("loading", 7, 8)
                time.sleep(_POLL_S)

        def generate(
            self, job: EngineJob, *, progress: ProgressCallback, cancelled: CancelCheck
        ) -> Iterator[Picture]:
            held = suffering.of(job, progress, cancelled)
            return super().generate(job, progress=held, cancelled=cancelled)

        def generate_sound(
            self, job: EngineJob, *, progress: ProgressCallback, cancelled: CancelCheck
        ) -> Sound | None:
            held = suffering.of(job, progress, cancelled)
            return super().generate_sound(job, progress=held, cancelled=cancelled)

    folders = EngineFolders.below(state)
    return Probe(
        limits,
        folders,
        find_checkpoint=lambda _name: tiny_checkpoint(folders.cache, FileSystem()),
        device="cpu",
        open_model=opened,
    )


class _Suffering:
    """What the present job's prompt asks for."""

    def __init__(self) -> None:
        self.starves = 0
        self._job: EngineJob | None = None

    def of(
        self, job: EngineJob, progress: ProgressCallback, cancelled: CancelCheck
    ) -> ProgressCallback:
        """The progress callback to give the engine; a job that asks for sound first comes twice."""
        words = job.request.prompt.split()
        if job is not self._job:
            self._job = job
            self.starves = int(words[1]) if words[:1] == ["starve"] else 0
        manner, phase = words[:1], " ".join(words[2:])

        def held(now: str, done: int, total: int) -> None:
            progress(now, done, total)
            if manner == ["hold"] and now == phase:
                _wait(cancelled, _HELD_S)
            if manner == ["linger"] and now == phase and done == total:
                _wait(cancelled, _LINGER_S)

        return held


def _wait(cancelled: CancelCheck, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not cancelled() and time.monotonic() < give_up:
        time.sleep(_POLL_S)
