"""What `preset=` names: a recipe, LoRAs and a prompt template, each a TOML file. Torch-free.

    # ~/.local/state/ltxbridge/presets/noir.toml; the file's name is the preset's
    summary = "Black and white, hard light."
    recipe = "two-stage"                        # sidecar/pipelines/ltx23/recipes.py
    prompt = "{prompt} Black and white film noir, hard side light, deep shadows."
    checkpoint = "ltx-2.3-distilled"            # optional: a name of `ltxbridge models list`
    reference = "edges"                         # optional, for an IC-LoRA: what it is shown of the shot

    [[lora]]
    path = "loras/noir.safetensors"             # a relative one starts at the user's presets folder
    strength = 0.8                              # optional, 1.0

A file in the user's folder takes the place of a shipped one of the same name.
"""

from __future__ import annotations

import difflib
import os
import re
import reprlib
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Final

from interchange.errors import InvalidInputError, NotFoundError
from interchange.model.request import LONGEST_PROMPT
from sidecar.models.checkpoint import LoraUse
from sidecar.pipelines.ltx23.recipes import RECIPES

_PLACE: Final = "{prompt}"
_ENDING: Final = ".toml"
_MOST_BYTES: Final = 32 * 1024  # what tomllib takes for a key of many dots grows with its square
_MOST_FILES: Final = 1000
_MOST_LORAS: Final = 8
_MOST_STRENGTH: Final = 4.0
_LONGEST_SUMMARY: Final = 200
# What a mark can write after `preset=`.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_KEYS: Final = ("summary", "recipe", "prompt", "checkpoint", "reference", "source", "lora")
_LORA_KEYS: Final = ("path", "strength")


class Reference(StrEnum):
    """What of the shot an IC-LoRA is shown beside the noise."""

    PICTURES = "pictures"
    EDGES = "edges"


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset.

    Args:
        name: What `preset=` says.
        summary: One line for people.
        recipe: Name of a recipe.
        checkpoint: Name of the checkpoint it needs; None for the engine's current one.
        loras: In the order they are applied.
        reference: What of the shot its IC-LoRA is shown; None where it has none.
        prompt_template: Has `{prompt}` once, where the editor's words go.
        source: Where its LoRA files can be had, for the message that one is missing; may be empty.
        origin: The file it was read from, for messages.
    """

    name: str
    summary: str
    recipe: str
    checkpoint: str | None = None
    loras: tuple[LoraUse, ...] = ()
    reference: Reference | None = None
    prompt_template: str = _PLACE
    source: str = ""
    origin: str = ""

    def prompt(self, words: str) -> str:
        """The editor's words in the template; nothing else in either is interpreted."""
        return self.prompt_template.replace(_PLACE, words).strip()

    def check_files(self) -> None:
        """See that every LoRA file is there.

        Raises:
            NotFoundError: One is not; the message says where it was looked for.
        """
        origin = f" (from {self.source})" if self.source else ""
        for lora in self.loras:
            # Not Path.is_file, which raises where a name is too long for the disk.
            if not os.path.isfile(lora.path):  # noqa: PTH113
                raise NotFoundError(
                    f"The preset {self.name} needs the LoRA file {lora.path.name}{origin}, and {lora.path} is "
                    f"not there. Put the file there, or say where it is in a preset of your own called {self.name}.",
                    metadata={"preset": self.name, "path": str(lora.path)},
                )


def shipped_presets(folder: Path | None = None) -> Mapping[str, Preset]:
    """The presets that came with the program, by name.

    Args:
        folder: The user's presets folder, from which relative LoRA paths start; None leaves them relative.
    """
    found = {}
    for file in _shipped_files():
        name = file.name.removesuffix(_ENDING)
        found[name] = _preset(name, file.read_bytes(), f"the shipped {file.name}", folder)
    return MappingProxyType(found)


def find_preset(name: str, folder: Path | None = None) -> Preset:
    """One preset; another one's broken file does not matter.

    Args:
        name: What `preset=` says.
        folder: The user's presets folder; None for the shipped ones only.

    Raises:
        InvalidInputError: Its file cannot be right; the message names it and the key.
        NotFoundError: There is no such preset.
    """
    for path in _user_files(folder):
        if path.name == name + _ENDING:
            return _read(path, folder)
    shipped = shipped_presets(folder)
    if name not in shipped:
        known = sorted(preset_names(folder))
        raise NotFoundError(
            f"There is no preset {name!r}; {_hint(name, known)}.",
            metadata={"preset": name, "known": ", ".join(known)},
        )
    return shipped[name]


def preset_names(folder: Path | None = None) -> frozenset[str]:
    """The names `preset=` may have. Reads no user's file, so that a broken one stops only what uses it."""
    return frozenset(
        file.name.removesuffix(_ENDING) for file in (*_shipped_files(), *_user_files(folder))
    )


def _shipped_files() -> list[Traversable]:
    folder = files("sidecar.pipelines.ltx23").joinpath("presets")
    named = (file for file in folder.iterdir() if file.name.endswith(_ENDING))
    return sorted(named, key=lambda file: file.name)


def _user_files(folder: Path | None) -> list[Path]:
    if folder is None or not folder.is_dir():
        return []
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            # Hidden ones are not the user's: macOS and editors leave `._noir.toml` and `.#noir.toml` behind.
            if path.name.endswith(_ENDING) and not path.name.startswith(".")
        )
    except OSError as error:
        raise InvalidInputError(
            f"The presets folder {folder} cannot be read: {error.strerror}.",
            metadata={"path": str(folder)},
        ) from error
    if len(paths) > _MOST_FILES:
        raise InvalidInputError(
            f"The presets folder {folder} holds {len(paths)} presets; {_MOST_FILES} are the most.",
            metadata={"path": str(folder)},
        )
    for path in paths:
        if not _NAME.fullmatch(path.name.removesuffix(_ENDING)):
            raise InvalidInputError(
                f"No mark can name the preset {path}: a name has letters, digits, dots and dashes. Rename "
                "the file.",
                metadata={"path": str(path)},
            )
    return paths


def _read(path: Path, folder: Path | None) -> Preset:
    try:
        # A pipe that somebody put there would hold every command up.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            content = file.read(_MOST_BYTES + 1) if plain else b""
    except OSError as error:
        raise InvalidInputError(
            f"The preset {path} cannot be read: {error.strerror}.", metadata={"path": str(path)}
        ) from error
    origin = _Origin(str(path))
    if not plain:
        raise origin.refuse("is no plain file")
    if len(content) > _MOST_BYTES:
        raise origin.refuse(f"is larger than {_MOST_BYTES // 1024} KiB")
    return _preset(path.name.removesuffix(_ENDING), content, str(path), folder)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a value was found, for complaints."""

    file: str
    key: str = ""

    def refuse(self, problem: str) -> InvalidInputError:
        where = f"{self.key} in the preset {self.file}" if self.key else f"The preset {self.file}"
        return InvalidInputError(
            f"{where} {problem}.", metadata={"path": self.file, "setting": self.key}
        )


def _preset(name: str, content: bytes, file: str, folder: Path | None) -> Preset:
    try:
        # Deep nesting ends in RecursionError, other bytes in UnicodeDecodeError, a ValueError.
        document = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise _Origin(file).refuse(f"is no valid TOML: {error}") from error
    _only(document, _KEYS, file, "")
    recipe = _text(document.get("recipe"), _Origin(file, "recipe"))
    if recipe not in RECIPES:
        raise _Origin(file, "recipe").refuse(f"cannot be {recipe!r}; {_hint(recipe, RECIPES)}")
    reference = document.get("reference")
    loras = _loras(document.get("lora", []), file, folder)
    if reference is not None and not loras:
        raise _Origin(file, "reference").refuse("is for an IC-LoRA, and there is no [[lora]]")
    checkpoint = document.get("checkpoint")
    return Preset(
        name=name,
        summary=_bounded("summary", document.get("summary", ""), file, _LONGEST_SUMMARY),
        recipe=recipe,
        checkpoint=None if checkpoint is None else _text(checkpoint, _Origin(file, "checkpoint")),
        loras=loras,
        reference=None if reference is None else _reference(reference, _Origin(file, "reference")),
        prompt_template=_template(document.get("prompt", _PLACE), file),
        source=_bounded("source", document.get("source", ""), file, _LONGEST_SUMMARY),
        origin=file,
    )


def _template(value: object, file: str) -> str:
    template = _bounded("prompt", value, file, LONGEST_PROMPT)
    if template.count(_PLACE) != 1:
        raise _Origin(file, "prompt").refuse(
            f"must have {_PLACE} once, where the editor's words go, not {template.count(_PLACE)} times"
        )
    return template


def _reference(value: object, origin: _Origin) -> Reference:
    text = _text(value, origin)
    if text not in set(Reference):
        raise origin.refuse(f"cannot be {text!r}; {_hint(text, tuple(Reference))}")
    return Reference(text)


def _loras(value: object, file: str, folder: Path | None) -> tuple[LoraUse, ...]:
    origin = _Origin(file, "lora")
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise origin.refuse("must be written as [[lora]] tables")
    if len(value) > _MOST_LORAS:
        raise origin.refuse(f"has {len(value)} entries; {_MOST_LORAS} are the most")
    return tuple(_lora(item, index, file, folder) for index, item in enumerate(value, 1))


def _lora(table: Mapping[str, object], index: int, file: str, folder: Path | None) -> LoraUse:
    at = f"lora {index} "
    _only(table, _LORA_KEYS, file, at)
    written = _text(table.get("path"), _Origin(file, f"{at}path"))
    try:
        path = Path(written).expanduser()
    except RuntimeError as error:  # ~nobody
        raise _Origin(file, f"{at}path").refuse(f"names no home folder: {written}") from error
    strength = table.get("strength", 1.0)
    if isinstance(strength, bool) or not isinstance(strength, int | float):
        raise _Origin(file, f"{at}strength").refuse(f"must be a number, not {_shown(strength)}")
    if not abs(strength) <= _MOST_STRENGTH:  # nor is NaN
        raise _Origin(file, f"{at}strength").refuse(
            f"must be from -{_MOST_STRENGTH:g} to {_MOST_STRENGTH:g}, not {_shown(strength)}"
        )
    start = Path() if folder is None else folder.absolute()
    return LoraUse(Path(os.path.normpath(start / path)), float(strength))


def _only(table: Mapping[str, object], known: tuple[str, ...], file: str, at: str) -> None:
    for key in table:
        if key not in known:
            raise _Origin(file).refuse(
                f"has the unknown key {at}{key[:_LONGEST_SUMMARY]}; {_hint(key, known)}"
            )


def _bounded(key: str, value: object, file: str, most: int) -> str:
    text = _text(value, _Origin(file, key)) if value != "" else ""
    if len(text) > most:
        raise _Origin(file, key).refuse(f"has {len(text)} characters; {most} are the most")
    return text


def _text(value: object, origin: _Origin) -> str:
    if value is None:
        raise origin.refuse("is missing")
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise origin.refuse(f"must be text, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python refuses to write a number of so many digits
        return "a number of thousands of digits"


def _hint(word: str, known: Iterable[str]) -> str:
    names = [str(name) for name in known]
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]}" if near else f"there are {', '.join(names)}"
