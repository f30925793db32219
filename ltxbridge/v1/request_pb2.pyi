from ltxbridge.v1 import time_pb2 as _time_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AudioPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_POLICY_UNSPECIFIED: _ClassVar[AudioPolicy]
    AUDIO_POLICY_KEEP: _ClassVar[AudioPolicy]
    AUDIO_POLICY_NEW: _ClassVar[AudioPolicy]
    AUDIO_POLICY_ONLY: _ClassVar[AudioPolicy]

class Edge(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EDGE_UNSPECIFIED: _ClassVar[Edge]
    EDGE_HEAD: _ClassVar[Edge]
    EDGE_TAIL: _ClassVar[Edge]

class StartFrom(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    START_FROM_UNSPECIFIED: _ClassVar[StartFrom]
    START_FROM_FIRST: _ClassVar[StartFrom]
    START_FROM_CLIP: _ClassVar[StartFrom]
    START_FROM_TEXT: _ClassVar[StartFrom]

class Quality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUALITY_UNSPECIFIED: _ClassVar[Quality]
    QUALITY_DRAFT: _ClassVar[Quality]
    QUALITY_FINAL: _ClassVar[Quality]

class Codec(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODEC_UNSPECIFIED: _ClassVar[Codec]
    CODEC_PRORES_422_HQ: _ClassVar[Codec]
    CODEC_PRORES_4444: _ClassVar[Codec]
    CODEC_DNXHR_HQX: _ClassVar[Codec]
    CODEC_H264: _ClassVar[Codec]
AUDIO_POLICY_UNSPECIFIED: AudioPolicy
AUDIO_POLICY_KEEP: AudioPolicy
AUDIO_POLICY_NEW: AudioPolicy
AUDIO_POLICY_ONLY: AudioPolicy
EDGE_UNSPECIFIED: Edge
EDGE_HEAD: Edge
EDGE_TAIL: Edge
START_FROM_UNSPECIFIED: StartFrom
START_FROM_FIRST: StartFrom
START_FROM_CLIP: StartFrom
START_FROM_TEXT: StartFrom
QUALITY_UNSPECIFIED: Quality
QUALITY_DRAFT: Quality
QUALITY_FINAL: Quality
CODEC_UNSPECIFIED: Codec
CODEC_PRORES_422_HQ: Codec
CODEC_PRORES_4444: Codec
CODEC_DNXHR_HQX: Codec
CODEC_H264: Codec

class Raster(_message.Message):
    __slots__ = ("width_px", "height_px", "pixel_aspect")
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    PIXEL_ASPECT_FIELD_NUMBER: _ClassVar[int]
    width_px: int
    height_px: int
    pixel_aspect: _time_pb2.Rational
    def __init__(self, width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., pixel_aspect: _Optional[_Union[_time_pb2.Rational, _Mapping]] = ...) -> None: ...

class ColourTags(_message.Message):
    __slots__ = ("primaries", "transfer", "matrix", "full_range")
    PRIMARIES_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    FULL_RANGE_FIELD_NUMBER: _ClassVar[int]
    primaries: int
    transfer: int
    matrix: int
    full_range: bool
    def __init__(self, primaries: _Optional[int] = ..., transfer: _Optional[int] = ..., matrix: _Optional[int] = ..., full_range: _Optional[bool] = ...) -> None: ...

class SourceSpan(_message.Message):
    __slots__ = ("path", "media_rate", "record_range", "first_frame", "step", "colour", "size_bytes", "modified_ns")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MEDIA_RATE_FIELD_NUMBER: _ClassVar[int]
    RECORD_RANGE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FRAME_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_NS_FIELD_NUMBER: _ClassVar[int]
    path: str
    media_rate: _time_pb2.FrameRate
    record_range: _time_pb2.TimeRange
    first_frame: _time_pb2.Rational
    step: _time_pb2.Rational
    colour: ColourTags
    size_bytes: int
    modified_ns: int
    def __init__(self, path: _Optional[str] = ..., media_rate: _Optional[_Union[_time_pb2.FrameRate, _Mapping]] = ..., record_range: _Optional[_Union[_time_pb2.TimeRange, _Mapping]] = ..., first_frame: _Optional[_Union[_time_pb2.Rational, _Mapping]] = ..., step: _Optional[_Union[_time_pb2.Rational, _Mapping]] = ..., colour: _Optional[_Union[ColourTags, _Mapping]] = ..., size_bytes: _Optional[int] = ..., modified_ns: _Optional[int] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("x_px", "y_px", "width_px", "height_px")
    X_PX_FIELD_NUMBER: _ClassVar[int]
    Y_PX_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    x_px: int
    y_px: int
    width_px: int
    height_px: int
    def __init__(self, x_px: _Optional[int] = ..., y_px: _Optional[int] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ...) -> None: ...

class RetakeSpec(_message.Message):
    __slots__ = ("source", "audio", "matte_path", "box")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    MATTE_PATH_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    source: SourceSpan
    audio: AudioPolicy
    matte_path: str
    box: Box
    def __init__(self, source: _Optional[_Union[SourceSpan, _Mapping]] = ..., audio: _Optional[_Union[AudioPolicy, str]] = ..., matte_path: _Optional[str] = ..., box: _Optional[_Union[Box, _Mapping]] = ...) -> None: ...

class RegenerateSpec(_message.Message):
    __slots__ = ("source", "audio", "start", "strength")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    source: SourceSpan
    audio: AudioPolicy
    start: StartFrom
    strength: float
    def __init__(self, source: _Optional[_Union[SourceSpan, _Mapping]] = ..., audio: _Optional[_Union[AudioPolicy, str]] = ..., start: _Optional[_Union[StartFrom, str]] = ..., strength: _Optional[float] = ...) -> None: ...

class BridgeSpec(_message.Message):
    __slots__ = ("outgoing", "incoming", "cut_frame")
    OUTGOING_FIELD_NUMBER: _ClassVar[int]
    INCOMING_FIELD_NUMBER: _ClassVar[int]
    CUT_FRAME_FIELD_NUMBER: _ClassVar[int]
    outgoing: SourceSpan
    incoming: SourceSpan
    cut_frame: int
    def __init__(self, outgoing: _Optional[_Union[SourceSpan, _Mapping]] = ..., incoming: _Optional[_Union[SourceSpan, _Mapping]] = ..., cut_frame: _Optional[int] = ...) -> None: ...

class ExtendSpec(_message.Message):
    __slots__ = ("source", "edge", "audio")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EDGE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    source: SourceSpan
    edge: Edge
    audio: AudioPolicy
    def __init__(self, source: _Optional[_Union[SourceSpan, _Mapping]] = ..., edge: _Optional[_Union[Edge, str]] = ..., audio: _Optional[_Union[AudioPolicy, str]] = ...) -> None: ...

class GenerateSpec(_message.Message):
    __slots__ = ("image_path", "audio_path")
    IMAGE_PATH_FIELD_NUMBER: _ClassVar[int]
    AUDIO_PATH_FIELD_NUMBER: _ClassVar[int]
    image_path: str
    audio_path: str
    def __init__(self, image_path: _Optional[str] = ..., audio_path: _Optional[str] = ...) -> None: ...

class RestyleSpec(_message.Message):
    __slots__ = ("source", "matte_path", "box")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MATTE_PATH_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    source: SourceSpan
    matte_path: str
    box: Box
    def __init__(self, source: _Optional[_Union[SourceSpan, _Mapping]] = ..., matte_path: _Optional[str] = ..., box: _Optional[_Union[Box, _Mapping]] = ...) -> None: ...

class Aspect(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class ReframeSpec(_message.Message):
    __slots__ = ("source", "aspect")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ASPECT_FIELD_NUMBER: _ClassVar[int]
    source: SourceSpan
    aspect: Aspect
    def __init__(self, source: _Optional[_Union[SourceSpan, _Mapping]] = ..., aspect: _Optional[_Union[Aspect, _Mapping]] = ...) -> None: ...

class OutputSpec(_message.Message):
    __slots__ = ("directory", "codec", "slate_disabled")
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    SLATE_DISABLED_FIELD_NUMBER: _ClassVar[int]
    directory: str
    codec: Codec
    slate_disabled: bool
    def __init__(self, directory: _Optional[str] = ..., codec: _Optional[_Union[Codec, str]] = ..., slate_disabled: _Optional[bool] = ...) -> None: ...

class GenerationRequest(_message.Message):
    __slots__ = ("shot", "sequence_name", "record_range", "head_handle_frames", "tail_handle_frames", "keep_handles", "raster", "colour", "timecode_start_frame", "drop_frame", "reel", "engine", "seed", "output", "prompt", "negative_prompt", "preset", "quality", "references", "retake", "regenerate", "bridge", "extend", "generate", "restyle", "reframe")
    SHOT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_NAME_FIELD_NUMBER: _ClassVar[int]
    RECORD_RANGE_FIELD_NUMBER: _ClassVar[int]
    HEAD_HANDLE_FRAMES_FIELD_NUMBER: _ClassVar[int]
    TAIL_HANDLE_FRAMES_FIELD_NUMBER: _ClassVar[int]
    KEEP_HANDLES_FIELD_NUMBER: _ClassVar[int]
    RASTER_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    TIMECODE_START_FRAME_FIELD_NUMBER: _ClassVar[int]
    DROP_FRAME_FIELD_NUMBER: _ClassVar[int]
    REEL_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    RETAKE_FIELD_NUMBER: _ClassVar[int]
    REGENERATE_FIELD_NUMBER: _ClassVar[int]
    BRIDGE_FIELD_NUMBER: _ClassVar[int]
    EXTEND_FIELD_NUMBER: _ClassVar[int]
    GENERATE_FIELD_NUMBER: _ClassVar[int]
    RESTYLE_FIELD_NUMBER: _ClassVar[int]
    REFRAME_FIELD_NUMBER: _ClassVar[int]
    shot: str
    sequence_name: str
    record_range: _time_pb2.TimeRange
    head_handle_frames: int
    tail_handle_frames: int
    keep_handles: bool
    raster: Raster
    colour: ColourTags
    timecode_start_frame: int
    drop_frame: bool
    reel: str
    engine: str
    seed: int
    output: OutputSpec
    prompt: str
    negative_prompt: str
    preset: str
    quality: Quality
    references: _containers.RepeatedCompositeFieldContainer[SourceSpan]
    retake: RetakeSpec
    regenerate: RegenerateSpec
    bridge: BridgeSpec
    extend: ExtendSpec
    generate: GenerateSpec
    restyle: RestyleSpec
    reframe: ReframeSpec
    def __init__(self, shot: _Optional[str] = ..., sequence_name: _Optional[str] = ..., record_range: _Optional[_Union[_time_pb2.TimeRange, _Mapping]] = ..., head_handle_frames: _Optional[int] = ..., tail_handle_frames: _Optional[int] = ..., keep_handles: _Optional[bool] = ..., raster: _Optional[_Union[Raster, _Mapping]] = ..., colour: _Optional[_Union[ColourTags, _Mapping]] = ..., timecode_start_frame: _Optional[int] = ..., drop_frame: _Optional[bool] = ..., reel: _Optional[str] = ..., engine: _Optional[str] = ..., seed: _Optional[int] = ..., output: _Optional[_Union[OutputSpec, _Mapping]] = ..., prompt: _Optional[str] = ..., negative_prompt: _Optional[str] = ..., preset: _Optional[str] = ..., quality: _Optional[_Union[Quality, str]] = ..., references: _Optional[_Iterable[_Union[SourceSpan, _Mapping]]] = ..., retake: _Optional[_Union[RetakeSpec, _Mapping]] = ..., regenerate: _Optional[_Union[RegenerateSpec, _Mapping]] = ..., bridge: _Optional[_Union[BridgeSpec, _Mapping]] = ..., extend: _Optional[_Union[ExtendSpec, _Mapping]] = ..., generate: _Optional[_Union[GenerateSpec, _Mapping]] = ..., restyle: _Optional[_Union[RestyleSpec, _Mapping]] = ..., reframe: _Optional[_Union[ReframeSpec, _Mapping]] = ...) -> None: ...
