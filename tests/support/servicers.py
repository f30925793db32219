"""The servicers of every service, over fakes, for tests that call them without a socket."""

import asyncio
from dataclasses import replace
from pathlib import Path

from support.fake_job_service import FakeJobService
from support.model_examples import JOB_ID, example_job
from support.rpc_harness import numbered_pictures

from interchange.model.job import JobState
from sidecar.filesystem import FileSystem
from sidecar.rpc.engines import EngineServicer
from sidecar.rpc.frames import FrameStreamer
from sidecar.rpc.generation import GenerationServicer
from sidecar.rpc.transfers import TransferServicer
from sidecar.transfers.store import UploadStore


def servicer_for(service: str, folder: Path):
    """A fresh servicer with one cancelled job behind it."""
    jobs = FakeJobService()
    jobs.jobs[JOB_ID] = replace(example_job(), state=JobState.CANCELLED)
    match service:
        case "GenerationService":
            return GenerationServicer(
                jobs, frames=FrameStreamer(numbered_pictures), closing=asyncio.Event()
            )
        case "EngineService":
            return EngineServicer(jobs, version="0")
        case "TransferService":
            uploads = UploadStore(folder / "sent", filesystem=FileSystem())
            return TransferServicer(uploads, jobs)
    raise AssertionError(f"say how {service} is made")
