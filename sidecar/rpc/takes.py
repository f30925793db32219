"""Opens a published take for FetchFrames, in a reader of its own: whoever can write to its folder can replace it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from interchange.errors import InvalidInputError, NotFoundError, Reason
from interchange.model.job import Job
from interchange.model.request import SourceSpan
from interchange.model.take import Take
from sidecar.media.span import SpanReader
from sidecar.pipelines.base import Picture
from sidecar.readers.box import ReaderBox
from sidecar.readers.limits import STREAM_LIMITS, ReaderLimits
from sidecar.readers.process import PROGRAM
from sidecar.readers.spans import boxed_span
from sidecar.rpc.frames import take_of

# Half a second at most on a usual disk; larger takes are told apart by their size alone.
_MOST_BYTES_TO_DIGEST = 256 << 20


@contextmanager
def open_take(
    job: Job, *, limits: ReaderLimits = STREAM_LIMITS, program: Sequence[str] = PROGRAM
) -> Iterator[Callable[[int], Picture]]:
    """Open a finished job's take for reading by record frame.

    Entering touches nothing; the first picture starts the reader. Leaving ends it at once, from any thread, also
    while a picture is being decoded. A picture raises, besides what `boxed_span` raises:

    - `NotFoundError`: The file is gone.
    - `InvalidInputError` MEDIA_CHANGED: The file is not the one that was published.

    Args:
        job: A job with a take.
        limits: What one picture may take.
        program: The command line of the reader.
    """
    take = take_of(job)
    box = ReaderBox(limits, program=program)
    reader: SpanReader | None = None

    def picture(record_frame: int) -> Picture:
        nonlocal reader
        if reader is None:
            reader = _reader(job, take, box)
        return reader.picture(record_frame)

    try:
        yield picture
    finally:
        box.abandon()


def _reader(job: Job, take: Take, box: ReaderBox) -> SpanReader:
    # Folders above it may be links, a folder of takes often is; the take itself is none of ours if it is one.
    path = Path(os.path.realpath(Path(take.path).parent)) / Path(take.path).name
    try:
        facts = path.stat(follow_symlinks=False)
    except OSError as error:
        raise NotFoundError(
            f"The take {take.path} is not there any more; make it again.",
            reason=Reason.MEDIA_NOT_FOUND,
            metadata={"path": take.path},
        ) from error
    same = facts.st_size == take.size_bytes
    if same and facts.st_size <= _MOST_BYTES_TO_DIGEST:
        same = box.sha256(path) == take.sha256
    if not same:
        raise InvalidInputError(
            f"The take {take.path} was changed after it was made; make it again.",
            reason=Reason.MEDIA_CHANGED,
            metadata={"path": take.path},
        )
    span = SourceSpan(
        path=str(path),
        media_rate=take.media_range.rate,
        record_range=take.file_range,
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=job.request.colour,
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,  # the reader opens no other file than this one
    )
    return boxed_span(
        span,
        frame_rate=job.request.frame_rate,
        raster=job.request.raster,
        colour=job.request.colour,
        box=box,
    )
