"""`python -m support.as_windows`: import every module of the product where the system looks like Windows.

The standard library and other people's packages are imported as what they are; then the names and modules that
only POSIX has are taken away, `sys.platform` says `win32`, and the product is imported anew. What Windows has
and Linux has not is not there either, but for `ctypes.WinDLL`. Prints the modules' names.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.abc
import os
import pkgutil
import signal
import socket
import sys
from types import SimpleNamespace

from support.posix_names import MODULES, posix_only

PACKAGES = ("interchange", "ltxbridge", "sidecar")


class _NotOnWindows(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if fullname in MODULES:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _modules() -> list[str]:
    return [
        found.name
        for package in PACKAGES
        for found in pkgutil.walk_packages(
            importlib.import_module(package).__path__, prefix=f"{package}."
        )
        # Engines of models have packages of their own; `__main__` runs.
        if not found.name.endswith("__main__") and ".v1" not in found.name
    ]


def become_windows() -> None:
    """Take away what Windows has not."""
    for module in (os, signal, socket):
        for name in posix_only(module.__name__):
            if not name.startswith("_") and hasattr(module, name):
                delattr(module, name)
    os.supports_dir_fd.clear()
    os.supports_fd.clear()
    ctypes.WinDLL = lambda *_, **__: SimpleNamespace(  # type: ignore[attr-defined]
        CreateFileW=SimpleNamespace(), CloseHandle=SimpleNamespace()
    )
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _NotOnWindows())
    sys.platform = "win32"


def main() -> None:
    """Import all of it, twice."""
    names = _modules()
    for name in names:
        importlib.import_module(name)
    for name in [*sys.modules]:
        # What is generated registers itself once a process, whatever the system.
        if name.partition(".")[0] in PACKAGES and ".v1" not in name:
            del sys.modules[name]
    become_windows()
    for name in names:
        importlib.import_module(name)
    sys.stdout.write("\n".join(names))


if __name__ == "__main__":
    main()
