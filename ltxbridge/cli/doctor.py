"""`ltxbridge doctor`: is this machine fit for work, and if not, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from interchange.errors import NotFoundError, Reason, UnavailableError
from interchange.model.job import EngineStatus
from ltxbridge.cli.options import FOLDER, as_json, place_options, server_option, settings_from
from ltxbridge.cli.printing import say
from ltxbridge.client import BridgeClient
from ltxbridge.doctor import CheckState, Subject, render_json, render_text, run_checks, worst
from sidecar.credentials.identity import STATEMENT, read_anchor
from sidecar.filesystem import FileSystem
from sidecar.launch import running_sidecar
from sidecar.lifecycle.glance import used_bytes
from sidecar.lifecycle.quota import BYTES_PER_GB
from sidecar.models.registry import ModelRegistry
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.ltx23.limits import LIMITS as LTX_LIMITS
from sidecar.pki.folder import PkiFolder
from sidecar.pki.remotes import remote_endpoint, remote_warnings
from sidecar.settings import Settings


@click.command()
@place_options
@click.option("--out", type=FOLDER, default=Path(), help="Folder deliveries would go to.")
@click.option(
    "--hot-folder",
    "hot_folders",
    multiple=True,
    type=FOLDER,
    help="Hot folder to examine as well; may be repeated.",
)
@server_option
@as_json
def doctor(
    media_roots: tuple[Path, ...],
    path_maps: tuple[str, ...],
    config_file: Path | None,
    out: Path,
    hot_folders: tuple[Path, ...],
    server: str | None,
    as_json: bool,
) -> int:
    """Examine this installation. Starts nothing; ends with 1 where something must be mended."""
    settings = settings_from(media_roots=media_roots, path_maps=path_maps, config_file=config_file)
    findings = run_checks(subject_of(settings, out=out, hot_folders=hot_folders, server=server))
    say(render_json(findings) if as_json else render_text(findings), nl=False)
    return 1 if worst(findings) is CheckState.FAIL else 0


def subject_of(
    settings: Settings, *, out: Path, hot_folders: Sequence[Path] = (), server: str | None = None
) -> Subject:
    """The installation with these settings.

    Args:
        settings: This machine's.
        out: Folder deliveries would go to.
        hot_folders: Examined as well.
        server: Name of a sidecar on another machine, whose engines are asked for; None for this machine's.
    """
    return Subject(
        state_dir=settings.state_dir,
        runtime_dir=settings.runtime_dir,
        output_dir=out.absolute(),
        media_roots=settings.media_roots,
        path_maps=tuple((item.prefix, item.replacement) for item in settings.path_maps),
        list_engines=lambda: _engines(settings, server),
        describe_identity=lambda: _identity(settings),
        enrolment_warnings=lambda: (
            *PkiFolder.of(settings.state_dir).warnings(),
            *remote_warnings(settings.state_dir),
        ),
        quota_bytes=settings.quota_gb * BYTES_PER_GB,
        used_bytes=lambda: used_bytes(settings.state_dir),
        hot_folders=tuple(folder.absolute() for folder in hot_folders),
        describe_checkpoint=lambda: _checkpoint(settings),
    )


def _checkpoint(settings: Settings) -> str:
    folder = EngineFolders.below(settings.state_dir).models
    return ModelRegistry(folder, FileSystem()).describe(LTX_LIMITS.engine)


def _engines(settings: Settings, server: str | None) -> Sequence[EngineStatus]:
    if server is not None:
        with BridgeClient(remote_endpoint(settings.state_dir, server)) as client:
            return client.list_engines()
    discovery = running_sidecar(settings)
    if discovery is None:
        raise UnavailableError("No sidecar is running; `ltxbridge process` starts one by itself.")
    with BridgeClient(discovery.endpoint(settings.state_dir)) as client:
        return client.list_engines()


def _identity(settings: Settings) -> str:
    if read_anchor(settings.state_dir) is None:
        raise NotFoundError(
            "There is no signing key yet; the first take makes one.",
            reason=Reason.CREDENTIALS_NOT_FOUND,
        )
    return STATEMENT
