"""`ltxbridge presets`: what `preset=` on a mark may say, and which of it can be used now."""

from __future__ import annotations

import json
from pathlib import Path

import click

from interchange.errors import BridgeError
from ltxbridge.cli.options import as_json
from ltxbridge.cli.printing import say
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.ltx23.presets import find_preset, preset_names
from sidecar.settings import load_settings

SCHEMA = "ltxbridge.Presets.1"


@click.command()
@as_json
def presets(as_json: bool) -> None:
    """Show the presets of the LTX engines, those of your own included, and what one still lacks."""
    folder = EngineFolders.below(load_settings().state_dir).presets
    rows = [_row(name, folder) for name in sorted(preset_names(folder))]
    if as_json:
        say(json.dumps({"schema": SCHEMA, "folder": str(folder), "presets": rows}, indent=2))
        return
    for row in rows:
        say(f"{row['name']:<16} {row['recipe']:<14} {row['summary']}")
        if row["problem"]:
            say(f"{'':<16} cannot be used: {row['problem']}")
    say(f"Your own go into {folder}.")


def _row(name: str, folder: Path) -> dict[str, str]:
    row = {"name": name, "recipe": "", "summary": "", "origin": "", "problem": ""}
    try:
        preset = find_preset(name, folder)
        row |= {"recipe": preset.recipe, "summary": preset.summary, "origin": preset.origin}
        preset.check_files()
    except BridgeError as error:  # one that is broken hides no other
        row["problem"] = error.message
    return row
