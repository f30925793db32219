"""`ltxbridge demo`: the whole round trip, on a project made here or on a timeline of your own."""

from __future__ import annotations

from pathlib import Path

import click

from interchange.errors import BridgeError
from ltxbridge.cli.options import FOLDER, TakeChoices
from ltxbridge.cli.process import process_all
from ltxbridge.demo.project import write_demo_project
from ltxbridge.roundtrip.process import Delivery
from sidecar.settings import load_settings


@click.command()
@click.argument("timeline", type=click.Path(path_type=Path), required=False)
@click.option(
    "--folder",
    type=FOLDER,
    default=Path("demo"),
    show_default=True,
    help="Where the demo project is made.",
)
@click.option("--engine", help="Engine; default: the embedded one.")
def demo(timeline: Path | None, folder: Path, engine: str | None) -> int:
    """Show the round trip on a demo project, or on TIMELINE.

    The demo project holds one mark that cannot be met, on purpose: its report shows why.
    """
    own = timeline is not None
    source = timeline or write_demo_project(folder.absolute())
    click.echo(f"timeline  {source}")
    (_, result), *_ = process_all(
        [source], load_settings(), TakeChoices(engine=engine), quiet=False
    )
    if isinstance(result, BridgeError):
        raise result
    return 0 if _as_expected(result, own=own) else 1


def _as_expected(delivery: Delivery, *, own: bool) -> bool:
    """The demo's one impossible mark is part of the show; a timeline of the user's own has no such excuse."""
    if own:
        return delivery.complete
    missing = [r for r in delivery.report.requests if r.take is None]
    return delivery.timeline is not None and all(r.state == "refused" for r in missing)
