"""`ltxbridge serve`: run the sidecar in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from interchange.errors import ConflictError
from ltxbridge.cli.options import FOLDER, place_options
from ltxbridge.cli.printing import say
from sidecar.app import serve as run_sidecar
from sidecar.instance import ALREADY_RUNNING_STATUS, read_discovery
from sidecar.settings import load_settings


@click.command()
@place_options
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    help="Loopback TCP instead of a unix socket; or, beside it, an address for enrolled machines (mutual TLS).",
)
@click.option("--engine", help="Engine for requests that name none.")
@click.option(
    "--output-root",
    "output_roots",
    multiple=True,
    type=FOLDER,
    help="Folder takes may be written to; default: the media roots. May be repeated.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["human", "json"]))
def serve(
    media_roots: tuple[Path, ...],
    path_maps: tuple[str, ...],
    config_file: Path | None,
    listen: str | None,
    engine: str | None,
    output_roots: tuple[Path, ...],
    log_level: str | None,
    log_format: str | None,
) -> int:
    """Run the sidecar until Ctrl-C. Other commands find it by themselves.

    It listens on a unix socket that only this user can open, or on a loopback --listen. Every call needs the
    token it writes into the state folder. Other machines come in by mutual TLS only: see `ltxbridge pki`. It
    never opens a connection to the outside. Exit code 75: another one is at work there.
    """
    settings = load_settings(
        {
            "media_roots": media_roots,
            "path_maps": path_maps,
            "listen": listen,
            "engine": engine,
            "output_roots": output_roots,
            "log_level": log_level,
            "log_format": log_format,
        },
        config_file=config_file,
    )
    try:
        run_sidecar(settings)
    except ConflictError as error:
        held = error.metadata.get("path") == str(settings.state_dir)
        message = _who_holds(settings.state_dir) if held else error.message
        say(f"ltxbridge: {message}", err=True)
        return ALREADY_RUNNING_STATUS
    return 0


def _who_holds(state_dir: Path) -> str:
    """Who may have the state folder, and what to do about each."""
    holder = read_discovery(state_dir)
    process = f" (process {holder.pid})" if holder else ""
    if holder and not holder.temporary:
        return (
            f"Another `ltxbridge serve`{process} works with {state_dir}. Every command finds that one by "
            "itself; stop it only to start this one with other options."
        )
    return (
        f"A sidecar{process} works with {state_dir}: one that `ltxbridge watch` or another command started for "
        "itself, or a `serve` that starts or stops just now. Let that command end or stop it, start `serve`, then "
        "the command again: it uses this one. Or give this one a folder of its own by LTXBRIDGE_STATE_DIR."
    )
