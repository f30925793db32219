"""Every setting of the sidecar, and the only reader of the environment and of TOML.

Precedence: command line, then `LTXBRIDGE_*`, then the TOML file, then the default.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from interchange.errors import InvalidInputError, NotFoundError
from sidecar.media.paths import PathMapping

ENVIRONMENT_PREFIX = "LTXBRIDGE_"
_CONFIG_VARIABLE = "LTXBRIDGE_CONFIG"
_LISTEN = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:]+)):(\d{1,5})")
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_LOG_LEVELS = ("debug", "info", "warning", "error")
_LOG_FORMATS = ("human", "json")


@dataclass(frozen=True, slots=True)
class LoopbackAddress:
    """Where to listen instead of a unix socket.

    Args:
        host: `127.0.0.1` or another loopback address.
        port: 0 for any free one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the composition root is given.

    Args:
        state_dir: Jobs, signing identity, token, logs: a local folder of this user's own.
        runtime_dir: For the unix socket.
        media_roots: Folders media may be read from.
        output_roots: Folders takes may be written to; empty means the media roots.
        path_maps: Where media named on other machines lie here.
        listen: Loopback address; None means a unix socket, and a loopback port where there are none.
        engine: Engine for requests that name none.
        slate: Whether previz engines burn in their slate, where a request does not say.
        log_level: Lowest level that is written.
        log_format: `human` or `json`, for standard error.
        drain_grace_s: How long running jobs may take to finish at a stop, in seconds.
    """

    state_dir: Path
    runtime_dir: Path
    media_roots: tuple[Path, ...] = ()
    output_roots: tuple[Path, ...] = ()
    path_maps: tuple[PathMapping, ...] = ()
    listen: LoopbackAddress | None = None
    engine: str = "animatic"
    slate: bool = True
    log_level: str = "info"
    log_format: str = "human"
    drain_grace_s: int = 20


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a value was found, for complaints, and the folder its relative paths start from."""

    name: str
    folder: Path

    def refuse(self, problem: str) -> InvalidInputError:
        return InvalidInputError(f"{self.name} {problem}.", metadata={"setting": self.name})


def load_settings(
    overrides: Mapping[str, object] | None = None,
    *,
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Put the settings together.

    Args:
        overrides: From the command line, by field name; None and empty tuples mean "not given".
        config_file: TOML file; None means `LTXBRIDGE_CONFIG`, else the usual place where one exists.
        environment: Instead of the process's own.

    Raises:
        InvalidInputError: An unknown key, or a value that cannot be right; the message names both.
        NotFoundError: A TOML file was named and is not there.
    """
    variables = os.environ if environment is None else environment
    state_dir, runtime_dir, usual_config = default_folders(variables)
    values: dict[str, Any] = {"state_dir": state_dir, "runtime_dir": runtime_dir}
    values |= _from_toml(config_file, variables, usual_config)
    for name, parse in _PARSERS.items():
        variable = ENVIRONMENT_PREFIX + name.upper()
        if variables.get(variable):
            values[name] = parse(variables[variable], _Origin(variable, Path.cwd()))
    for name, value in (overrides or {}).items():
        if value not in (None, ()):
            option = _Origin(OPTION_NAMES[name], Path.cwd())
            values[name] = _PARSERS[name](value, option)
    return Settings(**values)


def default_folders(
    environment: Mapping[str, str], *, platform: str = sys.platform
) -> tuple[Path, Path, Path]:
    """Where this platform keeps such things.

    Returns:
        State folder, runtime folder, TOML file.
    """
    home = Path(environment.get("HOME") or Path.home())
    if platform == "win32":
        local = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "ltxbridge"
        return local, local / "run", local / "config.toml"
    if platform == "darwin":
        support = home / "Library" / "Application Support" / "ltxbridge"
        return support, support / "run", support / "config.toml"
    state = _xdg(environment, "XDG_STATE_HOME", home / ".local" / "state") / "ltxbridge"
    runtime = _xdg(environment, "XDG_RUNTIME_DIR", state / "run")
    runtime = runtime if runtime == state / "run" else runtime / "ltxbridge"
    config = _xdg(environment, "XDG_CONFIG_HOME", home / ".config") / "ltxbridge"
    return state, runtime, config / "config.toml"


def command_line(settings: Settings) -> list[str]:
    """The options that give another process the same settings."""
    options: list[str] = []
    for field in fields(settings):
        value = getattr(settings, field.name)
        name = OPTION_NAMES[field.name]
        match value:
            case None:
                continue
            case tuple():
                options += [f"{name}={_as_text(item)}" for item in value]
            case _:
                options.append(f"{name}={_as_text(value)}")
    return options


def _as_text(value: object) -> str:
    match value:
        case PathMapping(prefix=prefix, replacement=replacement):
            return f"{prefix}={replacement}"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _xdg(environment: Mapping[str, str], variable: str, fallback: Path) -> Path:
    # The XDG rules: a relative path counts as not set.
    value = environment.get(variable, "")
    return Path(value) if value and Path(value).is_absolute() else fallback


def _from_toml(
    named: Path | None, environment: Mapping[str, str], usual: Path
) -> dict[str, object]:
    variable = environment.get(_CONFIG_VARIABLE)
    path = named or (Path(variable) if variable else usual)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if path == usual:
            return {}
        raise NotFoundError(
            f"The settings file {path} is not there.", metadata={"path": str(path)}
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInputError(
            f"The settings file {path} cannot be read: {error}.", metadata={"path": str(path)}
        ) from error
    values: dict[str, object] = {}
    for key, value in document.items():
        if key not in _PARSERS:
            near = difflib.get_close_matches(key, _PARSERS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_PARSERS)}."
            raise InvalidInputError(
                f"{path} has the unknown setting {key}; {hint}",
                metadata={"path": str(path), "setting": key},
            )
        values[key] = _PARSERS[key](value, _Origin(f"{key} in {path}", path.absolute().parent))
    return values


def _text(value: object, origin: _Origin) -> str:
    if not isinstance(value, str) or not value:
        raise origin.refuse(f"must be text, not {value!r}")
    return value


def _path(value: object, origin: _Origin) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise origin.refuse(f"must be a path, not {value!r}")
    try:
        return Path(os.path.normpath(origin.folder / Path(value).expanduser()))
    except RuntimeError as error:  # ~nobody
        raise origin.refuse(f"names no home folder: {value}") from error


def _items(value: object, origin: _Origin) -> list[object]:
    if isinstance(value, str):
        return [part for part in value.split(os.pathsep) if part]
    if isinstance(value, list | tuple):
        return list(value)
    raise origin.refuse(f"must be a list, not {value!r}")


def _paths(value: object, origin: _Origin) -> tuple[Path, ...]:
    return tuple(_path(item, origin) for item in _items(value, origin))


def _mappings(value: object, origin: _Origin) -> tuple[PathMapping, ...]:
    return tuple(
        item if isinstance(item, PathMapping) else PathMapping.parse(_text(item, origin))
        for item in _items(value, origin)
    )


def _listen(value: object, origin: _Origin) -> LoopbackAddress:
    if isinstance(value, LoopbackAddress):
        return value
    match = _LISTEN.fullmatch(_text(value, origin))
    if match is None or int(match[3]) > 65535:
        raise origin.refuse(f"must look like 127.0.0.1:50051, not {value!r}")
    host = "127.0.0.1" if match[2] == "localhost" else match[1] or match[2]
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise origin.refuse(
            f"is {value}, but the sidecar listens on this machine only, for example on "
            "127.0.0.1:50051; other machines need mutual TLS, which comes later"
        )
    return LoopbackAddress(host, int(match[3]))


def _flag(value: object, origin: _Origin) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise origin.refuse(f"must be yes or no, not {value!r}")


def _seconds(value: object, origin: _Origin) -> int:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 3600:
        raise origin.refuse(f"must be whole seconds from 0 to 3600, not {value!r}")
    return number


def _choice(*choices: str) -> Callable[[object, _Origin], str]:
    def parse(value: object, origin: _Origin) -> str:
        if not isinstance(value, str) or value.lower() not in choices:
            raise origin.refuse(f"must be one of {', '.join(choices)}, not {value!r}")
        return value.lower()

    return parse


_PARSERS: Mapping[str, Callable[[object, _Origin], Any]] = {
    "state_dir": _path,
    "runtime_dir": _path,
    "media_roots": _paths,
    "output_roots": _paths,
    "path_maps": _mappings,
    "listen": _listen,
    "engine": _text,
    "slate": _flag,
    "log_level": _choice(*_LOG_LEVELS),
    "log_format": _choice(*_LOG_FORMATS),
    "drain_grace_s": _seconds,
}

OPTION_NAMES: Mapping[str, str] = {
    "state_dir": "--state-dir",
    "runtime_dir": "--runtime-dir",
    "media_roots": "--media-root",
    "output_roots": "--output-root",
    "path_maps": "--map",
    "listen": "--listen",
    "engine": "--engine",
    "slate": "--slate",
    "log_level": "--log-level",
    "log_format": "--log-format",
    "drain_grace_s": "--drain-grace",
}
"""The command-line option of each setting; the ones that are lists may be given more than once."""
