"""What a racing process runs. Here and not in the test: a spawned process must be able to import it by name."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sidecar.credentials.identity import load_or_create_identity


def meet(folder: Path, start: Barrier, answers: multiprocessing.Queue[tuple[str, bool]]) -> None:
    """Wait for the others, then ask for the identity."""
    start.wait()
    identity = load_or_create_identity(folder)
    answers.put((identity.fingerprint, identity.is_new))
