"""One gRPC channel to a sidecar: who we are, how calls are made, and what their failures mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from interchange.errors import BridgeError, InternalError, UnavailableError
from interchange.model.caller import Door
from ltxbridge import wire
from ltxbridge.client.endpoint import Endpoint

# A dead sidecar is noticed after 10 + 5 s, a watch stays open as long as the job takes. The server takes a ping
# every 5 s at most.
_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 3_000),
)

Response = TypeVar("Response")


class Connection:
    """Makes calls; safe to use from several threads. No `grpc.RpcError` leaves it.

    Args:
        endpoint: Where the sidecar listens.
        door: Which program this is; see `interchange.model.caller.Caller`.
        timeout_s: Longest time for one call that is not a stream, in seconds.
    """

    def __init__(self, endpoint: Endpoint, *, door: Door, timeout_s: float) -> None:
        self.endpoint = endpoint
        self._door = door
        self._timeout_s = timeout_s
        self.channel = _channel(endpoint)

    def close(self) -> None:
        """Close the connection; open streams end."""
        self.channel.close()

    def call(self, method: Callable[..., Response], request: Message) -> Response:
        """Call and wait for the one answer.

        Raises:
            BridgeError: As the sidecar says.
            UnavailableError: It does not answer.
        """
        with _translated(self.endpoint):
            return method(request, timeout=self._timeout_s, metadata=self._metadata())

    def send(self, method: Callable[..., Response], requests: Iterator[Message]) -> Response:
        """Send a stream and wait for the one answer; as long as it takes, for a dead sidecar is noticed.

        Raises:
            BridgeError: As the sidecar says.
            UnavailableError: It does not answer, or went away.
        """
        with _translated(self.endpoint):
            return method(requests, metadata=self._metadata())

    def stream(self, method: Callable[..., Any], request: Message) -> Iterator[Any]:
        """Call and yield the answers; freed at once when the reader walks away.

        Raises:
            BridgeError: As the sidecar says.
            UnavailableError: It does not answer, or went away.
        """
        with _translated(self.endpoint):
            stream = method(request, metadata=self._metadata())
            try:
                yield from stream
            finally:
                # Also when the reader walks away or presses Ctrl-C: the sidecar frees the stream at once.
                stream.cancel()

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (
            ("authorization", f"Bearer {self.endpoint.token()}"),
            ("ltxbridge-door", self._door),
        )


def _channel(endpoint: Endpoint) -> grpc.Channel:
    enrolment = endpoint.enrolment
    if enrolment is None:
        return grpc.insecure_channel(endpoint.address, options=_OPTIONS)
    # The sidecar's own authority and no other: what this machine trusts otherwise does not count.
    credentials = grpc.ssl_channel_credentials(
        root_certificates=enrolment.authority_pem.encode(),
        private_key=enrolment.key_pem.encode(),
        certificate_chain=enrolment.certificate_pem.encode(),
    )
    return grpc.secure_channel(endpoint.address, credentials, options=_OPTIONS)


@contextmanager
def _translated(endpoint: Endpoint) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        _raise_translated(error, endpoint)


def _raise_translated(error: grpc.RpcError, endpoint: Endpoint) -> NoReturn:
    call = cast("grpc.Call", error)  # every error of a call is one; the stubs do not say so
    try:
        status = rpc_status.from_call(call)
    except (ValueError, DecodeError):  # details of a stranger's making
        status = None
    if status is not None:
        raise wire.error_from_status(status) from error
    code = call.code()
    metadata = {
        "address": endpoint.address,
        "code": code.name,
        "details": call.details() or "no details",
    }
    match code:
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            # gRPC cancels what is open when the connection closes; a cancelled job is never told like this.
            raise UnavailableError(_nobody(endpoint), metadata=metadata) from error
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            raise UnavailableError(
                "The sidecar did not answer in time; see its log, or try again.", metadata=metadata
            ) from error
        case _:
            kind = wire.error_class_of(code.value[0])
            raise kind(f"The call failed: {metadata['details']}.", metadata=metadata) from error


def _nobody(endpoint: Endpoint) -> str:
    if endpoint.enrolment is None:
        return "No sidecar answers; start one with `ltxbridge serve`."
    return (
        f"No sidecar answers at {endpoint.address}, or it does not take this machine's certificate. Check the "
        "network and that `ltxbridge serve --listen` runs there; if the enrolment may have expired, ask there "
        "for a new file and run `ltxbridge pki join`."
    )


@contextmanager
def receiving() -> Iterator[None]:
    """Read an answer; one we cannot read is the sidecar's fault, not the caller's."""
    try:
        yield
    except BridgeError as error:
        raise InternalError(
            f"The sidecar's answer makes no sense to this version: {error} "
            "Use the same version of ltxbridge on both sides.",
            metadata=error.metadata,
        ) from error
