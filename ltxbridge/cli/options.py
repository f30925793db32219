"""Options that several commands share, and what they add up to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from interchange.model.request import Codec
from interchange.plan import PlanOptions
from sidecar.media.paths import PathPolicy
from sidecar.settings import Settings, load_settings

P = ParamSpec("P")
R = TypeVar("R")

TIMELINE = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


@dataclass(frozen=True, slots=True)
class TakeChoices:
    """What `take_options` were given, and what holds where they were not."""

    engine: str | None = None
    out: Path | None = None
    codec: str = Codec.PRORES_422_HQ.value
    handles: int = 12
    generated_handles: int = 0
    no_slate: bool = False

    def folder_for(self, timeline: Path) -> Path:
        """Where a timeline's delivery goes; absolute."""
        return (self.out or timeline.parent / "out").absolute()

    def plan_options(self, timeline: Path, settings: Settings) -> PlanOptions:
        """How to plan where a mark does not say."""
        return PlanOptions(
            output_directory=str(self.folder_for(timeline) / "takes"),
            engine=self.engine or settings.engine,
            codec=Codec(self.codec),
            slate=settings.slate and not self.no_slate,
            handle_frames=self.handles,
            generated_handle_frames=self.generated_handles,
        )


_DEFAULT = TakeChoices()


def server_option(command: Callable[P, R]) -> Callable[P, R]:
    """`--server`: a sidecar on another machine."""
    return click.option(
        "--server",
        metavar="NAME",
        help="Use the sidecar of another machine, by the name `ltxbridge pki join` gave it.",
    )(command)


def place_options(command: Callable[P, R]) -> Callable[P, R]:
    """`--media-root`, `--map`, `--config`: where media may be."""
    return _stack(
        command,
        click.option(
            "--media-root",
            "media_roots",
            multiple=True,
            type=FOLDER,
            help="Folder media may be read from, beside the timeline's own; may be repeated.",
        ),
        click.option(
            "--map",
            "path_maps",
            multiple=True,
            metavar="FROM=TO",
            help="Where media named on another machine lie here; may be repeated.",
        ),
        click.option(
            "--config", "config_file", type=click.Path(path_type=Path), help="TOML settings file."
        ),
    )


def take_options(command: Callable[P, R]) -> Callable[P, R]:
    """`--out`, and the options of `making_options`."""
    out = click.option(
        "--out", type=FOLDER, help="Folder of the delivery; default: `out` beside the timeline."
    )
    return making_options(out(command))


def making_options(command: Callable[P, R]) -> Callable[P, R]:
    """`--engine`, `--codec`, `--handles`, `--generated-handles`, `--no-slate`."""
    return _stack(
        command,
        click.option("--engine", help="Engine where the mark names none."),
        click.option(
            "--codec",
            type=click.Choice([codec.value for codec in Codec]),
            default=_DEFAULT.codec,
            show_default=True,
            help="Codec of the takes.",
        ),
        click.option(
            "--handles",
            type=click.IntRange(0, 10_000),
            default=_DEFAULT.handles,
            show_default=True,
            help="The source's own frames on each side of a retake, where they exist.",
        ),
        click.option(
            "--generated-handles",
            type=click.IntRange(0, 1_000),
            default=_DEFAULT.generated_handles,
            show_default=True,
            help="Frames the engine makes on each side of any other take.",
        ),
        click.option("--no-slate", is_flag=True, help="Leave out the slate that previz burns in."),
    )


def settings_from(
    *, media_roots: Sequence[Path], path_maps: Sequence[str], config_file: Path | None
) -> Settings:
    """Put the settings of a command together.

    Raises:
        InvalidInputError: A setting cannot be right.
    """
    return load_settings(
        {"media_roots": tuple(media_roots), "path_maps": tuple(path_maps)}, config_file=config_file
    )


def policy_for(timeline: Path, settings: Settings) -> PathPolicy:
    """Media may lie in the timeline's own folder and in the settings' roots."""
    folder = timeline.absolute().parent
    return PathPolicy((folder, *settings.media_roots), settings.path_maps, beside=folder)


def _stack(
    command: Callable[P, R], *options: Callable[[Callable[P, R]], Callable[P, R]]
) -> Callable[P, R]:
    return functools.reduce(lambda inner, option: option(inner), reversed(options), command)
