"""Look at weights on disk: which form, which variant, and whether every part that a job needs is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interchange.errors import InvalidInputError, NotFoundError, Reason, UnsupportedError
from sidecar.models.checkpoint import Form, Variant
from sidecar.models.header import SUFFIX, Header, read_header, refuse_pickle
from sidecar.models.parts import (
    COMPONENTS,
    ORIGINAL_PREFIXES,
    UPSAMPLER,
    component_files,
    config_of,
    text_files,
    upsampler_files,
)

_ONLY_IN_2_3: Final = ".prompt_adaln_single."
_GGUF_MAGIC: Final = b"GGUF"


@dataclass(frozen=True, slots=True)
class Found:
    """What `inspect` found.

    Args:
        path: The folder or file.
        form: How the weights lie there.
        variant: How they were trained.
        variant_by: How that is known, in words.
        files: (name in the checkpoint, path) of everything that will be loaded, in the order of the names.
        base: Where components come from that `path` lacks.
        upsampler: The latent upsampler; None where there is none, and with it no two-stage recipe.
        text_encoder: Where Gemma 3 is, where not in `path` or `base`.
    """

    path: Path
    form: Form
    variant: Variant
    variant_by: str
    files: tuple[tuple[str, Path], ...]
    base: Path | None = None
    upsampler: Path | None = None
    text_encoder: Path | None = None


def inspect(
    path: Path,
    *,
    variant: Variant | None = None,
    base: Path | None = None,
    upsampler: Path | None = None,
    text_encoder: Path | None = None,
) -> Found:
    """Find out what weights are, and make sure that nothing is missing.

    Args:
        path: A folder in the diffusers layout, an original `.safetensors`, or a GGUF file.
        variant: How they were trained, where nothing there says so.
        base: A folder in the diffusers layout for what `path` lacks.
        upsampler: The latent upsampler, where it is not in `path` or `base`.
        text_encoder: A folder with Gemma 3, where it is not in `path` or `base`.

    Raises:
        NotFoundError: The path, or a part, is not there: which, what was expected, what to do.
        InvalidInputError: A part is another one than expected, or a file is damaged.
        UnsupportedError: It is no LTX-2.3, or in a form that is not read.
    """
    path = path.absolute()
    files: dict[str, Path] = {}
    if path.is_dir():
        form, header = Form.FOLDER, None
        present = {name for name in COMPONENTS if (path / name).is_dir()}
        for name in COMPONENTS:
            if name in present or base is None:
                files |= component_files(path, name)
    else:
        form, header, present = _of_file(path)
        files = {path.name: path}
    missing = [name for name in COMPONENTS if name not in present]
    if missing and base is None:
        raise NotFoundError(
            f"{path} holds no {', '.join(missing)}. Name a folder in the diffusers layout that has the rest with "
            "--base.",
            reason=Reason.FILE_NOT_FOUND,
            metadata={"path": str(path), "missing": ", ".join(missing)},
        )
    for name in missing:
        files |= component_files(base or path, name)
    homes = [home for home in (path if form is Form.FOLDER else None, base) if home is not None]
    files |= text_files(homes, text_encoder)
    upsampler = upsampler or next(
        (home / UPSAMPLER for home in homes if (home / UPSAMPLER).is_dir()), None
    )
    if upsampler is not None:
        files |= upsampler_files(upsampler)
    chosen, by = _variant(path, header, variant)
    return Found(
        path=path,
        form=form,
        variant=chosen,
        variant_by=by,
        files=tuple((name, file.absolute()) for name, file in sorted(files.items())),
        base=base and base.absolute(),
        upsampler=upsampler and upsampler.absolute(),
        text_encoder=text_encoder and text_encoder.absolute(),
    )


def _of_file(path: Path) -> tuple[Form, Header | None, set[str]]:
    """Form, header and components of a single file."""
    refuse_pickle(path)
    if not path.is_file():
        raise NotFoundError(
            f"{path} is not there, or no file. Name a folder in the diffusers layout, an original .safetensors or a .gguf "
            "file.",
            metadata={"path": str(path)},
        )
    if path.suffix.lower() == ".gguf":
        with path.open("rb") as file:
            if file.read(len(_GGUF_MAGIC)) != _GGUF_MAGIC:
                raise InvalidInputError(
                    f"{path} is no GGUF file, whatever its name says. Download it again.",
                    metadata={"path": str(path)},
                )
        return Form.GGUF, None, {"transformer"}
    if path.suffix.lower() != SUFFIX:
        raise UnsupportedError(
            f"{path} is not read: weights come as a folder in the diffusers layout, as .safetensors or as .gguf.",
            reason=Reason.FORMAT_UNSUPPORTED,
            metadata={"path": str(path)},
        )
    header = read_header(path)
    present = {
        name
        for name, prefixes in ORIGINAL_PREFIXES.items()
        if any(key.startswith(prefixes) for key in header.tensors)
    }
    if "transformer" not in present:
        raise UnsupportedError(
            f"{path} holds no LTX transformer: no key begins with {ORIGINAL_PREFIXES['transformer'][0]}. A LoRA "
            "or an upsampler is no checkpoint; name the upsampler with --upsampler.",
            reason=Reason.FORMAT_UNSUPPORTED,
            metadata={"path": str(path)},
        )
    if not any(_ONLY_IN_2_3 in f".{key}" for key in header.tensors):
        raise UnsupportedError(
            f"{path} is an LTX model, but not LTX-2.3: it has no prompt_adaln_single. Take one of the "
            "ltx-2.3-22b files.",
            reason=Reason.FORMAT_UNSUPPORTED,
            metadata={"path": str(path)},
        )
    return Form.SINGLE_FILE, header, present


def _variant(path: Path, header: Header | None, given: Variant | None) -> tuple[Variant, str]:
    if given is not None:
        return given, "as you said"
    for variant in Variant:
        if variant in path.name.lower():
            return variant, "by its name"
    facts: Mapping[str, str] = header.metadata if header is not None else {}
    for variant in Variant:
        if any(
            variant in str(facts.get(key, "")).lower() for key in ("model_type", "variant", "name")
        ):
            return variant, "by its metadata"
    if path.is_dir() and (path / "scheduler").is_dir():
        # The distilled model is sampled at fixed noise levels, the dev model at shifted ones.
        shifts = config_of(path / "scheduler", "scheduler_config.json").get("use_dynamic_shifting")
        if isinstance(shifts, bool):
            return (Variant.DEV if shifts else Variant.DISTILLED), "by its schedule"
    raise InvalidInputError(
        f"Nothing in {path} says whether it is the distilled or the dev model, and their recipes differ. Say "
        "it with --variant.",
        metadata={"path": str(path)},
    )
