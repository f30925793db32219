"""The call for credentials, as the reader's process answers it."""

from __future__ import annotations

from pathlib import Path

from sidecar.credentials.statement import CredentialReport
from sidecar.credentials.verify import verify_file
from sidecar.readers.calls import VerifyCredentials
from sidecar.readers.files import held_open


def verify(call: VerifyCredentials, _content: bytes) -> tuple[CredentialReport, bytes]:
    """Check a file's credentials."""
    folder = None if call.identity_folder is None else Path(call.identity_folder)
    path = Path(call.path)
    with held_open(path) as opened:
        return verify_file(path, identity_folder=folder, opened=opened), b""
