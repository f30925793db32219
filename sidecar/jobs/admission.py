"""What a request must pass before it becomes a job: names, ranges, paths, engine, codec, geometry, disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from interchange.errors import (
    ExhaustedError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
)
from interchange.model.caller import Caller
from interchange.model.engine import EngineLimits, PlannedGeometry
from interchange.model.request import (
    LONGEST_PROMPT,
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    JobSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from sidecar.filesystem import FileSystem
from sidecar.jobs.work import check_shot_name
from sidecar.lifecycle.quota import Quota, expected_bytes
from sidecar.media.delivery import refuse_unfit

_COPIES_WHILE_SIGNING = 2

PlanGeometry = Callable[[GenerationRequest, EngineLimits], PlannedGeometry]


class Paths(Protocol):
    """Which paths are ours to touch; `sidecar.media.paths.PathPolicy`."""

    def source(self, path_text: str) -> Path:
        """Resolve a path that will be read, after mapping; refuse one outside the roots."""
        ...

    def output_directory(self, path_text: str) -> Path:
        """Resolve a folder that will be written, after mapping; refuse one outside the roots."""
        ...


class Places(Protocol):
    """What the paths in a request mean; `sidecar.transfers.places.Places`, or a `PathPolicy` for everybody."""

    def seen_by(self, caller: Caller) -> Paths:
        """The paths one caller may name."""
        ...


@dataclass(frozen=True, slots=True)
class Admission:
    """The gate in front of the queue.

    Args:
        places: What the paths in a request mean.
        limits: What each engine can do, by name.
        plan: `interchange.geometry.plan_geometry`.
        quota: How much disk everything may take.
    """

    places: Places
    limits: Mapping[str, EngineLimits]
    plan: PlanGeometry
    quota: Quota = field(default_factory=Quota)

    def admit(
        self, request: GenerationRequest, *, caller: Caller
    ) -> tuple[GenerationRequest, PlannedGeometry]:
        """Check a request as a client sent it.

        Returns:
            The request with every path resolved, and what was planned for it.

        Raises:
            InvalidInputError: A name or range cannot be right.
            NotAllowedError: A path is outside the roots.
            NotFoundError: No such media or engine.
            UnsupportedError: The engine cannot do it, or the codec cannot hold it.
            ExhaustedError: The take would pass the disk quota.
        """
        limits = self.limits.get(request.engine)
        if limits is None:
            raise NotFoundError(
                f"There is no engine {request.engine[:64]!r}. Use one of {', '.join(self.limits)}.",
                reason=Reason.ENGINE_NOT_FOUND,
                metadata={"engine": request.engine[:64]},
            )
        _check_values(request)
        refuse_unfit(request.raster, request.colour, request.output.codec)
        self.quota.check(expected_bytes(request))
        resolved = _resolved(request, self.places.seen_by(caller))
        return resolved, self.plan(resolved, limits)


def _resolved(request: GenerationRequest, paths: Paths) -> GenerationRequest:
    directory = paths.output_directory(request.output.directory)
    return replace(
        request,
        spec=_resolved_spec(request.spec, paths),
        references=tuple(_resolved_span(span, paths) for span in request.references),
        output=replace(request.output, directory=str(directory)),
    )


def _resolved_span(span: SourceSpan, paths: Paths) -> SourceSpan:
    return replace(span, path=str(paths.source(span.path)))


def _resolved_spec(spec: JobSpec, paths: Paths) -> JobSpec:
    def span(named: SourceSpan) -> SourceSpan:
        return _resolved_span(named, paths)

    def path(named: str | None) -> str | None:
        return None if named is None else str(paths.source(named))

    match spec:
        case RetakeSpec() | RestyleSpec():
            return replace(spec, source=span(spec.source), matte=path(spec.matte))
        case RegenerateSpec() | ExtendSpec() | ReframeSpec():
            return replace(spec, source=span(spec.source))
        case BridgeSpec():
            return replace(spec, outgoing=span(spec.outgoing), incoming=span(spec.incoming))
        case GenerateSpec():
            return replace(spec, image=path(spec.image), audio_file=path(spec.audio_file))


def check_places(request: GenerationRequest) -> None:
    """Check just before work starts that an admitted request's paths still lead where they led.

    Raises:
        NotFoundError: A source is gone.
        NotAllowedError: Somebody put a link on the way, so that another file would be opened.
    """
    for path in (*map(Path, request.files_read), Path(request.output.directory)):
        if path.resolve() != path:
            raise NotAllowedError(
                f"{path} leads somewhere else than when the job was made. Run it again.",
                reason=Reason.PATH_OUTSIDE_ROOTS,
                metadata={"path": str(path)},
            )
    for text in request.files_read:
        if not Path(text).is_file():
            raise NotFoundError(
                f"{text} is not there any more. Bring it back or relink the clip, then run it again.",
                reason=Reason.MEDIA_NOT_FOUND,
                metadata={"path": text},
            )


def check_disk(request: GenerationRequest, *, filesystem: FileSystem) -> None:
    """Refuse a job that would certainly fill the disk.

    Raises:
        ExhaustedError: Less is free than the take and its signed copy will need, roughly.
    """
    needed = expected_bytes(request) * _COPIES_WHILE_SIGNING
    folder = Path(request.output.directory)
    free = filesystem.free_bytes(folder)
    if free < needed:
        raise ExhaustedError(
            f"The disk with {folder} has {free >> 20} MB free, but the take may need {needed >> 20} MB. "
            "Free some space or choose another folder with --out.",
            reason=Reason.DISK_FULL,
            metadata={"path": str(folder), "free_bytes": str(free), "needed_bytes": str(needed)},
        )


def _check_values(request: GenerationRequest) -> None:
    check_shot_name(request.shot)
    if request.record_range.length < 1:
        raise InvalidInputError(
            "The range to make has no frames. Mark at least one.", reason=Reason.RANGE_INVALID
        )
    if request.head_handle_frames < 0 or request.tail_handle_frames < 0:
        raise InvalidInputError("Handles cannot be shorter than no frames at all.")
    if request.raster.width_px < 1 or request.raster.height_px < 1:
        raise InvalidInputError(f"{request.raster} is not a picture size.")
    spans = (*request.sources, *request.references)
    ranges = [request.record_range, *(span.record_range for span in spans)]
    if any(record_range.rate != request.frame_rate for record_range in ranges):
        raise InvalidInputError(
            f"Every record range must count at the sequence's {request.frame_rate} frames a second.",
            reason=Reason.RANGE_INVALID,
        )
    if any(span.record_range.length < 1 for span in spans):
        raise InvalidInputError(
            "A source has no frames to read. Give the clip at least one.",
            reason=Reason.RANGE_INVALID,
        )
    if max(len(request.prompt), len(request.negative_prompt)) > LONGEST_PROMPT:
        raise InvalidInputError(f"A prompt may have up to {LONGEST_PROMPT} characters; shorten it.")
