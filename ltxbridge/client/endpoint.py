"""Where a sidecar listens, and what it asks callers to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from interchange.errors import NotAuthenticatedError, UnavailableError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a sidecar listens.

    Args:
        address: gRPC address: `unix:/path` or `127.0.0.1:PORT`.
        token_file: File that holds the bearer token.
        temporary: It ends with the command that started it, and never comes back once it is gone.
    """

    address: str
    token_file: Path
    temporary: bool = False


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
