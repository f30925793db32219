"""`python -m sidecar`: the sidecar alone, as `sidecar.launch` starts it; people use `ltxbridge serve`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from interchange.errors import BridgeError, ConflictError
from sidecar.instance import ALREADY_RUNNING_STATUS
from sidecar.settings import OPTION_NAMES, load_settings

_LISTS = frozenset({"media_roots", "output_roots", "path_maps", "notify_command"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop.

    Returns:
        0 after a stop, 75 where another sidecar uses the state folder or address, 2 for bad settings.
    """
    parser = argparse.ArgumentParser(prog="python -m sidecar", description=__doc__)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--config", type=Path, help="TOML file with settings")
    parser.add_argument("--while-stdin-open", action="store_true", help="stop with the parent")
    for name, option in OPTION_NAMES.items():
        parser.add_argument(option, dest=name, action="append" if name in _LISTS else "store")
    given = vars(parser.parse_args(arguments))
    overrides = {name: given[name] for name in OPTION_NAMES}
    try:
        settings = load_settings(overrides, config_file=given["config"])
        from sidecar.app import serve  # noqa: PLC0415 - bad settings are told before av is loaded

        serve(settings, while_stdin_open=given["while_stdin_open"])
    except ConflictError as error:
        sys.stderr.write(f"{error}\n")
        return ALREADY_RUNNING_STATUS
    except BridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
