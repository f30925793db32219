"""Who may call: asked on every call there is: ours, health, reflection, and methods that do not exist.

Each door (the local one, the one for other machines) is a gRPC server of its own with a gate of its own, so that
no call can be measured by the wrong gate. The token is checked from the headers, the certificate at the start of
the call, and both before anything of the request is read.
"""

from __future__ import annotations

import hmac
import inspect
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, NoReturn, Protocol, TypeAlias

import grpc

from interchange.errors import (
    BridgeError,
    ExhaustedError,
    InternalError,
    InvalidInputError,
    NotAuthenticatedError,
    Reason,
)
from interchange.model.caller import LOCAL, LOCAL_CALLER, Caller, Door
from sidecar.rpc.errors import Handler, abort

_LOG = logging.getLogger(__name__)

DOOR_KEY = "ltxbridge-door"
"""Metadata in which a client says which program it is; believed, for it only decides whose turn it is."""

_DOORS = {door.value: door for door in Door}
_SCHEME = b"Bearer "
_LOG_EVERY_S = 10.0

_CALLER: ContextVar[Caller] = ContextVar("caller")

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
PeerFacts: TypeAlias = Mapping[str, Iterable[bytes]]


class Gate(Protocol):
    """Decides who comes through one door."""

    most_open_calls: int
    """Calls that one holder may have open at once."""

    def holder(self, token: bytes) -> str | None:
        """Whose token this is, None where it is nobody's."""
        ...

    def caller(self, holder: str, peer: PeerFacts) -> Caller:
        """Who calls.

        Args:
            holder: Whose token was shown.
            peer: What the connection proves about its other side; see `grpc.ServicerContext.auth_context`.

        Raises:
            NotAuthenticatedError: The connection is not the holder's, or the holder is not let in any more.
        """
        ...


class LocalGate:
    """The local door: whoever can read this machine's token file.

    Any local process can reach a port, and gRPC for Python tells no peer's user id on a unix socket, so the
    token is asked for on both.

    Args:
        token: The secret, as in the token file; new at each start.
    """

    most_open_calls = 4096

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def holder(self, token: bytes) -> str | None:
        """`local`, or None."""
        return LOCAL if hmac.compare_digest(token, self._token) else None

    def caller(self, holder: str, peer: PeerFacts) -> Caller:  # noqa: ARG002 - a socket proves nothing
        """Always the local caller."""
        return LOCAL_CALLER


class GateInterceptor(grpc.aio.ServerInterceptor):
    """Lets only callers through whom the gate knows, and tells the handler who it is.

    Every handler becomes one that reads its request itself, after the gate has seen the connection: gRPC reads
    the request of a unary call before it calls the handler, and an interceptor is not shown the connection.

    Args:
        gate: Decides.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._refusals = _Refusals()
        self._open: Counter[str] = Counter()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Pass the call on, or answer it with UNAUTHENTICATED before its request is read."""
        holder = self._gate.holder(_shown_token(handler_call_details))
        if holder is None:
            self._refusals.note(handler_call_details.method, "without the right token")
            return grpc.stream_unary_rpc_method_handler(_refuse)
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        passage = _Passage(self, holder, handler_call_details.method)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                passage.many(handler),
                request_deserializer=None,
                response_serializer=handler.response_serializer,
            )
        return grpc.stream_unary_rpc_method_handler(
            passage.one(handler),
            request_deserializer=None,
            response_serializer=handler.response_serializer,
        )

    def admit(self, holder: str, method: str, context: Context) -> Caller:
        """Hold the connection against the token that was shown; again and again, for people are revoked.

        Raises:
            NotAuthenticatedError: They do not belong together, or not any more.
        """
        try:
            caller = self._gate.caller(holder, context.auth_context())
        except NotAuthenticatedError:
            self._refusals.note(
                method, f"with the token of {holder}: wrong certificate, or revoked"
            )
            raise
        metadata = context.invocation_metadata() or ()
        door = next((str(value) for key, value in metadata if key == DOOR_KEY), "")
        return replace(caller, door=_DOORS.get(door, Door.OTHER))

    @contextmanager
    def opened(self, holder: str) -> Iterator[None]:
        """Count a call that is open.

        Raises:
            ExhaustedError: The holder has too many open already (QUEUE_FULL).
        """
        if self._open[holder] >= self._gate.most_open_calls:
            raise ExhaustedError(
                f"{holder} has {self._open[holder]} calls open already. End some of its commands first.",
                reason=Reason.QUEUE_FULL,
                metadata={"caller": holder},
            )
        self._open[holder] += 1
        try:
            yield
        finally:
            self._open[holder] -= 1
            if not self._open[holder]:
                del self._open[holder]


class _Passage:
    """One call on its way through the gate."""

    def __init__(self, gate: GateInterceptor, holder: str, method: str) -> None:
        self._gate = gate
        self._holder = holder
        self._method = method

    def one(self, handler: Handler) -> Any:
        """A handler with one answer."""
        behaviour: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def gated(requests: AsyncIterator[bytes], context: Context) -> Any:
            try:
                with self._entered(context):
                    return await behaviour(await self._request(handler, requests, context), context)
            except BridgeError as error:
                await abort(context, error)

        return gated

    def many(self, handler: Handler) -> Any:
        """A handler with a stream of answers, which it yields or (gRPC's own health service) writes."""
        behaviour: Any = (
            handler.stream_stream if handler.request_streaming else handler.unary_stream
        )
        if not inspect.isasyncgenfunction(behaviour):
            return self.one(
                grpc.stream_unary_rpc_method_handler(
                    behaviour, request_deserializer=handler.request_deserializer
                )
                if handler.request_streaming
                else grpc.unary_unary_rpc_method_handler(
                    behaviour, request_deserializer=handler.request_deserializer
                )
            )

        async def gated(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            try:
                with self._entered(context):
                    request = await self._request(handler, requests, context)
                    async with aclosing(behaviour(request, context)) as answers:
                        async for answer in answers:
                            self._gate.admit(self._holder, self._method, context)
                            yield answer
            except BridgeError as error:
                await abort(context, error)

        return gated

    @contextmanager
    def _entered(self, context: Context) -> Iterator[None]:
        caller = self._gate.admit(self._holder, self._method, context)
        with self._gate.opened(self._holder):
            # gRPC runs each call in a task of its own, so this ends with the call.
            _CALLER.set(caller)
            yield

    async def _request(
        self, handler: Handler, requests: AsyncIterator[bytes], context: Context
    ) -> Any:
        if handler.request_streaming:
            return self._each(handler, requests, context)
        async for content in requests:
            return _parsed(handler, content)
        raise InvalidInputError("The call came without a request.")

    async def _each(
        self, handler: Handler, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[Any]:
        async for content in requests:
            self._gate.admit(self._holder, self._method, context)
            yield _parsed(handler, content)


class _Refusals:
    """Tells the log of strangers at the door, without letting them fill it; never what they showed."""

    def __init__(self) -> None:
        self._silent_until = 0.0
        self._untold = 0

    def note(self, method: str, why: str) -> None:
        now = time.monotonic()
        if now < self._silent_until:
            self._untold += 1
            return
        _LOG.warning(
            "Refused a call of %.80r %s (%s more since the last such line)",
            method,
            why,
            self._untold,
        )
        self._silent_until = now + _LOG_EVERY_S
        self._untold = 0


def caller_of(context: Context) -> Caller:  # noqa: ARG001 - whose call it is, this task knows
    """Who makes a call that the gate let through.

    Raises:
        InternalError: The call did not come through a gate; nobody is served by mistake.
    """
    try:
        return _CALLER.get()
    except LookupError as error:
        raise InternalError("A call came past the gate.") from error


def _shown_token(details: grpc.HandlerCallDetails) -> bytes:
    """The one bearer token in the headers; empty where there is none, or more than one."""
    shown = [value for key, value in details.invocation_metadata or () if key == "authorization"]
    if len(shown) != 1:
        return b""
    value = shown[0].encode() if isinstance(shown[0], str) else shown[0]
    return value[len(_SCHEME) :] if value.startswith(_SCHEME) else b""


def _parsed(handler: Handler, content: bytes) -> Any:
    read = handler.request_deserializer
    if read is None:
        return content
    try:
        return read(content)
    except Exception as error:  # protobuf's own, which differ between its implementations
        raise InvalidInputError("The request is not a message of this call.") from error


async def _refuse(_requests: Any, context: Context) -> NoReturn:
    await abort(
        context,
        NotAuthenticatedError(
            "The sidecar does not know this caller: the token is missing or wrong. "
            "Use the token file of the running sidecar."
        ),
    )
