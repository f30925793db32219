"""Counts every call, how it ended and how long it took; outermost, so that refused ones count too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc

from sidecar.metrics.meters import CallMeter
from sidecar.rpc.errors import Handler

OTHER = "other"
"""Stands for methods there are not: what strangers make up must not make up time series."""

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class MeteringInterceptor(grpc.aio.ServerInterceptor):
    """Tells a meter of every call.

    Args:
        meter: Told.
        methods: Full names there are, `/ltxbridge.v1.GenerationService/GetJob`.
    """

    def __init__(self, meter: CallMeter, methods: Collection[str]) -> None:
        self._meter = meter
        self._methods = frozenset(methods)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Replace the handler by one that is counted."""
        handler = await continuation(handler_call_details)
        name = handler_call_details.method
        known = name in self._methods
        if handler is None or not (known or _one_answer(handler)):
            return handler  # health and reflection keep streams of their own kind
        method = name.rpartition("/")[2] if known else OTHER
        serialisers = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        match handler.request_streaming, handler.response_streaming:
            case False, False:
                one = self._counted_one(handler.unary_unary, method)
                return grpc.unary_unary_rpc_method_handler(one, **serialisers)
            case True, False:
                one = self._counted_one(handler.stream_unary, method)
                return grpc.stream_unary_rpc_method_handler(one, **serialisers)
            case False, True:
                many = self._counted_many(handler.unary_stream, method)
                return grpc.unary_stream_rpc_method_handler(many, **serialisers)
            case _:
                many = self._counted_many(handler.stream_stream, method)
                return grpc.stream_stream_rpc_method_handler(many, **serialisers)

    def _counted_one(self, behaviour: Any, method: str) -> Any:
        async def counted(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            with self._counting(method, context):
                return await behaviour(request, context)

        return counted

    def _counted_many(self, behaviour: Any, method: str) -> Any:
        async def counted(
            request: Any, context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            with self._counting(method, context):
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response

        return counted

    @contextmanager
    def _counting(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Iterator[None]:
        began = time.monotonic()
        self._meter.call_began(method)
        code = ""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except BaseException:
            code = _code_of(context) or "UNKNOWN"
            raise
        finally:
            self._meter.call_ended(
                method, code=code or _code_of(context) or "OK", seconds=time.monotonic() - began
            )


def _one_answer(handler: Handler) -> bool:
    return not handler.request_streaming and not handler.response_streaming


def _code_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    code: Any = context.code()
    return (
        _CODES.get(code.value[0] if isinstance(code, grpc.StatusCode) else code, "") if code else ""
    )
