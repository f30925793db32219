"""An installation for the doctor to examine, sound or with a fault."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interchange.errors import BridgeError
from interchange.model.job import EngineStatus
from ltxbridge.doctor import Subject


def a_subject(
    folder: Path, *, sidecar: BridgeError | None = None, identity: BridgeError | None = None
) -> Subject:
    """Make an installation under a folder; the errors are what its sidecar and its key answer with."""

    def list_engines() -> Sequence[EngineStatus]:
        if sidecar is not None:
            raise sidecar
        return ()

    def describe_identity() -> str:
        if identity is not None:
            raise identity
        return "a key made on this machine"

    return Subject(
        state_dir=folder / "state",
        runtime_dir=folder / "run",
        output_dir=folder / "out",
        media_roots=(folder,),
        path_maps=(),
        list_engines=list_engines,
        describe_identity=describe_identity,
    )
