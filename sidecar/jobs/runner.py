"""The stages of a job and their order; nothing else knows it. Runs in the worker.

sources checked -> opened -> engine -> encoded -> read back -> signed -> verified -> draft. Publishing is the
server's, after this process has let go of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from interchange.errors import (
    BridgeError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    Reason,
    StoppedError,
)
from interchange.model.job import Progress
from interchange.model.request import GenerationRequest, SourceSpan
from interchange.model.take import Take
from interchange.timebase import TimeRange
from sidecar.credentials.facts import SoundOrigin
from sidecar.filesystem import FileSystem
from sidecar.jobs.meter import GENERATED, Meter
from sidecar.jobs.sound import file_sound, made_sound, sound_origin
from sidecar.jobs.work import TakeDraft, WorkOrder
from sidecar.media.frames import NativeFrame, TakeFrame
from sidecar.pipelines.base import (
    CancelCheck,
    Engine,
    EngineJob,
    Picture,
    Sound,
    SourcePictures,
    remarks_of,
)

# Where each phase after the frames ends, as a share of the whole job.
_CHECKED = 0.94
_SIGNED = 0.98


class OpenSpan(SourcePictures, Protocol):
    """A source span while it is open; `sidecar.media.span.SpanReader`."""

    def native(self, record_frame: int) -> NativeFrame:
        """The source's own frame at a record frame, nothing converted."""
        ...


class OpenInputs(Protocol):
    """What a request names beside its spans, while it is open; `sidecar.media.inputs.OpenInputs`."""

    @property
    def image(self) -> Picture | None:
        """See `EngineJob.image`."""
        ...

    @property
    def sound(self) -> Sound | None:
        """See `EngineJob.sound`."""
        ...

    @property
    def matte(self) -> SourcePictures | None:
        """See `EngineJob.matte`."""
        ...


class OpenTake(Protocol):
    """A take's file while it is written; `sidecar.media.encode.TakeWriter`."""

    def write(self, frame: TakeFrame) -> None:
        """Append one picture."""
        ...

    def write_sound(self, sound: Sound) -> None:
        """Append sound."""
        ...


class Sign(Protocol):
    """Writes the signed take and its manifest; `sidecar.credentials.sign.sign_take`."""

    def __call__(
        self,
        unsigned: Path,
        *,
        signed: Path,
        manifest: Path,
        order: WorkOrder,
        engine: Engine,
        digests: Mapping[str, str],
        sound: SoundOrigin,
    ) -> tuple[str, ...]:
        """Sign.

        Args:
            unsigned: The encoded take; only read.
            signed: The signed copy to write.
            manifest: The manifest to write beside it.
            order: What was asked.
            engine: Who made it.
            digests: SHA-256 of each file that was read, by its path in the request.
            sound: What the take lets be heard.

        Returns:
            What the user should know about the sources' own credentials.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """The rooms a job passes through, as functions, so that tests can put others in their place.

    Args:
        open_span: Opens a source or a reference for a request.
        open_inputs: Opens the other files that a request names.
        open_take: Creates the unsigned file; (channels, samples a second) of its sound or None.
        check_take: Reads a finished file back and raises where it is not what was asked.
        sign: Writes the signed copy and its manifest.
        verify: Reads the credentials back and raises where they do not hold.
        digest: SHA-256 of a source.
        encode_preview: Makes a JPEG of what an engine shows.
        filesystem: Where work files are.
    """

    open_span: Callable[[SourceSpan, GenerationRequest], AbstractContextManager[OpenSpan]]
    open_inputs: Callable[[GenerationRequest], AbstractContextManager[OpenInputs]]
    open_take: Callable[
        [Path, GenerationRequest, tuple[int, int] | None], AbstractContextManager[OpenTake]
    ]
    check_take: Callable[[Path, GenerationRequest, tuple[int, int] | None], None]
    sign: Sign
    verify: Callable[[Path], None]
    digest: Callable[[Path], str]
    encode_preview: Callable[[NDArray[np.uint8]], bytes]
    filesystem: FileSystem

    def run(
        self,
        order: WorkOrder,
        *,
        engine: Engine,
        report: Callable[[Progress], None],
        cancelled: CancelCheck,
    ) -> TakeDraft:
        """`run_stages` with these stages."""
        return run_stages(order, stages=self, engine=engine, report=report, cancelled=cancelled)


def run_stages(
    order: WorkOrder,
    *,
    stages: Stages,
    engine: Engine,
    report: Callable[[Progress], None],
    cancelled: CancelCheck,
) -> TakeDraft:
    """Make, check, sign and verify a take under its work name.

    Args:
        order: What to make.
        stages: The rooms.
        engine: Loaded.
        report: Told how far it is.
        cancelled: Polled between frames.

    Returns:
        The draft, ready to be published. On any error nothing of it is left behind.

    Raises:
        StoppedError: `cancelled()` turned true.
        InvalidInputError: A source changed since it was planned, or the finished file is not right.
        BridgeError: Whatever a stage raises.
    """
    request, filesystem = order.request, stages.filesystem
    unsigned, signed, manifest = order.part("unsigned"), order.part("mov"), order.part("c2pa")
    try:
        report(Progress("decoding"))
        before = _states(request)
        digests = {path: stages.digest(Path(path)) for path in before}
        filesystem.make_folder(order.folder)
        sound, origin = _encode(
            order, unsigned, stages=stages, engine=engine, report=report, cancelled=cancelled
        )
        _check_unchanged(request, before)
        report(Progress("encoding", 1, 1, GENERATED))
        stages.check_take(unsigned, request, sound)
        _stop_if(cancelled)
        report(Progress("signing", 0, 1, _CHECKED))
        notes = stages.sign(
            unsigned,
            signed=signed,
            manifest=manifest,
            order=order,
            engine=engine,
            digests=digests,
            sound=origin,
        )
        stages.verify(signed)
        filesystem.unlink(unsigned)
        draft = _draft(order, engine=engine, sound=sound, notes=notes, filesystem=filesystem)
    except BaseException:
        for part in (unsigned, signed, manifest):
            with suppress(BridgeError):  # the server sweeps what is left
                filesystem.unlink(part, missing_ok=True)
        raise
    report(Progress("signing", 1, 1, _SIGNED))
    return draft


def _encode(
    order: WorkOrder,
    path: Path,
    *,
    stages: Stages,
    engine: Engine,
    report: Callable[[Progress], None],
    cancelled: CancelCheck,
) -> tuple[tuple[int, int] | None, SoundOrigin]:
    request = order.request
    meter = Meter(report, total=request.file_range.length, encode_preview=stages.encode_preview)
    with ExitStack() as opened:
        spans, references = (
            tuple(opened.enter_context(stages.open_span(span, request)) for span in named)
            for named in (request.sources, request.references)
        )
        inputs = opened.enter_context(stages.open_inputs(request))
        job = EngineJob(
            request,
            order.geometry,
            spans,
            references=references,
            image=inputs.image,
            sound=inputs.sound,
            matte=inputs.matte,
            slate_lines=_slate_lines(order, engine),
            preview=meter.preview,
        )
        made = made_sound(job, engine, progress=meter.engine, cancelled=cancelled)
        sound = None if made is None else file_sound(made, request, spans)
        shape = None if sound is None else (sound.samples.shape[1], sound.sample_rate_hz)
        writer = opened.enter_context(stages.open_take(path, request, shape))
        if request.keeps_pictures:
            frames: Iterator[TakeFrame] = map(spans[0].native, request.file_range.frames)
        else:
            pictures = engine.generate(job, progress=meter.engine, cancelled=cancelled)
            frames = _frames(request, spans, pictures)
        for frame in frames:
            _stop_if(cancelled)
            writer.write(frame)
            meter.frame()
        if sound is not None:
            writer.write_sound(sound)
    return shape, sound_origin(made, inputs.sound)


def _frames(
    request: GenerationRequest, spans: tuple[OpenSpan, ...], pictures: Iterator[TakeFrame]
) -> Iterator[TakeFrame]:
    """The file's frames in order: kept handles are the sources' own, the rest the engine's."""
    kept = request.keep_handles and bool(spans)
    made = request.record_range if kept else request.file_range
    head = TimeRange(request.file_range.start, made.start, made.rate)
    tail = TimeRange(made.end, request.file_range.end, made.rate)
    # Nearly all work is done before an engine's first picture. It is asked for before any frame is in the file:
    # from then on progress is counted in frames.
    first = list(islice(pictures, 1))
    for record_frame in head.frames:
        yield spans[0].native(record_frame)
    count = 0
    for picture in chain(first, pictures):
        count += 1
        if count > made.length:
            break
        yield picture
    if count != made.length:
        raise InternalError(
            f"The {request.engine} engine made {count if count < made.length else 'too many'} frames "
            f"where {made.length} were asked for. Please report it."
        )
    for record_frame in tail.frames:
        yield spans[-1].native(record_frame)


def _stop_if(cancelled: CancelCheck) -> None:
    if cancelled():
        raise StoppedError("Stopped.")


def _slate_lines(order: WorkOrder, engine: Engine) -> tuple[str, ...]:
    request = order.request
    if not request.output.slate:
        return ()
    return (
        order.take_name,
        f"{request.kind.value} {request.record_range.length} frames",
        f"{engine.limits.engine} {engine.limits.version}",
        f"seed {request.seed}",
    )


def _states(request: GenerationRequest) -> dict[str, tuple[int, int]]:
    """Size and time of every file the job reads, the shots' being those that were planned with."""
    states = {path: _state(path) for path in request.files_read}
    for span in (*request.sources, *request.references):
        if states[span.path] != (span.size_bytes, span.modified_ns):
            raise _changed(span.path)
    return states


def _state(path: str) -> tuple[int, int]:
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise NotFoundError(
            f"{path} is not there any more. Bring it back and run it again.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": path},
        ) from error
    return facts.st_size, facts.st_mtime_ns


def _check_unchanged(request: GenerationRequest, before: Mapping[str, tuple[int, int]]) -> None:
    for path, state in _states(request).items():
        if state != before[path]:
            raise _changed(path)


def _changed(path: str) -> InvalidInputError:
    return InvalidInputError(
        f"{path} was changed after the take was planned. Run it again.",
        reason=Reason.MEDIA_CHANGED,
        metadata={"path": path},
    )


def _draft(
    order: WorkOrder,
    *,
    engine: Engine,
    sound: tuple[int, int] | None,
    notes: tuple[str, ...],
    filesystem: FileSystem,
) -> TakeDraft:
    request, signed, manifest = order.request, order.part("mov"), order.part("c2pa")
    channels, sample_rate_hz = sound or (0, 0)
    take = Take(
        path=str(order.media),
        manifest_path=str(order.manifest),
        sha256=filesystem.sha256(signed),
        size_bytes=signed.stat().st_size,
        record_range=request.record_range,
        media_range=request.media_range,
        head_handle_frames=request.head_handle_frames,
        drop_frame=request.drop_frame,
        raster=request.raster,
        codec=request.output.codec.value,
        reel=request.reel,
        audio_channels=channels,
        audio_sample_rate_hz=sample_rate_hz,
        engine=engine.limits.engine,
        engine_version=engine.limits.version,
        model_identity=engine.model_identity,
        seed=request.seed,
        notes=(*order.geometry.notes, *remarks_of(engine), *notes),
    )
    return TakeDraft(str(signed), str(manifest), filesystem.sha256(manifest), take)
