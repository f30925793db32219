"""The gRPC server: services, interceptors, measured options, start and drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
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
from sidecar.metrics.meters import CallMeter
from sidecar.rpc.auth import Gate, GateInterceptor, LocalGate
from sidecar.rpc.engines import EngineServicer
from sidecar.rpc.errors import ErrorInterceptor
from sidecar.rpc.frames import FrameStreamer
from sidecar.rpc.generation import GenerationServicer
from sidecar.rpc.metered import MeteringInterceptor
from sidecar.rpc.ports import Jobs, TakeOpener
from sidecar.rpc.transfers import TransferServicer
from sidecar.transfers.store import UploadStore

_LOG = logging.getLogger(__name__)

MESSAGE_BYTES = 4 * 1024 * 1024
# Measured: a client that hangs is noticed after 10 s, without ping_timeout_ms after 65; with so_reuseport a
# second server binds the same port silently. Clients ping every 10 s; more often than every 5 is too much.
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 128),
)
# One neighbour's faulty or hostile program must not keep the others out: half a handshake is dropped after ten
# seconds instead of two minutes, and headers are bounded, as they are read before anybody is known.
_NETWORK_OPTIONS = (
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_allowed_incoming_connections", 256),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),
)
_OUR_SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (generation_service_pb2, "GenerationService"),
        (engine_service_pb2, "EngineService"),
        (transfer_service_pb2, "TransferService"),
    )
)
_METHODS = tuple(
    f"/{service.full_name}/{method.name}"
    for module in (generation_service_pb2, engine_service_pb2, transfer_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)


@dataclass(frozen=True, slots=True)
class NetworkDoor:
    """What other machines meet.

    Args:
        host: Address to listen on.
        port: Its port.
        key_pem: Private key of the server's certificate.
        certificate_pem: The certificate.
        authority_pem: Certificate of the authority whose clients may connect.
        gate: Decides which of them are let in.
    """

    host: str
    port: int
    key_pem: bytes = field(repr=False)
    certificate_pem: bytes
    authority_pem: bytes
    gate: Gate


class RpcServer:
    """The doors of one sidecar: a local one, and beside it one for other machines.

    Each is a gRPC server with its own gate, so that what one lets in never passes the other; behind them are the
    same services. Made, started and drained inside one event loop.

    Args:
        jobs: The job service.
        token: What every local caller must show.
        version: Version of the sidecar.
        opener: Opens takes for FetchFrames.
        uploads: Files sent from other machines.
        meter: Told of every call; None for no metrics.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        token: str,
        version: str,
        opener: TakeOpener,
        uploads: UploadStore,
        meter: CallMeter | None = None,
    ) -> None:
        self._closing = asyncio.Event()
        self._health = HealthServicer()
        self._meter = meter
        self._generation = GenerationServicer(
            jobs, frames=FrameStreamer(opener), closing=self._closing
        )
        self._engines = EngineServicer(jobs, version=version)
        self._transfers = TransferServicer(uploads, jobs)
        self._local = self._server(LocalGate(token), _OPTIONS)
        self._servers = [self._local]

    def _server(self, gate: Gate, options: Sequence[tuple[str, int]]) -> grpc.aio.Server:
        metering = () if self._meter is None else (MeteringInterceptor(self._meter, _METHODS),)
        server = grpc.aio.server(
            interceptors=(*metering, GateInterceptor(gate), ErrorInterceptor()), options=options
        )
        generation_service_pb2_grpc.add_GenerationServiceServicer_to_server(  # type: ignore[no-untyped-call]
            self._generation, server
        )
        engine_service_pb2_grpc.add_EngineServiceServicer_to_server(  # type: ignore[no-untyped-call]
            self._engines, server
        )
        transfer_service_pb2_grpc.add_TransferServiceServicer_to_server(  # type: ignore[no-untyped-call]
            self._transfers, server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*_OUR_SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
        return server

    async def listen_on_socket(self, path: Path) -> str:
        """Listen on a unix socket in a private folder.

        Returns:
            The address for clients.

        Raises:
            ConflictError: The socket cannot be bound.
        """
        address = unix_address(path)
        self._bind(self._local, address)
        await self._local.start()
        await asyncio.to_thread(path.chmod, 0o600)
        return address

    async def listen_on_loopback(self, host: str, port: int) -> str:
        """Listen on a loopback port, 0 for any free one.

        Returns:
            The address for clients, with the port that was bound.

        Raises:
            ConflictError: The port is taken.
        """
        shown = _shown(host)
        bound = self._bind(self._local, f"{shown}:{port}")
        await self._local.start()
        return f"{shown}:{bound}"

    async def listen_to_machines(self, door: NetworkDoor) -> str:
        """Listen for other machines too: TLS with a certificate on both sides, and no other way.

        Returns:
            The address, with the port that was bound.

        Raises:
            ConflictError: The port is taken, or the address is not this machine's.
        """
        server = self._server(door.gate, (*_OPTIONS, *_NETWORK_OPTIONS))
        credentials = grpc.ssl_server_credentials(
            [(door.key_pem, door.certificate_pem)],
            root_certificates=door.authority_pem,
            require_client_auth=True,
        )
        shown = _shown(door.host)
        bound = self._bind(server, f"{shown}:{door.port}", credentials)
        await server.start()
        self._servers.append(server)
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
        stopping = {asyncio.create_task(server.stop(grace_s + 2.0)) for server in self._servers}
        try:
            await asyncio.wait_for(finish_jobs, grace_s)
        except TimeoutError:
            _LOG.warning("Jobs did not finish within %s s; they go on at the next start", grace_s)
        finally:
            self._closing.set()
            # Streams of finished jobs end by themselves now; whoever is stuck is cut off.
            await asyncio.wait(stopping, timeout=1.0)
            for server in self._servers:
                await server.stop(0)
            await asyncio.gather(*stopping)

    def _bind(
        self,
        server: grpc.aio.Server,
        address: str,
        credentials: grpc.ServerCredentials | None = None,
    ) -> int:
        try:
            if credentials is not None:
                return server.add_secure_port(address, credentials)
            return server.add_insecure_port(address)
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


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
