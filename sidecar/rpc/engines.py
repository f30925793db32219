"""EngineService: parse, one call, reply."""
# ruff: noqa: ARG002, N802 - names and signatures are the contract's, which documents them

from __future__ import annotations

from typing import Any

import grpc

from interchange.errors import NotFoundError, Reason
from ltxbridge import wire
from ltxbridge.v1 import engine_service_pb2 as pb
from ltxbridge.v1 import engine_service_pb2_grpc as pb_grpc
from sidecar.rpc.ports import Jobs

FEATURES = ("fetch_frames", "request_id", "validate_only", "watch_after_revision")


class EngineServicer(pb_grpc.EngineServiceServicer):
    """Tells which engines there are.

    Args:
        jobs: The job service.
        version: Version of the sidecar.
    """

    def __init__(self, jobs: Jobs, *, version: str) -> None:
        self._jobs = jobs
        self._version = version

    async def ListEngines(
        self,
        request: pb.ListEnginesRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> pb.ListEnginesResponse:
        """Return all engines."""
        engines = await self._jobs.engines()
        return pb.ListEnginesResponse(
            engines=[wire.engine_to_proto(engine) for engine in engines],
            sidecar_version=self._version,
            features=FEATURES,
        )

    async def GetEngine(
        self,
        request: pb.GetEngineRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> pb.GetEngineResponse:
        """Return one engine."""
        name = wire.engine_from_name(request.name)
        for engine in await self._jobs.engines():
            if engine.limits.engine == name:
                return pb.GetEngineResponse(engine=wire.engine_to_proto(engine))
        raise NotFoundError(
            f"There is no engine {name!r}; `ltxbridge doctor` lists those there are.",
            reason=Reason.ENGINE_NOT_FOUND,
            metadata={"engine": name},
        )
