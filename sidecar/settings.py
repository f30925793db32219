"""Every setting of the sidecar, and the only reader of the environment and of TOML.

Precedence: command line, then `LTXBRIDGE_*`, then the TOML file, then the default.
"""

from __future__ import annotations

import difflib
import os
import stat
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from interchange.errors import InvalidInputError, NotFoundError
from sidecar import setting_values as kinds
from sidecar.media.paths import PathMapping
from sidecar.pipelines.resources import DEFAULT_CACHE_BYTES
from sidecar.setting_values import ListenAddress, Origin

ENVIRONMENT_PREFIX = "LTXBRIDGE_"
_CONFIG_VARIABLE = "LTXBRIDGE_CONFIG"
_MOST_CONFIG_BYTES = 1024 * 1024
_LOG_LEVELS = ("debug", "info", "warning", "error")
_LOG_FORMATS = ("human", "json")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the composition root is given.

    Args:
        state_dir: Jobs, signing identity, token, logs: a local folder of this user's own.
        runtime_dir: For the unix socket.
        media_roots: Folders media may be read from.
        output_roots: Folders takes may be written to; empty means the media roots.
        remote_paths: Whether callers from other machines may name paths inside the roots, as they can where both
            see the same storage; else they send files and fetch takes.
        path_maps: Where media named on other machines lie here.
        listen: Loopback address in place of the unix socket; any other is for enrolled machines, beside it.
        engine: Engine for requests that name none.
        slate: Whether previz engines burn in their slate, where a request does not say.
        log_level: Lowest level that is written.
        log_format: `human` or `json`, for standard error.
        drain_grace_s: How long running jobs may take to finish at a stop, in seconds.
        quota_gb: Most that takes, uploads, spool and caches may take together, in GB; 0 for no limit.
        worker_memory_gb: Most address space an engine's process may take, in GB; 0 for no limit, as GPUs need.
        device: What engines with a model compute on, `cuda:1`, `mps` or `cpu`; empty for the best there is.
        gpu_memory_gb: Most they may plan with of its memory, in GB; 0 for all of it.
        model_cache_gb: Most that prompts, context and results kept for another take may take, in GB; 0 for none.
        metrics: Loopback address Prometheus may ask; None for none.
        notify_command: Program and arguments that are told when a timeline is done; empty for none.
        notify_desktop: Whether the desktop shows it too.
    """

    state_dir: Path
    runtime_dir: Path
    media_roots: tuple[Path, ...] = ()
    output_roots: tuple[Path, ...] = ()
    remote_paths: bool = False
    path_maps: tuple[PathMapping, ...] = ()
    listen: ListenAddress | None = None
    engine: str = "animatic"
    slate: bool = True
    log_level: str = "info"
    log_format: str = "human"
    drain_grace_s: int = 20
    quota_gb: int = 0
    worker_memory_gb: int = 0
    device: str = ""
    gpu_memory_gb: int = 0
    model_cache_gb: int = DEFAULT_CACHE_BYTES // 10**9
    metrics: ListenAddress | None = None
    notify_command: tuple[str, ...] = ()
    notify_desktop: bool = False


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
            values[name] = parse(variables[variable], Origin(variable, Path.cwd()))
    for name, value in (overrides or {}).items():
        if value not in (None, ()):
            option = Origin(OPTION_NAMES[name], Path.cwd())
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
        document = tomllib.loads(_settings_text(path))
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
        values[key] = _PARSERS[key](value, Origin(f"{key} in {path}", path.absolute().parent))
    return values


def _settings_text(path: Path) -> str:
    # A pipe would hold every command up, a device would fill the memory.
    if not stat.S_ISREG(path.stat().st_mode):
        raise InvalidInputError(
            f"The settings file {path} is no plain file. Name another one with --config.",
            metadata={"path": str(path)},
        )
    with path.open("rb") as file:
        return file.read(_MOST_CONFIG_BYTES).decode()


_PARSERS: Mapping[str, Callable[[object, Origin], Any]] = {
    "state_dir": kinds.path,
    "runtime_dir": kinds.path,
    "media_roots": kinds.paths,
    "output_roots": kinds.paths,
    "remote_paths": kinds.flag,
    "path_maps": kinds.mappings,
    "listen": kinds.listen_address,
    "engine": kinds.text,
    "slate": kinds.flag,
    "log_level": kinds.choice(*_LOG_LEVELS),
    "log_format": kinds.choice(*_LOG_FORMATS),
    "drain_grace_s": kinds.seconds,
    "quota_gb": kinds.gigabytes,
    "worker_memory_gb": kinds.gigabytes,
    "device": kinds.device,
    "gpu_memory_gb": kinds.gigabytes,
    "model_cache_gb": kinds.gigabytes,
    "metrics": kinds.metrics_address,
    "notify_command": kinds.command,
    "notify_desktop": kinds.flag,
}

OPTION_NAMES: Mapping[str, str] = {
    "state_dir": "--state-dir",
    "runtime_dir": "--runtime-dir",
    "media_roots": "--media-root",
    "output_roots": "--output-root",
    "remote_paths": "--remote-paths",
    "path_maps": "--map",
    "listen": "--listen",
    "engine": "--engine",
    "slate": "--slate",
    "log_level": "--log-level",
    "log_format": "--log-format",
    "drain_grace_s": "--drain-grace",
    "quota_gb": "--quota-gb",
    "worker_memory_gb": "--worker-memory-gb",
    "device": "--device",
    "gpu_memory_gb": "--gpu-memory-gb",
    "model_cache_gb": "--model-cache-gb",
    "metrics": "--metrics",
    "notify_command": "--notify-command",
    "notify_desktop": "--notify-desktop",
}
"""The command-line option of each setting; the ones that are lists may be given more than once."""
