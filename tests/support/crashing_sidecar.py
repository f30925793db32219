"""`python -m support.crashing_sidecar ROOT MOMENT POINT`: a service that is killed where it is told to be.

POINT is a method of the job store or an operation of the file system; MOMENT is `before` or `after` it. The
kill is SIGKILL, so that nothing gets a chance to tidy up.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from pathlib import Path

from support.job_cases import ended, make_service, media_request, running

from interchange.model.job import Job
from sidecar.filesystem import FileSystem
from sidecar.jobs.store import JobStore


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(method, *, moment: str):
    """The method, and SIGKILL before or after it."""

    @functools.wraps(method)
    def wrapped(*arguments, **keywords):
        if moment == "before":
            die()
        result = method(*arguments, **keywords)
        die()
        return result

    return wrapped


class HalfPublishing(FileSystem):
    """Dies between the two halves of publishing the media: it has both names."""

    def publish_new(self, source: Path, destination: Path) -> None:
        if destination.suffix == ".mov":
            os.link(source, destination)
            die()
        super().publish_new(source, destination)


class NthCall(FileSystem):
    """Dies at the Nth call of an operation: `publish_new:2`."""

    def __init__(self, point: str) -> None:
        self.operation, number = point.split(":")
        self.left = int(number)

    def before(self, operation: str, path: Path) -> None:  # noqa: ARG002 - the seam fixes it
        if operation == self.operation:
            self.left -= 1
            if not self.left:
                die()


async def two_jobs(root: Path, *, filesystem: FileSystem | None = None) -> tuple[Job, ...]:
    """Ask for the same two jobs, whatever an earlier life did about them, and see them through."""
    async with running(make_service(root, filesystem=filesystem)) as service:
        jobs = [
            await service.create(media_request(root, seed=seed), request_id=f"request-{seed}")
            for seed in (1, 2)
        ]
        return tuple([await ended(service, job) for job in jobs])


def main() -> None:
    root, moment, point = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    filesystem = None
    if point == "link":
        filesystem = HalfPublishing()
    elif ":" in point:
        filesystem = NthCall(point)
    else:
        setattr(JobStore, point, dying(getattr(JobStore, point), moment=moment))
    asyncio.run(two_jobs(root, filesystem=filesystem))


if __name__ == "__main__":
    main()
