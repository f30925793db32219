"""A sidecar that shares no folder with the editor's machine, and a round trip through it."""

import subprocess
import threading
from contextlib import contextmanager

from support.command import environment, program

from interchange.model.job import JobState
from interchange.plan import PlanOptions
from ltxbridge.client import BridgeClient
from ltxbridge.client.transfers import TransferClient
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.process import Desk, process_timeline
from sidecar.filesystem import FileSystem
from sidecar.instance import read_discovery
from sidecar.media.paths import PathPolicy
from sidecar.pipelines.registry import engine_limits
from sidecar.readers.box import ReaderBox


@contextmanager
def far_sidecar(folder):
    """A sidecar with a state folder of its own and no media root at all."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [program(), "serve", "--engine", "identity"],
        env=environment(folder),
        stderr=subprocess.DEVNULL,
    )
    try:
        waiting = threading.Event()
        for _ in range(400):
            found = read_discovery(folder / "state")
            if found is not None and found.pid == process.pid:
                break
            waiting.wait(0.05)
        assert found is not None, "the sidecar did not start"
        yield found.endpoint(folder / "state"), process
    finally:
        process.terminate()
        process.wait(30)


def process_remotely(edit, endpoint, near, *, seen=lambda _planned, _job: None):
    """Process a timeline with a sidecar elsewhere: the delivery, and the jobs that succeeded there."""
    filesystem = FileSystem()
    out = near / "out"
    with (
        BridgeClient(endpoint) as client,
        TransferClient(endpoint) as transfers,
        ReaderBox() as box,
    ):
        desk = Desk(
            originals=Originals(PathPolicy([near]), filesystem=filesystem, box=box),
            engines=engine_limits(),
            options=PlanOptions(output_directory=str(out / "takes"), engine="identity"),
            mappings=(),
            filesystem=filesystem,
            box=box,
            identity_folder=near / "state",
            product_version="test",
        )
        delivery = process_timeline(
            edit.path, desk=desk, client=client, folder=out, observer=seen, transfers=transfers
        )
        jobs = [job for job in client.list_jobs() if job.state is JobState.SUCCEEDED]
    return delivery, jobs
