"""What a checkpoint is: files of known digests, each with its part to play."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Form(StrEnum):
    """How the weights lie on disk."""

    FOLDER = "folder"
    """A folder in the diffusers layout: one subfolder a component, and `model_index.json`."""
    SINGLE_FILE = "single-file"
    """One original `.safetensors` with transformer, connectors, both VAEs and the vocoder."""
    GGUF = "gguf"
    """A quantised transformer; every other component comes from `base`."""


class Variant(StrEnum):
    """How weights were trained, which decides their recipe."""

    DISTILLED = "distilled"
    DEV = "dev"


@dataclass(frozen=True, slots=True)
class LoraUse:
    """A LoRA and how much of it.

    Args:
        path: A `.safetensors` file.
        strength: 1.0 is as trained; 0 is none.
    """

    path: Path
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file as it was when it was added.

    Args:
        name: What it is in the checkpoint, whatever folder that lies in, with forward slashes:
            `transformer/config.json`, `upsampler/diffusion_pytorch_model.safetensors`.
        path: Where it is.
        size_bytes: Its length.
        modified_ns: When it was last written, nanoseconds since the epoch: with the length, a hint that it
            is still the same file.
        sha256: Its digest, lower-case hexadecimal.
    """

    name: str
    path: Path
    size_bytes: int
    modified_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A set of weights an engine can load.

    Args:
        name: What the editor calls it.
        engine: The engine it is for.
        path: The folder or file.
        form: How it lies there.
        variant: How it was trained.
        files: Every file that is loaded, in the order of their names.
        base: The folder that what `path` lacks comes from; None where it lacks nothing.
        upsampler: The folder or file of the latent upsampler; None where there is none.
        text_encoder: The folder with Gemma 3, its tokenizer and processor; None where `path` has them.
        source: Where it came from: `repo@revision`, or empty for one that was added by hand.
    """

    name: str
    engine: str
    path: Path
    form: Form
    variant: Variant
    files: tuple[PinnedFile, ...]
    base: Path | None = None
    upsampler: Path | None = None
    text_encoder: Path | None = None
    source: str = ""

    @property
    def identity(self) -> str:
        """`sha256:` and the digest over all files' names and digests; independent of where they lie."""
        return identity_of((file.name, file.sha256) for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)


def identity_of(digests: Iterable[tuple[str, str]]) -> str:
    """One digest for a set of files.

    Args:
        digests: (name, SHA-256) of each.
    """
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
