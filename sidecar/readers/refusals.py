"""What is said of a file whose reader failed, and how much of a reader's own words is believed."""

from __future__ import annotations

from pathlib import Path

from interchange.errors import (
    BridgeError,
    InternalError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
    UnsupportedError,
)
from sidecar.credentials.untrusted import safe_text
from sidecar.readers.calls import Call, PlaceTakes, ReadTimeline, RefusedTakes, VerifyCredentials

_LONGEST_MESSAGE = 2000
_MOST_METADATA = 32
_ABOUT_FILES = (InvalidInputError, UnsupportedError, NotFoundError, NotAllowedError, InternalError)
_ABOUT_OTHER_THINGS = frozenset(
    {
        Reason.DISK_FULL,
        Reason.QUEUE_FULL,
        Reason.QUOTA_FULL,
        Reason.OUTPUT_NOT_WRITABLE,
        Reason.SIDECAR_UNREACHABLE,
        Reason.STORAGE_UNAVAILABLE,
    }
)


def over_limit(path: Path, what: str) -> InvalidInputError:
    """The error for a file that took too much; `what` completes "reading it took ..."."""
    return InvalidInputError(
        f"{path} was given up: reading it took {what}. No sound file does; copy or export it again, and keep "
        "it out of the project if that does not help.",
        reason=Reason.READER_LIMIT,
        metadata={"path": str(path)},
    )


def crash(call: Call, path: Path) -> InvalidInputError:
    """The error for a file whose reader died."""
    return InvalidInputError(
        f"{path} made its reader crash, so it is not used. It is damaged, or was made to do that; copy or "
        "export it again.",
        reason=_reason_of(call),
        metadata={"path": str(path)},
    )


def nonsense(call: Call, path: Path) -> InvalidInputError:
    """The error for a file whose reader says what no reader says."""
    return InvalidInputError(
        f"The reader of {path} gave an answer that cannot be, so the file is not used. It was damaged or made "
        "to do that; copy or export it again.",
        reason=_reason_of(call),
        metadata={"path": str(path)},
    )


def _reason_of(call: Call) -> Reason:
    match call:
        case ReadTimeline() | RefusedTakes() | PlaceTakes():
            return Reason.DOCUMENT_UNSAFE
        case VerifyCredentials():
            return Reason.CREDENTIALS_INVALID
        case _:
            return Reason.MEDIA_DAMAGED


def tame(error: BridgeError) -> BridgeError:
    """The reader's error with a message that can be shown anywhere, whoever wrote it.

    Of the file, that is: a reader that says that the disk is full, or that the work was stopped, would have its
    file waited for without end, and with some more of these a whole hot folder.
    """
    believed = isinstance(error, _ABOUT_FILES) and error.reason not in _ABOUT_OTHER_THINGS
    kind = type(error) if believed else InternalError
    return kind(
        safe_text(error.message, limit=_LONGEST_MESSAGE),
        reason=error.reason if believed else Reason.INTERNAL,
        metadata={
            safe_text(key): safe_text(value, limit=_LONGEST_MESSAGE)
            for key, value in list(error.metadata.items())[:_MOST_METADATA]
        },
    )
