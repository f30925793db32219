"""What reaches a terminal cannot command it, and no command prints past that."""

from pathlib import Path

import click.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltxbridge.cli
from ltxbridge.cli.printing import harmless, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A\x1b]0;PWN\x07.mov", r"A\x1b]0;PWN\x07.mov"),
        ("cut\u202evom.fcpxml", r"cut\u202evom.fcpxml"),
        ("\x9b2J", r"\x9b2J"),
        ("one\rtwo", r"one\rtwo"),
        ("\udcff", r"\udcff"),
        ("Café שלום\u200f 日本\u00a0語", "Café שלום\u200f 日本\u00a0語"),
    ],
)
def test_what_would_command_a_terminal_is_written_out(text, shown):
    assert harmless(text) == shown


@given(st.text())
def test_only_line_breaks_of_all_controls_are_printed(text):
    with click.testing.CliRunner().isolation() as (output, *_):
        say(text)
        printed = output.getvalue().decode()
    assert not [sign for sign in printed if sign < " " and sign != "\n"]


def test_no_command_that_shows_foreign_text_prints_past_it():
    folder = Path(ltxbridge.cli.__file__).parent
    ours_alone = {"pki.py", "demo.py", "serve.py", "support.py", "printing.py"}
    past = [
        path.name
        for path in sorted(folder.glob("*.py"))
        if path.name not in ours_alone and "click.echo(" in path.read_text(encoding="utf-8")
    ]
    assert past == []
