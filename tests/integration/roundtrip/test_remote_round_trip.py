"""A whole round trip with a sidecar that shares no folder with the editor's machine."""

import hashlib
import signal

from support.cutting_room import write_edit
from support.far_sidecar import far_sidecar, process_remotely

from interchange.timebase import FrameRate

RATE = FrameRate(25, 1)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_takes_come_back_byte_for_byte_and_a_second_run_makes_nothing(short_dir):
    near = short_dir / "near"
    edit = write_edit(near, rate=RATE, engine="identity")
    before = {path: (digest(path), path.stat().st_mtime_ns) for path in edit.originals}
    with far_sidecar(short_dir / "far") as (endpoint, process):
        delivery, jobs = process_remotely(edit, endpoint, near)
        assert delivery.complete, delivery.report.requests
        takes = sorted((near / "out" / "takes").glob("*.mov"))
        assert sorted(map(digest, takes)) == sorted(job.take.sha256 for job in jobs)
        for job in jobs:  # the server's copy, untouched, in its own spool
            assert job.take.path.startswith(str((short_dir / "far/state/spool").resolve()))
        assert all(take.with_suffix(".c2pa").is_file() for take in takes)
        assert not list((near / "out" / "takes").glob(".*"))
        assert all(r.credentials.valid for r in delivery.report.requests)
        assert len(list((short_dir / "far/state/uploads").iterdir())) == len(edit.originals)

        again, after = process_remotely(edit, endpoint, near)
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
        third, after = process_remotely(edit, endpoint, near)
        assert third.complete
        assert {job.job_id for job in after} == {job.job_id for job in jobs}
        fetched = sorted(map(digest, (near / "out" / "takes").glob("*.mov")))
        assert fetched == sorted(job.take.sha256 for job in jobs)
    assert {path: (digest(path), path.stat().st_mtime_ns) for path in edit.originals} == before
