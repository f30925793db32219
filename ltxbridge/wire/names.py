"""Resource names. Ids are made by the server and matched strictly, so none can ever act as a path."""

from __future__ import annotations

import re
from uuid import UUID

from interchange.errors import NotFoundError, Reason
from ltxbridge.wire.fields import invalid

_JOB_NAME = re.compile(r"jobs/([0-9a-f]{32})")
_ENGINE_NAME = re.compile(r"engines/([a-z0-9][a-z0-9._-]{0,63})")


def job_name(job_id: str) -> str:
    """`jobs/{id}`; empty for the id-less answer to a validation."""
    return f"jobs/{job_id}" if job_id else ""


def job_id_from_name(name: str, *, at: str = "name") -> str:
    """Read `jobs/{id}`.

    Raises:
        InvalidInputError: Anything else.
    """
    match = _JOB_NAME.fullmatch(name)
    if match is None:
        raise invalid(at, f"is {name[:80]!r}; a job is named jobs/ and 32 hexadecimal digits")
    return match[1]


def engine_name(engine: str) -> str:
    """`engines/{engine}`."""
    return f"engines/{engine}"


def engine_from_name(name: str, *, at: str = "name") -> str:
    """Read `engines/{engine}`.

    Raises:
        NotFoundError: Anything else: no engine has such a name.
    """
    match = _ENGINE_NAME.fullmatch(name)
    if match is None:
        raise NotFoundError(
            f"There is no engine {name[:80]!r}; `ltxbridge doctor` lists those there are.",
            reason=Reason.ENGINE_NOT_FOUND,
            metadata={"field": at},
        )
    return match[1]


def check_request_id(request_id: str, *, at: str = "request_id") -> str:
    """Insist on a UUID in its usual form, or nothing.

    Raises:
        InvalidInputError: Anything else.
    """
    if not request_id:
        return ""
    try:
        canonical = str(UUID(request_id))
    except ValueError:
        canonical = ""
    if canonical != request_id:
        raise invalid(at, f"is {request_id[:80]!r}; it must be a UUID in lower case, or empty")
    return request_id
