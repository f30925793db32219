"""`ltxbridge export`: the marked shots with handles as plates, for work done elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import click

from interchange.model.request import Codec
from interchange.plan import PlanOptions, plan_reading
from ltxbridge.cli.options import (
    FOLDER,
    TIMELINE,
    as_json,
    place_options,
    policy_for,
    settings_from,
)
from ltxbridge.cli.plan_page import problem_document, problem_lines
from ltxbridge.cli.printing import say
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.plates import engine_free, export_plates, plate_limits
from ltxbridge.roundtrip.timeline import open_timeline
from sidecar.filesystem import FileSystem
from sidecar.readers.box import ReaderBox
from sidecar.readers.limits import STREAM_LIMITS
from sidecar.readers.process import ReaderProcess


@click.command()
@click.argument("timeline", type=TIMELINE)
@place_options
@click.option(
    "--out", type=FOLDER, help="Folder of the plates; default: `plates` beside the timeline."
)
@click.option(
    "--codec",
    type=click.Choice([codec.value for codec in Codec]),
    default=Codec.PRORES_422_HQ.value,
    show_default=True,
    help="Codec of the plates.",
)
@click.option(
    "--handles",
    type=click.IntRange(0, 10_000),
    default=12,
    show_default=True,
    help="Frames on each side of the mark, where the media have them.",
)
@as_json
@click.pass_obj
def export(
    reader: ReaderProcess,
    /,
    timeline: Path,
    media_roots: tuple[Path, ...],
    path_maps: tuple[str, ...],
    config_file: Path | None,
    out: Path | None,
    codec: str,
    handles: int,
    as_json: bool,
) -> int:
    """Write the marked shots of TIMELINE with handles as plates, each with a JSON beside it.

    Nothing is generated. A bridge gives two plates, outgoing and incoming; a mark without media gives none.
    """
    settings = settings_from(media_roots=media_roots, path_maps=path_maps, config_file=config_file)
    folder = (out or timeline.parent / "plates").absolute()
    filesystem = FileSystem()
    limits = plate_limits(handles)
    options = PlanOptions(
        output_directory=str(folder),
        engine=limits.engine,
        codec=Codec(codec),
        handle_frames=handles,
    )
    with ReaderBox(first=reader) as box, ReaderBox(STREAM_LIMITS) as decoder:
        originals = Originals(policy_for(timeline, settings), filesystem=filesystem, box=box)
        planned = plan_reading(
            engine_free(open_timeline(timeline, box=box).reading),
            facts_of=originals.facts_of,
            engines={limits.engine: limits},
            options=options,
        )
        plates, problems = export_plates(
            planned, folder=folder, codec=Codec(codec), filesystem=filesystem, box=decoder
        )
    if as_json:
        say(
            json.dumps(
                {
                    "schema": "ltxbridge.Export.1",
                    "plates": [
                        {"media": str(plate.media), "record": str(plate.record)} for plate in plates
                    ],
                    "problems": [problem_document(problem) for problem in problems],
                },
                indent=2,
            )
        )
    else:
        for plate in plates:
            say(plate.media)
        for problem in problems:
            say("\n".join(problem_lines(problem)), err=True)
    return 1 if problems else 0
