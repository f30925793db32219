"""`ltxbridge models`: which weights are installed, and getting them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from ltxbridge.cli.options import as_json
from ltxbridge.cli.printing import say
from sidecar.filesystem import FileSystem
from sidecar.models.catalogue import CATALOGUE, entry_of
from sidecar.models.checkpoint import Checkpoint, Form, Variant
from sidecar.models.digests import Fault
from sidecar.models.hub import check_hub
from sidecar.models.layout import Found, inspect
from sidecar.models.licences import Licence, LicenceRecord, read_token
from sidecar.models.pull import pull as pull_entry
from sidecar.models.registry import Installed, ModelRegistry
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.ltx23.limits import LIMITS
from sidecar.settings import load_settings

SCHEMA = "ltxbridge.Models.1"

_ENGINE = LIMITS.engine
_name = click.argument("name")
_folder = click.Path(path_type=Path, file_okay=False)


@click.group()
def models() -> None:
    """Which weights the engines use: get them, add them, compare them with what was installed.

    `pull` is the only part of ltxbridge that connects to the outside.
    """


@models.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Show what is installed, and what can be pulled."""
    installed = _registry().installed()
    if as_json:
        say(json.dumps(_document(installed), indent=2))
        return
    for checkpoint in installed.checkpoints:
        used = "in use" if _is_used(installed, checkpoint) else "      "
        say(f"{used}  {_line(checkpoint)}")
        say(f"        {checkpoint.path}")
    names = {checkpoint.name for checkpoint in installed.checkpoints}
    for entry in CATALOGUE.values():
        if entry.name not in names:
            say(f"        {entry.name:<28} {entry.size_gb:>4} GB to pull  {entry.summary}")


@models.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it; default: the name of the file or folder.")
@click.option(
    "--variant",
    type=click.Choice([variant.value for variant in Variant]),
    help="How it was trained, where its name does not say.",
)
@click.option("--base", type=_folder, help="Folder in the diffusers layout for what PATH lacks.")
@click.option(
    "--upsampler",
    type=click.Path(path_type=Path),
    help="The latent upsampler, for two-stage recipes.",
)
@click.option("--text-encoder", type=_folder, help="Folder with Gemma 3, where PATH has none.")
def add(
    path: Path,
    name: str | None,
    variant: str | None,
    base: Path | None,
    upsampler: Path | None,
    text_encoder: Path | None,
) -> None:
    """Add weights that are on this machine: a folder in the diffusers layout, an original .safetensors, or a .gguf.

    The files stay where they are. Each is digested, and from then on must be what it is now.
    """
    found = inspect(
        path,
        variant=None if variant is None else Variant(variant),
        base=base,
        upsampler=upsampler,
        text_encoder=text_encoder,
    )
    say(f"Found: {found.form}, {found.variant} ({found.variant_by}), {len(found.files)} files.")
    if found.upsampler is None:
        say("No latent upsampler: two-stage recipes will not run; add it with --upsampler.")
    checkpoint = _registry().add(
        found, name=name or _usual_name(found), engine=_ENGINE, progress=_telling("digesting")
    )
    _installed(checkpoint)


@models.command()
@_name
def use(name: str) -> None:
    """Let the engine use NAME from the next job on; a running sidecar needs no restart."""
    checkpoint = _registry().use(name)
    say(f"{checkpoint.engine} uses {checkpoint.name} from its next job on.")


@models.command()
@click.argument("name", required=False)
@as_json
def verify(name: str | None, as_json: bool) -> int:
    """Read every byte of NAME, or of all that is installed, and compare it with what was installed.

    Ends with 1 where a file is missing or another one.
    """
    registry = _registry()
    names = [name] if name else [checkpoint.name for checkpoint in registry.checkpoints()]
    results: dict[str, tuple[Fault, ...]] = {}
    for each in names:
        results[each] = registry.verify(each, _telling(f"reading {each}"))
    if as_json:
        say(json.dumps(_verified_document(results), indent=2))
    elif not results:
        say("Nothing is installed.")
    else:
        for each, faults in results.items():
            for fault in faults:
                say(f"{each}: {fault.path} should be {fault.expected}, and there is {fault.found}.")
            if faults:
                say(
                    f"{each}: {len(faults)} files differ. Pull it again, or put the originals back."
                )
            else:
                say(f"{each}: as it was installed.")
    return 1 if any(results.values()) else 0


@models.command()
@_name
@click.option(
    "--accept-licences", is_flag=True, help="Agree to both licences, for scripts; they are shown."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with an access token, for repositories that are gated.",
)
@click.option("--hub", metavar="URL", help="Another hub that speaks the same language.")
def pull(name: str, accept_licences: bool, token_file: Path | None, hub: str | None) -> None:
    """Download NAME. Both licences are shown and must be accepted once; nothing is downloaded before.

    A download that breaks off goes on where it stopped when the command is run again.
    """
    entry = entry_of(name)
    token = read_token(token_file)
    check_hub(hub, token=token)
    registry, filesystem = _registry(), FileSystem()
    LicenceRecord(registry.folder, filesystem).require(
        lambda licence: _agreed(licence, accepted=accept_licences)
    )
    pulled = pull_entry(
        entry,
        registry,
        filesystem,
        engine=_ENGINE,
        token=token,
        endpoint=hub,
        progress=_telling("downloading"),
    )
    for path in pulled.licences:
        say(f"The licence that counts: {path}")
    _installed(pulled.checkpoint)


@models.command()
@_name
def remove(name: str) -> None:
    """Take NAME off the list. Its files stay; where they lie is said."""
    checkpoint = _registry().remove(name)
    say(f"{checkpoint.name} is off the list. Its files are still in {checkpoint.path}.")


def _registry() -> ModelRegistry:
    return ModelRegistry(EngineFolders.below(load_settings().state_dir).models, FileSystem())


def _agreed(licence: Licence, *, accepted: bool) -> bool:
    say(f"\n{licence.name}, {licence.version}. The text itself is in {licence.where}; in short:\n")
    for term in licence.terms.split("\n"):
        say(f"  - {term}")
    if accepted:
        say(f"\nAccepted by --accept-licences: {licence.name}.")
        return True
    return click.confirm(f"\nDo you accept the {licence.name}?", default=False)


def _usual_name(found: Found) -> str:
    return found.path.name if found.form is Form.FOLDER else found.path.stem


def _telling(verb: str) -> Callable[[str, int, int], None]:
    """Progress that says at each tenth how far a long thing is: legible in a terminal and in a log."""
    said: set[int] = set()

    def tell(name: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 10
        if tenth not in said:
            said.add(tenth)
            say(f"{verb} {10 * tenth} % of {total / 1e9:.1f} GB ({name})", err=True)

    return tell


def _installed(checkpoint: Checkpoint) -> None:
    say(f"Installed: {_line(checkpoint)}")
    used = _registry().installed().current.get(checkpoint.engine)
    if used != checkpoint.name:
        say(
            f"{checkpoint.engine} uses {used}; change it with: ltxbridge models use {checkpoint.name}"
        )


def _is_used(installed: Installed, checkpoint: Checkpoint) -> bool:
    return installed.current.get(checkpoint.engine) == checkpoint.name


def _line(checkpoint: Checkpoint) -> str:
    return (
        f"{checkpoint.name:<28} {checkpoint.size_bytes / 1e9:>4.1f} GB  {checkpoint.variant:<9} "
        f"{checkpoint.form:<11} {checkpoint.identity[:19]}"
    )


def _document(installed: Installed) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "checkpoints": [
            {
                "name": checkpoint.name,
                "engine": checkpoint.engine,
                "in_use": _is_used(installed, checkpoint),
                "variant": checkpoint.variant,
                "form": checkpoint.form.value,
                "identity": checkpoint.identity,
                "size_bytes": checkpoint.size_bytes,
                "path": str(checkpoint.path),
                "source": checkpoint.source,
            }
            for checkpoint in installed.checkpoints
        ],
        "catalogue": [
            {"name": entry.name, "summary": entry.summary, "size_gb": entry.size_gb}
            for entry in CATALOGUE.values()
        ],
    }


def _verified_document(results: dict[str, tuple[Fault, ...]]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "checkpoints": [
            {
                "name": name,
                "whole": not faults,
                "faults": [
                    {"path": str(fault.path), "expected": fault.expected, "found": fault.found}
                    for fault in faults
                ],
            }
            for name, faults in results.items()
        ],
    }
