"""Tells a person that work has ended: a command of theirs, the desktop, or both."""

from __future__ import annotations

import html
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LOG = logging.getLogger(__name__)

SCHEMA = "ltxbridge.Notice.1"
COMMAND_LIMIT_S = 30.0
_DESKTOP_LIMIT_S = 10.0
_LONGEST_SHOWN = 240
# The words come as arguments of the script, so that nothing in them is ever read as AppleScript.
_APPLE_SCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told.

    Args:
        title: A few words.
        text: One sentence.
        path: What to look at: the delivered timeline or the report; None where there is neither.
        complete: Whether everything asked for was delivered.
    """

    title: str
    text: str
    path: Path | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Notifier:
    """Where notices go; telling never fails, and never takes longer than the limits.

    Args:
        command: Program and arguments of the settings' `notify_command`; empty for none. It gets the notice as
            one JSON document on standard input.
        desktop: Whether the desktop shows it too, where there is one.
        limit_s: How long the command may take, in seconds; then it is killed.
        platform: As `sys.platform`.
    """

    command: tuple[str, ...] = ()
    desktop: bool = False
    limit_s: float = COMMAND_LIMIT_S
    platform: str = sys.platform

    def tell(self, notice: Notice) -> None:
        """Tell it; what goes wrong is logged, without the notice's own words."""
        if self.command:
            _run(self.command, document(notice).encode(), limit_s=self.limit_s)
        if self.desktop:
            argv = desktop_command(notice, platform=self.platform)
            if argv and shutil.which(argv[0]):
                _run(argv, b"", limit_s=_DESKTOP_LIMIT_S)


def document(notice: Notice) -> str:
    """The notice as the command reads it: one JSON object, ending in a newline."""
    content = {
        "schema": SCHEMA,
        "title": notice.title,
        "text": notice.text,
        "path": None if notice.path is None else str(notice.path),
        "complete": notice.complete,
    }
    return json.dumps(content) + "\n"


def desktop_command(notice: Notice, *, platform: str = sys.platform) -> tuple[str, ...]:
    """Program and arguments that show a notice on this platform's desktop; empty where there is none.

    Windows shows toasts only for programs registered in its start menu; the command hook serves there.
    """
    title, text = _shown(notice.title), _shown(notice.text)
    match platform:
        case "win32":
            return ()
        case "darwin":
            script = (part for line in _APPLE_SCRIPT for part in ("-e", line))
            return ("osascript", *script, "--", title, text)
        case _:
            # Notification servers read simple markup in the text, not in the title.
            return ("notify-send", "--app-name=ltxbridge", "--", title, html.escape(text))


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[
        :_LONGEST_SHOWN
    ]


def _run(argv: Sequence[str], content: bytes, *, limit_s: float) -> None:
    program = Path(argv[0]).name
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own setting, as a list, never through a shell
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=sys.platform != "win32",
        )
    except (OSError, ValueError) as error:
        _LOG.warning(
            "The notice was not given: %s cannot be run (%s)", program, type(error).__name__
        )
        return
    with process:
        try:
            process.communicate(content, timeout=limit_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            _LOG.warning("The notice's %s took longer than %g s and was ended", program, limit_s)
            return
        except OSError:  # it did not read what it was told, which is its own affair
            pass
    if process.returncode:
        _LOG.warning("The notice's %s ended with %d", program, process.returncode)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)  # and what it has started, which might hold the pipe
    except ProcessLookupError:
        process.kill()
