"""Opens a published take for FetchFrames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from interchange.errors import InvalidInputError, NotFoundError, Reason
from interchange.model.job import Job
from interchange.model.request import SourceSpan
from sidecar.media.source import open_span
from sidecar.pipelines.base import Picture
from sidecar.rpc.frames import take_of


@contextmanager
def open_take(job: Job) -> Iterator[Callable[[int], Picture]]:
    """Open a finished job's take for reading by record frame.

    Raises:
        NotFoundError: The file is gone.
        InvalidInputError: The file is not the one that was published.
    """
    take = take_of(job)
    try:
        facts = Path(take.path).stat()
    except OSError as error:
        raise NotFoundError(
            f"The take {take.path} is not there any more; make it again.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": take.path},
        ) from error
    if facts.st_size != take.size_bytes:
        raise InvalidInputError(
            f"The take {take.path} was changed after it was made; make it again.",
            reason=Reason.MEDIA_CHANGED,
            metadata={"path": take.path},
        )
    span = SourceSpan(
        path=take.path,
        media_rate=take.media_range.rate,
        record_range=take.file_range,
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=job.request.colour,
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
    )
    with open_span(
        span,
        frame_rate=job.request.frame_rate,
        raster=job.request.raster,
        colour=job.request.colour,
    ) as reader:
        yield reader.picture
