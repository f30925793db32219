"""Errors as `google.rpc.Status` with an `ErrorInfo`, and back. The one table of classes and codes.

| class                 | code                |
|-----------------------|---------------------|
| InvalidInputError     | INVALID_ARGUMENT    |
| NotFoundError         | NOT_FOUND           |
| NotAllowedError       | PERMISSION_DENIED   |
| NotAuthenticatedError | UNAUTHENTICATED     |
| ConflictError         | ALREADY_EXISTS      |
| UnsupportedError      | FAILED_PRECONDITION |
| ExhaustedError        | RESOURCE_EXHAUSTED  |
| UnavailableError      | UNAVAILABLE         |
| StoppedError          | CANCELLED           |
| InternalError         | INTERNAL            |
"""

from __future__ import annotations

from google.rpc import code_pb2, error_details_pb2, status_pb2

from interchange.errors import (
    BridgeError,
    ConflictError,
    ExhaustedError,
    InternalError,
    InvalidInputError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    Reason,
    StoppedError,
    UnavailableError,
    UnsupportedError,
)
from ltxbridge.v1 import error_reason_pb2
from ltxbridge.wire.fields import EnumTable

DOMAIN = "ltxbridge"

_CODES: dict[type[BridgeError], int] = {
    InvalidInputError: code_pb2.INVALID_ARGUMENT,
    NotFoundError: code_pb2.NOT_FOUND,
    NotAllowedError: code_pb2.PERMISSION_DENIED,
    NotAuthenticatedError: code_pb2.UNAUTHENTICATED,
    ConflictError: code_pb2.ALREADY_EXISTS,
    UnsupportedError: code_pb2.FAILED_PRECONDITION,
    ExhaustedError: code_pb2.RESOURCE_EXHAUSTED,
    UnavailableError: code_pb2.UNAVAILABLE,
    StoppedError: code_pb2.CANCELLED,
    InternalError: code_pb2.INTERNAL,
}
_CLASSES = {code: kind for kind, code in _CODES.items()}
# Codes that only a transport or a stranger's server sends.
_CLASSES |= {
    code_pb2.UNKNOWN: InternalError,
    code_pb2.DEADLINE_EXCEEDED: UnavailableError,
    code_pb2.ABORTED: ConflictError,
    code_pb2.OUT_OF_RANGE: InvalidInputError,
    code_pb2.UNIMPLEMENTED: UnsupportedError,
    code_pb2.DATA_LOSS: InternalError,
}

# Proves at import that every Reason is in the contract and the other way round.
REASONS = EnumTable(
    Reason, error_reason_pb2.ErrorReason, prefix="ERROR_REASON_", default=Reason.INTERNAL
)


def code_of(error: BridgeError) -> int:
    """The google.rpc code of an error, by its nearest class in the table."""
    codes = (_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
    return next(codes, int(code_pb2.INTERNAL))


def error_class_of(code: int) -> type[BridgeError]:
    """The class a google.rpc code stands for; `InternalError` for a code nobody knows."""
    return _CLASSES.get(code, InternalError)


def error_to_status(error: BridgeError) -> status_pb2.Status:
    """Write an error."""
    status = status_pb2.Status(code=code_of(error), message=error.message)
    info = error_details_pb2.ErrorInfo(
        reason=error.reason.value, domain=DOMAIN, metadata=error.metadata
    )
    status.details.add().Pack(info)
    return status


def error_from_status(status: status_pb2.Status) -> BridgeError:
    """Read an error. A reason from a newer sidecar becomes the class's own default."""
    kind = error_class_of(status.code)
    reason, metadata = None, dict[str, str]()
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            metadata = dict(info.metadata)
            reason = Reason(info.reason) if info.reason in Reason.__members__ else None
    return kind(
        status.message or "The sidecar gave no message; see its log.",
        reason=reason,
        metadata=metadata,
    )
