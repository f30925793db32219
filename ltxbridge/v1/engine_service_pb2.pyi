from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EngineLimits(_message.Message):
    __slots__ = ("kinds", "keys", "audio_policies", "starts", "qualities", "context_frames", "max_frame_count", "max_pixel_count", "size_multiple_px", "frame_grid_step", "frame_grid_offset", "deterministic", "seeded_kinds", "presets")
    KINDS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_POLICIES_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    QUALITIES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_PIXEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_MULTIPLE_PX_FIELD_NUMBER: _ClassVar[int]
    FRAME_GRID_STEP_FIELD_NUMBER: _ClassVar[int]
    FRAME_GRID_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    SEEDED_KINDS_FIELD_NUMBER: _ClassVar[int]
    PRESETS_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    keys: _containers.RepeatedScalarFieldContainer[str]
    audio_policies: _containers.RepeatedScalarFieldContainer[str]
    starts: _containers.RepeatedScalarFieldContainer[str]
    qualities: _containers.RepeatedScalarFieldContainer[str]
    context_frames: int
    max_frame_count: int
    max_pixel_count: int
    size_multiple_px: int
    frame_grid_step: int
    frame_grid_offset: int
    deterministic: bool
    seeded_kinds: _containers.RepeatedScalarFieldContainer[str]
    presets: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kinds: _Optional[_Iterable[str]] = ..., keys: _Optional[_Iterable[str]] = ..., audio_policies: _Optional[_Iterable[str]] = ..., starts: _Optional[_Iterable[str]] = ..., qualities: _Optional[_Iterable[str]] = ..., context_frames: _Optional[int] = ..., max_frame_count: _Optional[int] = ..., max_pixel_count: _Optional[int] = ..., size_multiple_px: _Optional[int] = ..., frame_grid_step: _Optional[int] = ..., frame_grid_offset: _Optional[int] = ..., deterministic: _Optional[bool] = ..., seeded_kinds: _Optional[_Iterable[str]] = ..., presets: _Optional[_Iterable[str]] = ...) -> None: ...

class Engine(_message.Message):
    __slots__ = ("name", "version", "summary", "limits", "model_identity", "digital_source_type", "state", "device", "device_memory_bytes", "worker_memory_bytes", "default_engine", "test_only")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Engine.State]
        STATE_IDLE: _ClassVar[Engine.State]
        STATE_LOADING: _ClassVar[Engine.State]
        STATE_READY: _ClassVar[Engine.State]
        STATE_DOWN: _ClassVar[Engine.State]
    STATE_UNSPECIFIED: Engine.State
    STATE_IDLE: Engine.State
    STATE_LOADING: Engine.State
    STATE_READY: Engine.State
    STATE_DOWN: Engine.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MODEL_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    DIGITAL_SOURCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORKER_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_ENGINE_FIELD_NUMBER: _ClassVar[int]
    TEST_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    summary: str
    limits: EngineLimits
    model_identity: str
    digital_source_type: str
    state: Engine.State
    device: str
    device_memory_bytes: int
    worker_memory_bytes: int
    default_engine: bool
    test_only: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., summary: _Optional[str] = ..., limits: _Optional[_Union[EngineLimits, _Mapping]] = ..., model_identity: _Optional[str] = ..., digital_source_type: _Optional[str] = ..., state: _Optional[_Union[Engine.State, str]] = ..., device: _Optional[str] = ..., device_memory_bytes: _Optional[int] = ..., worker_memory_bytes: _Optional[int] = ..., default_engine: _Optional[bool] = ..., test_only: _Optional[bool] = ...) -> None: ...

class ListEnginesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListEnginesResponse(_message.Message):
    __slots__ = ("engines", "sidecar_version", "features")
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    SIDECAR_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    engines: _containers.RepeatedCompositeFieldContainer[Engine]
    sidecar_version: str
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, engines: _Optional[_Iterable[_Union[Engine, _Mapping]]] = ..., sidecar_version: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class GetEngineRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetEngineResponse(_message.Message):
    __slots__ = ("engine",)
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    engine: Engine
    def __init__(self, engine: _Optional[_Union[Engine, _Mapping]] = ...) -> None: ...
