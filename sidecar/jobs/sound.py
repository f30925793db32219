"""A take's sound: made by the engine, laid into the file sample-exact, with the sources' own under kept handles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interchange.errors import InternalError
from interchange.model.directive import AudioPolicy
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
)
from interchange.timebase import round_half_up
from sidecar.credentials.facts import SoundOrigin
from sidecar.pipelines.base import (
    CancelCheck,
    Engine,
    EngineJob,
    ProgressCallback,
    Sound,
    SourcePictures,
)


def made_sound(
    job: EngineJob, engine: Engine, *, progress: ProgressCallback, cancelled: CancelCheck
) -> Sound | None:
    """Have an engine make a take's sound, where the request wants any.

    Args:
        job: What the engine gets.
        engine: Loaded.
        progress: For the engine.
        cancelled: For the engine.

    Returns:
        Over `job.made_range`; None where no new sound is wanted or made.

    Raises:
        InternalError: Only sound was wanted, and there is none.
        BridgeError: Whatever the engine raises.
    """
    request = job.request
    match request.spec:
        case RetakeSpec(audio=audio) | RegenerateSpec(audio=audio) | ExtendSpec(audio=audio):
            if audio is AudioPolicy.KEEP:
                return None
        case BridgeSpec() | RestyleSpec() | ReframeSpec():
            return None
        case GenerateSpec():
            pass
    made = engine.generate_sound(job, progress=progress, cancelled=cancelled)
    if made is None and request.keeps_pictures:
        raise InternalError(
            f"The {request.engine} engine made no sound where only sound was asked for. Please report it."
        )
    return made


def sound_origin(made: Sound | None, named: Sound | None) -> SoundOrigin:
    """What a take's sound is.

    Args:
        made: What the engine gave, over the frames it made.
        named: The sound that the request names, over the same frames.
    """
    if made is None:
        return SoundOrigin.NONE
    is_named = (
        named is not None
        and made.sample_rate_hz == named.sample_rate_hz
        and np.array_equal(made.samples, named.samples)
    )
    return SoundOrigin.GIVEN if is_named else SoundOrigin.SYNTHETIC


def file_sound(
    made: Sound, request: GenerationRequest, sources: tuple[SourcePictures, ...]
) -> Sound:
    """The sound of the whole file.

    Args:
        made: The engine's, over the frames it made.
        request: What was asked.
        sources: Open sources, for the sound under kept handles.

    Returns:
        Exactly as many samples as the file's pictures last, rounded to nearest at each edge.

    Raises:
        InternalError: The engine's sound is longer or shorter than its pictures.
    """
    if not request.keep_handles or not sources:
        expected = _boundary(request.file_range.end, request, made.sample_rate_hz)
        return Sound(_fitted(made, expected), made.sample_rate_hz)
    end = _boundary(request.file_range.end, request, made.sample_rate_hz)
    first = _boundary(request.record_range.start, request, made.sample_rate_hz)
    last = _boundary(request.record_range.end, request, made.sample_rate_hz)
    samples = _own(sources[0], made, request=request, length=end)
    samples[first:last] = _fitted(made, last - first)
    return Sound(samples, made.sample_rate_hz)


def _boundary(record_frame: int, request: GenerationRequest, sample_rate_hz: int) -> int:
    """The sample, from the file's start, at which a record frame starts."""
    seconds = request.frame_rate.seconds(record_frame - request.file_range.start)
    return round_half_up(seconds * sample_rate_hz)


def _own(
    source: SourcePictures, made: Sound, *, request: GenerationRequest, length: int
) -> NDArray[np.float32]:
    """The source's own samples over the whole file; silence where its sound has another shape.

    Read in one piece: head and tail read by themselves would be rounded to the source's samples at edges
    that the file rounds to its own, and a sample would be missing or doubled beside the window.
    """
    own = source.sound(request.file_range)
    if (
        own is None
        or own.sample_rate_hz != made.sample_rate_hz
        or own.samples.shape[1] != made.samples.shape[1]
    ):
        return np.zeros((length, made.samples.shape[1]), np.float32)
    return _fitted(own, length).copy()


def _fitted(made: Sound, expected: int) -> NDArray[np.float32]:
    # Frame edges and samples rarely coincide; which way an edge is rounded where it was made, we do not know.
    surplus = len(made.samples) - expected
    if abs(surplus) > 1:
        raise InternalError(
            f"There are {len(made.samples)} samples of sound where {expected} belong. Please report it."
        )
    if surplus < 0:
        return np.concatenate((made.samples, made.samples[-1:]))
    return made.samples[:expected]
