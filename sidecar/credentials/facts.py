"""What a take's credentials state, worked out from its request: pure arithmetic, nothing is opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from fractions import Fraction
from pathlib import PurePath

from interchange.errors import InternalError
from interchange.model.engine import EngineLimits
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.timebase import TimeRange
from sidecar.serialise import used_fields


class SoundOrigin(StrEnum):
    """What a take lets be heard over the frames that were made.

    `given` is a file's own sound that the request named.
    """

    NONE = "none"
    GIVEN = "given"
    SYNTHETIC = "synthetic"


class FrameOrigin(StrEnum):
    """Whose pixels a picture has; `composite` has the source's own and new ones side by side."""

    KEPT = "kept"
    SYNTHETIC = "synthetic"
    COMPOSITE = "composite"


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """Everything the credentials of one take are made from.

    Args:
        request: What was asked, exactly.
        limits: The engine that made it.
        model_identity: Digest of its weights, or its own identity as an algorithm.
        source_digests: SHA-256 in hexadecimal of each file the job read, by the path in the request.
        product_version: Version of ltxbridge.
        created: When the take was made, with a time zone.
        sound: What it lets be heard.
        remarks: What the engine said about it, one sentence each.
    """

    request: GenerationRequest
    limits: EngineLimits
    model_identity: str
    source_digests: Mapping[str, str]
    product_version: str
    created: datetime
    sound: SoundOrigin = SoundOrigin.NONE
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.created.tzinfo is None:
            raise InternalError("A take's time of making needs a time zone.")

    @property
    def when(self) -> str:
        """The time of making in UTC, to the second, as RFC 3339 has it."""
        return self.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Frames in a row that have the same origin.

    Args:
        origin: Whose pixels they have.
        record_range: Record frames.
        source: Index into the request's sources whose frames or pixels were kept, None for synthetic ones.
    """

    origin: FrameOrigin
    record_range: TimeRange
    source: int | None = None

    @property
    def made(self) -> bool:
        """Whether an engine had a hand in them."""
        return self.origin is not FrameOrigin.KEPT

    def file_range(self, file: TimeRange) -> TimeRange:
        """The run counted from the file's first picture; `file` is the file's range in record frames."""
        start = self.record_range.start - file.start
        return TimeRange.of_length(start, self.record_range.length, file.rate)


def frame_runs(request: GenerationRequest) -> tuple[FrameRun, ...]:
    """Every frame of the take's file in order, as runs of one origin.

    Kept handles are the first source's at the head and the last source's at the tail: the same one for a
    retake, the outgoing and the incoming shot for a bridge. Where only sound was made, every frame is kept.
    """
    covered, file, kept = request.record_range, request.file_range, FrameOrigin.KEPT
    if request.keeps_pictures:
        return (FrameRun(kept, file, 0),)
    made = (
        (FrameOrigin.COMPOSITE, 0)
        if _shows_source_pixels(request)
        else (FrameOrigin.SYNTHETIC, None)
    )
    if not request.keep_handles or not request.sources:
        return (FrameRun(made[0], file, made[1]),)
    runs = [
        FrameRun(kept, TimeRange(file.start, covered.start, file.rate), 0),
        FrameRun(made[0], covered, made[1]),
        FrameRun(kept, TimeRange(covered.end, file.end, file.rate), len(request.sources) - 1),
    ]
    return tuple(run for run in runs if run.record_range.length)


def _shows_source_pixels(request: GenerationRequest) -> bool:
    """Whether made frames keep part of the source's picture: outside a matte or box, inside a new frame."""
    match request.spec:
        case RetakeSpec(matte=matte, box=box) | RestyleSpec(matte=matte, box=box):
            return matte is not None or box is not None
        case ReframeSpec():
            return True
        case RegenerateSpec() | BridgeSpec() | ExtendSpec() | GenerateSpec():
            return False


def source_frames(span: SourceSpan, record_range: TimeRange) -> TimeRange:
    """The media frames, from the file's first picture, shown over a range of record frames."""
    shown = (
        span.source_frame(record_range.start),
        span.source_frame(max(record_range.start, record_range.end - 1)),
    )
    return TimeRange(min(shown), max(shown) + 1, span.media_rate)


def stills_and_sounds(request: GenerationRequest) -> tuple[str, ...]:
    """Paths of the files beside the source spans that the engine was given."""
    match request.spec:
        case GenerateSpec(image=image, audio_file=audio_file):
            paths = (image, audio_file)
        case RetakeSpec(matte=matte) | RestyleSpec(matte=matte):
            paths = (matte, None)
        case RegenerateSpec() | BridgeSpec() | ExtendSpec() | ReframeSpec():
            paths = (None, None)
    return tuple(path for path in paths if path)


def request_digest(request: GenerationRequest) -> str:
    """SHA-256 of the whole request, so that a take can be matched to its request without showing it."""
    text = json.dumps(_plain(request), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text_digest(text)


def text_digest(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes in lower-case hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_title(path: str) -> str:
    """A file's bare name: folders name clients and projects, and credentials travel."""
    return PurePath(path.replace("\\", "/")).name


def _plain(value: object) -> object:
    """The value as JSON types; a dataclass carries its type's name, so that kinds never look alike."""
    if is_dataclass(value) and not isinstance(value, type):
        plain = {name: _plain(item) for name, item in used_fields(value).items()}
        return {"type": type(value).__name__, **plain}
    match value:
        case Enum():
            return str(value.value)
        case tuple():
            return [_plain(item) for item in value]
        case Fraction():
            return f"{value.numerator}/{value.denominator}"
        case str() | bool() | int() | None:
            return value
        case float():
            return repr(value)
    raise InternalError(f"A request cannot hold a {type(value).__name__}.")
