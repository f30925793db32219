"""Work files that a crash left and no job owns any more: its job was deleted, or the table was moved away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from interchange.model.job import Job
from sidecar.lifecycle.inventory import modified, stored_file
from sidecar.lifecycle.policy import Item, Kind

# As `sidecar.jobs.work.WorkOrder.part` names them; what has another name is not ours.
_OF_A_JOB = re.compile(r"\..+_LTX_v\d{3,}\.([0-9a-f]{32})-\d+\.[\w.]+\.(?:part|signing)")
# As `FileSystem.write_atomic`, the backup and the makers of keys name them, in our own folders only.
_OF_OURS = re.compile(
    r"\.(?:token|sidecar\.json|upload\.json|clients\.json|[\w.-]+\.pem|jobs\.sqlite3[\w.-]*)(?:\.\w+)?\.part"
)


def leftover_items(state_dir: Path, jobs: Sequence[Job]) -> tuple[Item, ...]:
    """Unfinished files in the folders takes go to, in the spool and in the state folder.

    Args:
        state_dir: The state folder.
        jobs: All of the job table: those that have not ended own their work files.
    """
    state_dir = state_dir.resolve()
    owned = {job.job_id for job in jobs if not job.state.terminal}
    outputs = {Path(job.request.output.directory) for job in jobs}
    outputs |= {Path(job.take.path).parent for job in jobs if job.take is not None}
    outputs |= set(_entries(state_dir / "spool"))
    found = [
        *(pair for folder in sorted(outputs) for pair in _items(folder, _OF_A_JOB)),
        *(pair for folder in (state_dir, state_dir / "pki") for pair in _items(folder, _OF_OURS)),
    ]
    return tuple(item for owner, item in found if owner not in owned)


def _items(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, Item]]:
    """Each with the id in its name, empty where there is none."""
    for path in _entries(folder):
        match = pattern.fullmatch(path.name)
        file = stored_file(path) if match else None
        if match and file is not None:
            owner = match[1] if pattern.groups else ""
            yield owner, Item(Kind.LEFTOVER, str(path), (file,), modified(file))


def _entries(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(sorted(folder.iterdir()))
    except OSError:  # never made, not mounted, or not ours to read: then nothing is known of it
        return ()
