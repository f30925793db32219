"""Generates, lints and drift-checks the gRPC contract: `python tools/proto.py generate|lint|drift`.

Everything comes from installed wheels (grpcio-tools, googleapis-common-protos, buf-bin): no network, no
registry, no plug-in download. buf cannot resolve google/rpc without its registry, so protoc builds the image
and buf lints that.
"""
# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO_ROOT = ROOT / "proto"
PACKAGE = Path("ltxbridge") / "v1"


def sources(proto_root: Path) -> list[str]:
    """Every .proto file under `proto_root`, relative to it, in a fixed order."""
    return sorted(path.relative_to(proto_root).as_posix() for path in proto_root.rglob("*.proto"))


def run_protoc(arguments: Sequence[str], *, proto_root: Path = PROTO_ROOT) -> int:
    """Run the packaged protoc over the contract.

    Args:
        arguments: Options before the file names.
        proto_root: Folder the contract's imports start from.

    Returns:
        protoc's exit status.
    """
    site_packages = sysconfig.get_paths()["purelib"]  # googleapis-common-protos: google/rpc/*.proto
    includes = (proto_root, files("grpc_tools") / "_proto", site_packages)
    command = ["protoc", *(f"-I{path}" for path in includes), *arguments, *sources(proto_root)]
    return int(protoc.main(command))


def generate(folder: Path) -> int:
    """Write the Python modules of the contract under `folder`."""
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    return run_protoc(outputs)


def lint(proto_root: Path = PROTO_ROOT) -> int:
    """Check the contract with buf (STANDARD and COMMENTS)."""
    buf = shutil.which("buf", path=sysconfig.get_paths()["scripts"]) or shutil.which("buf")
    if buf is None:
        sys.stderr.write("buf is not installed; install the dependency group `check`.\n")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch) / "contract.binpb"
        options = [f"--descriptor_set_out={image}", "--include_imports", "--include_source_info"]
        if status := run_protoc(options, proto_root=proto_root):
            return status
        command = [buf, "lint", str(image), "--config", str(PROTO_ROOT / "buf.yaml")]
        # Without --path buf would also judge Google's own files in the image.
        paths = sorted({path.split("/", 1)[0] for path in sources(proto_root)})
        command += [part for path in paths for part in ("--path", path)]
        return subprocess.run(command, check=False).returncode  # noqa: S603 - fixed argv


def drift() -> int:
    """Tell whether the committed modules are what the contract generates."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if status := generate(folder):
            return status
        fresh = {path.name: path.read_bytes() for path in (folder / PACKAGE).iterdir()}
    committed = {
        path.name: path.read_bytes()
        for path in (ROOT / PACKAGE).iterdir()
        if path.is_file() and path.name != "__init__.py"
    }
    stale = sorted(
        name
        for name in fresh.keys() | committed.keys()
        if fresh.get(name, b"").splitlines() != committed.get(name, b"").splitlines()
    )
    for name in stale:
        sys.stderr.write(f"{(PACKAGE / name).as_posix()} is not what proto/ generates.\n")
    if stale:
        sys.stderr.write("Run `make proto` and commit the result.\n")
    return int(bool(stale))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description="Generate, lint or drift-check the gRPC contract.")
    parser.add_argument("command", choices=("generate", "lint", "drift"))
    match parser.parse_args(argv).command:
        case "generate":
            return generate(ROOT)
        case "lint":
            return lint()
        case _:
            return drift()


if __name__ == "__main__":
    sys.exit(main())
