"""The suite every engine must pass, ours and other people's; it needs no test framework.

    @pytest.mark.parametrize("check", conformance_checks(PLUGIN), ids=str)
    def test_my_engine(check):
        check.run()

`PLUGIN` is what the engine's entry point leads to. Each check makes a tiny take from pictures in memory and
raises `AssertionError` with a sentence on the rule the engine broke. See docs/howto/write-an-engine.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise
from typing import Final

import numpy as np

from interchange.errors import StoppedError, UnsupportedError
from interchange.model.directive import AudioPolicy, Edge, JobKind, StartFrom
from interchange.model.engine import EngineLimits
from interchange.model.media import Raster
from sidecar.pipelines.base import Engine, EngineJob, Picture
from sidecar.pipelines.registry import EngineEntry
from sidecar.pipelines.synthetic import synthetic_job, with_seed

_ODD: Final = Raster(51, 33)
_RASTERS: Final = {
    "landscape": Raster(64, 36),
    "portrait": Raster(36, 64),
    "tiny": Raster(16, 16),
}

Rule = Callable[[Engine, EngineJob], None]
_Case = tuple[str, Rule, EngineJob]
_JobOf = Callable[..., EngineJob]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule, ready to run.

    Args:
        name: What is checked; unique within a suite.
        run: Does it; raises AssertionError where the engine breaks the rule.
    """

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name


def conformance_checks(entry: EngineEntry) -> tuple[Check, ...]:
    """List the checks for an engine, in a fixed order; making the list does not create the engine.

    An engine with a frame grid runs a model, so that each take costs seconds: it gets fewer takes of each kind.

    Args:
        entry: What the engine's entry point leads to. The checks share one engine, as jobs share a worker's.
    """
    shared = _SharedEngine(entry)
    checks = [Check("limits of engine and entry agree", partial(_check_limits, entry))]
    for kind in JobKind:
        rules = _rules(entry.limits, kind)
        checks += [
            Check(f"{kind}: {name}", partial(_run, shared, rule, job)) for name, rule, job in rules
        ]
    return tuple(checks)


class _SharedEngine:
    """The engine of one suite, made and loaded for its first check."""

    def __init__(self, entry: EngineEntry) -> None:
        self._entry = entry
        self._loaded: Engine | None = None

    def get(self) -> Engine:
        if self._loaded is None:
            engine = self._entry.create()
            engine.load(_ignore_progress)
            self._loaded = engine
        return self._loaded


def _rules(limits: EngineLimits, kind: JobKind) -> Iterator[_Case]:
    if kind not in limits.kinds:
        able = replace(limits, kinds=limits.kinds | {kind}, keys=limits.keys | {"aspect"})
        yield "not declared, hence refused", _check_refused, synthetic_job(kind, limits=able)
        return
    start_from = StartFrom.FIRST
    if start_from not in limits.start_from and limits.start_from:
        start_from = min(limits.start_from)
    job = partial(synthetic_job, kind, limits=limits, start_from=start_from)
    yield "pictures, odd", _check_pictures, job(raster=_ODD)
    yield "one frame", _check_pictures, job(length=1, raster=Raster(128, 72))
    yield "made handles", _check_pictures, job(handles=(2, 3))
    if limits.frame_grid == (1, 0):
        yield from _cheap_rules(kind, job)
    yield from _own_rules(kind, job)
    yield from _key_rules(limits, kind, job)
    yield "cancelled after the first picture", _check_cancel_midway, job(length=8)
    yield "progress rises to its end", _check_progress, job()
    if limits.deterministic and (limits.frame_grid == (1, 0) or kind is min(limits.kinds)):
        yield "same seed, same pictures", _check_same_seed, job()
    if kind in limits.seeded_kinds:
        yield "other seed, other pictures", _check_other_seed, job()


def _cheap_rules(kind: JobKind, job: _JobOf) -> Iterator[_Case]:
    """What only an engine is asked that makes a take in no time."""
    for name, raster in _RASTERS.items():
        yield f"pictures, {name}", _check_pictures, job(raster=raster)
    yield "many frames", _check_pictures, job(length=23)
    yield "cancelled before the first picture", _check_cancel_at_once, job()
    if kind is not JobKind.GENERATE:
        yield "sources of a single frame", _check_pictures, job(context=(1, 1))
        yield "sources shorter than the context", _check_pictures, job(context=(2, 2))
        yield "black sources", _check_pictures, job(gain=0.0)
        yield "values above 1 and below 0", _check_pictures, job(gain=2.5, offset=-0.5)


def _own_rules(kind: JobKind, job: _JobOf) -> Iterator[_Case]:
    """What belongs to one kind."""
    if kind is JobKind.RETAKE:
        yield "kept handles", _check_pictures, job(handles=(2, 3), keep_handles=True)
        yield "window at the head of the media", _check_pictures, job(context=(0, 5))
        yield "window at the tail of the media", _check_pictures, job(context=(5, 0))
        yield "window is the whole media", _check_pictures, job(context=(0, 0))
    elif kind is JobKind.EXTEND:
        yield "past the head", _check_pictures, job(edge=Edge.HEAD)
    elif kind is JobKind.REFRAME:
        yield "the source's pixels stay", _check_kept_pixels, job()


def _key_rules(limits: EngineLimits, kind: JobKind, job: _JobOf) -> Iterator[_Case]:
    """What belongs to the keys and their values that the engine says it honours."""
    if kind in {JobKind.RETAKE, JobKind.RESTYLE}:
        for key in sorted({"matte", "box"} & limits.keys):
            yield f"{key}=, the rest stays", _check_kept_pixels, job(beside=frozenset({key}))
    if kind is JobKind.GENERATE:
        for key in sorted({"image", "audio_file"} & limits.keys):
            yield f"{key}=", _check_pictures, job(beside=frozenset({key}))
    if kind is JobKind.RETAKE and "context" in limits.keys:
        yield "shots beside it", _check_pictures, job(beside=frozenset({"context"}))
    if kind is JobKind.REGENERATE:
        for start_from in sorted(limits.start_from):
            half = start_from is StartFrom.CLIP and "strength" in limits.keys
            made = job(start_from=start_from, strength=0.5 if half else None)
            yield f"from={start_from}", _check_pictures, made
    if kind in {JobKind.RETAKE, JobKind.REGENERATE, JobKind.EXTEND}:
        for audio in sorted(limits.audio - {AudioPolicy.KEEP}):
            yield f"audio={audio}, sound as long as the pictures", _check_sound, job(audio=audio)


def _run(shared: _SharedEngine, rule: Rule, job: EngineJob) -> None:
    rule(shared.get(), job)


def _check_limits(entry: EngineEntry) -> None:
    engine = entry.create()
    _require(engine.limits == entry.limits, "the engine's limits differ from its entry's")
    _require(bool(engine.model_identity), "model_identity is empty; credentials need it")


def _check_pictures(engine: Engine, job: EngineJob) -> None:
    """Number, shape, type and values of the pictures; none is written to after it was handed over."""
    raster = job.request.raster
    shape = (raster.height_px, raster.width_px, 3)
    given: list[Picture] = []
    kept: list[Picture] = []
    for picture in _generate(engine, job):
        _require(picture.shape == shape, f"a picture is {picture.shape}, not {shape}")
        _require(picture.dtype == np.float32, f"a picture is {picture.dtype}, not float32")
        _require(bool(np.isfinite(picture).all()), "a picture has values that are not finite")
        given.append(picture)
        kept.append(picture.copy())
        _require(len(given) <= job.made_range.length, "there are more pictures than frames")
    count, wanted = len(given), job.made_range.length
    _require(count == wanted, f"{count} pictures were made for {wanted} frames")
    untouched = all(np.array_equal(a, b) for a, b in zip(given, kept, strict=True))
    _require(untouched, "a picture changed after it was handed over")


def _check_kept_pixels(engine: Engine, job: EngineJob) -> None:
    """What is not to be made stays the source's own: all but what a reframe adds, or but the right half.

    Next to what is made there may be a soft edge; a quarter of the picture away from it there is none.
    """
    source, box = job.sources[0], job.sources[0].picture_box
    rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
    if job.request.kind is not JobKind.REFRAME:
        columns = slice(0, job.request.raster.width_px // 4)
    for record_frame, picture in zip(job.made_range.frames, _generate(engine, job), strict=True):
        own = source.picture(record_frame)[rows, columns]
        _require(
            np.array_equal(picture[rows, columns], own),
            f"frame {record_frame} differs from the source where it should have been kept",
        )


def _check_refused(engine: Engine, job: EngineJob) -> None:
    try:
        next(_generate(engine, job), None)
    except UnsupportedError:
        return
    raise AssertionError(f"{job.request.kind} is not declared, but was not refused")


def _check_cancel_at_once(engine: Engine, job: EngineJob) -> None:
    try:
        next(engine.generate(job, progress=_ignore_progress, cancelled=lambda: True), None)
    except StoppedError:
        return
    raise AssertionError("the job was cancelled before it began, yet a picture was made")


def _check_cancel_midway(engine: Engine, job: EngineJob) -> None:
    """A cancel that comes with the first picture takes effect before the third."""
    given = 0
    pictures = engine.generate(job, progress=_ignore_progress, cancelled=lambda: given > 0)
    try:
        for _ in pictures:
            given += 1
            _require(given <= 2, "the job was cancelled, yet pictures went on coming")
    except StoppedError:
        return
    raise AssertionError("the job was cancelled, yet ended as if it had not been")


def _check_progress(engine: Engine, job: EngineJob) -> None:
    steps: list[tuple[str, int, int]] = []

    def note(phase: str, done: int, total: int) -> None:
        steps.append((phase, done, total))

    for _ in engine.generate(job, progress=note, cancelled=_never):
        pass
    _require(bool(steps), "no progress was told")
    for before, after in pairwise(steps):
        same_phase = before[0] == after[0]
        _require(not same_phase or before[1] <= after[1], f"progress fell: {before}, {after}")
        _require(not same_phase or before[2] == after[2], f"the total moved: {before}, {after}")
    phases = [phase for phase, _ in groupby(steps, key=lambda step: step[0])]
    _require(len(phases) == len(set(phases)), f"a phase came back: {phases}")
    _require(all(0 <= done <= total for _, done, total in steps), f"progress past its end: {steps}")
    _require(steps[-1][1] == steps[-1][2], f"progress ended at {steps[-1]}")


def _check_sound(engine: Engine, job: EngineJob) -> None:
    sound = engine.generate_sound(job, progress=_ignore_progress, cancelled=_never)
    if sound is None:
        raise AssertionError("new sound is declared, but none was made")
    wanted = round(job.made_range.duration_seconds * sound.sample_rate_hz)
    count = len(sound.samples)
    _require(abs(count - wanted) <= 1, f"the sound has {count} samples, not {wanted}")


def _check_same_seed(engine: Engine, job: EngineJob) -> None:
    """Also checks that an engine keeps nothing from one job to the next."""
    first = list(_generate(engine, job))
    for _ in _generate(engine, with_seed(job, job.request.seed + 1)):
        pass
    again = list(_generate(engine, job))
    same = all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    _require(same, "the same job with the same seed gave other pictures")


def _check_other_seed(engine: Engine, job: EngineJob) -> None:
    first = list(_generate(engine, job))
    other = list(_generate(engine, with_seed(job, job.request.seed + 1)))
    same = all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    _require(not same, "another seed gave the same pictures")


def _generate(engine: Engine, job: EngineJob) -> Iterator[Picture]:
    return engine.generate(job, progress=_ignore_progress, cancelled=_never)


def _ignore_progress(_phase: str, _done: int, _total: int) -> None:
    return


def _never() -> bool:
    return False


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads like an assert
    if not condition:
        raise AssertionError(message)
