"""What the doctor examines; the caller has read the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from interchange.model.job import EngineStatus


@dataclass(frozen=True, slots=True)
class Subject:
    """One installation.

    Args:
        state_dir: Where the job table and the signing key live.
        runtime_dir: Where the sidecar's socket and token are.
        output_dir: Where deliveries would go; its disk is measured.
        media_roots: Folders that media may be read from, beside each timeline's own.
        path_maps: (as documents write it, as this machine sees it).
        list_engines: Asks the running sidecar; raises `BridgeError` where none answers.
        describe_identity: Says in words who signs and what that is worth; raises `BridgeError` where
            there is no key yet or it cannot be used.
        enrolment_warnings: Which certificates for other machines end soon; raises `BridgeError` where one has
            ended or cannot be used.
        quota_bytes: Most disk ltxbridge may use; 0 for no limit.
        used_bytes: Counts what takes, uploads, spool and caches use; raises `BridgeError` where it cannot.
        hot_folders: Examined as well.
        describe_checkpoint: Says in words which weights the model engine uses; raises `NotFoundError` where none are
            installed, another `BridgeError` where they cannot be used.
    """

    state_dir: Path
    runtime_dir: Path
    output_dir: Path
    media_roots: tuple[Path, ...]
    path_maps: tuple[tuple[str, str], ...]
    list_engines: Callable[[], Sequence[EngineStatus]]
    describe_identity: Callable[[], str]
    enrolment_warnings: Callable[[], Sequence[str]] = tuple
    quota_bytes: int = 0
    used_bytes: Callable[[], int] = int
    hot_folders: tuple[Path, ...] = ()
    describe_checkpoint: Callable[[], str] = str
