"""Generation requests."""

from __future__ import annotations

import re

from interchange.errors import InvalidInputError, Reason
from interchange.model.directive import AudioPolicy, Edge, Quality, StartFrom
from interchange.model.request import (
    LONGEST_PROMPT,
    MOST_REFERENCES,
    BridgeSpec,
    Codec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    JobSpec,
    OutputSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.timebase import FrameRate
from ltxbridge.v1 import request_pb2
from ltxbridge.wire.fields import EnumTable, at_least, invalid, require, sending, share, text
from ltxbridge.wire.values import (
    aspect_from_proto,
    aspect_to_proto,
    box_from_proto,
    box_to_proto,
    colour_from_proto,
    colour_to_proto,
    filled_range_from_proto,
    fraction_from_proto,
    fraction_to_proto,
    range_to_proto,
    raster_from_proto,
    raster_to_proto,
    rate_from_proto,
    rate_to_proto,
)

# A shot becomes a file name on Linux, macOS and Windows alike.
_SAFE_SHOT = re.compile(r'[^\x00-\x1f\x7f/\\:*?"<>|]{1,160}')

_AUDIO = EnumTable(
    AudioPolicy, request_pb2.AudioPolicy, prefix="AUDIO_POLICY_", default=AudioPolicy.KEEP
)
_EDGE = EnumTable(Edge, request_pb2.Edge, prefix="EDGE_", default=Edge.TAIL)
_START = EnumTable(StartFrom, request_pb2.StartFrom, prefix="START_FROM_", default=StartFrom.FIRST)
_QUALITY = EnumTable(Quality, request_pb2.Quality, prefix="QUALITY_", default=Quality.FINAL)
CODEC = EnumTable(Codec, request_pb2.Codec, prefix="CODEC_", default=Codec.PRORES_422_HQ)


def request_to_proto(request: GenerationRequest) -> request_pb2.GenerationRequest:
    """Write a request.

    Raises:
        InvalidInputError: A value does not fit into its field, or the ranges contradict the rate.
    """
    if request.record_range.rate != request.frame_rate:
        raise InvalidInputError(
            f"The take is planned at {request.frame_rate}, but its range counts at "
            f"{request.record_range.rate}.",
            reason=Reason.RANGE_INVALID,
        )
    with sending("request"):
        message = request_pb2.GenerationRequest(
            shot=request.shot,
            sequence_name=request.sequence_name,
            record_range=range_to_proto(request.record_range),
            head_handle_frames=request.head_handle_frames,
            tail_handle_frames=request.tail_handle_frames,
            keep_handles=request.keep_handles,
            raster=raster_to_proto(request.raster),
            colour=colour_to_proto(request.colour),
            timecode_start_frame=request.start_frame,
            drop_frame=request.drop_frame,
            reel=request.reel,
            engine=request.engine,
            seed=request.seed,
            output=request_pb2.OutputSpec(
                directory=request.output.directory,
                codec=CODEC.to_proto(request.output.codec),
                slate_disabled=not request.output.slate,
            ),
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            preset=request.preset,
            quality=_QUALITY.to_proto(request.quality),
            references=[_span_to_proto(span) for span in request.references],
        )
        _write_spec(request.spec, message)
    return message


def request_from_proto(
    message: request_pb2.GenerationRequest, *, at: str = "request"
) -> GenerationRequest:
    """Read a request.

    Args:
        message: As received.
        at: Path of the message, for complaints.

    Raises:
        InvalidInputError: A field is missing or cannot be right; `metadata["field"]` names it.
    """
    for name in ("record_range", "raster", "colour", "output"):
        require(message, name, at=at)
    record_range = filled_range_from_proto(message.record_range, at=f"{at}.record_range")
    rate = record_range.rate
    if message.drop_frame and not rate.drop_frame_capable:
        raise invalid(f"{at}.drop_frame", f"is set, but {rate} has no drop-frame timecode")
    return GenerationRequest(
        shot=_shot(message.shot, at=f"{at}.shot"),
        sequence_name=text(message.sequence_name, at=f"{at}.sequence_name"),
        frame_rate=rate,
        record_range=record_range,
        head_handle_frames=at_least(message.head_handle_frames, 0, at=f"{at}.head_handle_frames"),
        tail_handle_frames=at_least(message.tail_handle_frames, 0, at=f"{at}.tail_handle_frames"),
        keep_handles=message.keep_handles,
        raster=raster_from_proto(message.raster, at=f"{at}.raster"),
        colour=colour_from_proto(message.colour, at=f"{at}.colour"),
        start_frame=at_least(message.timecode_start_frame, 0, at=f"{at}.timecode_start_frame"),
        drop_frame=message.drop_frame,
        reel=text(message.reel, at=f"{at}.reel"),
        spec=_read_spec(message, rate, at=at),
        engine=text(message.engine, at=f"{at}.engine", longest=64),
        seed=message.seed,
        output=OutputSpec(
            directory=text(message.output.directory, at=f"{at}.output.directory", required=True),
            codec=CODEC.from_proto(message.output.codec, at=f"{at}.output.codec"),
            slate=not message.output.slate_disabled,
        ),
        prompt=text(message.prompt, at=f"{at}.prompt", longest=LONGEST_PROMPT),
        negative_prompt=text(
            message.negative_prompt, at=f"{at}.negative_prompt", longest=LONGEST_PROMPT
        ),
        preset=text(message.preset, at=f"{at}.preset"),
        quality=_QUALITY.from_proto(message.quality, at=f"{at}.quality"),
        references=_read_references(message, rate, at=f"{at}.references"),
    )


def _shot(name: str, *, at: str) -> str:
    if _SAFE_SHOT.fullmatch(name) is None or name.startswith((".", " ")):
        raise invalid(at, f"is {name[:80]!r}, which is not safe as a file name")
    return name


def _write_spec(spec: JobSpec, message: request_pb2.GenerationRequest) -> None:
    match spec:
        case RetakeSpec():
            message.retake.CopyFrom(
                request_pb2.RetakeSpec(
                    source=_span_to_proto(spec.source),
                    audio=_AUDIO.to_proto(spec.audio),
                    matte_path=spec.matte or "",
                    box=None if spec.box is None else box_to_proto(spec.box),
                )
            )
        case RegenerateSpec():
            message.regenerate.CopyFrom(
                request_pb2.RegenerateSpec(
                    source=_span_to_proto(spec.source),
                    audio=_AUDIO.to_proto(spec.audio),
                    start=_START.to_proto(spec.start_from),
                    strength=spec.strength,
                )
            )
        case BridgeSpec():
            message.bridge.CopyFrom(
                request_pb2.BridgeSpec(
                    outgoing=_span_to_proto(spec.outgoing),
                    incoming=_span_to_proto(spec.incoming),
                    cut_frame=spec.cut,
                )
            )
        case ExtendSpec():
            message.extend.CopyFrom(
                request_pb2.ExtendSpec(
                    source=_span_to_proto(spec.source),
                    edge=_EDGE.to_proto(spec.edge),
                    audio=_AUDIO.to_proto(spec.audio),
                )
            )
        case GenerateSpec():
            message.generate.CopyFrom(
                request_pb2.GenerateSpec(
                    image_path=spec.image or "", audio_path=spec.audio_file or ""
                )
            )
        case RestyleSpec():
            message.restyle.CopyFrom(
                request_pb2.RestyleSpec(
                    source=_span_to_proto(spec.source),
                    matte_path=spec.matte or "",
                    box=None if spec.box is None else box_to_proto(spec.box),
                )
            )
        case ReframeSpec():
            message.reframe.CopyFrom(
                request_pb2.ReframeSpec(
                    source=_span_to_proto(spec.source), aspect=aspect_to_proto(spec.aspect)
                )
            )


def _read_spec(message: request_pb2.GenerationRequest, rate: FrameRate, *, at: str) -> JobSpec:
    match message.WhichOneof("spec"):
        case "retake":
            return _read_retake(message.retake, rate, at=f"{at}.retake")
        case "regenerate":
            return _read_regenerate(message.regenerate, rate, at=f"{at}.regenerate")
        case "bridge":
            bridge = message.bridge
            return BridgeSpec(
                outgoing=_read_span(bridge, "outgoing", rate, at=f"{at}.bridge"),
                incoming=_read_span(bridge, "incoming", rate, at=f"{at}.bridge"),
                cut=bridge.cut_frame,
            )
        case "extend":
            extend = message.extend
            return ExtendSpec(
                source=_read_span(extend, "source", rate, at=f"{at}.extend"),
                edge=_EDGE.from_proto(extend.edge, at=f"{at}.extend.edge"),
                audio=_AUDIO.from_proto(extend.audio, at=f"{at}.extend.audio"),
            )
        case "generate":
            generate = message.generate
            return GenerateSpec(
                image=text(generate.image_path, at=f"{at}.generate.image_path") or None,
                audio_file=text(generate.audio_path, at=f"{at}.generate.audio_path") or None,
            )
        case "restyle":
            return _read_restyle(message.restyle, rate, at=f"{at}.restyle")
        case "reframe":
            return _read_reframe(message.reframe, rate, at=f"{at}.reframe")
        case _:
            raise invalid(f"{at}.spec", "is missing: no job kind was named")


def _read_retake(message: request_pb2.RetakeSpec, rate: FrameRate, *, at: str) -> RetakeSpec:
    return RetakeSpec(
        source=_read_span(message, "source", rate, at=at),
        audio=_AUDIO.from_proto(message.audio, at=f"{at}.audio"),
        matte=text(message.matte_path, at=f"{at}.matte_path") or None,
        box=box_from_proto(message.box, at=f"{at}.box") if message.HasField("box") else None,
    )


def _read_regenerate(
    message: request_pb2.RegenerateSpec, rate: FrameRate, *, at: str
) -> RegenerateSpec:
    strength = share(message.strength, at=f"{at}.strength")
    return RegenerateSpec(
        source=_read_span(message, "source", rate, at=at),
        audio=_AUDIO.from_proto(message.audio, at=f"{at}.audio"),
        start_from=_START.from_proto(message.start, at=f"{at}.start"),
        strength=strength if message.HasField("strength") else None,
    )


def _read_restyle(message: request_pb2.RestyleSpec, rate: FrameRate, *, at: str) -> RestyleSpec:
    return RestyleSpec(
        source=_read_span(message, "source", rate, at=at),
        matte=text(message.matte_path, at=f"{at}.matte_path") or None,
        box=box_from_proto(message.box, at=f"{at}.box") if message.HasField("box") else None,
    )


def _read_reframe(message: request_pb2.ReframeSpec, rate: FrameRate, *, at: str) -> ReframeSpec:
    require(message, "aspect", at=at)
    return ReframeSpec(
        source=_read_span(message, "source", rate, at=at),
        aspect=aspect_from_proto(message.aspect, at=f"{at}.aspect"),
    )


def _read_references(
    message: request_pb2.GenerationRequest, rate: FrameRate, *, at: str
) -> tuple[SourceSpan, ...]:
    if len(message.references) > MOST_REFERENCES:
        raise invalid(
            at, f"names {len(message.references)} shots; at most {MOST_REFERENCES} are taken"
        )
    return tuple(
        _span_from_proto(span, rate, at=f"{at}[{index}]")
        for index, span in enumerate(message.references)
    )


def _span_to_proto(span: SourceSpan) -> request_pb2.SourceSpan:
    return request_pb2.SourceSpan(
        path=span.path,
        media_rate=rate_to_proto(span.media_rate),
        record_range=range_to_proto(span.record_range),
        first_frame=fraction_to_proto(span.first_frame),
        step=fraction_to_proto(span.step),
        colour=colour_to_proto(span.colour),
        size_bytes=span.size_bytes,
        modified_ns=span.modified_ns,
    )


def _read_span(
    spec: request_pb2.RetakeSpec
    | request_pb2.RegenerateSpec
    | request_pb2.BridgeSpec
    | request_pb2.ExtendSpec
    | request_pb2.RestyleSpec
    | request_pb2.ReframeSpec,
    name: str,
    rate: FrameRate,
    *,
    at: str,
) -> SourceSpan:
    require(spec, name, at=at)
    return _span_from_proto(getattr(spec, name), rate, at=f"{at}.{name}")


def _span_from_proto(message: request_pb2.SourceSpan, rate: FrameRate, *, at: str) -> SourceSpan:
    for field in ("media_rate", "record_range", "first_frame", "step", "colour"):
        require(message, field, at=at)
    record_range = filled_range_from_proto(message.record_range, at=f"{at}.record_range")
    if record_range.rate != rate:
        raise invalid(
            f"{at}.record_range.rate",
            f"is {record_range.rate}, but the take runs at {rate}",
            reason=Reason.RANGE_INVALID,
        )
    return SourceSpan(
        path=text(message.path, at=f"{at}.path", required=True),
        media_rate=rate_from_proto(message.media_rate, at=f"{at}.media_rate"),
        record_range=record_range,
        first_frame=fraction_from_proto(message.first_frame, at=f"{at}.first_frame"),
        step=fraction_from_proto(message.step, at=f"{at}.step"),
        colour=colour_from_proto(message.colour, at=f"{at}.colour"),
        size_bytes=at_least(message.size_bytes, 0, at=f"{at}.size_bytes"),
        modified_ns=message.modified_ns,
    )
