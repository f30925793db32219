"""Engines and their limits."""

from __future__ import annotations

from collections.abc import Iterable

from interchange.model.directive import AudioPolicy, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType, EngineLimits
from interchange.model.job import EngineState, EngineStatus
from ltxbridge.v1 import engine_service_pb2 as pb
from ltxbridge.wire.fields import (
    EnumTable,
    NameTable,
    at_least,
    invalid,
    require,
    sending,
    text,
)
from ltxbridge.wire.names import engine_from_name, engine_name

_STATE = EnumTable(EngineState, pb.Engine.State, prefix="STATE_")
_KINDS = NameTable(JobKind)
_AUDIO = NameTable(AudioPolicy)
_STARTS = NameTable(StartFrom)
_QUALITIES = NameTable(Quality)


def engine_to_proto(status: EngineStatus) -> pb.Engine:
    """Write an engine.

    Raises:
        InvalidInputError: A value does not fit into its field.
    """
    limits = status.limits
    with sending("engine"):
        return pb.Engine(
            name=engine_name(limits.engine),
            version=limits.version,
            summary=limits.summary,
            limits=_limits_to_proto(limits),
            model_identity=status.model_identity,
            digital_source_type=limits.source_type.value,
            state=_STATE.to_proto(status.state),
            device=status.device,
            device_memory_bytes=status.device_memory_bytes,
            worker_memory_bytes=status.worker_memory_bytes,
            default_engine=status.is_default,
            test_only=limits.test_only,
        )


def engine_from_proto(message: pb.Engine, *, at: str = "engine") -> EngineStatus:
    """Read an engine.

    Raises:
        InvalidInputError: A field is missing or cannot be right; `metadata["field"]` names it.
    """
    require(message, "limits", at=at)
    return EngineStatus(
        limits=_limits_from_proto(message, at=at),
        model_identity=text(message.model_identity, at=f"{at}.model_identity"),
        state=_STATE.from_proto(message.state, at=f"{at}.state"),
        device=text(message.device, at=f"{at}.device"),
        device_memory_bytes=at_least(
            message.device_memory_bytes, 0, at=f"{at}.device_memory_bytes"
        ),
        worker_memory_bytes=at_least(
            message.worker_memory_bytes, 0, at=f"{at}.worker_memory_bytes"
        ),
        is_default=message.default_engine,
    )


def engines_from_proto(
    messages: Iterable[pb.Engine], *, at: str = "engines"
) -> tuple[EngineStatus, ...]:
    """Read a list of engines. One whose frames are of a kind that this version cannot name is left out.

    Raises:
        InvalidInputError: A field is missing or cannot be right.
    """
    known = {member.value for member in DigitalSourceType}
    return tuple(
        engine_from_proto(message, at=f"{at}[{index}]")
        for index, message in enumerate(messages)
        if message.digital_source_type in known
    )


def _limits_to_proto(limits: EngineLimits) -> pb.EngineLimits:
    return pb.EngineLimits(
        kinds=_KINDS.to_proto(limits.kinds),
        keys=sorted(limits.keys),
        audio_policies=_AUDIO.to_proto(limits.audio),
        starts=_STARTS.to_proto(limits.start_from),
        qualities=_QUALITIES.to_proto(limits.qualities),
        context_frames=limits.context_frames,
        max_frame_count=limits.max_frames,
        max_pixel_count=limits.max_pixels,
        size_multiple_px=limits.size_multiple_px,
        frame_grid_step=limits.frame_grid[0],
        frame_grid_offset=limits.frame_grid[1],
        deterministic=limits.deterministic,
        seeded_kinds=_KINDS.to_proto(limits.seeded_kinds),
        presets=sorted(limits.presets),
    )


def _limits_from_proto(engine: pb.Engine, *, at: str) -> EngineLimits:
    message, inner = engine.limits, f"{at}.limits"
    try:
        source_type = DigitalSourceType(engine.digital_source_type)
    except ValueError as error:
        raise invalid(
            f"{at}.digital_source_type", f"has the unknown value {engine.digital_source_type!r}"
        ) from error
    return EngineLimits(
        engine=engine_from_name(engine.name, at=f"{at}.name"),
        version=text(engine.version, at=f"{at}.version"),
        summary=text(engine.summary, at=f"{at}.summary"),
        kinds=_KINDS.from_proto(message.kinds),
        keys=frozenset(message.keys),
        audio=_AUDIO.from_proto(message.audio_policies),
        start_from=_STARTS.from_proto(message.starts),
        qualities=_QUALITIES.from_proto(message.qualities),
        context_frames=at_least(message.context_frames, 0, at=f"{inner}.context_frames"),
        max_frames=at_least(message.max_frame_count, 1, at=f"{inner}.max_frame_count"),
        max_pixels=at_least(message.max_pixel_count, 1, at=f"{inner}.max_pixel_count"),
        size_multiple_px=at_least(message.size_multiple_px, 1, at=f"{inner}.size_multiple_px"),
        frame_grid=(
            at_least(message.frame_grid_step, 1, at=f"{inner}.frame_grid_step"),
            at_least(message.frame_grid_offset, 0, at=f"{inner}.frame_grid_offset"),
        ),
        deterministic=message.deterministic,
        seeded_kinds=_KINDS.from_proto(message.seeded_kinds),
        presets=frozenset(message.presets),
        test_only=engine.test_only,
        source_type=source_type,
    )
