"""`ltxbridge support`: one file for whoever helps, without what the work is about."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ltxbridge.cli.doctor import subject_of
from ltxbridge.cli.options import as_json
from ltxbridge.client import BridgeClient
from ltxbridge.doctor import run_checks
from sidecar.filesystem import FileSystem
from sidecar.launch import running_sidecar
from sidecar.lifecycle.bundle import write_bundle
from sidecar.settings import Settings, load_settings

SCHEMA = "ltxbridge.SupportBundle.1"
_HOT_FOLDERS = ("in", "out", "done", "failed", ".ltxbridge")


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("ltxbridge-support.zip"),
    show_default=True,
    help="The bundle; one that is there is not overwritten.",
)
@click.option(
    "--hot-folder",
    "hot_folders",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Hot folder whose counts go in; may be repeated.",
)
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="TOML settings file."
)
@as_json
def support(
    output: Path, hot_folders: tuple[Path, ...], config_file: Path | None, as_json: bool
) -> None:
    """Write versions, settings, the doctor's findings, counts of jobs and the ends of the logs into a zip.

    It holds no token, key or prompt, and no name of a file or folder of yours. Works whether or not a sidecar
    runs, and with a damaged job table. Nothing is sent anywhere.
    """
    settings = load_settings(config_file=config_file)
    names = write_bundle(
        output.absolute(),
        settings,
        sections={
            "doctor": lambda: [
                asdict(finding) for finding in run_checks(subject_of(settings, out=Path.cwd()))
            ],
            "engines": lambda: _engines(settings),
            "hotfolders": lambda: [_counts(folder.absolute()) for folder in hot_folders],
        },
        filesystem=FileSystem(),
    )
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "bundle": str(output), "entries": names}))
    else:
        click.echo(f"{output}: {len(names)} files of text. Read it before you send it.")


def _engines(settings: Settings) -> object:
    discovery = running_sidecar(settings)
    if discovery is None:
        return "no sidecar runs"
    with BridgeClient(discovery.endpoint(settings.state_dir)) as client:
        return [
            {
                "engine": status.limits.engine,
                "state": status.state.value,
                "device": status.device,
                "device_memory_bytes": status.device_memory_bytes,
                "worker_memory_bytes": status.worker_memory_bytes,
            }
            for status in client.list_engines()
        ]


def _counts(folder: Path) -> object:
    return {
        "folder": folder,
        "entries": {
            name: sum(1 for _ in (folder / name).iterdir()) if (folder / name).is_dir() else None
            for name in _HOT_FOLDERS
        },
    }
