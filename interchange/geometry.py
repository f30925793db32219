"""What an engine will really make for a request, or why it cannot: frame grid, padding, limits. Pure.

The planner calls this before anything starts, and the sidecar again on what it is sent, so that both say the
same in the same words.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.engine import DigitalSourceType, EngineLimits, PlannedGeometry
from interchange.model.media import ColourTags, Raster
from interchange.model.request import (
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
)
from interchange.timebase import TimeRange, format_timecode
from interchange.window import generate_range

Engines = Mapping[str, EngineLimits]
"""Limits of every engine there is, by name."""


def plan_geometry(
    request: GenerationRequest, limits: EngineLimits, *, engines: Engines | None = None
) -> PlannedGeometry:
    """Work out frames and picture size that an engine makes for a request.

    Args:
        request: What is wanted; ranges in record frames.
        limits: Of the engine that shall do it.
        engines: The other engines, to name one that could where this one cannot.

    Returns:
        Ranges in record frames; `generate_range` covers every frame the engine must fill. Kept handles are
        not among them.

    Raises:
        UnsupportedError: `ENGINE_LIMIT`; the message names the engine, what it lacks and what would do.
            `MEDIA_UNSUPPORTED` for a still in an HDR take.
        InvalidInputError: `DIRECTIVE_INVALID` for a preset that the engine does not have, `RANGE_INVALID` for a
            box outside the picture.
    """
    others = engines or {}
    _check_abilities(request, limits, others)
    _check_box(request)
    _check_still(request)
    made, generated = request.made_range, generate_range(request, limits)
    padded = _padded_raster(request.raster, limits.size_multiple_px)
    _check_frames(request, limits, others, frames=generated.length)
    _check_pixels(request, limits, others, raster=padded)
    notes = []
    if generated != made:
        notes.append(_superset_note(request, limits, made=made, generated=generated))
    if padded != request.raster:
        notes.append(
            f"{limits.engine} works at {padded}; the padding is cropped back to {request.raster}."
        )
    if unfamiliar := _unfamiliar_colour(request.colour, limits):
        notes.append(
            f"{limits.engine} learned from SDR pictures of BT.709, and this is {unfamiliar}: its code values go in and "
            "come out as they are. Check highlights and saturation of the take against the shot."
        )
    if not limits.deterministic:
        notes.append(
            f"{limits.engine} cannot promise the same frames twice: with the same seed a take may differ a "
            "little from run to run."
        )
    return PlannedGeometry(
        deliver_range=request.file_range,
        generate_range=generated,
        deliver_raster=request.raster,
        generate_raster=padded,
        notes=tuple(notes),
    )


def _unfamiliar_colour(colour: ColourTags, limits: EngineLimits) -> str:
    """The name of a colour space that no trained engine has seen; empty for the usual ones, and for algorithms."""
    if limits.source_type is not DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA:
        return ""
    gamut = {9: "BT.2020", 11: "P3", 12: "P3"}.get(colour.primaries, "")
    curve = {16: "PQ", 18: "HLG"}.get(colour.transfer, "")
    return " ".join(name for name in (gamut, curve) if name)


def _superset_note(
    request: GenerationRequest, limits: EngineLimits, *, made: TimeRange, generated: TimeRange
) -> str:
    def written(frames: TimeRange) -> str:
        start, end = (
            format_timecode(frame, frames.rate, drop_frame=request.drop_frame)
            for frame in (frames.start, frames.end)
        )
        return f"{start} - {end}"

    extra = generated.length - made.length
    side = "before" if generated.start < made.start else "after"
    return (
        f"{limits.engine} makes {generated.length} frames ({written(generated)}) to fill {made.length} "
        f"({written(made)}); the {extra} extra {side} them {'is' if extra == 1 else 'are'} not delivered."
    )


def refusal(
    limits: EngineLimits,
    lacks: str,
    *,
    serves: Callable[[EngineLimits], bool],
    engines: Engines,
    otherwise: str,
    metadata: Mapping[str, str] | None = None,
) -> UnsupportedError:
    """Say that an engine cannot do something, and which one can.

    Args:
        limits: Of the engine asked.
        lacks: What it cannot do, as the predicate of a sentence: `cannot bridge`.
        serves: Whether another engine could.
        engines: The engines there are.
        otherwise: What to do without another engine, as a sentence.
        metadata: Machine-readable facts to go with it.
    """
    able = sorted(
        name
        for name, other in engines.items()
        if name != limits.engine and not other.test_only and serves(other)
    )
    advice = f" Or write engine={' or engine='.join(able)}, which can." if able else ""
    return UnsupportedError(
        f"Engine {limits.engine} {lacks}. {otherwise}{advice}",
        reason=Reason.ENGINE_LIMIT,
        metadata={"engine": limits.engine, **(metadata or {})},
    )


def _check_abilities(request: GenerationRequest, limits: EngineLimits, engines: Engines) -> None:
    kind, spec, quality = request.kind, request.spec, request.quality

    def able(engine: EngineLimits) -> bool:
        return kind in engine.kinds

    if not able(limits):
        can = ", ".join(sorted(limits.kinds)) or "nothing"
        raise refusal(
            limits, f"cannot {kind}; it can {can}", serves=able, engines=engines,
            otherwise="Ask for one of these, or take the mark out.",
        )  # fmt: skip
    if quality not in limits.qualities:
        raise refusal(
            limits, f"has no {quality} quality", engines=engines,
            serves=lambda engine: able(engine) and quality in engine.qualities,
            otherwise="Leave quality= out.",
        )  # fmt: skip
    if isinstance(spec, RetakeSpec | RegenerateSpec | ExtendSpec):
        audio = spec.audio
        if audio not in limits.audio:
            raise refusal(
                limits, f"cannot do audio={audio}", engines=engines,
                serves=lambda engine: able(engine) and audio in engine.audio,
                otherwise="Leave audio= out to keep the sound.",
            )  # fmt: skip
    if isinstance(spec, RegenerateSpec):
        start = spec.start_from
        if start not in limits.start_from:
            can = ", ".join(f"from={way}" for way in sorted(limits.start_from))
            raise refusal(
                limits, f"cannot regenerate from={start}; it can do {can}", engines=engines,
                serves=lambda engine: able(engine) and start in engine.start_from,
                otherwise="Leave from= out.",
            )  # fmt: skip
    check_keys(_keys_in_use(request), limits=limits, engines=engines)
    _check_preset(request.preset, limits)


def _check_preset(preset: str, limits: EngineLimits) -> None:
    known = sorted(limits.presets)
    if not preset or not known or preset in limits.presets:
        return
    near = difflib.get_close_matches(preset, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(known)}."
    raise InvalidInputError(
        f"Engine {limits.engine} has no preset {preset[:64]!r}. {hint}",
        reason=Reason.DIRECTIVE_INVALID,
        metadata={"engine": limits.engine, "presets": ", ".join(known)},
    )


def check_keys(keys: frozenset[str], *, limits: EngineLimits, engines: Engines) -> None:
    """Refuse directive keys that an engine would silently ignore.

    Args:
        keys: Names as in the marker convention.
        limits: Of the engine asked.
        engines: The engines there are.

    Raises:
        UnsupportedError: `ENGINE_LIMIT`.
    """
    missing = sorted(keys - limits.keys)
    if missing:
        written = ", ".join(f"{key}=" for key in missing)
        raise refusal(
            limits, f"does nothing with {written}", engines=engines,
            serves=lambda engine: keys <= engine.keys, otherwise=f"Leave {written} out.",
        )  # fmt: skip


def _keys_in_use(request: GenerationRequest) -> frozenset[str]:
    """Keys a request cannot be met without; those with limits of their own are checked by value."""
    given: dict[str, object] = {
        "prompt": request.prompt,
        "negative": request.negative_prompt,
        "preset": request.preset,
        "context": request.references,
    }
    match request.spec:
        case RetakeSpec(matte=matte, box=box) | RestyleSpec(matte=matte, box=box):
            given |= {"matte": matte, "box": box}
        case RegenerateSpec(strength=strength):
            given |= {"strength": strength is not None}
        case GenerateSpec(image=image, audio_file=audio_file):
            given |= {"image": image, "audio_file": audio_file}
        case ReframeSpec(aspect=aspect):
            given |= {"aspect": aspect}
    return frozenset(key for key, value in given.items() if value)


def _check_box(request: GenerationRequest) -> None:
    spec, raster = request.spec, request.raster
    box = spec.box if isinstance(spec, RetakeSpec | RestyleSpec) else None
    if box and not (
        0 <= box.x < box.x + box.width <= raster.width_px
        and 0 <= box.y < box.y + box.height <= raster.height_px
    ):
        raise InvalidInputError(
            f"box={box.x},{box.y},{box.width},{box.height} reaches out of the picture of {raster}. "
            "Make it smaller.",
            reason=Reason.RANGE_INVALID,
        )


def _check_still(request: GenerationRequest) -> None:
    match request.spec:
        case GenerateSpec(image=str() as image) if request.colour.high_dynamic_range:
            raise UnsupportedError(
                f"{image} is a still for an SDR screen, but the take is HDR (H.273 transfer "
                f"{request.colour.transfer}); how bright it should be is a grading decision. Leave image= out, or "
                "generate in an SDR sequence and grade the take.",
                reason=Reason.MEDIA_UNSUPPORTED,
                metadata={"path": image},
            )


def _check_frames(
    request: GenerationRequest, limits: EngineLimits, engines: Engines, *, frames: int
) -> None:
    if frames <= limits.max_frames:
        return
    made, step = request.made_range, limits.frame_grid[0]
    most = max(0, limits.max_frames - (limits.max_frames - frames) % step)
    handles = made.length - request.record_range.length
    with_handles = f" with its {handles} handle frames" if handles else ""
    raise refusal(
        limits,
        f"makes at most {most} frames in one go, and this {request.kind} needs {made.length}{with_handles}",
        serves=lambda engine: (
            request.kind in engine.kinds
            and generate_range(request, engine).length <= engine.max_frames
        ),
        engines=engines,
        otherwise=f"Shorten it by {made.length - most} frames.",
        metadata={"max_frames": str(limits.max_frames), "frames": str(frames)},
    )


def _check_pixels(
    request: GenerationRequest, limits: EngineLimits, engines: Engines, *, raster: Raster
) -> None:
    pixels = raster.width_px * raster.height_px
    if pixels <= limits.max_pixels:
        return
    smaller = "Mark the shot in a sequence that is cut with smaller media, such as proxies."
    if isinstance(request.spec, ReframeSpec):
        smaller = "Ask for an aspect= nearer to the shot's own, or mark it where it is cut with smaller media."
    raise refusal(
        limits,
        f"makes pictures of at most {limits.max_pixels:,} pixels, and {raster} has {pixels:,}",
        serves=lambda engine: request.kind in engine.kinds and pixels <= engine.max_pixels,
        engines=engines,
        otherwise=smaller,
        metadata={"max_pixels": str(limits.max_pixels), "pixels": str(pixels)},
    )


def _padded_raster(raster: Raster, multiple_px: int) -> Raster:
    return Raster(
        width_px=-(-raster.width_px // multiple_px) * multiple_px,
        height_px=-(-raster.height_px // multiple_px) * multiple_px,
        pixel_aspect=raster.pixel_aspect,
    )
