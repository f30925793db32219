"""A real server in a thread of its own, for tests that talk to it over a real socket."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from support.fake_job_service import FakeJobService

from ltxbridge.client import Endpoint
from sidecar.filesystem import FileSystem
from sidecar.metrics.meters import CallMeter
from sidecar.rpc.server import RpcServer
from sidecar.transfers.store import UploadStore

TOKEN = "5" * 64


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Args:
        endpoint: Where it listens.
        jobs: The service behind it.
        server: The server itself; only to be touched inside its loop.
        loop: Its event loop.
    """

    endpoint: Endpoint
    jobs: FakeJobService
    server: RpcServer
    loop: asyncio.AbstractEventLoop

    def run(self, coroutine: Coroutine[Any, Any, Any], timeout_s: float = 10) -> Any:
        """Run something inside the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout_s)


@contextmanager
def numbered_pictures(job):
    """Opens a "take" whose red is the record frame modulo 256, in 255ths."""

    def picture_at(frame: int):
        raster = job.request.raster
        picture = np.zeros((raster.height_px, raster.width_px, 3), np.float32)
        picture[..., 0] = np.float32(frame % 256) / 255
        picture[..., 1] = 1.5  # super-white: clipped on the wire
        return picture

    yield picture_at


@contextmanager
def running_server(
    folder: Path,
    *,
    transport: str = "unix",
    jobs: FakeJobService | None = None,
    token: str = TOKEN,
    uploads: UploadStore | None = None,
    meter: CallMeter | None = None,
) -> Iterator[Running]:
    """Run a server for the duration.

    Args:
        folder: For the socket and the token file; short.
        transport: `unix` or `tcp`.
        jobs: The service behind it.
        token: What it asks for; the token file always holds the right one.
        uploads: Where files are kept; in the folder where None.
        meter: Told of every call.
    """
    token_file = folder / "token"
    token_file.write_text(token)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server-loop")
    thread.start()

    async def start() -> Running:
        service = jobs or FakeJobService()
        server = RpcServer(
            service,
            token=token,
            version="test",
            opener=numbered_pictures,
            uploads=uploads or UploadStore(folder / "uploads", filesystem=FileSystem()),
            meter=meter,
        )
        if transport == "unix":
            address = await server.listen_on_socket(folder / "s.sock")
        else:
            address = await server.listen_on_loopback("127.0.0.1", 0)
        await server.announce_serving()
        return Running(Endpoint(address, token_file), service, server, loop)

    try:
        running = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        try:
            yield running
        finally:
            running.run(running.server.drain(asyncio.sleep(0), grace_s=1))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
