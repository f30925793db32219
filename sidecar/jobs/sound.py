"""Lays an engine's sound into a take's file, sample-exact, with the sources' own under kept handles."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from interchange.errors import InternalError
from interchange.model.request import GenerationRequest
from interchange.timebase import TimeRange
from sidecar.pipelines.base import Sound, SourcePictures


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
    head = TimeRange(request.file_range.start, request.record_range.start, request.frame_rate)
    tail = TimeRange(request.record_range.end, request.file_range.end, request.frame_rate)
    first = _boundary(head.end, request, made.sample_rate_hz)
    last = _boundary(tail.start, request, made.sample_rate_hz)
    end = _boundary(tail.end, request, made.sample_rate_hz)
    samples = np.concatenate(
        (
            _own(sources[0], head, made, length=first),
            _fitted(made, last - first),
            _own(sources[-1], tail, made, length=end - last),
        )
    )
    return Sound(samples, made.sample_rate_hz)


def _boundary(record_frame: int, request: GenerationRequest, sample_rate_hz: int) -> int:
    """The sample, from the file's start, at which a record frame starts."""
    seconds = request.frame_rate.seconds(record_frame - request.file_range.start)
    return (seconds * sample_rate_hz + Fraction(1, 2)).__floor__()


def _own(
    source: SourcePictures, record_range: TimeRange, made: Sound, *, length: int
) -> NDArray[np.float32]:
    """The source's own samples; silence where its sound has another shape or ends early."""
    samples = np.zeros((length, made.samples.shape[1]), np.float32)
    if length:
        own = source.sound(record_range)
        if (
            own is not None
            and own.sample_rate_hz == made.sample_rate_hz
            and own.samples.shape[1] == samples.shape[1]
        ):
            count = min(length, len(own.samples))
            samples[:count] = own.samples[:count]
    return samples


def _fitted(made: Sound, expected: int) -> NDArray[np.float32]:
    # Frame edges and samples rarely coincide; which way an engine rounds an edge is its own business.
    surplus = len(made.samples) - expected
    if abs(surplus) > 1:
        raise InternalError(
            f"The engine made {len(made.samples)} samples of sound where {expected} belong. "
            "Please report it."
        )
    if surplus < 0:
        return np.concatenate((made.samples, made.samples[-1:]))
    return made.samples[:expected]
