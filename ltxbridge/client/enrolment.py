"""What a machine is given to reach a sidecar on another one: an address, certificates and a token, in one file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Self

from interchange.errors import InvalidInputError, Reason
from interchange.model.caller import LOCAL, Role

SCHEMA = "ltxbridge.Enrolment.1"
MOST_BYTES = 64 * 1024
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""How clients are named: the name is in their certificate, and in the owner of their jobs."""

TOKEN = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One client's way to one sidecar.

    Args:
        name: The client, as the sidecar knows it.
        role: What it may do there; for people, the sidecar has its own record.
        address: Host and port of the sidecar.
        authority_pem: Certificate of the sidecar's authority.
        certificate_pem: The client's certificate.
        key_pem: Its private key.
        token: Its token.
    """

    name: str
    role: Role
    address: str
    authority_pem: str
    certificate_pem: str
    key_pem: str = field(repr=False)
    token: str = field(repr=False)

    def to_json(self) -> bytes:
        """The file, which is as secret as the key in it."""
        return json.dumps({"schema": SCHEMA} | asdict(self), indent=1).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes, *, origin: str) -> Self:
        """Read a file.

        Args:
            content: All of it.
            origin: Where it comes from, for complaints.

        Raises:
            InvalidInputError: It is no enrolment file, or one of another version (CERTIFICATE_INVALID).
        """
        try:
            fields = json.loads(content[: MOST_BYTES + 1].decode())
            schema = fields.pop("schema")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _unreadable(origin) from error
        if schema != SCHEMA or set(fields) != set(cls.__dataclass_fields__):
            raise _unreadable(origin)
        if not all(isinstance(value, str) for value in fields.values()):
            raise _unreadable(origin)
        try:
            enrolment = cls(**fields | {"role": Role(fields["role"])})
        except ValueError as error:
            raise _unreadable(origin) from error
        patterns = ((NAME, enrolment.name), (_ADDRESS, enrolment.address), (TOKEN, enrolment.token))
        if any(pattern.fullmatch(value) is None for pattern, value in patterns):
            raise _unreadable(origin)
        return enrolment


def check_name(name: str) -> str:
    """Insist on a name that can be a client's.

    Raises:
        InvalidInputError: It cannot.
    """
    if NAME.fullmatch(name) is None or name == LOCAL:
        raise InvalidInputError(
            f"{name[:80]!r} cannot be the name of a machine: take up to 32 small letters, digits and hyphens, "
            f"such as grading-2, and not {LOCAL!r}, which is this machine itself.",
            metadata={"name": name[:80]},
        )
    return name


def _unreadable(origin: str) -> InvalidInputError:
    return InvalidInputError(
        f"{origin} is not an enrolment file of this version. Have a new one made on the sidecar's machine with "
        "`ltxbridge pki enrol`.",
        reason=Reason.CERTIFICATE_INVALID,
        metadata={"path": origin},
    )
