"""The composition root: puts the rooms together, listens, and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version

from sidecar.filesystem import FileSystem
from sidecar.instance import (
    Discovery,
    create_token,
    discovery_path,
    make_private_folder,
    socket_path,
    write_discovery,
)
from sidecar.jobs.service import JobService
from sidecar.lifecycle.quota import BYTES_PER_GB, COUNTED_FOLDERS, Quota
from sidecar.lifecycle.upkeep import Upkeep, kept_up
from sidecar.logs import configure_logging
from sidecar.media.paths import PathPolicy
from sidecar.metrics.meters import Meters
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.registry import engine_limits
from sidecar.pipelines.resources import EngineResources
from sidecar.rpc.doors import network_door
from sidecar.rpc.server import RpcServer
from sidecar.rpc.takes import open_take
from sidecar.setting_values import ListenAddress
from sidecar.settings import Settings
from sidecar.transfers.places import Places
from sidecar.transfers.store import UploadStore
from sidecar.transfers.upkeep import keep_swept
from sidecar.worker.supervisor import WorkerSpec

_LOG = logging.getLogger(__name__)

_ANY_PORT = ListenAddress("127.0.0.1", 0)


def serve(settings: Settings, *, while_stdin_open: bool = False) -> None:
    """Run a sidecar until it is told to stop (SIGTERM, SIGINT, Ctrl-C).

    Args:
        settings: All of them.
        while_stdin_open: Stop also when standard input is closed, which it is when the parent process
            ends, however it ends.

    Raises:
        ConflictError: Another sidecar uses the state folder, or the address (ALREADY_RUNNING).
        NotAllowedError: A folder is not private to this user.
    """
    make_private_folder(settings.state_dir)
    logs = settings.state_dir / "logs"
    make_private_folder(logs)
    configure_logging(level=settings.log_level, style=settings.log_format, folder=logs)
    asyncio.run(_serve(settings, while_stdin_open=while_stdin_open))


async def _serve(settings: Settings, *, while_stdin_open: bool) -> None:
    filesystem = FileSystem()
    product_version = version("ltxbridge")
    machines = network_door(settings.listen, settings.state_dir)
    stop = asyncio.Event()
    with _stop_signals(stop):
        if while_stdin_open:
            _stop_with_stdin(stop)
        quota = Quota(settings.quota_gb * BYTES_PER_GB)
        meters = Meters() if settings.metrics else None
        uploads = UploadStore(settings.state_dir / "uploads", filesystem=filesystem, quota=quota)
        jobs = _job_service(settings, filesystem, product_version, quota, uploads)
        await jobs.start()  # takes the lock of the state folder
        try:
            token = create_token(settings.state_dir, filesystem=filesystem)
            server = RpcServer(
                jobs,
                token=token,
                version=product_version,
                opener=open_take,
                uploads=uploads,
                meter=meters,
            )
            address = await _listen(server, settings)
            if machines is not None:
                _LOG.info(
                    "Listening for enrolled machines on %s",
                    await server.listen_to_machines(machines),
                )
        except BaseException:
            await jobs.drain(grace_s=0)
            raise
        discovery = Discovery(
            address=address,
            pid=os.getpid(),
            version=product_version,
            temporary=while_stdin_open,
            media_roots=tuple(str(root.resolve()) for root in settings.media_roots),
            maps_paths=bool(settings.path_maps),
        )
        sweeping = asyncio.create_task(keep_swept(uploads, jobs))
        try:
            write_discovery(settings.state_dir, discovery, filesystem=filesystem)
            async with kept_up(_upkeep(settings, jobs, quota, meters), page=settings.metrics):
                await server.announce_serving()
                _LOG.info("Listening on %s", address)
                await stop.wait()
                _LOG.info("Stopping; running jobs have %s s to finish", settings.drain_grace_s)
        finally:
            sweeping.cancel()
            filesystem.unlink(discovery_path(settings.state_dir), missing_ok=True)
            await server.drain(
                jobs.drain(grace_s=settings.drain_grace_s), grace_s=settings.drain_grace_s + 10
            )
            _LOG.info("Stopped")


def _upkeep(settings: Settings, jobs: JobService, quota: Quota, meters: Meters | None) -> Upkeep:
    if meters is not None:
        meters.watch_disk(used=lambda: quota.used_bytes, limit_bytes=quota.limit_bytes)
    folders = [settings.state_dir / name for name in COUNTED_FOLDERS]
    return Upkeep(jobs, quota=quota, folders=folders, meters=meters)


def _job_service(
    settings: Settings,
    filesystem: FileSystem,
    product_version: str,
    quota: Quota,
    uploads: UploadStore,
) -> JobService:
    policy = PathPolicy(
        settings.media_roots, settings.path_maps, output_roots=settings.output_roots or None
    )
    return JobService(
        state_folder=settings.state_dir,
        paths=Places(
            policy,
            uploads=uploads,
            spool=settings.state_dir / "spool",
            remote_paths=settings.remote_paths,
        ),
        limits=engine_limits(EngineFolders.below(settings.state_dir)),
        default_engine=settings.engine,
        worker=worker_spec(settings, product_version),
        filesystem=filesystem,
        quota=quota,
    )


def worker_spec(settings: Settings, product_version: str) -> WorkerSpec:
    """What a worker of these settings is, and what its engine may take."""
    return WorkerSpec(
        state_folder=settings.state_dir,
        product_version=product_version,
        memory_bytes=settings.worker_memory_gb * BYTES_PER_GB,
        resources=EngineResources(
            device=settings.device,
            gpu_memory_bytes=settings.gpu_memory_gb * BYTES_PER_GB,
            cache_bytes=settings.model_cache_gb * BYTES_PER_GB,
        ),
    )


async def _listen(server: RpcServer, settings: Settings) -> str:
    loopback = settings.listen if settings.listen and settings.listen.loopback else None
    if loopback is None and sys.platform != "win32":
        path = socket_path(settings.state_dir, settings.runtime_dir)
        make_private_folder(path.parent)
        return await server.listen_on_socket(path)
    # gRPC for Python has no proven unix sockets on Windows.
    where = loopback or _ANY_PORT
    return await server.listen_on_loopback(where.host, where.port)


@contextlib.contextmanager
def _stop_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def on_signal(number: int, _frame: object = None) -> None:
        if stop.is_set():  # asked twice: at once; jobs are taken up at the next start
            os._exit(128 + number)
        loop.call_soon_threadsafe(stop.set)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_with_stdin(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def wait_for_end() -> None:
        # Not through sys.stdin: its lock, held by a thread that waits, aborts the interpreter at its end.
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait_for_end, name="stdin", daemon=True).start()
