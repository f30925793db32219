"""Every RPC of the contract, called in this process with whatever bytes a client may send."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from fuzz import seeds
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from support.servicers import servicer_for

import ltxbridge.v1

MOST_ANSWERS = 3
"""How many messages of a stream are read; a watch goes on for ever."""


def methods() -> Iterator[MethodDescriptor]:
    """Every RPC of the contract."""
    for module in pkgutil.iter_modules(ltxbridge.v1.__path__):
        if module.name.endswith("_pb2"):
            contract = importlib.import_module(f"ltxbridge.v1.{module.name}")
            for service in contract.DESCRIPTOR.services_by_name.values():
                yield from service.methods


def rpc_targets(kind: Callable[..., Any], folder: Path) -> dict[str, Any]:
    """One target for each RPC, named `rpc-Service-Method`."""
    return {
        f"rpc-{method.containing_service.name}-{method.name}": kind(
            _called(method, folder), seeds.calls(GetMessageClass(method.input_type), method)
        )
        for method in methods()
    }


class _Context:
    """What a servicer may ask of a call that came over this machine's socket."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("ltxbridge-door", "fuzz"),)

    def auth_context(self) -> dict[str, tuple[bytes, ...]]:
        return {"transport_security_type": (b"local",)}

    def peer(self) -> str:
        return "unix:"


def _called(method: MethodDescriptor, folder: Path) -> Callable[[bytes], None]:
    request_kind = GetMessageClass(method.input_type)

    async def call(data: bytes) -> None:
        servicer = servicer_for(method.containing_service.name, folder)
        handler = getattr(servicer, method.name)
        messages = _split(data) if method.client_streaming else [data]
        requests = [request_kind.FromString(message) for message in messages]
        request = _each(requests) if method.client_streaming else requests[0]
        answer = handler(request, _Context())
        if not method.server_streaming:
            await answer
            return
        async with aclosing(answer) as answers:
            for _ in range(MOST_ANSWERS):
                if await anext(answers, None) is None:
                    return

    def parse(data: bytes) -> None:
        try:
            asyncio.run(asyncio.wait_for(call(data), 5))
        except (DecodeError, TimeoutError):  # gRPC itself refuses it; a watch waits
            return

    return parse


def _split(data: bytes) -> list[bytes]:
    """Several messages, each behind one byte that says how long it is."""
    messages = []
    while data:
        length, data = data[0], data[1:]
        messages.append(data[:length])
        data = data[length:]
    return messages


async def _each(requests: list[Any]) -> AsyncIterator[Any]:
    for request in requests:
        yield request
