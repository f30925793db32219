"""Errors at the edge: a `BridgeError` becomes a rich status, anything else a bare INTERNAL.

Which class has which code stands in `ltxbridge.wire.errors`. This is the one place that logs a traceback of a
call, and once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn, TypeAlias
from urllib.parse import quote

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status

from interchange.errors import BridgeError, InternalError
from ltxbridge import wire
from sidecar.logs import log_context

_LOG = logging.getLogger(__name__)

# gRPC's own limit on all trailing metadata is 8 KiB; past it a caller sees a transport error instead of ours.
_TRAILER_BYTES = 6 * 1024
_CLIP_CHARACTERS = (4000, 2000, 1000, 500, 250, 120, 60)
_METADATA_KEYS = 16
_JOB_NAME = re.compile(r"jobs/([0-9a-f]{32})")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: BridgeError) -> NoReturn:
    """End a call with an error.

    Raises:
        grpc.aio.AbortError: Always; gRPC's own way out of a handler.
    """
    await context.abort_with_status(rpc_status.to_status(fitting_status(error)))


def fitting_status(error: BridgeError) -> status_pb2.Status:
    """Write an error so that it fits into the trailing metadata; overlong texts are clipped."""
    metadata = dict(list(error.metadata.items())[:_METADATA_KEYS])
    for longest in _CLIP_CHARACTERS:
        clipped = type(error)(
            _clip(error.message, longest),
            reason=error.reason,
            metadata={_clip(key, 60): _clip(value, longest) for key, value in metadata.items()},
        )
        status = wire.error_to_status(clipped)
        # The message travels percent-encoded and again inside the status, which travels in base64.
        if len(quote(clipped.message)) + status.ByteSize() * 4 // 3 <= _TRAILER_BYTES:
            break
    return status


def _clip(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of ours, so that no call can forget to translate its errors."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Replace the handler by a guarded one; health and reflection stay gRPC's own."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith("/ltxbridge."):
            return handler
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                _guarded_unary(handler.stream_unary, method),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                _guarded_stream(handler.unary_stream, method),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            _guarded_unary(handler.unary_unary, method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _guarded_unary(behaviour: Any, method: str) -> Any:
    async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        with log_context(request_id=getattr(request, "request_id", "")):
            try:
                return await behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - the boundary: nothing may leak
                await abort(context, _presentable(error, method))

    return guarded


def _guarded_stream(behaviour: Any, method: str) -> Any:
    async def guarded(
        request: Any, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        # A stream is about one job, where it is about any.
        job = _JOB_NAME.fullmatch(getattr(request, "name", ""))
        with log_context(job_id=job[1] if job else ""):
            try:
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response
            except Exception as error:  # noqa: BLE001 - the boundary: nothing may leak
                await abort(context, _presentable(error, method))

    return guarded


def _presentable(error: Exception, method: str) -> BridgeError:
    if isinstance(error, BridgeError) and not isinstance(error, InternalError):
        _LOG.info("%s refused: %s", method, error.reason)
        return error
    _LOG.error("%s failed", method, exc_info=error)
    if isinstance(error, BridgeError):
        return error
    return InternalError("The sidecar met a fault of its own; its log has the details.")
