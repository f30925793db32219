"""The one error tree. Every failure a person can cause or meet is one of these.

    BridgeError
    ├── InvalidInputError       bad document, directive, range or option      (also ValueError)
    ├── NotFoundError           a job, file or engine that is not there       (also LookupError)
    ├── NotAllowedError         a path outside the roots, somebody else's job (also PermissionError)
    ├── NotAuthenticatedError   no token or the wrong one
    ├── ConflictError           the same id for something else, a second instance
    ├── UnsupportedError        understood, but this engine or medium cannot  (also NotImplementedError)
    ├── ExhaustedError          disk, memory or queue full
    ├── UnavailableError        no sidecar, or its worker died; worth another try
    ├── StoppedError            cancelled by the user
    └── InternalError           a fault of ours

The classes are what a caller branches on; `Reason` says which case it is and never changes its meaning.
A message says what happened and what to do about it, in the editor's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Stable machine-readable causes; the same names as `ltxbridge.v1.ErrorReason`."""

    # InvalidInputError
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DOCUMENT_MALFORMED = "DOCUMENT_MALFORMED"
    DOCUMENT_UNSAFE = "DOCUMENT_UNSAFE"
    DIRECTIVE_INVALID = "DIRECTIVE_INVALID"
    RANGE_INVALID = "RANGE_INVALID"
    RANGE_PAST_MEDIA = "RANGE_PAST_MEDIA"
    MEDIA_DAMAGED = "MEDIA_DAMAGED"
    MEDIA_CHANGED = "MEDIA_CHANGED"
    DELIVERY_UNFAITHFUL = "DELIVERY_UNFAITHFUL"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    UPLOAD_CORRUPT = "UPLOAD_CORRUPT"
    READER_LIMIT = "READER_LIMIT"
    # NotFoundError
    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    MEDIA_NOT_FOUND = "MEDIA_NOT_FOUND"
    ENGINE_NOT_FOUND = "ENGINE_NOT_FOUND"
    FILE_NOT_FOUND = "FILE_NOT_FOUND"
    CREDENTIALS_NOT_FOUND = "CREDENTIALS_NOT_FOUND"
    UPLOAD_NOT_FOUND = "UPLOAD_NOT_FOUND"
    # NotAllowedError
    PATH_OUTSIDE_ROOTS = "PATH_OUTSIDE_ROOTS"
    OUTPUT_NOT_WRITABLE = "OUTPUT_NOT_WRITABLE"
    NOT_PERMITTED = "NOT_PERMITTED"
    # NotAuthenticatedError
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - the name of a cause, not a secret
    CERTIFICATE_INVALID = "CERTIFICATE_INVALID"
    # ConflictError
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    ALREADY_RUNNING = "ALREADY_RUNNING"
    # UnsupportedError
    MEDIA_UNSUPPORTED = "MEDIA_UNSUPPORTED"
    MEDIA_VARIABLE_RATE = "MEDIA_VARIABLE_RATE"
    MEDIA_INTERLACED = "MEDIA_INTERLACED"
    ENGINE_LIMIT = "ENGINE_LIMIT"
    TARGET_UNSUPPORTED = "TARGET_UNSUPPORTED"
    FORMAT_UNSUPPORTED = "FORMAT_UNSUPPORTED"
    JOB_STATE = "JOB_STATE"
    DEPENDENCY_MISSING = "DEPENDENCY_MISSING"
    # ExhaustedError
    DISK_FULL = "DISK_FULL"
    MEMORY_FULL = "MEMORY_FULL"
    QUEUE_FULL = "QUEUE_FULL"
    QUOTA_FULL = "QUOTA_FULL"
    # UnavailableError
    SIDECAR_UNREACHABLE = "SIDECAR_UNREACHABLE"
    WORKER_DIED = "WORKER_DIED"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    # StoppedError
    CANCELLED = "CANCELLED"
    # InternalError
    INTERNAL = "INTERNAL"


class BridgeError(Exception):
    """Root of the tree.

    Args:
        message: What happened and what to do, one or two sentences for the person at the keyboard.
        reason: The stable cause.
        metadata: Machine-readable facts about it (paths, ranges, limits); strings only.
    """

    default_reason = Reason.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        reason: Reason | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata = dict(metadata or {})

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.reason, self.metadata)


def _rebuild(
    kind: type[BridgeError], message: str, reason: Reason, metadata: dict[str, str]
) -> BridgeError:
    return kind(message, reason=reason, metadata=metadata)


class InvalidInputError(BridgeError, ValueError):
    """What was given cannot be right: a document, directive, range or option."""

    default_reason = Reason.INVALID_ARGUMENT


class NotFoundError(BridgeError, LookupError):
    """Something named is not there."""

    default_reason = Reason.FILE_NOT_FOUND


class NotAllowedError(BridgeError, PermissionError):
    """The operation is outside what the settings or the file system permit."""

    default_reason = Reason.PATH_OUTSIDE_ROOTS


class NotAuthenticatedError(BridgeError):
    """The caller did not show the right token."""

    default_reason = Reason.TOKEN_INVALID


class ConflictError(BridgeError):
    """The id, name or lock is already taken by something else."""

    default_reason = Reason.REQUEST_ID_REUSED


class UnsupportedError(BridgeError, NotImplementedError):
    """Understood, but this engine, medium or document cannot do it."""

    default_reason = Reason.ENGINE_LIMIT


class ExhaustedError(BridgeError):
    """Disk, memory or queue is full."""

    default_reason = Reason.DISK_FULL


class UnavailableError(BridgeError):
    """Nobody answers, or the worker died; another try may succeed."""

    default_reason = Reason.SIDECAR_UNREACHABLE


class StoppedError(BridgeError):
    """The user cancelled."""

    default_reason = Reason.CANCELLED


class InternalError(BridgeError):
    """A fault of ours; the log has the traceback."""
