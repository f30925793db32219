"""The folder `pki` of a state folder: what `ltxbridge pki` changes and `ltxbridge serve` reads.

    authority.pem   key and certificate of the authority     0600
    server.pem      key and certificate of this sidecar      0600
    clients.json    who is enrolled; no secrets              0600

Nothing here is ever overwritten but `clients.json` and, by `renew`, the server's certificate.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from interchange.errors import (
    BridgeError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Reason,
)
from interchange.model.caller import Role
from ltxbridge.client.enrolment import Enrolment, check_name
from sidecar.filesystem import FileSystem
from sidecar.jobs.lock import FolderLock
from sidecar.pki.authority import (
    WARN_BEFORE,
    Identity,
    check_host,
    check_issued,
    check_valid,
    issue_client,
    issue_server,
    new_authority,
)
from sidecar.pki.private import read_private
from sidecar.pki.register import Client, read_clients, token_sha256, write_clients

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class PkiFolder:
    """Keeps the books of one installation's other machines.

    Args:
        path: The folder.
        filesystem: The door all writing goes through.
        now: The clock.
    """

    path: Path
    filesystem: FileSystem
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @classmethod
    def of(cls, state_dir: Path, *, filesystem: FileSystem | None = None) -> PkiFolder:
        """The folder of a state folder."""
        return cls(state_dir / "pki", filesystem or FileSystem())

    @property
    def clients_file(self) -> Path:
        """The register; see `sidecar.pki.register.Register`."""
        return self.path / "clients.json"

    def init(self, hosts: Sequence[str]) -> Identity:
        """Make an authority, and the server's certificate for these names and addresses.

        Raises:
            InvalidInputError: A host is none, or none was given.
            ConflictError: There is an authority already.
            BridgeError: The folder cannot be written.
        """
        names = _checked(hosts)
        self.filesystem.make_folder(self.path.parent, private=True)
        self.filesystem.make_folder(self.path, private=True)
        with self._locked():
            if self._authority_file.exists():
                raise ConflictError(
                    f"{self.path} has an authority already; everybody enrolled by it would be shut out. For other "
                    "host names run `ltxbridge pki renew --host NAME`; to start again, move that folder away.",
                    metadata={"path": str(self.path)},
                )
            authority = new_authority(self.now())
            server = issue_server(authority, names, self.now())
            # The authority last: without it the folder counts as empty, and `init` can be run again.
            self.filesystem.write_atomic(self._server_file, server.pem, private=True)
            self._publish(self._authority_file, authority.pem)
        return server

    def renew_server(self, hosts: Sequence[str] = ()) -> Identity:
        """Issue the server's certificate anew; a running sidecar takes it up at its next start.

        Args:
            hosts: Other names and addresses; by default those of the present one.

        Raises:
            BridgeError: There is no authority, or nothing can be written.
        """
        with self._locked():
            names = _checked(hosts) if hosts else self._read(self._server_file).hosts
            server = issue_server(self.authority(), names, self.now())
            self.filesystem.write_atomic(self._server_file, server.pem, private=True)
        return server

    def enrol(self, name: str, role: Role, *, address: str, file: Path) -> Client:
        """Let another machine in, and write the one file it needs.

        Args:
            name: The machine; becomes the owner of its jobs.
            role: What it may do.
            address: Host and port it will call.
            file: Must not be there.

        Raises:
            ConflictError: The name was given before.
            BridgeError: There is no authority, or nothing can be written.
        """
        check_name(name)
        with self._locked():
            clients = self.clients()
            if any(client.name == name for client in clients):
                raise ConflictError(
                    f"{name} was enrolled before, and its jobs are under that name. Take another name, or make a "
                    f"new file for the same machine with `ltxbridge pki renew {name} -o FILE`.",
                    metadata={"name": name},
                )
            return self._issue(name, role, clients, address=address, file=file)

    def renew(self, name: str, *, address: str, file: Path) -> Client:
        """Write a new file for a machine that is enrolled; its old one is worth nothing from then on.

        Raises:
            NotFoundError: There is no such machine, or it was revoked.
            BridgeError: There is no authority, or nothing can be written.
        """
        with self._locked():
            clients = self.clients()
            found = self._present(name, clients)
            others = [client for client in clients if client.name != name]
            return self._issue(name, found.role, others, address=address, file=file)

    def revoke(self, name: str) -> Client:
        """Shut a machine out, from its next call on; its open watches end with their next message.

        Raises:
            NotFoundError: There is no such machine, or it was revoked before.
            BridgeError: The register cannot be written.
        """
        with self._locked():
            clients = self.clients()
            revoked = replace(self._present(name, clients), revoked=self.now())
            others = [client for client in clients if client.name != name]
            write_clients(self.clients_file, (*others, revoked), filesystem=self.filesystem)
        return revoked

    def clients(self) -> tuple[Client, ...]:
        """Everybody who was ever enrolled.

        Raises:
            InvalidInputError: The register is damaged.
        """
        return read_clients(self.clients_file)

    def authority(self) -> Identity:
        """The authority.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: It is damaged or has expired.
        """
        authority = self._read(self._authority_file)
        check_valid(authority, self.now(), origin=str(self._authority_file))
        return authority

    def server(self) -> Identity:
        """The server's identity, good for use now.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: It is damaged, of another authority, or has expired.
        """
        server = self._read(self._server_file)
        authority = self.authority()
        origin = str(self._server_file)
        check_issued(server, authority.certificate_pem, self.now(), origin=origin)
        return server

    def warnings(self) -> Iterator[str]:
        """What ends soon, and what to do; nothing where there is no authority.

        Raises:
            BridgeError: Something has ended already, or is damaged.
        """
        if not self._authority_file.exists():
            return
        server = self.server()
        soon = self.now() + WARN_BEFORE
        if server.expires < soon:
            yield (
                f"The sidecar's certificate ends on {server.expires:%Y-%m-%d}; run `ltxbridge pki renew`, then "
                "start `ltxbridge serve` again."
            )
        for client in self.clients():
            if client.revoked is None and client.expires < soon:
                yield (
                    f"The enrolment of {client.name} ends on {client.expires:%Y-%m-%d}; run "
                    f"`ltxbridge pki renew {client.name} -o FILE` and take the file there."
                )

    @property
    def _authority_file(self) -> Path:
        return self.path / "authority.pem"

    @property
    def _server_file(self) -> Path:
        return self.path / "server.pem"

    def _issue(
        self, name: str, role: Role, others: Sequence[Client], *, address: str, file: Path
    ) -> Client:
        authority = self.authority()
        self._check_address(address)
        identity = issue_client(authority, name, self.now())
        token = secrets.token_hex(_TOKEN_BYTES)
        client = Client(
            name=name,
            role=role,
            fingerprint=identity.fingerprint,
            token_sha256=token_sha256(token.encode()),
            enrolled=self.now(),
            expires=identity.expires,
        )
        enrolment = Enrolment(
            name=name,
            role=role,
            address=address,
            authority_pem=authority.certificate_pem.decode(),
            certificate_pem=identity.certificate_pem.decode(),
            key_pem=identity.key_pem.decode(),
            token=token,
        )
        # The file first: one that nobody knows of opens nothing, a client without a file helps nobody.
        self._publish(file, enrolment.to_json())
        try:
            write_clients(self.clients_file, (*others, client), filesystem=self.filesystem)
        except BridgeError:
            self.filesystem.unlink(file, missing_ok=True)
            raise
        return client

    def _check_address(self, address: str) -> None:
        host = check_host(address.rpartition(":")[0])
        hosts = self.server().hosts
        if host not in hosts:
            raise InvalidInputError(
                f"The sidecar's certificate is for {', '.join(hosts)}, not for {host}; clients would refuse it. "
                f"Take one of those, or run `ltxbridge pki renew --host {host}`.",
                reason=Reason.CERTIFICATE_INVALID,
                metadata={"address": address},
            )

    def _present(self, name: str, clients: Sequence[Client]) -> Client:
        found = next((item for item in clients if item.name == name), None)
        if found is None or found.revoked is not None:
            state = "was revoked, which is for good" if found else "is not enrolled"
            raise NotFoundError(
                f"{name[:80]} {state}; `ltxbridge pki list` shows who is.",
                metadata={"name": name[:80]},
            )
        return found

    def _read(self, path: Path) -> Identity:
        pem = read_private(path)
        if pem is None:
            raise NotFoundError(
                f"There is no authority in {self.path}. Make one with `ltxbridge pki init --host NAME`, where "
                "NAME is how other machines call this one.",
                reason=Reason.CERTIFICATE_INVALID,
                metadata={"path": str(path)},
            )
        return Identity.from_pem(pem, origin=str(path))

    def _publish(self, path: Path, content: bytes) -> None:
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        try:
            with self.filesystem.open_new(part, private=True) as file:
                file.write(content)
            self.filesystem.fsync_file(part)
            self.filesystem.publish_new(part, path)
        finally:
            self.filesystem.unlink(part, missing_ok=True)
        self.filesystem.fsync_folder(path.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self.path.is_dir():
            raise NotFoundError(
                f"There is no authority in {self.path}. Make one with `ltxbridge pki init --host NAME`, where "
                "NAME is how other machines call this one.",
                reason=Reason.CERTIFICATE_INVALID,
                metadata={"path": str(self.path)},
            )
        try:
            lock = FolderLock(self.path)
        except ConflictError as error:
            raise ConflictError(
                "Another `ltxbridge pki` command is at work in the same folder. Wait for it, then try again.",
                reason=Reason.ALREADY_RUNNING,
                metadata={"path": str(self.path)},
            ) from error
        try:
            yield
        finally:
            lock.release()


def _checked(hosts: Sequence[str]) -> tuple[str, ...]:
    if not hosts:
        raise InvalidInputError(
            "Say with --host how other machines call this one: a host name, an address, or several."
        )
    return tuple(dict.fromkeys(check_host(host) for host in hosts))
