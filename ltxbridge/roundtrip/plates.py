"""Export: the marked shots with their handles as plates, for work done elsewhere. Nothing is generated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from interchange.errors import BridgeError
from interchange.model.directive import AudioPolicy, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType, EngineLimits
from interchange.model.request import BridgeSpec, Codec, SourceSpan
from interchange.model.segment import Problem, Reading
from interchange.plan import Plan, PlannedTake, describe_take, place_of
from sidecar.filesystem import FileSystem
from sidecar.media.encode import EncodeSpec, TakeWriter
from sidecar.readers.box import ReaderBox
from sidecar.readers.spans import boxed_span

SCHEMA = "ltxbridge.Plate.1"


def plate_limits(handle_frames: int) -> EngineLimits:
    """Limits to plan plates with: nothing is generated, so nothing is too long or too large."""
    return EngineLimits(
        engine="export",
        version="1",
        summary="Plates of the marked shots; generates nothing.",
        kinds=frozenset(JobKind),
        keys=frozenset(
            {"prompt", "negative", "preset", "quality", "audio", "from", "strength", "edge"}
            | {"image", "audio_file", "matte", "box", "aspect", "context"}
        ),
        audio=frozenset(AudioPolicy),
        start_from=frozenset(StartFrom),
        qualities=frozenset(Quality),
        context_frames=handle_frames,
        max_frames=1 << 31,
        max_pixels=1 << 40,
        size_multiple_px=1,
        frame_grid=(1, 0),
        deterministic=True,
        source_type=DigitalSourceType.ALGORITHMIC_MEDIA,
    )


def engine_free(reading: Reading) -> Reading:
    """A reading in which no mark names an engine: a plate is the same whoever works on it."""
    return replace(
        reading,
        segments=tuple(
            replace(segment, directive=replace(segment.directive, engine=None))
            for segment in reading.segments
        ),
    )


@dataclass(frozen=True, slots=True)
class Plate:
    """One exported plate.

    Args:
        planned: The mark it belongs to.
        media: The movie.
        record: The JSON beside it.
    """

    planned: PlannedTake
    media: Path
    record: Path


def export_plates(
    plan: Plan, *, folder: Path, codec: Codec, filesystem: FileSystem, box: ReaderBox
) -> tuple[list[Plate], list[Problem]]:
    """Write a plate for every source of every planned take; one that fails stops no other.

    Args:
        plan: Made with `plate_limits`.
        folder: Where they go.
        codec: Plate codec.
        filesystem: The facade all writing goes through.
        box: Decodes the sources.

    Returns:
        The plates, and what could not be exported.
    """
    filesystem.make_folder(folder)
    plates: list[Plate] = []
    problems = list(plan.problems)
    for planned in plan.takes:
        if planned.take_number > 1:
            continue  # further takes differ in the seed alone; their plates would be the same
        for span, role in _spans(planned):
            try:
                plates.append(
                    _export(
                        planned,
                        span,
                        role,
                        folder=folder,
                        codec=codec,
                        filesystem=filesystem,
                        box=box,
                    )
                )
            except BridgeError as error:
                segment = planned.segment
                problems.append(
                    Problem(segment.segment_id, place_of(segment), segment.directive.text, error)
                )
    return plates, problems


def _spans(planned: PlannedTake) -> Iterator[tuple[SourceSpan, str]]:
    match planned.request.spec:
        case BridgeSpec(outgoing=outgoing, incoming=incoming):
            yield outgoing, "outgoing"
            yield incoming, "incoming"
        case _:
            for span in planned.request.sources:
                yield span, "plate"


def _export(
    planned: PlannedTake,
    span: SourceSpan,
    role: str,
    *,
    folder: Path,
    codec: Codec,
    filesystem: FileSystem,
    box: ReaderBox,
) -> Plate:
    request = planned.request
    facts = next(facts for facts in planned.media if facts.path == span.path)
    offset = span.record_range.start - request.file_range.start
    day = 86400 * request.frame_rate.nominal
    media = _free_name(folder, f"{request.shot}_{role}")
    part = media.with_name(f".{media.name}.part")
    filesystem.unlink(part, missing_ok=True)
    reader = boxed_span(
        span, frame_rate=request.frame_rate, raster=facts.raster, colour=span.colour, box=box
    )
    sound = reader.sound(span.record_range)
    spec = EncodeSpec(
        frame_rate=request.frame_rate,
        raster=facts.raster,
        colour=span.colour,
        codec=codec,
        start_frame=(request.start_frame + offset) % day,
        drop_frame=request.drop_frame,
        reel=facts.reel or Path(span.path).stem,
        frame_count=span.record_range.length,
        sound=None if sound is None else (sound.samples.shape[1], sound.sample_rate_hz),
    )
    with TakeWriter(part, spec, filesystem=filesystem) as writer:
        if sound is not None:
            writer.write_sound(sound)
        for frame in span.record_range.frames:
            writer.write(reader.native(frame))
    filesystem.fsync_file(part)
    filesystem.publish_new(part, media)
    record = media.with_suffix(".json")
    filesystem.write_atomic(record, _record(planned, span, role, media, spec).encode())
    return Plate(planned, media, record)


def _free_name(folder: Path, stem: str) -> Path:
    names = (
        folder / (f"{stem}.mov" if number == 1 else f"{stem}_{number:02}.mov")
        for number in count(1)
    )
    return next(name for name in names if not name.exists())


def _record(
    planned: PlannedTake, span: SourceSpan, role: str, media: Path, spec: EncodeSpec
) -> str:
    request, directive = planned.request, planned.segment.directive
    text = describe_take(planned)
    document = {
        "schema": SCHEMA,
        "shot": request.shot,
        "role": role,
        "media": media.name,
        "directive": directive.text,
        "verb": directive.verb.value,
        "prompt": directive.prompt,
        "negative": directive.negative,
        "seed": request.seed,
        "sequence": request.sequence_name,
        "rate": f"{request.frame_rate.numerator}/{request.frame_rate.denominator}",
        "drop_frame": request.drop_frame,
        "record_range": [request.record_range.start, request.record_range.end],
        "plate_record_range": [span.record_range.start, span.record_range.end],
        "plate_start_frame": spec.start_frame,
        "plate_frames": spec.frame_count,
        "timeline": text.timeline,
        "source": list(text.sources),
        "source_path": span.path,
        "source_first_frame": str(span.first_frame),
        "source_frames_per_record_frame": str(span.step),
    }
    return json.dumps(document, indent=2) + "\n"
