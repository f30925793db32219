"""`ltxbridge plan`: what would be made, to the frame. Starts nothing and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ltxbridge.cli.options import (
    TIMELINE,
    TakeChoices,
    as_json,
    place_options,
    policy_for,
    settings_from,
    take_options,
)
from ltxbridge.cli.plan_page import plan_document, plan_lines
from ltxbridge.cli.printing import say
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.timeline import open_timeline, plan_timeline
from sidecar.filesystem import FileSystem
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.registry import engine_limits
from sidecar.readers.box import ReaderBox
from sidecar.readers.process import ReaderProcess


@click.command()
@click.argument("timeline", type=TIMELINE)
@place_options
@take_options
@as_json
@click.pass_obj
def plan(
    reader: ReaderProcess,
    /,
    timeline: Path,
    media_roots: tuple[Path, ...],
    path_maps: tuple[str, ...],
    config_file: Path | None,
    as_json: bool,
    **choices: Any,
) -> int:
    """Say what would be made of TIMELINE: ranges, frames, padding, limits.

    Ends with 1 where a mark cannot be met.
    """
    settings = settings_from(media_roots=media_roots, path_maps=path_maps, config_file=config_file)
    with ReaderBox(first=reader) as box:
        made = plan_timeline(
            open_timeline(timeline, box=box),
            originals=Originals(policy_for(timeline, settings), filesystem=FileSystem(), box=box),
            engines=engine_limits(EngineFolders.below(settings.state_dir)),
            options=TakeChoices(**choices).plan_options(timeline, settings),
            box=box,
        )
    if as_json:
        say(json.dumps(plan_document(made), indent=2))
    else:
        say("\n".join(plan_lines(made)))
    return 1 if made.problems else 0
