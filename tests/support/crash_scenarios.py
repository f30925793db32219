"""Lives of a sidecar that a test ends early, and the life after them that puts everything right.

Each function is called through `support.zygote`. A scenario does the same things whatever an earlier life did
of them, as a client that repeats its calls does.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from support import broken_engines
from support.crash_points import CrashPoints
from support.job_cases import As, ended, make_service, media_request, reached, running
from support.spare_workers import keep_spare_workers

from interchange.model.directive import JobKind
from interchange.model.job import Job
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    RegenerateSpec,
)
from sidecar.jobs import schema
from sidecar.jobs import stages as real_stages
from sidecar.jobs.runner import Stages
from sidecar.jobs.service import JobService
from sidecar.media.paths import PathPolicy
from sidecar.pipelines.registry import engine_limits
from sidecar.worker.supervisor import WorkerSpec

ORIGINALS = ("A001.mov", "B001.mov")
KINDS = ("retake", "regenerate", "bridge", "extend", "generate")
_ENGINES = {"cancel": "slow", "drain": "slow", "drained": "slow", "retry": "dies"}
PREVIOUS_SCHEMA = 2
_DAWDLES = 4  # a fifth of a second
_POINTS: list[CrashPoints] = []

Scenario = Callable[[As, Path, str], Awaitable[list[Job]]]


def kind_request(root: Path, kind: str, **changes: Any) -> GenerationRequest:
    """A request of a kind for the tiny originals in a folder."""
    request = media_request(root, **changes)
    source = request.spec.source
    match JobKind(kind):
        case JobKind.RETAKE:
            return request
        case JobKind.REGENERATE:
            return replace(request, spec=RegenerateSpec(source))
        case JobKind.EXTEND:
            return replace(request, spec=ExtendSpec(source))
        case JobKind.GENERATE:
            return replace(request, spec=GenerateSpec(), keep_handles=False)
        case JobKind.BRIDGE:
            path = root / "B001.mov"
            facts = path.stat()
            incoming = replace(
                source, path=str(path), size_bytes=facts.st_size, modified_ns=facts.st_mtime_ns
            )
            return replace(request, spec=BridgeSpec(source, incoming, cut=86423))


def open_stages(*, state_folder: Path, product_version: str) -> Stages:
    """Stages that write a few bytes, heard by this process's crash points."""
    return _heard(
        broken_engines.open_stages(state_folder=state_folder, product_version=product_version)
    )


def open_real_stages(*, state_folder: Path, product_version: str) -> Stages:
    """The product's own stages, heard by this process's crash points."""
    return _heard(
        real_stages.open_stages(state_folder=state_folder, product_version=product_version)
    )


def _heard(stages: Stages) -> Stages:
    return _POINTS[0].around(stages) if _POINTS else stages


def _service(root: Path, scenario: str) -> JobService:
    # One engine at a time, so that idle lanes ask the store nothing in between.
    engine = _ENGINES.get(scenario, "steady")
    if scenario != "real_job":
        return make_service(
            root,
            limits={engine: broken_engines.ALL_LIMITS[engine]},
            default_engine=engine,
            worker=WorkerSpec(
                root / "state",
                "1.2.3",
                engines="support.broken_engines:create_engine",
                stages="support.crash_scenarios:open_stages",
            ),
        )
    return make_service(
        root,
        limits={"identity": engine_limits()["identity"]},
        paths=PathPolicy([root]),
        default_engine="identity",
        worker=WorkerSpec(
            root / "state", "1.2.3", stages="support.crash_scenarios:open_real_stages"
        ),
    )


async def _job(service: As, root: Path, kind: str) -> list[Job]:
    job = await service.create(kind_request(root, kind), request_id="the-job")
    _hit("created")
    job = await ended(service, job)
    _hit("ended")
    return [job]


async def _real_job(service: As, root: Path, kind: str) -> list[Job]:
    request = kind_request(root, kind, engine="identity")
    job = await ended(service, await service.create(request, request_id="the-job"))
    return [job]


async def _cancel(service: As, root: Path, kind: str) -> list[Job]:
    """One job is cancelled while it runs, one while it waits."""
    request = kind_request(root, kind, engine="slow", seed=1000)
    first = await service.create(request, request_id="running")
    second = await service.create(request, request_id="waiting")
    await service.cancel(second.job_id)
    await reached(service, first, lambda job: bool(job.progress.phase) or job.state.terminal)
    _hit("running")
    await service.cancel(first.job_id)
    return [await ended(service, first), await ended(service, second)]


async def _retry(service: As, root: Path, kind: str) -> list[Job]:
    """The engine's process dies once by itself."""
    (root / "takes").mkdir(exist_ok=True)
    job = await service.create(kind_request(root, kind, engine="dies"), request_id="the-job")
    return [await ended(service, job)]


async def _drain(service: As, root: Path, kind: str) -> list[Job]:
    """The sidecar is stopped under a job."""
    request = kind_request(root, kind, engine="slow", seed=_DAWDLES)
    job = await service.create(request, request_id="the-job")
    await reached(service, job, lambda job: bool(job.progress.phase) or job.state.terminal)
    await service.drain(grace_s=0)
    return []


async def _drained(service: As, root: Path, kind: str) -> list[Job]:
    """What a sidecar was stopped under is carried on."""
    request = kind_request(root, kind, engine="slow", seed=_DAWDLES)
    return [await ended(service, await service.create(request, request_id="the-job"))]


async def _delete(service: As, _root: Path, _kind: str) -> list[Job]:
    """Every job is forgotten; the media stay."""
    for job in (await service.list())[0]:
        await service.delete(job.job_id)
    return list((await service.list())[0])


async def _nothing(_service: As, _root: Path, _kind: str) -> list[Job]:
    return []


SCENARIOS: dict[str, Scenario] = {
    "job": _job,
    "real_job": _real_job,
    "cancel": _cancel,
    "retry": _retry,
    "drain": _drain,
    "drained": _drained,
    "delete": _delete,
    "start": _nothing,
    "nothing": _nothing,
}
# What comes after a killed life, where it is not the same again.
_AFTERWARDS = {"start": "job", "drain": "drained"}


def live(root: str, scenario: str, kind: str, **points: Any) -> list[dict[str, Any]]:
    """One life, with crash points; see `CrashPoints` for those arguments."""
    heard = CrashPoints(root, **points)
    _POINTS.append(heard)
    heard.listen()
    os.register_at_fork(after_in_child=lambda: setattr(heard, "role", "worker"))
    # A worker that is killed, or dies by itself, is followed by another one.
    again = str(points.get("point", "")).startswith("worker ") + (scenario == "retry")
    return _life(Path(root), scenario, kind, workers=1 + again)


def finish(root: str, scenario: str, kind: str) -> dict[str, Any]:
    """Two more lives after a killed one, with what each came to and whether the database is whole."""
    following = _AFTERWARDS.get(scenario, scenario)
    lives = [_life(Path(root), following, kind, workers=workers) for workers in (1, 0)]
    with sqlite3.connect(Path(root) / "state" / "jobs.sqlite3") as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return {"lives": lives, "integrity": integrity}


def age(root: str, scenario: str, kind: str) -> None:  # noqa: ARG001 - called like the others
    """Turn the job database into one of the previous schema, with the same jobs."""
    path = Path(root) / "state" / "jobs.sqlite3"
    aged = path.with_name("aged.sqlite3")
    database = sqlite3.connect(aged)
    for statement in itertools.chain.from_iterable(schema._MIGRATIONS[:PREVIOUS_SCHEMA]):
        database.execute(statement)
    database.execute("CREATE TABLE schema (version INTEGER NOT NULL) STRICT")
    database.execute("INSERT INTO schema VALUES (?)", (PREVIOUS_SCHEMA,))
    names = ", ".join(row[1] for row in database.execute("PRAGMA table_info(job)"))
    database.execute("ATTACH ? AS present", (str(path),))
    database.execute(f"INSERT INTO job ({names}) SELECT {names} FROM present.job")  # noqa: S608 - our own names
    database.commit()
    database.close()
    for left in path.parent.glob("jobs.sqlite3-*"):
        left.unlink()
    aged.replace(path)


def _life(root: Path, scenario: str, kind: str, *, workers: int) -> list[dict[str, Any]]:
    keep_spare_workers(workers)

    async def live_once() -> list[Job]:
        service = _service(root, scenario)
        async with running(service) as local:
            await (
                local.list()
            )  # after the lane's first look at the queue, so that the two never share
            return await SCENARIOS[scenario](local, root, kind)

    return [_told(job) for job in asyncio.run(live_once())]


def _told(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "state": job.state.value,
        "revision": job.revision,
        "attempts": job.attempts,
        "path": job.take and job.take.path,
        "sha256": job.take and job.take.sha256,
        "error": job.error and str(job.error),
    }


def _hit(name: str) -> None:
    for points in _POINTS:
        points.hit(f"scenario {name}")
