"""What the standard library has on POSIX systems and not on Windows, as mypy's copy of its stubs knows it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import mypy

MODULES = frozenset(
    {"fcntl", "grp", "msvcrt", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
)
"""Modules that are there on one kind of system only."""
ARGUMENTS = frozenset(
    {"dir_fd", "pass_fds", "preexec_fn", "process_group", "src_dir_fd", "start_new_session"}
)
"""Arguments that raise on Windows, or do nothing there."""
METHODS = frozenset({"add_reader", "add_signal_handler", "add_writer"})
"""Of event loops: not implemented on Windows."""
FOLDERS = ("/dev/", "/etc/", "/proc/", "/sys/", "/tmp", "unix:")

_STUBS = Path(mypy.__file__).parent / "typeshed" / "stdlib"


def posix_only(module: str) -> frozenset[str]:
    """The names a module has on Linux and not on Windows."""
    [stub] = [
        path
        for path in (_STUBS / f"{module}.pyi", _STUBS / module / "__init__.pyi")
        if path.exists()
    ]
    body = ast.parse(stub.read_text(encoding="utf-8")).body
    return frozenset(_names(body, "linux")) - frozenset(_names(body, "win32"))


def _names(body: Sequence[ast.stmt], platform: str) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.If(test=test, body=then, orelse=otherwise):
                held = _holds(test, platform)
                yield from _names(then if held is not False else (), platform)
                yield from _names(otherwise if held is not True else (), platform)
            case ast.FunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name, body=inside):
                yield name
                yield from _names(inside, platform)  # the numbers of signals are members of an enum
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name
            case ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names)


def _holds(test: ast.expr, platform: str) -> bool | None:
    """Whether a condition of a stub holds on a platform, None where it is about something else."""
    match test:
        case ast.Compare(ops=[operator], comparators=[ast.Constant(value=str(named))]):
            return (named == platform) is isinstance(operator, ast.Eq)
        case ast.BoolOp(op=ast.And(), values=values):
            held = [_holds(value, platform) for value in values]
            return False if False in held else None
        case ast.BoolOp(op=ast.Or(), values=values):
            held = [_holds(value, platform) for value in values]
            return True if True in held else None
        case _:
            return None
