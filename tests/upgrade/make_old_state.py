"""How the dumps beside this file were made: a sidecar of that time, killed in the middle of its work.

    git archive COMMIT | tar -x -C OLD
    cd OLD && PYTHONPATH=.:tests python .../make_old_state.py ROOT > jobs_vN.sql

`@ROOT@` stands for the folder. COMMIT is 211ec45 for schema 2 and fe9f6f2 for schema 1.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from support.job_cases import ended, make_service, media_request, reached

from interchange.model.job import JobState


async def _live(root: Path) -> None:
    service = make_service(root)
    await service.start()
    for engine in ("steady", "refuses"):
        job = await service.create(
            media_request(root, engine=engine, prompt="a red door"), request_id=f"id-{engine}"
        )
        await ended(service, job)
    slow = await service.create(
        media_request(root, engine="slow", seed=1000), request_id="id-running"
    )
    await service.create(media_request(root, engine="slow", seed=2), request_id="id-queued")
    dropped = await service.create(media_request(root, engine="slow", seed=3))
    await service.cancel(dropped.job_id)
    await reached(
        service, slow, lambda job: job.state is JobState.RUNNING and job.progress.done > 0
    )
    os._exit(137)


def main() -> None:
    root = Path(sys.argv[1]).resolve()
    if sys.argv[2:] == ["live"]:
        asyncio.run(_live(root))
    subprocess.run([sys.executable, __file__, str(root), "live"], check=False)
    connection = sqlite3.connect(root / "state" / "jobs.sqlite3")
    sys.stdout.write("\n".join(connection.iterdump()).replace(str(root), "@ROOT@") + "\n")


if __name__ == "__main__":
    main()
