"""A whole round trip with a sidecar that shares no folder with the editor's machine."""

import hashlib
import signal
import subprocess
import threading
from contextlib import contextmanager

from support.command import environment, program
from support.cutting_room import write_edit

from interchange.model.job import JobState
from interchange.plan import PlanOptions
from interchange.timebase import FrameRate
from ltxbridge.client import BridgeClient
from ltxbridge.client.transfers import TransferClient
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.process import Desk, process_timeline
from sidecar.filesystem import FileSystem
from sidecar.instance import read_discovery
from sidecar.media.paths import PathPolicy
from sidecar.pipelines.registry import engine_limits
from sidecar.readers.box import ReaderBox

RATE = FrameRate(25, 1)


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


def run(edit, endpoint, near, *, seen=lambda _planned, _job: None):
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


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_takes_come_back_byte_for_byte_and_a_second_run_makes_nothing(short_dir):
    near = short_dir / "near"
    edit = write_edit(near, rate=RATE, engine="identity")
    before = {path: (digest(path), path.stat().st_mtime_ns) for path in edit.originals}
    with far_sidecar(short_dir / "far") as (endpoint, process):
        delivery, jobs = run(edit, endpoint, near)
        assert delivery.complete, delivery.report.requests
        takes = sorted((near / "out" / "takes").glob("*.mov"))
        assert sorted(map(digest, takes)) == sorted(job.take.sha256 for job in jobs)
        for job in jobs:  # the server's copy, untouched, in its own spool
            assert job.take.path.startswith(str((short_dir / "far/state/spool").resolve()))
        assert all(take.with_suffix(".c2pa").is_file() for take in takes)
        assert not list((near / "out" / "takes").glob(".*"))
        assert all(r.credentials.valid for r in delivery.report.requests)
        assert len(list((short_dir / "far/state/uploads").iterdir())) == len(edit.originals)

        again, after = run(edit, endpoint, near)
        assert again.complete
        assert {job.job_id for job in after} == {job.job_id for job in jobs}
        assert sorted((near / "out" / "takes").glob("*.mov")) == takes

        # Killed after some takes were fetched: only those are fetched anew, nothing is made anew.
        takes[0].unlink()
        takes[0].with_suffix(".c2pa").unlink()
        takes[1].unlink()  # its manifest is there: killed between the two names
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    with far_sidecar(short_dir / "far") as (endpoint, _):
        third, after = run(edit, endpoint, near)
        assert third.complete
        assert {job.job_id for job in after} == {job.job_id for job in jobs}
        fetched = sorted(map(digest, (near / "out" / "takes").glob("*.mov")))
        assert fetched == sorted(job.take.sha256 for job in jobs)
    assert {path: (digest(path), path.stat().st_mtime_ns) for path in edit.originals} == before
