"""How fast files come in and takes go out, against a plain copy of the same file.

    python benchmarks/transfer.py [--mib 1024]

The server is a process of its own on loopback TCP. Upload: the client's hashing, the way, the server's hashing and
fsync. Download: the server's hashing, the way, the client's writing, fsync and hashing. Copy: read, write, fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from machine import in_words, machine

from ltxbridge.client import Endpoint
from ltxbridge.client.transfers import TransferClient
from ltxbridge.roundtrip.downloads import download_take
from sidecar.filesystem import FileSystem
from sidecar.rpc.server import RpcServer
from sidecar.transfers.store import UploadStore

RESULTS = Path(__file__).parent / "results"
ROUNDS = 3
MIB = 1 << 20


@dataclass(frozen=True)
class TakeOnDisk:
    """What transfers need to know of a take."""

    path: str
    manifest_path: str
    size_bytes: int
    sha256: str


class OneJob:
    """A job service that knows one finished job."""

    def __init__(self, job: Any) -> None:
        self._job = job

    async def get(self, _job_id: str, *, caller: Any) -> Any:
        """The job."""
        del caller
        return self._job


def serve(folder: Path, job: Any, token: str, ready: Any) -> None:
    """Run the server until it is killed."""

    async def run() -> None:
        server = RpcServer(
            OneJob(job),  # type: ignore[arg-type]  # transfers ask for no more
            token=token,
            version="benchmark",
            opener=None,  # type: ignore[arg-type]  # fetches no frames
            uploads=UploadStore(folder / "uploads", filesystem=FileSystem()),
        )
        ready.send(await server.listen_on_loopback("127.0.0.1", 0))
        await asyncio.Event().wait()

    asyncio.run(run())


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def copy(source: Path, destination: Path) -> None:
    """A plain copy, chunk by chunk, fsynced."""
    with source.open("rb") as read, destination.open("wb") as write:
        while chunk := read.read(MIB):
            write.write(chunk)
        write.flush()
        os.fsync(write.fileno())


def measure(folder: Path, size: int, number: int) -> dict[str, float]:
    """One round with a file of its own; seconds by name."""
    source = folder / f"source{number}.mov"
    block = secrets.token_bytes(MIB)
    with source.open("wb") as file:
        for index in range(size // MIB):
            file.write(index.to_bytes(8, "big") + block[8:])
    manifest = folder / "far.c2pa"
    manifest.write_bytes(b"manifest")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    take = TakeOnDisk(str(source.resolve()), str(manifest.resolve()), size, digest)
    shot = SimpleNamespace(shot=f"S{number:03}")
    job = SimpleNamespace(job_id="0" * 32, take=take, request=shot)
    token = secrets.token_hex(32)
    (folder / "token").write_text(token)
    context = multiprocessing.get_context("spawn")
    ready, theirs = context.Pipe()
    server = context.Process(target=serve, args=(folder, job, token, theirs))
    server.start()
    try:
        with TransferClient(Endpoint(ready.recv(), folder / "token")) as client:
            found = {
                "copy": seconds(lambda: copy(source, folder / "copy")),
                "upload": seconds(lambda: client.upload(source)),
                "download": seconds(
                    lambda: download_take(
                        job,  # type: ignore[arg-type]  # as above
                        folder / "near",
                        transfers=client,
                        filesystem=FileSystem(),
                    )
                ),
            }
    finally:
        server.kill()
        server.join()
    source.unlink()
    return found


def main() -> None:
    """Measure and write the result down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    mib = parser.parse_args().mib
    with tempfile.TemporaryDirectory() as folder:
        rounds = [measure(Path(folder), mib * MIB, number) for number in range(ROUNDS)]
    median = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    facts = machine("grpcio", "protobuf")
    record = {"mib": mib, "rounds_s": rounds, "median_s": median, "machine": facts}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "transfer.json").write_text(json.dumps(record, indent=2) + "\n")
    rows = "".join(
        f"| {name} | {took:.2f} | {mib * MIB / took / 1e6:.0f} | {took / median['copy']:.2f} |\n"
        for name, took in median.items()
    )
    (RESULTS / "transfer.md").write_text(
        f"# One file of {mib} MiB, in and out\n\n"
        "Loopback TCP, client and server on the same processors; hashing on both sides and fsync included.\n\n"
        f"| median of {ROUNDS} | s | MB/s | times a copy |\n|---|---|---|---|\n{rows}\n{in_words(facts)}\n"
    )
    print((RESULTS / "transfer.md").read_text())


if __name__ == "__main__":
    main()
