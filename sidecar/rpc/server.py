"""The gRPC server: services, interceptors, measured options, start and drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import quote

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from interchange.errors import ConflictError, Reason
from ltxbridge.v1 import (
    engine_service_pb2,
    engine_service_pb2_grpc,
    generation_service_pb2,
    generation_service_pb2_grpc,
    transfer_service_pb2,
    transfer_service_pb2_grpc,
)
from sidecar.rpc.auth import TokenInterceptor
from sidecar.rpc.engines import EngineServicer
from sidecar.rpc.errors import ErrorInterceptor
from sidecar.rpc.frames import FrameStreamer
from sidecar.rpc.generation import GenerationServicer
from sidecar.rpc.ports import Jobs, TakeOpener

_LOG = logging.getLogger(__name__)

MESSAGE_BYTES = 4 * 1024 * 1024
# Measured: without ping_timeout_ms a hung client is noticed after 65 s instead of 10; with so_reuseport a
# second server binds the same port silently.
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 128),
)
_OUR_SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (generation_service_pb2, "GenerationService"),
        (engine_service_pb2, "EngineService"),
        (transfer_service_pb2, "TransferService"),
    )
)


class RpcServer:
    """One server on one address. Made, started and drained inside one event loop.

    Args:
        jobs: The job service.
        token: What every caller must show.
        version: Version of the sidecar.
        opener: Opens takes for FetchFrames.
    """

    def __init__(self, jobs: Jobs, *, token: str, version: str, opener: TakeOpener) -> None:
        self._closing = asyncio.Event()
        self._health = HealthServicer()
        self._server = grpc.aio.server(
            interceptors=(TokenInterceptor(token), ErrorInterceptor()), options=_OPTIONS
        )
        generation = GenerationServicer(jobs, frames=FrameStreamer(opener), closing=self._closing)
        generation_service_pb2_grpc.add_GenerationServiceServicer_to_server(  # type: ignore[no-untyped-call]
            generation, self._server
        )
        engine_service_pb2_grpc.add_EngineServiceServicer_to_server(  # type: ignore[no-untyped-call]
            EngineServicer(jobs, version=version), self._server
        )
        transfer_service_pb2_grpc.add_TransferServiceServicer_to_server(  # type: ignore[no-untyped-call]
            transfer_service_pb2_grpc.TransferServiceServicer(), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*_OUR_SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)

    async def listen_on_socket(self, path: Path) -> str:
        """Listen on a unix socket in a private folder.

        Returns:
            The address for clients.

        Raises:
            ConflictError: The socket cannot be bound.
        """
        address = unix_address(path)
        self._bind(address)
        await self._server.start()
        await asyncio.to_thread(path.chmod, 0o600)
        return address

    async def listen_on_loopback(self, host: str, port: int) -> str:
        """Listen on a loopback port, 0 for any free one.

        Returns:
            The address for clients, with the port that was bound.

        Raises:
            ConflictError: The port is taken.
        """
        shown = f"[{host}]" if ":" in host else host
        bound = self._bind(f"{shown}:{port}")
        await self._server.start()
        return f"{shown}:{bound}"

    async def announce_serving(self) -> None:
        """Report SERVING."""
        for service in ("", *_OUR_SERVICES):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, finish_jobs: Awaitable[None], *, grace_s: float) -> None:
        """Stop: refuse new calls at once, let jobs finish, then end the open streams.

        Args:
            finish_jobs: Finishes or requeues what runs.
            grace_s: Longest time for it, in seconds.
        """
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.create_task(self._server.stop(grace_s + 2.0))
        try:
            await asyncio.wait_for(finish_jobs, grace_s)
        except TimeoutError:
            _LOG.warning("Jobs did not finish within %s s; they go on at the next start", grace_s)
        finally:
            self._closing.set()
            # Streams of finished jobs end by themselves now; whoever is stuck is cut off.
            await asyncio.wait({stopping}, timeout=1.0)
            await self._server.stop(0)
            await stopping

    def _bind(self, address: str) -> int:
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConflictError(
                f"The sidecar cannot listen on {address}: something else does, or it may not. "
                "Stop the other program or choose another address with --listen.",
                reason=Reason.ALREADY_RUNNING,
                metadata={"address": address},
            ) from error


def unix_address(path: Path) -> str:
    """The gRPC address of a unix socket."""
    return f"unix:{quote(str(path))}"
