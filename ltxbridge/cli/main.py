"""The `ltxbridge` command: finds the subcommand, and turns every failure into a sentence and an exit code.

Exit codes: 0 all done, 1 some request failed, 2 bad input or usage, 3 no sidecar; `serve` has one of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import tempfile
import traceback
from enum import IntEnum
from typing import Final, NoReturn

import click

from interchange.errors import (
    BridgeError,
    InternalError,
    InvalidInputError,
    NotAuthenticatedError,
    StoppedError,
    UnavailableError,
)
from ltxbridge.cli.printing import say
from sidecar.readers.limits import ReaderLimits
from sidecar.readers.process import PROGRAM, ReaderProcess

_COMMANDS: Final = {
    "demo": "ltxbridge.cli.demo:demo",
    "doctor": "ltxbridge.cli.doctor:doctor",
    "export": "ltxbridge.cli.export:export",
    "gc": "ltxbridge.cli.gc:gc",
    "jobs": "ltxbridge.cli.jobs:jobs",
    "models": "ltxbridge.cli.models:models",
    "pki": "ltxbridge.cli.pki:pki",
    "plan": "ltxbridge.cli.plan:plan",
    "presets": "ltxbridge.cli.presets:presets",
    "process": "ltxbridge.cli.process:process",
    "serve": "ltxbridge.cli.serve:serve",
    "suggest": "ltxbridge.cli.suggest:suggest",
    "support": "ltxbridge.cli.support:support",
    "verify": "ltxbridge.cli.verify:verify",
    "watch": "ltxbridge.cli.watch:watch",
}

_READING: Final = {
    "export": ("ReadTimeline", "ProbeMedia"),
    "plan": ("ReadTimeline", "ProbeMedia"),
    "process": ("ReadTimeline", "ProbeMedia"),
    "suggest": ("ReadTimeline", "ProbeMedia"),
    "verify": ("VerifyCredentials",),
}
"""Commands that do little before they have read a file, and the calls their reader prepares for."""

ERROR_SCHEMA: Final = "ltxbridge.Error.1"
"""What `--json` prints where a command ends without a document of its own."""


class ExitCode(IntEnum):
    """What the shell is told."""

    OK = 0
    REQUEST_FAILED = 1
    BAD_INPUT = 2
    NO_SIDECAR = 3


class _LazyGroup(click.Group):
    """Imports a subcommand's module only when it is run, so that `plan` does not pay for gRPC.

    The reader that such commands need loads meanwhile, in its own process; they get it as the context's object.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        calls = _READING.get(args[0]) if args else None
        if calls is not None:
            ctx.obj = ReaderProcess(PROGRAM, limits=ReaderLimits(), warm=calls)
            ctx.call_on_close(ctx.obj.end)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module_name, attribute = target.split(":")
        command: click.Command = getattr(importlib.import_module(module_name), attribute)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ltxbridge")
def cli() -> None:
    """Shots made again where they stand: frame-exact takes for a marked timeline.

    Mark a shot in the NLE (`LTX: retake prompt="..."`), export the timeline, then:

      ltxbridge plan TIMELINE      says what would be made; starts nothing
      ltxbridge process TIMELINE   makes the takes and writes the relinked timeline
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line.

    Args:
        arguments: Without the program's name.

    Returns:
        The exit code; nothing is raised but by the operating system's own signals.
    """
    try:
        result = cli.main(arguments, prog_name="ltxbridge", standalone_mode=False)
    except SystemExit:
        # How click ends on a closed pipe: the reader has seen enough, as `| head` does.
        return ExitCode.OK
    except click.Abort:
        message = "stopped. Queued jobs are kept, and go on with the next `process` or `serve`."
        return _refused(StoppedError(message), arguments, ExitCode.REQUEST_FAILED)
    except click.ClickException as error:
        error.show()
        _show_as_json(InvalidInputError(error.format_message()), arguments)
        return ExitCode.BAD_INPUT
    except BridgeError as error:
        return _refused(error, arguments, exit_code_of(error))
    except Exception as error:  # noqa: BLE001 - the last line of defence; no traceback reaches a user
        fault = InternalError(
            f"a fault of ours ({type(error).__name__}: {error}). Nothing was overwritten. "
            f"Please report it with {_file_details(error)}."
        )
        return _refused(fault, arguments, ExitCode.REQUEST_FAILED)
    return int(result) if isinstance(result, int) else ExitCode.OK


def exit_code_of(error: BridgeError) -> ExitCode:
    """The exit code for an error that ended the whole command."""
    if isinstance(error, (UnavailableError, NotAuthenticatedError)):
        return ExitCode.NO_SIDECAR
    if isinstance(error, InternalError):
        return ExitCode.REQUEST_FAILED
    return ExitCode.BAD_INPUT


def _file_details(error: Exception) -> str:
    """Write the traceback to a file of its own and say where; a terminal is no place for it."""
    details = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="ltxbridge-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(details)
    return file.name


def _refused(error: BridgeError, arguments: list[str], code: ExitCode) -> ExitCode:
    say(f"ltxbridge: {error.message}", err=True)
    _show_as_json(error, arguments)
    return code


def _show_as_json(error: BridgeError, arguments: list[str]) -> None:
    """A script that asked for JSON gets it, on one line, also where a command ended without its own."""
    if "--json" in arguments:
        reason = {"reason": error.reason.value, "message": error.message}
        with contextlib.suppress(OSError):  # nobody reads, or the disk under the output is full
            say(json.dumps({"schema": ERROR_SCHEMA, "error": reason}))
