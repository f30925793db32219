"""The bearer token, on every call there is: ours, health, reflection, and methods that do not exist."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NoReturn

import grpc

from interchange.errors import NotAuthenticatedError
from interchange.model.caller import LOCAL_CALLER, Caller
from sidecar.rpc.errors import Handler, abort

_LOG = logging.getLogger(__name__)


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Lets only callers through who show the token.

    Any local process can reach a port, and gRPC for Python tells no peer's user id on a unix socket, so the
    token is asked for on both.

    Args:
        token: The secret, as in the token file.
    """

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Pass the call on, or answer it with UNAUTHENTICATED before its request is read."""
        if self._allowed(handler_call_details):
            return await continuation(handler_call_details)
        _LOG.warning("Refused a call of %s without the right token", handler_call_details.method)
        return grpc.unary_unary_rpc_method_handler(_refuse)

    def _allowed(self, details: grpc.HandlerCallDetails) -> bool:
        shown = [
            value for key, value in details.invocation_metadata or () if key == "authorization"
        ]
        if len(shown) != 1:
            return False
        value = shown[0].encode() if isinstance(shown[0], str) else shown[0]
        return hmac.compare_digest(value, self._expected)


DOOR_KEY = "ltxbridge-door"
"""Metadata in which a client says which program it is; believed, for it only decides whose turn it is."""

_DOOR = re.compile(r"[a-z][a-z0-9-]{0,31}")


async def _refuse(_request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
    await abort(
        context,
        NotAuthenticatedError(
            "The sidecar does not know this caller: the token is missing or wrong. "
            "Use the token file of the running sidecar."
        ),
    )


def caller_of(context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
    """Who makes a call that the interceptor let through."""
    metadata = context.invocation_metadata() or ()
    door = next((str(value) for key, value in metadata if key == DOOR_KEY), "")
    return replace(LOCAL_CALLER, door=door if _DOOR.fullmatch(door) else "other")
