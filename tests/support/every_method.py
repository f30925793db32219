"""Every RPC of the contract, of health and of reflection, found in the descriptors."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import ltxbridge.v1


def every_method() -> Iterator[tuple[str, MethodDescriptor]]:
    """Path and descriptor of each."""
    modules = [
        importlib.import_module(f"ltxbridge.v1.{module.name}")
        for module in pkgutil.iter_modules(ltxbridge.v1.__path__)
        if module.name.endswith("_pb2")
    ]
    for module in (*modules, health_pb2, reflection_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}", method


def call(channel: grpc.Channel, path: str, method: MethodDescriptor, metadata: Any) -> Any:
    """Call it with an empty request."""
    kinds = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    stub = kinds[method.client_streaming, method.server_streaming](path)
    request = iter([b""]) if method.client_streaming else b""
    answer = stub(request, metadata=metadata, timeout=5)
    return list(answer) if method.server_streaming else answer


def code_of(channel: grpc.Channel, path: str, method: MethodDescriptor, metadata: Any) -> Any:
    """How the call ends."""
    try:
        call(channel, path, method, metadata)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK
