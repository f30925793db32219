"""Tensors that can be made again, kept on disk: content-addressed, bounded, safe to delete at any time.

An entry is a file named after its key: the digest of all that follows in hexadecimal, then safetensors. What
does not match its digest is removed and counts as never made. Nothing here can fail a job: a cache that cannot
be written or read is a cache without entries.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from interchange.errors import BridgeError
from sidecar.filesystem import FileSystem

_LOG = logging.getLogger(__name__)

SUFFIX: Final = ".tensors"
_DIGEST_CHARACTERS: Final = 64
_ABANDONED_S: Final = 3600
"""A half-written file this old was left by a process that is no more."""


def key_of(kind: str, **parts: str | float | None) -> str:
    """The name of what is made from these parts, and from nothing else.

    Args:
        kind: What it is, so that things of different kinds never meet.
        parts: All that decides its content.
    """
    text = json.dumps({"kind": kind, "parts": parts}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class TensorCache:
    """Named tensors by key. Several processes may use one folder.

    Args:
        folder: Holds nothing else; made when the first entry is.
        limit_bytes: Most that its files may take together; what was used longest ago goes. 0 keeps nothing.
        filesystem: Writes for us.
    """

    def __init__(self, folder: Path, *, limit_bytes: int, filesystem: FileSystem) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._filesystem = filesystem

    def get(self, key: str) -> Mapping[str, torch.Tensor] | None:
        """What was kept under a key, on the CPU; None where nothing sound is.

        Args:
            key: From `key_of`.
        """
        path = self._path(key)
        try:
            if path.stat().st_size > self._limit_bytes:  # nothing of ours
                return None
            content = path.read_bytes()
        except (OSError, MemoryError):
            return None
        tensors = _read(content)
        if tensors is None:
            _LOG.warning("a damaged cache entry is removed: %s", path)
            with suppress(BridgeError):
                self._filesystem.unlink(path, missing_ok=True)
            return None
        with suppress(BridgeError):  # another process may just have removed it
            self._filesystem.set_modified(path, time.time_ns())
        return tensors

    def put(self, key: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Keep tensors under a key; where there is no room for them, nothing is kept.

        Args:
            key: From `key_of`.
            tensors: Of any device and shape.
        """
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        if size > self._limit_bytes:
            return
        try:
            body = save(
                {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            )
            content = hashlib.sha256(body).hexdigest().encode() + body
            if len(content) > self._limit_bytes:
                return
            self._filesystem.make_folder(self._folder, private=True)
            self._make_room(len(content))
            self._filesystem.write_atomic(self._path(key), content, private=True)
        # OSError: somebody removed the folder just now. MemoryError: what is kept is held twice on its way.
        except (BridgeError, OSError, MemoryError) as error:
            _LOG.warning("a cache entry was not kept: %s", error)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"

    def _make_room(self, extra_bytes: int) -> None:
        now = time.time_ns()
        entries: list[tuple[int, int, Path]] = []
        for path in self._folder.iterdir():
            try:
                status = path.stat(follow_symlinks=False)
            except OSError:  # another process removed it
                continue
            if path.suffix == SUFFIX:
                entries.append((status.st_mtime_ns, status.st_size, path))
            elif now - status.st_mtime_ns > _ABANDONED_S * 10**9:
                self._filesystem.unlink(path, missing_ok=True)
        total = sum(size for _, size, _ in entries) + extra_bytes
        for _, size, path in sorted(entries):
            if total <= self._limit_bytes:
                return
            self._filesystem.unlink(path, missing_ok=True)
            total -= size


def _read(content: bytes) -> Mapping[str, torch.Tensor] | None:
    digest, body = content[:_DIGEST_CHARACTERS], content[_DIGEST_CHARACTERS:]
    if digest != hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        return load(body)
    except SafetensorError:  # whole, and yet no safetensors: another version's, or another's
        return None
