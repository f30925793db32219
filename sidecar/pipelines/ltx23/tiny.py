"""A tiny LTX-2.3 with random weights: every component, the real compression ratios, no network.

8 k + 1 frames, 32 pixels a latent, 25 audio latents a second, 16 to 48 kHz: all behaves as in production, only widths
and depths are small. Its pictures mean nothing. Nothing binary is in the repository: it is built where it is needed.
"""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import LTX2Pipeline
from safetensors import SafetensorError

from interchange.errors import BridgeError, ConflictError, NotFoundError, Reason, UnavailableError
from sidecar.filesystem import FileSystem
from sidecar.jobs.lock import FolderLock
from sidecar.models.checkpoint import Checkpoint, Form, PinnedFile, Variant
from sidecar.models.digests import pin
from sidecar.models.layout import inspect
from sidecar.models.parts import UPSAMPLER
from sidecar.pipelines.ltx23.limits import TINY_LIMITS
from sidecar.pipelines.ltx23.quiet import without_progress_bars
from sidecar.pipelines.ltx23.tiny_parts import tiny_components, tiny_upsampler

CONTENT_VERSION: Final = "4"
"""Raised with every change to what `build_tiny` writes."""

_MANIFEST: Final = "manifest.json"
_SEED: Final = 23
_WAIT_S: Final = 0.1


def build_tiny(folder: Path) -> None:
    """Write a tiny LTX-2.3 in the diffusers layout, `latent_upsampler/` beside the other components.

    The same bytes every time; no random state outside is touched.

    Args:
        folder: Made where it is not there.
    """
    # Layers draw their weights from torch's default generator and take no other: it is lent and given back.
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(torch.Generator().manual_seed(_SEED).get_state())
        components = tiny_components()
        upsampler = tiny_upsampler()
    pipeline: Any = LTX2Pipeline  # diffusers imports it lazily, which loses its type
    with without_progress_bars():
        pipeline(**components).save_pretrained(folder)
        upsampler.save_pretrained(folder / UPSAMPLER)


def tiny_checkpoint(cache: Path, filesystem: FileSystem) -> Checkpoint:
    """The tiny model below a cache folder, built there on first use and again where it was damaged.

    Whoever comes while another process builds it waits for that. What a kill left half-built never gets the
    final name.

    Args:
        cache: What can be made again; safe to delete.
        filesystem: Writes it.

    Raises:
        BridgeError: The cache folder cannot be written.
    """
    room = cache / TINY_LIMITS.engine
    folder = room / f"{CONTENT_VERSION}-{version('diffusers')}-{version('transformers')}"
    files = _verified(folder, filesystem)
    if files is None:
        filesystem.make_folder(room, private=True)
        lock = _wait_for(room)
        try:
            files = _verified(folder, filesystem) or _rebuilt(folder, filesystem)
        except (OSError, BridgeError, SafetensorError) as error:
            if isinstance(error, BridgeError) and not isinstance(error, NotFoundError):
                raise
            # What the libraries met that write it, or somebody deleted the cache.
            raise UnavailableError(
                f"The tiny model could not be built in {room}: {error}. Free some space there, and leave the cache "
                "folder in peace for a moment.",
                reason=Reason.STORAGE_UNAVAILABLE,
                metadata={"path": str(room)},
            ) from error
        finally:
            lock.release()
    return Checkpoint(
        name=TINY_LIMITS.engine,
        engine=TINY_LIMITS.engine,
        path=folder,
        form=Form.FOLDER,
        variant=Variant.DISTILLED,
        files=files,
        upsampler=folder / UPSAMPLER,
    )


def _wait_for(room: Path) -> FolderLock:
    while True:
        try:
            return FolderLock(room, name="build.lock", holder="program that builds the tiny model")
        except ConflictError:  # building takes a second, and a dead builder holds nothing
            time.sleep(_WAIT_S)


def _rebuilt(folder: Path, filesystem: FileSystem) -> tuple[PinnedFile, ...]:
    part = folder.with_name(f".{folder.name}.part")
    filesystem.remove_tree(part)  # of a builder that was killed
    filesystem.make_folder(part)
    build_tiny(part)
    files = _listed(part)
    digests = {file.relative_to(part).as_posix(): filesystem.sha256(file) for file in files}
    filesystem.write_atomic(part / _MANIFEST, json.dumps(digests, indent=1).encode())
    for file in files:
        filesystem.fsync_file(file)
    filesystem.remove_tree(folder)  # damaged, or not there
    filesystem.rename(part, folder)
    filesystem.fsync_folder(folder.parent)
    return _pinned(folder)


def _verified(folder: Path, filesystem: FileSystem) -> tuple[PinnedFile, ...] | None:
    """The files of a folder where it is whole; None where one is missing, changed or there in addition."""
    try:
        digests: dict[str, str] = json.loads((folder / _MANIFEST).read_bytes())
        present = {file.relative_to(folder).as_posix() for file in _listed(folder)}
        whole = present == digests.keys() and all(
            filesystem.sha256(folder / name) == digest for name, digest in digests.items()
        )
        return _pinned(folder) if whole else None
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def _listed(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and file.name != _MANIFEST]


def _pinned(folder: Path) -> tuple[PinnedFile, ...]:
    return pin(inspect(folder, variant=Variant.DISTILLED).files)
