"""Another machine's engines and signer; progress of what is carried, on a terminal and in a script."""

import io
from dataclasses import replace

from rich.console import Console
from support.model_examples import example_engine

from ltxbridge.cli.progress import JobDisplay
from ltxbridge.client.transfers import Carried
from ltxbridge.roundtrip.workshop import Workshop


def test_another_machines_engines_and_default_count():
    ours = example_engine()
    theirs = replace(ours, limits=replace(ours.limits, engine="big", max_frames=9), is_default=True)
    shop = Workshop.of_machine("studio", [replace(ours, is_default=False), theirs], "animatic")
    assert shop.default_engine == "big"
    assert shop.engines["big"].max_frames == 9
    assert "the sidecar studio" in shop.signer
    assert "this machine's own key" not in shop.signer
    none_named = Workshop.of_machine("studio", [replace(ours, is_default=False)], "animatic")
    assert none_named.default_engine == "animatic"


def drawn(*, terminal, quiet=False):
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=120, no_color=True)
    with JobDisplay(console, quiet=quiet) as display:
        display.carry(Carried("A001 plate.mov", "sending", 3 << 20, 12 << 20))
        halfway = display._progress.tasks[0].percentage
        display.carry(Carried("A001 plate.mov", "sending", 12 << 20, 12 << 20))
        display.carry(Carried("A001_010", "fetching", 1 << 20, 4 << 20))
    assert halfway == 25
    return written.getvalue()


def test_files_on_their_way_are_drawn_on_a_terminal_and_nowhere_else():
    text = drawn(terminal=True)
    for part in ("A001 plate.mov", "sent", "100%", "A001_010", "fetching 1/4 MiB", "25%"):
        assert part in text
    assert drawn(terminal=False).strip() == ""
    assert drawn(terminal=True, quiet=True) == ""
