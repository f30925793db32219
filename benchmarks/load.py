"""A sidecar under load: submits, watchers, slow readers, clients that hang and clients that vanish.

The real service, store, workers and socket; only the engine is a test engine that makes a take of ten tiny frames,
so that the queue is what is measured. The sidecar, the submitters, the watchers, and each slow, hung and
vanishing client are processes of their own on the same machine.

    PYTHONPATH=tests python benchmarks/load.py [--jobs 1000] [--submitters 16] [--watchers 64]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import grpc
from machine import in_words, machine
from support.broken_engines import ALL_LIMITS
from support.job_cases import Rooted, media_request

from ltxbridge import wire
from ltxbridge.v1 import generation_service_pb2 as pb
from ltxbridge.v1 import generation_service_pb2_grpc as pb_grpc
from sidecar.filesystem import FileSystem
from sidecar.jobs.service import JobService
from sidecar.rpc.server import RpcServer, unix_address
from sidecar.transfers.store import UploadStore
from sidecar.worker.supervisor import WorkerSpec

RESULTS = Path(__file__).parent / "results"
TOKEN = "5" * 64
METADATA = (("authorization", f"Bearer {TOKEN}"), ("ltxbridge-door", "load"))
SLOW_READERS = 4
MEMORY_STREAMS = 8
GOALS = {
    "submit_p99_ms": 100,
    "event_lag_p99_ms": 100,
    "gaps": 0,
    "slow_stream_rss_mb": 32,
    "hung_client_freed_s": 12,
    "vanished_client_freed_s": 1,
}


def socket_of(root: Path) -> Path:
    """Where the sidecar under load listens."""
    return root / "s.sock"


class Counted:
    """The job service, and how many streams of changes are open."""

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._open = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    async def watch_all(self, **arguments: Any) -> AsyncIterator[Any]:
        """As the service's, counted."""
        self._say(1)
        stream = self._service.watch_all(**arguments)
        try:
            async for change in stream:
                yield change
        finally:
            await stream.aclose()  # type: ignore[attr-defined]
            self._say(-1)

    def _say(self, change: int) -> None:
        self._open += change
        print(json.dumps({"open": self._open, "at": time.monotonic()}), flush=True)


async def serve(root: Path) -> None:
    """Be the sidecar under load until standard input ends."""
    service = JobService(
        state_folder=root / "state",
        paths=Rooted(root),
        limits={"steady": ALL_LIMITS["steady"]},
        default_engine="steady",
        worker=WorkerSpec(
            root / "state",
            "load",
            engines="support.broken_engines:create_engine",
            stages="support.broken_engines:open_stages",
        ),
    )
    await service.start()
    server = RpcServer(
        Counted(service),  # type: ignore[arg-type]
        token=TOKEN,
        version="load",
        opener=_no_takes,
        uploads=UploadStore(root / "uploads", filesystem=FileSystem()),
    )
    await server.listen_on_socket(socket_of(root))
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.drain(service.drain(grace_s=5), grace_s=10)


def _no_takes(_job: object) -> Any:
    raise NotImplementedError


def stub_of(root: Path) -> pb_grpc.GenerationServiceStub:
    """A connection of its own."""
    # A pool that is shared would make one client of all.
    channel = grpc.aio.insecure_channel(
        unix_address(socket_of(root)), options=(("grpc.use_local_subchannel_pool", 1),)
    )
    return pb_grpc.GenerationServiceStub(channel)  # type: ignore[no-untyped-call]


async def submit(root: Path, jobs: int, submitters: int) -> None:
    """Submit as fast as answers come; say how long each took, and the jobs' names as they are made."""
    request = wire.request_to_proto(media_request(root, shot="LOAD"))
    left = iter(range(jobs))
    waits_ms: list[float] = []
    names: list[str] = []
    connected, begin = asyncio.Semaphore(0), asyncio.Event()

    async def one() -> None:
        stub = stub_of(root)
        await stub.ListJobs(pb.ListJobsRequest(page_size=1), metadata=METADATA)  # connected
        connected.release()
        await begin.wait()
        for _ in left:
            begun = time.perf_counter()
            answer = await stub.CreateJob(
                pb.CreateJobRequest(request=request), metadata=METADATA, timeout=30
            )
            waits_ms.append(1000 * (time.perf_counter() - begun))
            names.append(answer.job.name)

    tasks = [asyncio.create_task(one()) for _ in range(submitters)]
    for _ in tasks:
        await connected.acquire()
    begun = time.perf_counter()
    begin.set()
    await asyncio.gather(*tasks)
    seconds = time.perf_counter() - begun
    print(json.dumps({"waits_ms": waits_ms, "names": names, "seconds": seconds}))


@dataclass
class Heard:
    """What streams told: gaps, and how late."""

    events: int = 0
    gaps: int = 0
    lags_ms: list[float] = field(default_factory=list)
    revisions: Counter[str] = field(default_factory=Counter)
    ended: set[str] = field(default_factory=set)

    def hear(self, job: pb.Job, since: float) -> None:
        """Take a snapshot; `since` is when the stream began, wall time: before it nothing is late."""
        now = time.time()
        self.events += 1
        if job.revision != self.revisions[job.name] + 1:
            self.gaps += 1
        self.revisions[job.name] = job.revision
        if job.HasField("end_time"):
            self.ended.add(job.name)
            happened = job.end_time
        elif job.revision == 1:
            happened = job.create_time
        elif job.state == pb.Job.STATE_RUNNING and job.progress.phase == "waiting":
            happened = job.start_time
        else:
            return
        at = happened.seconds + happened.nanos / 1e9
        if at > since:
            self.lags_ms.append(1000 * (now - at))


async def watch(root: Path, jobs: int, watchers: int) -> None:
    """One stream of all changes, and as many watchers as asked, each with one job after the other."""
    everything, each = Heard(), Heard()
    waiting: asyncio.Queue[str] = asyncio.Queue()

    async def all_of_them() -> None:
        since = time.time()
        stream = stub_of(root).WatchJobs(pb.WatchJobsRequest(after_sequence=0), metadata=METADATA)
        async for answer in stream:
            if not answer.HasField("job"):
                print(json.dumps({"watching": True}), flush=True)
                continue
            everything.hear(answer.job, since)
            if answer.job.revision == 1:
                waiting.put_nowait(answer.job.name)
            if len(everything.ended) == jobs:
                return

    async def one() -> None:
        stub = stub_of(root)
        while True:
            name = await waiting.get()
            since = time.time()
            request = pb.WatchJobRequest(name=name, replay=True)
            async for answer in stub.WatchJob(request, metadata=METADATA):
                each.hear(answer.job, since)
            waiting.task_done()

    tasks = [asyncio.create_task(one()) for _ in range(watchers)]
    await all_of_them()
    await waiting.join()
    for task in tasks:
        task.cancel()
    print(
        json.dumps(
            {
                "events": everything.events,
                "gaps": everything.gaps + each.gaps + (jobs - len(each.ended)),
                "lags_ms": everything.lags_ms + each.lags_ms,
                "watched_events": each.events,
            }
        )
    )


async def read_slowly(root: Path, jobs: int, pause_s: float, until_s: float) -> None:
    """Read all changes with a pause after each for a while, then the rest; there must be no gap."""
    heard = Heard()
    begun = time.monotonic()
    stream = stub_of(root).WatchJobs(pb.WatchJobsRequest(after_sequence=0), metadata=METADATA)
    async for answer in stream:
        if answer.HasField("job"):
            heard.hear(answer.job, 0)
        if time.monotonic() - begun < until_s:
            await asyncio.sleep(pause_s)
        if len(heard.ended) == jobs:
            break
    print(json.dumps({"events": heard.events, "gaps": heard.gaps}))


async def read_nothing(root: Path, streams: int) -> None:
    """Open streams of all changes, read one answer of each, and nothing more."""
    opened = []
    for _ in range(streams):
        stream = stub_of(root).WatchJobs(pb.WatchJobsRequest(after_sequence=0), metadata=METADATA)
        await stream.read()
        opened.append(stream)
    print(json.dumps({"watching": True}), flush=True)
    await asyncio.Event().wait()


class Role:
    """One of our processes."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, __file__, *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._said = cast("IO[str]", self.process.stdout)

    def line(self) -> dict[str, Any]:
        """The next thing it says."""
        text = self._said.readline()
        if not text:
            sys.exit(f"{self.process.args} ended with {self.process.wait()}")
        return dict(json.loads(text))

    def end(self) -> None:
        """Close its standard input and wait."""
        self.process.communicate(timeout=60)


@contextmanager
def sidecar(root: Path) -> Iterator[Role]:
    """The sidecar under load."""
    role = Role("serve", root)
    role.line()
    try:
        yield role
    finally:
        role.end()


def until_open(server: Role, count: int) -> float:
    """Read what the sidecar says until so many streams are open; when that was, monotonic."""
    while True:
        said = server.line()
        if said["open"] == count:
            return float(said["at"])


def rss_mb(pid: int) -> float:
    """Resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def freed_after_s(root: Path, server: Role, number: signal.Signals) -> float:
    """From a signal to a client until the sidecar has let go of its stream."""
    client = Role("read-nothing", root, 1)
    until_open(server, 1)
    client.line()
    time.sleep(0.5)
    sent = time.monotonic()
    client.process.send_signal(number)
    freed = until_open(server, 0)
    client.process.kill()
    client.process.wait()
    return freed - sent


def percentile(values: list[float], share: float) -> float:
    """The value below which so many are."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(root: Path, *, jobs: int, submitters: int, watchers: int) -> dict[str, Any]:
    """Everything, against one sidecar."""
    with sidecar(root) as server:
        watching = Role("watch", root, jobs, watchers)
        watching.line()
        slow = [Role("read-slowly", root, jobs, 0.02, 15) for _ in range(SLOW_READERS)]
        until_open(server, 1 + SLOW_READERS)
        submitted = Role("submit", root, jobs, submitters).line()
        heard = watching.line()
        slowly = [role.line() for role in slow]
        until_open(server, 0)
        with sqlite3.connect(f"file:{root}/state/jobs.sqlite3?mode=ro", uri=True) as database:
            (events,) = database.execute("SELECT count(*) FROM event").fetchone()
        before = rss_mb(server.process.pid)
        idle = Role("read-nothing", root, MEMORY_STREAMS)
        idle.line()
        time.sleep(2)
        per_stream = (rss_mb(server.process.pid) - before) / MEMORY_STREAMS
        idle.process.kill()
        until_open(server, 0)
        hung = freed_after_s(root, server, signal.SIGSTOP)
        vanished = freed_after_s(root, server, signal.SIGKILL)
    missing = [events - found["events"] for found in (heard, *slowly)]
    return {
        "submit_p50_ms": round(percentile(submitted["waits_ms"], 0.50), 1),
        "submit_p99_ms": round(percentile(submitted["waits_ms"], 0.99), 1),
        "submits_per_s": round(jobs / submitted["seconds"]),
        "event_lag_p50_ms": round(percentile(heard["lags_ms"], 0.50), 1),
        "event_lag_p99_ms": round(percentile(heard["lags_ms"], 0.99), 1),
        "events": events,
        "gaps": heard["gaps"] + sum(found["gaps"] for found in slowly) + sum(map(abs, missing)),
        "sidecar_rss_mb": round(before, 1),
        "slow_stream_rss_mb": round(max(per_stream, 0.0), 2),
        "hung_client_freed_s": round(hung, 2),
        "vanished_client_freed_s": round(vanished, 3),
    }


def main() -> None:
    """Measure, print, write down; exit 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--submitters", type=int, default=16)
    parser.add_argument("--watchers", type=int, default=64)
    parser.add_argument(
        "--write", action="store_true", help="keep the result in benchmarks/results"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ltxb-load-") as folder:
        root = Path(folder).resolve()
        found = measure(
            root, jobs=options.jobs, submitters=options.submitters, watchers=options.watchers
        )
    facts = machine("grpcio", "protobuf")
    missed = [name for name, goal in GOALS.items() if found[name] > goal]
    print(json.dumps(found, indent=2))
    print(in_words(facts))
    if options.write:
        report = {"machine": facts, "options": vars(options), "goals": GOALS, "found": found}
        RESULTS.joinpath("load.json").write_text(json.dumps(report, indent=2) + "\n")
        RESULTS.joinpath("load.md").write_text(_table(found, facts, options))
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


def _table(found: dict[str, Any], facts: dict[str, object], options: argparse.Namespace) -> str:
    rows = [f"| {name} | {value} | {GOALS.get(name, '')} |" for name, value in found.items()]
    load = (
        f"{options.jobs} jobs, {options.submitters} submitters, {options.watchers} watchers and one of all, "
        f"{SLOW_READERS} slow readers; all on one machine. `benchmarks/load.py --write`."
    )
    head = ("# A sidecar under load", "", load, "", "| | found | goal |", "| --- | --- | --- |")
    return "\n".join((*head, *rows, "", in_words(facts), ""))


def act(role: str, arguments: list[str]) -> None:
    """Be one of the processes."""
    root, numbers = Path(arguments[0]), arguments[1:]
    match role:
        case "serve":
            asyncio.run(serve(root))
        case "submit":
            asyncio.run(submit(root, *map(int, numbers)))
        case "watch":
            asyncio.run(watch(root, *map(int, numbers)))
        case "read-slowly":
            asyncio.run(read_slowly(root, int(numbers[0]), *map(float, numbers[1:])))
        case "read-nothing":
            asyncio.run(read_nothing(root, *map(int, numbers)))


ROLES = ("serve", "submit", "watch", "read-slowly", "read-nothing")

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ROLES:
        act(sys.argv[1], sys.argv[2:])
    else:
        main()
