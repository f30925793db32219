"""What only one job kind needs: the spec of a request, and the values in it that must fit each other."""

from __future__ import annotations

from collections.abc import Callable

from interchange.errors import InvalidInputError, Reason
from interchange.model.directive import AudioPolicy, Directive, Edge, JobKind, StartFrom
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    JobSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.plan.coverage import Coverage
from interchange.plan.picture import asked_aspect

PathOf = Callable[[str], str]
"""Turns a path as an editor wrote it into an absolute one; raises a `BridgeError` where it may not be used."""


def spec_for(
    directive: Directive,
    coverage: Coverage,
    spans: tuple[SourceSpan, ...],
    *,
    path_of: PathOf,
) -> JobSpec:
    """Make the spec that a directive asks for.

    Args:
        directive: What the editor wrote.
        coverage: What it covers.
        spans: One per clip that is read.
        path_of: Resolves `image=`, `audio_file=` and `matte=`.

    Raises:
        InvalidInputError: `DIRECTIVE_INVALID` for keys that contradict each other, or one that is missing.
    """

    def resolved(path: str | None) -> str | None:
        return None if path is None else path_of(path)

    if coverage.cut is not None:
        outgoing, incoming = spans
        return BridgeSpec(outgoing, incoming, coverage.cut)
    audio = directive.audio or AudioPolicy.KEEP
    match directive.verb:
        case JobKind.RETAKE:
            return RetakeSpec(spans[0], audio, resolved(directive.matte), directive.box)
        case JobKind.REGENERATE:
            return _regenerate(directive, spans[0], audio)
        case JobKind.EXTEND:
            return ExtendSpec(spans[0], directive.edge or Edge.TAIL, audio)
        case JobKind.RESTYLE:
            return RestyleSpec(spans[0], resolved(directive.matte), directive.box)
        case JobKind.REFRAME:
            return ReframeSpec(spans[0], asked_aspect(directive))
        case JobKind.GENERATE | JobKind.BRIDGE:
            return GenerateSpec(resolved(directive.image), resolved(directive.audio_file))


def _regenerate(directive: Directive, source: SourceSpan, audio: AudioPolicy) -> RegenerateSpec:
    start_from = directive.start_from or StartFrom.FIRST
    if directive.strength is not None and start_from is not StartFrom.CLIP:
        raise InvalidInputError(
            "strength= says how far a shot may leave its clip; write from=clip with it.",
            reason=Reason.DIRECTIVE_INVALID,
        )
    return RegenerateSpec(source, audio, start_from, directive.strength)
