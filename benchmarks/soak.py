"""A thousand kills: SIGKILL to the sidecar or its worker at random moments, over a stream of jobs of all kinds.

The job service, its store, its workers, media, encoder and credentials are the product's; the engine is the
identity engine and the pictures are small, so that a job takes a fraction of a second. Checked after every kill:
the database is whole, no half file has a final name, no file with a final name ever changes. At the end every job
has ended once, every take is there once, verifies, and the originals are what they were.

    PYTHONPATH=tests nice python benchmarks/soak.py [--kills 1000] [--seed 1] [--root FOLDER]

With `--root`, a run that was stopped goes on where it was. `--save` writes results/soak.{json,md}.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from machine import in_words, machine
from support.crash_scenarios import KINDS, ORIGINALS, kind_request
from support.job_cases import As, ended, make_service, running
from support.model_examples import RATE
from support.numbered import read_movie_numbers, write_numbered_movie

from interchange.model.job import JobState
from sidecar.credentials.verify import verify_file
from sidecar.filesystem import FileSystem
from sidecar.jobs.retry import RetryPolicy
from sidecar.media.paths import PathPolicy
from sidecar.pipelines.registry import engine_limits
from sidecar.worker.supervisor import WorkerSpec, WorkerTiming

RESULTS = Path(__file__).parent / "results"
FRAMES = 10
OUTSTANDING = 6
CANCEL_EVERY = 10
WORKER_SHARE = 0.35
BY_RULE = "3 worker deaths or 20 interruptions"


@dataclass
class Progress:
    """Where a run is; a file of its folder holds it.

    Args:
        seed: Of the moments and targets of the kills.
        kills: How many there were.
        servers: Of them of the sidecar.
        workers: Of them of a worker.
        seconds: Time it took so far.
        checks: Integrity checks that were made.
        wrong: What was found.
        seen: SHA-256 of every take by its name, from when it was first seen.
        unchanged: What the system said of each of them then: file number, size, time of the last change.
        originals: SHA-256 of the originals.
    """

    seed: int
    kills: int = 0
    servers: int = 0
    workers: int = 0
    seconds: float = 0.0
    checks: int = 0
    wrong: list[str] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    unchanged: dict[str, list[int]] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Replace the file, whole."""
        FileSystem().write_atomic(root / "soak.json", json.dumps(asdict(self)).encode())


async def serve(root: Path, *, last: bool) -> None:
    """One life: see that there are always a few jobs; the last life only finishes what there is."""
    service = make_service(
        root,
        limits={"identity": engine_limits()["identity"]},
        paths=PathPolicy([root]),
        default_engine="identity",
        worker=WorkerSpec(root / "state", "1.2.3"),
        timing=WorkerTiming(heartbeat_s=0.5, silence_s=10, cancel_grace_s=5),
        retry=RetryPolicy(first_s=0.2),
    )
    async with running(service) as local:
        await (_finish(local) if last else _stream(local, root))


async def _stream(service: As, root: Path) -> None:
    number = await _known(service)
    # The newest may have been created without its cancel; a client repeats both.
    number = max(0, number - OUTSTANDING)
    while True:
        waiting, _ = await service.list(states=_OPEN)
        if len(waiting) < OUTSTANDING:
            request = kind_request(
                root,
                KINDS[number % len(KINDS)],
                engine="identity",
                shot=f"S{number:05}",
                seed=number,
            )
            job = await service.create(request, request_id=f"soak-{number}")
            if number % CANCEL_EVERY == CANCEL_EVERY - 1:
                await service.cancel(job.job_id)
            number += 1
        else:
            await asyncio.sleep(0.02)


_OPEN = tuple(state for state in JobState if not state.terminal)


async def _known(service: As) -> int:
    newest, _ = await service.list(page_size=1)
    return int(newest[0].request_id.removeprefix("soak-")) + 1 if newest else 0


async def _finish(service: As) -> None:
    while waiting := (await service.list(states=_OPEN))[0]:
        await ended(service, waiting[-1])


def soak(root: Path, progress: Progress, kills: int) -> None:
    """Kill until there were so many kills."""
    began = time.monotonic() - progress.seconds
    sidecar = _start(root)
    try:
        while progress.kills < kills:
            dice = random.Random(f"{progress.seed}/{progress.kills}")
            time.sleep(dice.choice([dice.uniform(0.02, 0.6), dice.uniform(0.6, 2.0)]))
            if dice.random() < WORKER_SHARE and (worker := _worker_of(sidecar.pid)):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                progress.workers += 1
                if sidecar.poll() is not None:
                    progress.wrong.append(
                        f"kill {progress.kills}: the sidecar ended with its worker"
                    )
                    sidecar = _start(root)
            else:
                sidecar.kill()
                if sidecar.wait() != -signal.SIGKILL:
                    progress.wrong.append(f"kill {progress.kills}: the sidecar had ended by itself")
                progress.servers += 1
                _check_database(root, progress)
                sidecar = _start(root)
            progress.kills += 1
            _check_files(root, progress)
            progress.seconds = time.monotonic() - began
            progress.write(root)
            if progress.kills % 50 == 0:
                print(progress.kills, "kills,", len(progress.wrong), "wrong", flush=True)
    finally:
        sidecar.kill()
        sidecar.wait()


def _start(root: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (root / "sidecar.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, __file__, "--serve", str(root), *arguments], stdout=log, stderr=log
        )


def _worker_of(sidecar: int) -> int | None:
    try:
        children = Path(f"/proc/{sidecar}/task/{sidecar}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _check_database(root: Path, progress: Progress) -> None:
    """Nobody has it open now, so another connection may look."""
    path = root / "state" / "jobs.sqlite3"
    if not path.exists():
        return
    connection = sqlite3.connect(path)
    (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    progress.checks += 1
    if found != "ok":
        progress.wrong.append(f"kill {progress.kills}: {found}")


def _check_files(root: Path, progress: Progress) -> None:
    """What has a final name is whole, and stays what it is."""
    for path in sorted((root / "takes").glob("[!.]*.mov")):
        try:
            facts = path.stat()
            known = [facts.st_ino, facts.st_size, facts.st_mtime_ns]
            if progress.unchanged.get(path.name) == known:
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            continue  # of a job whose publication was taken back
        progress.unchanged[path.name] = known
        if progress.seen.setdefault(path.name, digest) != digest:
            progress.wrong.append(f"{path.name} changed after it had its name")
        if not path.with_suffix(".c2pa").exists():
            progress.wrong.append(f"{path.name} has no manifest")
        if len(read_movie_numbers(path)) != FRAMES:
            progress.wrong.append(f"{path.name} is half a take")


def account(root: Path, progress: Progress) -> dict[str, Any]:
    """Let everything finish, and count."""
    last = _start(root, "--last")
    if last.wait(timeout=300) != 0:
        progress.wrong.append("the last life ended with an error")
    _check_database(root, progress)
    _check_files(root, progress)
    connection = sqlite3.connect(root / "state" / "jobs.sqlite3")
    rows = connection.execute(
        "SELECT request_id, state, take, error, attempts, interruptions FROM job ORDER BY sequence"
    ).fetchall()
    connection.close()
    asked = [row[0] for row in rows]
    if asked != [f"soak-{number}" for number in range(len(rows))]:
        progress.wrong.append("a job was lost or doubled")
    takes = [json.loads(row[2])["value"] for row in rows if row[1] == "succeeded"]
    for take in takes:
        if progress.seen.get(Path(take["path"]).name) != take["sha256"]:
            progress.wrong.append(f"{take['path']} is not what its job made")
        verify_file(Path(take["path"]), identity_folder=root / "state")
    present = sorted(path.name for path in (root / "takes").iterdir())
    named = sorted(Path(take[key]).name for take in takes for key in ("path", "manifest_path"))
    if present != named:
        progress.wrong.append(
            f"on disk but of no job, or the other way: {set(present) ^ set(named)}"
        )
    if digests(root) != progress.originals:
        progress.wrong.append("an original changed")
    errors = Counter(json.loads(row[3])["value"]["reason"] for row in rows if row[3])
    return {
        "machine": machine("av", "c2pa-python"),
        "seed": progress.seed,
        "kills": progress.kills,
        "kills_of_the_sidecar": progress.servers,
        "kills_of_a_worker": progress.workers,
        "jobs": len(rows),
        "jobs_by_state": dict(Counter(row[1] for row in rows)),
        "errors_by_reason": dict(errors),
        "jobs_interrupted": sum(row[5] > 0 for row in rows),
        "most_interruptions": max(row[5] for row in rows),
        "most_attempts": max(row[4] for row in rows),
        "takes": len(takes),
        "integrity_checks": progress.checks,
        "minutes": round(progress.seconds / 60, 1),
        "wrong": progress.wrong,
    }


def digests(root: Path) -> dict[str, str]:
    """SHA-256 of the originals."""
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in ORIGINALS}


def table(result: dict[str, Any]) -> str:
    """The result as the page that is committed."""
    states = ", ".join(
        f"{count} {state}" for state, count in sorted(result["jobs_by_state"].items())
    )
    errors = ", ".join(f"{count} {reason}" for reason, count in result["errors_by_reason"].items())
    sidecars, workers = result["kills_of_the_sidecar"], result["kills_of_a_worker"]
    met, most = result["jobs_interrupted"], result["most_interruptions"]
    rows = {
        "kills": f"{result['kills']}: {sidecars} of the sidecar, {workers} of a worker",
        "jobs, of all five kinds": f"{result['jobs']}: {states}",
        f"failed by rule ({BY_RULE})": errors or "none",
        "jobs that met a kill of the sidecar": f"{met}; {most} times at most",
        "takes on disk, each verified": f"{result['takes']}",
        "integrity checks": f"{result['integrity_checks']}",
        "lost, doubled, half, changed or damaged": "; ".join(result["wrong"]) or "0",
        "time": f"{result['minutes']} min",
    }
    about = f"{in_words(result['machine'])} Seed {result['seed']}."
    lines = ["# Soak: random kills", "", about, "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run or resume a soak; the hidden `--serve` is one life of the sidecar."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--root", type=Path, help="folder of a run, new or stopped")
    parser.add_argument("--save", action="store_true", help="write results/soak.{json,md}")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--last", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve(options.serve, last=options.last))
        return
    root = (options.root or Path(tempfile.mkdtemp(prefix="ltxb-soak-"))).resolve()
    root.mkdir(parents=True, exist_ok=True)
    (root / "takes").mkdir(exist_ok=True)
    for number, name in enumerate(ORIGINALS, start=1):
        if not (root / name).exists():
            write_numbered_movie(root / name, rate=RATE, count=100, size=(64, 36), tag=number)
    saved = root / "soak.json"
    progress = (
        Progress(**json.loads(saved.read_text())) if saved.exists() else Progress(options.seed)
    )
    progress.originals = progress.originals or digests(root)
    print(f"in {root}", flush=True)
    soak(root, progress, options.kills)
    result = account(root, progress)
    print(table(result))
    if options.save:
        (RESULTS / "soak.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        (RESULTS / "soak.md").write_text(table(result), encoding="utf-8")
    sys.exit(bool(result["wrong"]))


if __name__ == "__main__":
    main()
