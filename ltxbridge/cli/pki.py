"""`ltxbridge pki`: let other machines in, and be let in elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import click

from interchange.model.caller import Role
from ltxbridge.cli.options import as_json
from sidecar.pki.authority import check_host
from sidecar.pki.folder import PkiFolder
from sidecar.pki.register import Client
from sidecar.pki.remotes import join as join_remote
from sidecar.settings import Settings, load_settings

DEFAULT_PORT = 50051

_hosts = click.option(
    "--host",
    "hosts",
    multiple=True,
    help="How other machines call this one: a host name or an address; may be repeated.",
)
_address = click.option(
    "--address",
    metavar="HOST:PORT",
    help="Where it will find this sidecar; default: the first host of the certificate, the port of `listen`.",
)
_file = click.option(
    "-o",
    "--out",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The enrolment file; it must not be there.",
)


@click.group()
def pki() -> None:
    """Let other machines in by mutual TLS, and be let in elsewhere.

    Here: init, enrol NAME -o FILE, then `serve --listen`. There: join FILE, then `process --server`.
    """


@pki.command()
@_hosts
def init(hosts: tuple[str, ...]) -> None:
    """Make an authority of this installation's own, and the sidecar's certificate."""
    server = _folder().init(hosts)
    click.echo(f"Made an authority and a certificate for {', '.join(server.hosts)}.")
    click.echo("Next: ltxbridge pki enrol NAME -o FILE, for each machine that may come in.")


@pki.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.EDITOR.value,
    show_default=True,
    help="An editor sees its own jobs; an operator sees and ends everybody's.",
)
@_address
@_file
def enrol(name: str, role: str, address: str | None, file: Path) -> None:
    """Let the machine NAME in, and write the one file it needs. The file is a key: hand it over in private."""
    settings = load_settings()
    folder = PkiFolder.of(settings.state_dir)
    client = folder.enrol(name, Role(role), address=_called(address, settings, folder), file=file)
    _hand_over(client, file)


@pki.command()
@click.argument("name", required=False)
@_hosts
@_address
@click.option(
    "-o",
    "--out",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With NAME: the new enrolment file.",
)
def renew(name: str | None, hosts: tuple[str, ...], address: str | None, file: Path | None) -> None:
    """Make the sidecar's certificate anew, or with NAME the enrolment of one machine."""
    settings = load_settings()
    folder = PkiFolder.of(settings.state_dir)
    if name is None:
        if file or address:
            raise click.UsageError("-o and --address go with the NAME of a machine.")
        server = folder.renew_server(hosts)
        click.echo(
            f"Made a new certificate for {', '.join(server.hosts)}, until {server.expires:%Y-%m-%d}."
        )
        click.echo("It is taken up when `ltxbridge serve` is started again.")
        return
    if file is None or hosts:
        raise click.UsageError(
            "With NAME, say where the new enrolment goes with -o FILE; --host goes without."
        )
    client = folder.renew(name, address=_called(address, settings, folder), file=file)
    click.echo(f"The enrolment that {name} has now is worth nothing any more.")
    _hand_over(client, file)


@pki.command("list")
@as_json
def list_clients(as_json: bool) -> None:
    """Show who is enrolled."""
    clients = _folder().clients()
    if as_json:
        shown = [
            {
                "name": client.name,
                "role": client.role.value,
                "fingerprint": client.fingerprint,
                "enrolled": client.enrolled.isoformat(),
                "expires": client.expires.isoformat(),
                "revoked": client.revoked.isoformat() if client.revoked else None,
            }
            for client in clients
        ]
        click.echo(json.dumps({"schema": "ltxbridge.Clients.1", "clients": shown}, indent=1))
        return
    for client in clients:
        state = (
            f"revoked {client.revoked:%Y-%m-%d}"
            if client.revoked
            else f"until {client.expires:%Y-%m-%d}"
        )
        click.echo(
            f"{client.name:<32}  {client.role.value:<8}  {state:<18}  {client.fingerprint[:16]}"
        )
    if not clients:
        click.echo("Nobody is enrolled.")


@pki.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Shut the machine NAME out, for good and at once; a running sidecar need not be started again."""
    _folder().revoke(name)
    click.echo(f"{name} is shut out from its next call on. Its jobs stay.")


@pki.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as", "name", help="What to call that sidecar here; default: its host.")
def join(file: Path, name: str | None) -> None:
    """Take up the enrolment in FILE, which was made on a sidecar's machine."""
    kept = join_remote(load_settings().state_dir, file, name=name)
    click.echo(
        f"Use it with --server {kept}. Delete {file}: whoever has it comes in as this machine."
    )


def _folder() -> PkiFolder:
    return PkiFolder.of(load_settings().state_dir)


def _called(address: str | None, settings: Settings, folder: PkiFolder) -> str:
    if address:
        return address
    listen = settings.listen
    port = DEFAULT_PORT if listen is None or listen.loopback else listen.port
    host = check_host(folder.server().hosts[0])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _hand_over(client: Client, file: Path) -> None:
    click.echo(f"{client.name} is enrolled as {client.role.value} until {client.expires:%Y-%m-%d}.")
    click.echo(f"Bring {file} there by a private way, and run: ltxbridge pki join {file.name}")
