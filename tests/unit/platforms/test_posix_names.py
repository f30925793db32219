"""No name that only POSIX has comes into the product without its row in `docs/platforms.md`."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from support.posix_names import ARGUMENTS, FOLDERS, METHODS, MODULES, posix_only

REPOSITORY = Path(__file__).resolve().parents[3]
NAMES = {module: posix_only(module) for module in ("os", "signal", "socket")}
ANYWHERE = frozenset().union(*NAMES.values()) | MODULES
# Words that mean something else as well: `os.name`, an element of FCPXML.
NAMED_BY_TEXT = (ANYWHERE | ARGUMENTS) - {"posix", "resource"}
_ROW = re.compile(r"\| `([\w/]+\.py)` \| (.+?) \|")


def _found(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in NAMES.get(
                module, ()
            ):
                yield name
            case ast.Attribute(attr=name) if name in METHODS:
                yield name
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ({module} & MODULES)
                yield from (alias.name for alias in names if alias.name in NAMES.get(module, ()))
            case ast.keyword(arg=str(name)) if name in ARGUMENTS:
                yield name
            # Also where a name is looked up, or a module loaded, by its text.
            case ast.Constant(value=str(text)) if text in NAMED_BY_TEXT:
                yield text
            case ast.Constant(value=str(text)) if text.startswith(FOLDERS):
                yield text.rstrip("/")


def _used() -> dict[str, set[str]]:
    used = defaultdict(set)
    for package in ("interchange", "ltxbridge", "sidecar"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            name = path.relative_to(REPOSITORY).as_posix()
            if "/v1/" not in name:
                used[name] |= set(_found(ast.parse(path.read_text(encoding="utf-8"))))
    return {name: found for name, found in used.items() if found}


def _told() -> dict[str, set[str]]:
    text = (REPOSITORY / "docs" / "platforms.md").read_text(encoding="utf-8")
    return {name: set(re.findall(r"`([^`]+)`", cell)) for name, cell in _ROW.findall(text)}


def test_every_name_that_only_posix_has_is_in_the_table_with_what_windows_does_instead() -> None:
    assert _used() == _told()


def test_the_names_are_seen() -> None:
    source = """
import fcntl, os as o
from signal import SIGKILL
os.getuid(); getattr(os, "O_DIRECTORY"); os.open(x, dir_fd=3); loop.add_signal_handler(1, f)
socket.AF_UNIX; Path("/proc/self/fd"); importlib.import_module("termios"); os.getpid(); signal.SIGTERM
"""
    assert set(_found(ast.parse(source))) == {
        "fcntl", "SIGKILL", "getuid", "O_DIRECTORY", "dir_fd", "add_signal_handler", "AF_UNIX",
        "/proc/self/fd", "termios",
    }  # fmt: skip


def test_the_stubs_know_both_systems() -> None:
    assert {"getuid", "killpg", "O_NOFOLLOW", "sched_setaffinity", "mkfifo"} <= NAMES["os"]
    assert not {"getpid", "open", "O_BINARY", "symlink"} & NAMES["os"]
    assert {"SIGKILL", "SIGXCPU", "SIGHUP"} <= NAMES["signal"]
    assert "SIGTERM" not in NAMES["signal"]
