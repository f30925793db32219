import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from ltxbridge.v1 import request_pb2 as _request_pb2
from ltxbridge.v1 import time_pb2 as _time_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PixelLayout(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIXEL_LAYOUT_UNSPECIFIED: _ClassVar[PixelLayout]
    PIXEL_LAYOUT_RGBA16: _ClassVar[PixelLayout]
    PIXEL_LAYOUT_RGBA8: _ClassVar[PixelLayout]
PIXEL_LAYOUT_UNSPECIFIED: PixelLayout
PIXEL_LAYOUT_RGBA16: PixelLayout
PIXEL_LAYOUT_RGBA8: PixelLayout

class PlannedGeometry(_message.Message):
    __slots__ = ("deliver_range", "generate_range", "deliver_raster", "generate_raster", "notes")
    DELIVER_RANGE_FIELD_NUMBER: _ClassVar[int]
    GENERATE_RANGE_FIELD_NUMBER: _ClassVar[int]
    DELIVER_RASTER_FIELD_NUMBER: _ClassVar[int]
    GENERATE_RASTER_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    deliver_range: _time_pb2.TimeRange
    generate_range: _time_pb2.TimeRange
    deliver_raster: _request_pb2.Raster
    generate_raster: _request_pb2.Raster
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, deliver_range: _Optional[_Union[_time_pb2.TimeRange, _Mapping]] = ..., generate_range: _Optional[_Union[_time_pb2.TimeRange, _Mapping]] = ..., deliver_raster: _Optional[_Union[_request_pb2.Raster, _Mapping]] = ..., generate_raster: _Optional[_Union[_request_pb2.Raster, _Mapping]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("phase", "done_count", "total_count", "fraction", "preview")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DONE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    phase: str
    done_count: int
    total_count: int
    fraction: float
    preview: bytes
    def __init__(self, phase: _Optional[str] = ..., done_count: _Optional[int] = ..., total_count: _Optional[int] = ..., fraction: _Optional[float] = ..., preview: _Optional[bytes] = ...) -> None: ...

class Take(_message.Message):
    __slots__ = ("path", "manifest_path", "sha256", "size_bytes", "record_range", "media_range", "head_handle_frames", "drop_frame", "raster", "codec", "reel", "audio_channels", "audio_sample_rate_hz", "engine", "engine_version", "model_identity", "seed", "notes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_PATH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECORD_RANGE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_RANGE_FIELD_NUMBER: _ClassVar[int]
    HEAD_HANDLE_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DROP_FRAME_FIELD_NUMBER: _ClassVar[int]
    RASTER_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    REEL_FIELD_NUMBER: _ClassVar[int]
    AUDIO_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    path: str
    manifest_path: str
    sha256: str
    size_bytes: int
    record_range: _time_pb2.TimeRange
    media_range: _time_pb2.TimeRange
    head_handle_frames: int
    drop_frame: bool
    raster: _request_pb2.Raster
    codec: _request_pb2.Codec
    reel: str
    audio_channels: int
    audio_sample_rate_hz: int
    engine: str
    engine_version: str
    model_identity: str
    seed: int
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, path: _Optional[str] = ..., manifest_path: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., record_range: _Optional[_Union[_time_pb2.TimeRange, _Mapping]] = ..., media_range: _Optional[_Union[_time_pb2.TimeRange, _Mapping]] = ..., head_handle_frames: _Optional[int] = ..., drop_frame: _Optional[bool] = ..., raster: _Optional[_Union[_request_pb2.Raster, _Mapping]] = ..., codec: _Optional[_Union[_request_pb2.Codec, str]] = ..., reel: _Optional[str] = ..., audio_channels: _Optional[int] = ..., audio_sample_rate_hz: _Optional[int] = ..., engine: _Optional[str] = ..., engine_version: _Optional[str] = ..., model_identity: _Optional[str] = ..., seed: _Optional[int] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("name", "request_id", "state", "revision", "priority", "request", "geometry", "progress", "take", "error", "attempt_count", "create_time", "start_time", "end_time", "owner", "retry_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Job.State]
        STATE_QUEUED: _ClassVar[Job.State]
        STATE_RUNNING: _ClassVar[Job.State]
        STATE_CANCELLING: _ClassVar[Job.State]
        STATE_SUCCEEDED: _ClassVar[Job.State]
        STATE_FAILED: _ClassVar[Job.State]
        STATE_CANCELLED: _ClassVar[Job.State]
    STATE_UNSPECIFIED: Job.State
    STATE_QUEUED: Job.State
    STATE_RUNNING: Job.State
    STATE_CANCELLING: Job.State
    STATE_SUCCEEDED: Job.State
    STATE_FAILED: Job.State
    STATE_CANCELLED: Job.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TAKE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    state: Job.State
    revision: int
    priority: int
    request: _request_pb2.GenerationRequest
    geometry: PlannedGeometry
    progress: Progress
    take: Take
    error: _status_pb2.Status
    attempt_count: int
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    owner: str
    retry_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., state: _Optional[_Union[Job.State, str]] = ..., revision: _Optional[int] = ..., priority: _Optional[int] = ..., request: _Optional[_Union[_request_pb2.GenerationRequest, _Mapping]] = ..., geometry: _Optional[_Union[PlannedGeometry, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., take: _Optional[_Union[Take, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., attempt_count: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., owner: _Optional[str] = ..., retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateJobRequest(_message.Message):
    __slots__ = ("request_id", "request", "validate_only", "priority")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    request: _request_pb2.GenerationRequest
    validate_only: bool
    priority: int
    def __init__(self, request_id: _Optional[str] = ..., request: _Optional[_Union[_request_pb2.GenerationRequest, _Mapping]] = ..., validate_only: _Optional[bool] = ..., priority: _Optional[int] = ...) -> None: ...

class CreateJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "states")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    states: _containers.RepeatedScalarFieldContainer[Job.State]
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., states: _Optional[_Iterable[_Union[Job.State, str]]] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("name", "after_revision", "replay")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    name: str
    after_revision: int
    replay: bool
    def __init__(self, name: _Optional[str] = ..., after_revision: _Optional[int] = ..., replay: _Optional[bool] = ...) -> None: ...

class WatchJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class WatchJobsRequest(_message.Message):
    __slots__ = ("after_sequence",)
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    def __init__(self, after_sequence: _Optional[int] = ...) -> None: ...

class WatchJobsResponse(_message.Message):
    __slots__ = ("sequence", "job")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    job: Job
    def __init__(self, sequence: _Optional[int] = ..., job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class DeleteJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteJobResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchFramesRequest(_message.Message):
    __slots__ = ("name", "record_range", "layout")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORD_RANGE_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    name: str
    record_range: _time_pb2.TimeRange
    layout: PixelLayout
    def __init__(self, name: _Optional[str] = ..., record_range: _Optional[_Union[_time_pb2.TimeRange, _Mapping]] = ..., layout: _Optional[_Union[PixelLayout, str]] = ...) -> None: ...

class FetchFramesResponse(_message.Message):
    __slots__ = ("record_frame", "raster", "layout", "offset_bytes", "frame_size_bytes", "pixels")
    RECORD_FRAME_FIELD_NUMBER: _ClassVar[int]
    RASTER_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    FRAME_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    record_frame: int
    raster: _request_pb2.Raster
    layout: PixelLayout
    offset_bytes: int
    frame_size_bytes: int
    pixels: bytes
    def __init__(self, record_frame: _Optional[int] = ..., raster: _Optional[_Union[_request_pb2.Raster, _Mapping]] = ..., layout: _Optional[_Union[PixelLayout, str]] = ..., offset_bytes: _Optional[int] = ..., frame_size_bytes: _Optional[int] = ..., pixels: _Optional[bytes] = ...) -> None: ...
