"""A server with its door for other machines open, an authority of its own, and whom it let in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from support.rpc_harness import Running, running_server

from interchange.model.caller import Role
from ltxbridge.client import Enrolment
from sidecar.filesystem import FileSystem
from sidecar.pki.folder import PkiFolder
from sidecar.pki.register import Register
from sidecar.rpc.client_gate import ClientGate
from sidecar.rpc.server import NetworkDoor


@dataclass(frozen=True)
class OpenDoor:
    """What runs.

    Args:
        local: The server, with the endpoint of its local door.
        pki: Its authority.
        address: Where other machines call it.
        folder: For enrolment files.
        expired: Of a machine whose certificate has ended.
    """

    local: Running
    pki: PkiFolder
    address: str
    folder: Path
    expired: Enrolment

    def enrol(
        self, name: str, role: Role = Role.EDITOR, *, pki: PkiFolder | None = None
    ) -> Enrolment:
        """Let a machine in; what its file says."""
        file = self.folder / f"{name}.enrolment"
        (pki or self.pki).enrol(name, role, address=self.address, file=file)
        return Enrolment.from_json(file.read_bytes(), origin=str(file))

    def renew(self, name: str) -> Enrolment:
        """Make a new file for a machine."""
        file = self.folder / f"{name}-again.enrolment"
        self.pki.renew(name, address=self.address, file=file)
        return Enrolment.from_json(file.read_bytes(), origin=str(file))


def new_pki(folder: Path, *, age: timedelta = timedelta(0)) -> PkiFolder:
    """An authority that was made some time ago."""
    pki = PkiFolder(folder / "pki", FileSystem(), now=lambda: datetime.now(UTC) - age)
    pki.init(["127.0.0.1"])
    return replace(pki, now=lambda: datetime.now(UTC))


@contextmanager
def open_door(folder: Path) -> Iterator[OpenDoor]:
    """Run a server with both doors for the duration; the folder is short."""
    pki = new_pki(folder, age=timedelta(days=500))
    file = folder / "expired.enrolment"
    year_ago = replace(pki, now=lambda: datetime.now(UTC) - timedelta(days=400))
    year_ago.enrol("expired", Role.EDITOR, address="127.0.0.1:1", file=file)
    expired = Enrolment.from_json(file.read_bytes(), origin=str(file))
    server = pki.renew_server()
    with running_server(folder) as local:
        address = local.run(
            local.server.listen_to_machines(
                NetworkDoor(
                    host="127.0.0.1",
                    port=0,
                    key_pem=server.key_pem,
                    certificate_pem=server.certificate_pem,
                    authority_pem=pki.authority().certificate_pem,
                    gate=ClientGate(Register(pki.clients_file)),
                )
            )
        )
        yield OpenDoor(local, pki, address, folder, replace(expired, address=address))


def channel_of(enrolment: Enrolment) -> grpc.Channel:
    """A bare channel with a machine's certificate, and no token."""
    credentials = grpc.ssl_channel_credentials(
        enrolment.authority_pem.encode(),
        enrolment.key_pem.encode(),
        enrolment.certificate_pem.encode(),
    )
    return grpc.secure_channel(enrolment.address, credentials)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The header that shows a token."""
    return (("authorization", f"Bearer {token}"),)
