"""`ltxbridge verify`: are the credentials of a file intact, and what do they say."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from ltxbridge.cli.options import as_json
from ltxbridge.cli.printing import say
from sidecar.readers.box import ReaderBox
from sidecar.readers.process import ReaderProcess
from sidecar.settings import load_settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@as_json
@click.pass_obj
def verify(reader: ReaderProcess, /, file: Path, as_json: bool) -> None:
    """Check that FILE is what was signed. Nothing is fetched; ends with 2 where it is not."""
    with ReaderBox(first=reader) as box:
        report = box.verify_credentials(
            Path(os.path.realpath(file)), identity_folder=load_settings().state_dir.resolve()
        )
    if as_json:
        document = {"schema": "ltxbridge.Verification.1", **asdict(report)}
        say(json.dumps(document, indent=2, default=str))
        return
    say(f"{file}: {report.state}")
    say(f"  {report.summary}")
    say(f"  signer    {report.signer}")
    say(f"  made      {report.made} with {report.made_with}")
    for ingredient in report.ingredients:
        say(f"  from      {ingredient.title} ({ingredient.relationship})")
