"""Which engines there are. Importing this, and asking for limits, loads neither torch nor cv2 nor av.

Engines of others join through the entry-point group `ltxbridge.engines`: an object with `limits` and
`create()`, as `EngineEntry` describes. One that cannot be loaded is reported and left out; it stops nothing.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from interchange.errors import NotFoundError, Reason
from interchange.model.engine import EngineLimits
from sidecar.pipelines.animatic.limits import LIMITS as ANIMATIC_LIMITS
from sidecar.pipelines.identity.limits import LIMITS as IDENTITY_LIMITS
from sidecar.pipelines.ltx23.entries import LtxEntry, TinyEntry

if TYPE_CHECKING:  # it loads numpy, which `plan` has no use for
    from sidecar.pipelines.base import Engine, EngineFolders

logger = logging.getLogger(__name__)

DEFAULT_ENGINE: Final = "animatic"
ENTRY_POINT_GROUP: Final = "ltxbridge.engines"


class EngineEntry(Protocol):
    """What an entry point of the group `ltxbridge.engines` leads to."""

    @property
    def limits(self) -> EngineLimits:
        """What the engine serves; reading it must stay quick and load no model library."""
        ...

    def create(self) -> Engine:
        """Make the engine; its heavy imports belong here."""
        ...


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """An engine plug-in that was left out.

    Args:
        name: The entry point's name.
        distribution: The package it came with, empty where unknown.
        message: What is wrong and what to do.
    """

    name: str
    distribution: str
    message: str


@dataclass(frozen=True, slots=True)
class EngineRegistry:
    """The engines found at one moment.

    Args:
        entries: By engine name; built-in ones first.
        problems: Plug-ins that were left out.
    """

    entries: Mapping[str, EngineEntry]
    problems: tuple[PluginProblem, ...] = ()

    def limits(self) -> Mapping[str, EngineLimits]:
        """What each engine serves at the moment of asking, by name: a preset added later is there too."""
        return _LiveLimits(self.entries)

    @property
    def suggesting(self) -> tuple[str, ...]:
        """Engines that propose prompts, test-only ones too: their entries have `suggests = True`."""
        return tuple(
            name for name, entry in self.entries.items() if getattr(entry, "suggests", False)
        )

    def create(self, name: str) -> Engine:
        """Make an engine; `load` it before its first job.

        Raises:
            NotFoundError: No engine has this name.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise NotFoundError(
                _unknown_engine_message(name, self.entries),
                reason=Reason.ENGINE_NOT_FOUND,
                metadata={"engine": name, "known": ", ".join(sorted(self.entries))},
            )
        return entry.create()


class _LiveLimits(Mapping[str, EngineLimits]):
    def __init__(self, entries: Mapping[str, EngineEntry]) -> None:
        self._entries = entries

    def __getitem__(self, name: str) -> EngineLimits:
        return self._entries[name].limits

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class _Animatic:
    limits = ANIMATIC_LIMITS

    def create(self) -> Engine:
        from sidecar.pipelines.animatic.engine import AnimaticEngine  # noqa: PLC0415 - loads cv2

        return AnimaticEngine()


class _Identity:
    limits = IDENTITY_LIMITS

    def create(self) -> Engine:
        from sidecar.pipelines.identity.engine import IdentityEngine  # noqa: PLC0415 - stays lazy

        return IdentityEngine()


def find_engines(
    plugins: Iterable[EntryPoint] | None = None,
    *,
    folders: EngineFolders | None = None,
) -> EngineRegistry:
    """Find the built-in engines and those of installed plug-ins.

    Args:
        plugins: Entry points to consider; None asks the installed packages.
        folders: Where engines with weights find them; None for a look at limits only.
    """
    entries: dict[str, EngineEntry] = {
        "animatic": _Animatic(),
        "identity": _Identity(),
        "ltx-2.3": LtxEntry(folders),
        "ltx-tiny": TinyEntry(folders),
    }
    problems: list[PluginProblem] = []
    found = entry_points(group=ENTRY_POINT_GROUP) if plugins is None else plugins
    for plugin in sorted(found, key=lambda point: point.name):
        try:
            entry = _load_plugin(plugin)
        except Exception as error:  # noqa: BLE001 - another's code may fail in any way, and must stop nothing
            problems.append(_problem(plugin, f"it could not be loaded ({error!r})"))
            continue
        name = entry.limits.engine
        if name in entries:
            problems.append(_problem(plugin, f"an engine named {name!r} is there already"))
        else:
            entries[name] = entry
    for problem in problems:
        logger.warning("%s", problem.message)
    return EngineRegistry(MappingProxyType(entries), tuple(problems))


def engine_limits(folders: EngineFolders | None = None) -> Mapping[str, EngineLimits]:
    """What each installed engine serves, by name.

    Args:
        folders: For the user's own presets; None leaves them out.
    """
    return find_engines(folders=folders).limits()


def create_engine(name: str, folders: EngineFolders | None = None) -> Engine:
    """Make an engine by name; `load` it before its first job.

    Args:
        name: Engine name.
        folders: Where engines with weights find them.

    Raises:
        NotFoundError: No engine has this name.
    """
    return find_engines(folders=folders).create(name)


def _load_plugin(plugin: EntryPoint) -> EngineEntry:
    entry: EngineEntry = plugin.load()
    if not isinstance(entry.limits, EngineLimits):
        raise TypeError(f"limits is {type(entry.limits).__name__}, not EngineLimits")
    if not callable(entry.create):
        raise TypeError("create is not a function")
    return entry


def _problem(plugin: EntryPoint, why: str) -> PluginProblem:
    distribution = plugin.dist.name if plugin.dist is not None else ""
    source = f" of {distribution}" if distribution else ""
    return PluginProblem(
        plugin.name,
        distribution,
        f"The engine plug-in {plugin.name!r}{source} is left out: {why}. Update or uninstall it.",
    )


def _unknown_engine_message(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(names)}."
    return f"There is no engine named {name!r}. {hint}"
