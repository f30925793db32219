"""Where a sidecar listens, and what it asks callers to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from interchange.errors import NotAuthenticatedError, UnavailableError
from ltxbridge.client.enrolment import Enrolment


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a sidecar listens.

    Args:
        address: gRPC address: `unix:/path` or `127.0.0.1:PORT`, or host and port of another machine.
        token_file: File that holds the bearer token of a sidecar on this machine.
        temporary: It ends with the command that started it, and never comes back once it is gone.
        enrolment: What to show a sidecar on another machine, in place of a token file.
    """

    address: str
    token_file: Path = Path()
    temporary: bool = False
    enrolment: Enrolment | None = None

    @classmethod
    def of(cls, enrolment: Enrolment) -> Self:
        """The sidecar that a machine was enrolled with."""
        return cls(enrolment.address, enrolment=enrolment)

    def token(self) -> str:
        """What to show now; read on every call, for a sidecar that was started again has a new one.

        Raises:
            UnavailableError: There is none: no sidecar has run here.
            NotAuthenticatedError: It belongs to somebody else.
        """
        return read_token(self.token_file) if self.enrolment is None else self.enrolment.token


def read_token(token_file: Path) -> str:
    """Read a token file.

    Raises:
        UnavailableError: There is none: no sidecar has run here.
        NotAuthenticatedError: It belongs to somebody else.
    """
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except FileNotFoundError as error:
        raise UnavailableError(
            "No sidecar has been started here; run `ltxbridge serve`.",
            metadata={"token_file": str(token_file)},
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise NotAuthenticatedError(
            f"The token file {token_file} cannot be read; it belongs to another user.",
            metadata={"token_file": str(token_file)},
        ) from error
    if not token:
        raise NotAuthenticatedError(f"The token file {token_file} is empty; restart the sidecar.")
    return token
