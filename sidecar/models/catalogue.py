"""What can be pulled: repositories as data.

No revision and no digest is known when this is written: the first pull resolves each repository to one commit, checks
every file against the digest the hub states for it, and pins both in the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from interchange.errors import NotFoundError
from sidecar.models.checkpoint import Variant


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one repository.

    Args:
        repo: `owner/name` on the hub.
        patterns: Which files, as shell patterns; all others stay there.
        into: Subfolder they go to; empty for the checkpoint's own folder.
        revision: The commit; None for the newest, which the first pull pins.
    """

    repo: str
    patterns: tuple[str, ...]
    into: str = ""
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be pulled.

    Args:
        name: What it is called in the registry.
        summary: What it is, in a line.
        variant: How it was trained.
        sources: Where its files come from.
        size_gb: About how much will be downloaded.
        main: The file that is the checkpoint; None where the folder is.
        upsampler: The file of the latent upsampler; None where the folder has one.
        text_encoder: The folder of the text encoder; None where the folder has one.
    """

    name: str
    summary: str
    variant: Variant
    sources: tuple[Source, ...]
    size_gb: int
    main: str | None = None
    upsampler: str | None = None
    text_encoder: str | None = None


_PARTS: Final = (
    *("audio_vae", "connectors", "latent_upsampler", "processor", "scheduler", "text_encoder"),
    *("tokenizer", "transformer", "vae", "vocoder"),
)
_FOLDERS: Final = (*(f"{part}/*" for part in _PARTS), "model_index.json", "LICENSE*")
_UPSAMPLER: Final = "ltx-2.3-spatial-upscaler-x2-1.1.safetensors"
_UPSAMPLER_SOURCE: Final = Source("Lightricks/LTX-2.3", (_UPSAMPLER, "LICENSE*"), "original")
_GEMMA_SOURCE: Final = Source(
    "Lightricks/gemma-3-12b-it-qat-q4_0-unquantized",
    ("*.json", "*.jinja", "*.model", "*.safetensors", "LICENSE*"),
    "gemma",
)

CATALOGUE: Final[Mapping[str, Entry]] = {
    entry.name: entry
    for entry in (
        Entry(
            "ltx-2.3-distilled",
            "The usual one: 8 steps; in the diffusers layout, with the x2 upsampler.",
            Variant.DISTILLED,
            (Source("dg845/LTX-2.3-Distilled-Diffusers", _FOLDERS), _UPSAMPLER_SOURCE),
            72,
            upsampler=f"original/{_UPSAMPLER}",
        ),
        Entry(
            "ltx-2.3-dev",
            "30 steps with guidance; in the diffusers layout, with the x2 upsampler.",
            Variant.DEV,
            (Source("diffusers/LTX-2.3-Diffusers", _FOLDERS), _UPSAMPLER_SOURCE),
            72,
            upsampler=f"original/{_UPSAMPLER}",
        ),
        Entry(
            "ltx-2.3-distilled-original",
            "Lightricks' own single file of the distilled model, and Gemma 3.",
            Variant.DISTILLED,
            (
                Source(
                    "Lightricks/LTX-2.3",
                    ("ltx-2.3-22b-distilled-1.1.safetensors", _UPSAMPLER, "LICENSE*"),
                ),
                _GEMMA_SOURCE,
            ),
            72,
            main="ltx-2.3-22b-distilled-1.1.safetensors",
            upsampler=_UPSAMPLER,
            text_encoder="gemma",
        ),
    )
}


def entry_of(name: str) -> Entry:
    """The catalogue's entry of a name.

    Raises:
        NotFoundError: There is none.
    """
    entry = CATALOGUE.get(name)
    if entry is None:
        raise NotFoundError(
            f"The catalogue has no {name}; there are {', '.join(CATALOGUE)}. Weights from elsewhere are added with "
            "`ltxbridge models add PATH`.",
            metadata={"name": name},
        )
    return entry
