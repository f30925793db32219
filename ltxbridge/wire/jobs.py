"""Jobs, their progress and their takes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from interchange.errors import InvalidInputError
from interchange.model.caller import LOCAL
from interchange.model.engine import PlannedGeometry
from interchange.model.job import LONGEST_PREVIEW_BYTES, Job, JobState, Progress
from interchange.model.request import Codec
from interchange.model.take import Take
from ltxbridge.v1 import generation_service_pb2 as pb
from ltxbridge.wire.errors import error_from_status, error_to_status
from ltxbridge.wire.fields import (
    EnumTable,
    at_least,
    content,
    invalid,
    require,
    sending,
    share,
    text,
)
from ltxbridge.wire.names import job_id_from_name, job_name
from ltxbridge.wire.requests import CODEC, request_from_proto, request_to_proto
from ltxbridge.wire.values import (
    range_from_proto,
    range_to_proto,
    raster_from_proto,
    raster_to_proto,
)

_STATE = EnumTable(JobState, pb.Job.State, prefix="STATE_")


def states_to_proto(states: Iterable[JobState]) -> list[pb.Job.State]:
    """Write a filter of states."""
    return [_STATE.to_proto(state) for state in sorted(set(states))]


def states_from_proto(numbers: Iterable[int], *, at: str = "states") -> frozenset[JobState]:
    """Read a filter of states; empty means all.

    Raises:
        InvalidInputError: An unknown state.
    """
    return frozenset(_STATE.from_proto(number, at=at) for number in numbers)


def job_to_proto(job: Job) -> pb.Job:
    """Write a job.

    Raises:
        InvalidInputError: A value does not fit into its field.
    """
    with sending("job"):
        return pb.Job(
            name=job_name(job.job_id),
            request_id=job.request_id,
            state=_STATE.to_proto(job.state),
            revision=job.revision,
            priority=job.priority,
            request=request_to_proto(job.request),
            geometry=_geometry_to_proto(job.geometry),
            progress=pb.Progress(
                phase=job.progress.phase,
                done_count=job.progress.done,
                total_count=job.progress.total,
                fraction=job.progress.fraction,
                preview=job.progress.preview,
            ),
            take=None if job.take is None else _take_to_proto(job.take),
            error=None if job.error is None else error_to_status(job.error),
            attempt_count=job.attempts,
            create_time=_time_to_proto(job.created),
            start_time=_time_to_proto(job.started),
            end_time=_time_to_proto(job.ended),
            owner=job.owner,
            retry_time=_time_to_proto(job.retry_at),
        )


def job_from_proto(message: pb.Job, *, at: str = "job") -> Job:
    """Read a job.

    Raises:
        InvalidInputError: A field is missing or cannot be right; `metadata["field"]` names it.
    """
    for name in ("request", "geometry", "progress"):
        require(message, name, at=at)
    return Job(
        job_id=job_id_from_name(message.name, at=f"{at}.name") if message.name else "",
        request_id=message.request_id,
        state=_STATE.from_proto(message.state, at=f"{at}.state"),
        revision=at_least(message.revision, 0, at=f"{at}.revision"),
        priority=message.priority,
        request=request_from_proto(message.request, at=f"{at}.request"),
        geometry=_geometry_from_proto(message.geometry, at=f"{at}.geometry"),
        progress=_progress_from_proto(message.progress, at=f"{at}.progress"),
        take=_take_from_proto(message.take, at=f"{at}.take") if message.HasField("take") else None,
        error=error_from_status(message.error) if message.HasField("error") else None,
        attempts=at_least(message.attempt_count, 0, at=f"{at}.attempt_count"),
        created=_time_from_proto(message, "create_time", at=at),
        started=_time_from_proto(message, "start_time", at=at),
        ended=_time_from_proto(message, "end_time", at=at),
        owner=message.owner or LOCAL,  # not said by sidecars that serve one machine only
        retry_at=_time_from_proto(message, "retry_time", at=at),
    )


def _geometry_to_proto(geometry: PlannedGeometry) -> pb.PlannedGeometry:
    return pb.PlannedGeometry(
        deliver_range=range_to_proto(geometry.deliver_range),
        generate_range=range_to_proto(geometry.generate_range),
        deliver_raster=raster_to_proto(geometry.deliver_raster),
        generate_raster=raster_to_proto(geometry.generate_raster),
        notes=geometry.notes,
    )


def _geometry_from_proto(message: pb.PlannedGeometry, *, at: str) -> PlannedGeometry:
    for name in ("deliver_range", "generate_range", "deliver_raster", "generate_raster"):
        require(message, name, at=at)
    return PlannedGeometry(
        deliver_range=range_from_proto(message.deliver_range, at=f"{at}.deliver_range"),
        generate_range=range_from_proto(message.generate_range, at=f"{at}.generate_range"),
        deliver_raster=raster_from_proto(message.deliver_raster, at=f"{at}.deliver_raster"),
        generate_raster=raster_from_proto(message.generate_raster, at=f"{at}.generate_raster"),
        notes=tuple(message.notes),
    )


def _progress_from_proto(message: pb.Progress, *, at: str) -> Progress:
    return Progress(
        phase=text(message.phase, at=f"{at}.phase", required=True),
        done=at_least(message.done_count, 0, at=f"{at}.done_count"),
        total=at_least(message.total_count, 0, at=f"{at}.total_count"),
        fraction=share(message.fraction, at=f"{at}.fraction"),
        preview=content(message.preview, at=f"{at}.preview", longest=LONGEST_PREVIEW_BYTES),
    )


def _take_to_proto(take: Take) -> pb.Take:
    return pb.Take(
        path=take.path,
        manifest_path=take.manifest_path,
        sha256=take.sha256,
        size_bytes=take.size_bytes,
        record_range=range_to_proto(take.record_range),
        media_range=range_to_proto(take.media_range),
        head_handle_frames=take.head_handle_frames,
        drop_frame=take.drop_frame,
        raster=raster_to_proto(take.raster),
        codec=CODEC.to_proto(Codec(take.codec)),
        reel=take.reel,
        audio_channels=take.audio_channels,
        audio_sample_rate_hz=take.audio_sample_rate_hz,
        engine=take.engine,
        engine_version=take.engine_version,
        model_identity=take.model_identity,
        seed=take.seed,
        notes=take.notes,
    )


def _take_from_proto(message: pb.Take, *, at: str) -> Take:
    for name in ("record_range", "media_range", "raster"):
        require(message, name, at=at)
    if message.codec == 0:
        raise invalid(f"{at}.codec", "is missing")
    return Take(
        path=text(message.path, at=f"{at}.path", required=True),
        manifest_path=text(message.manifest_path, at=f"{at}.manifest_path"),
        sha256=text(message.sha256, at=f"{at}.sha256"),
        size_bytes=at_least(message.size_bytes, 0, at=f"{at}.size_bytes"),
        record_range=range_from_proto(message.record_range, at=f"{at}.record_range"),
        media_range=range_from_proto(message.media_range, at=f"{at}.media_range"),
        head_handle_frames=at_least(message.head_handle_frames, 0, at=f"{at}.head_handle_frames"),
        drop_frame=message.drop_frame,
        raster=raster_from_proto(message.raster, at=f"{at}.raster"),
        codec=CODEC.from_proto(message.codec, at=f"{at}.codec").value,
        reel=text(message.reel, at=f"{at}.reel"),
        audio_channels=at_least(message.audio_channels, 0, at=f"{at}.audio_channels"),
        audio_sample_rate_hz=at_least(
            message.audio_sample_rate_hz, 0, at=f"{at}.audio_sample_rate_hz"
        ),
        engine=text(message.engine, at=f"{at}.engine"),
        engine_version=text(message.engine_version, at=f"{at}.engine_version"),
        model_identity=text(message.model_identity, at=f"{at}.model_identity"),
        seed=message.seed,
        notes=tuple(message.notes),
    )


def _time_to_proto(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InvalidInputError(f"A job's time must say its time zone: {moment.isoformat()}.")
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _time_from_proto(message: pb.Job, name: str, *, at: str) -> datetime | None:
    if not message.HasField(name):
        return None
    stamp: Timestamp = getattr(message, name)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise invalid(f"{at}.{name}", "is not a moment in time") from error
