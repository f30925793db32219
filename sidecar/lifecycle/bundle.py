"""The support bundle: what somebody needs who helps from afar, and nothing of what the work is about.

Every section is read on its own and may fail on its own: a sidecar that is down and a damaged job table are
what people ask for help with.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import platform
import sqlite3
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from interchange.errors import ConflictError, Reason
from sidecar.filesystem import FileSystem
from sidecar.lifecycle.glance import query
from sidecar.lifecycle.redact import Redactor
from sidecar.settings import Settings

SCHEMA = "ltxbridge.Support.1"

_LOG_TAIL_BYTES = 400_000
_PACKAGES = (
    "ltxbridge", "av", "c2pa-python", "click", "cryptography", "grpcio", "jinja2", "numpy",
    "opencv-python-headless", "prometheus-client", "protobuf", "rich", "torch", "watchdog",
)  # fmt: skip
_TOLD = frozenset({"prompt", "negative_prompt", "shot", "sequence_name", "reel"})
_NEVER_NAMED = frozenset({"notify_command"})
_README = (
    "What `ltxbridge support` wrote, for whoever helps. It holds no token, key or prompt, and names no file or "
    "folder of yours: paths are pseudonyms. Read it before you send it; it is all text.\n"
)

Section = Callable[[], object]


def write_bundle(
    path: Path,
    settings: Settings,
    *,
    sections: Mapping[str, Section],
    filesystem: FileSystem,
) -> tuple[str, ...]:
    """Write a bundle.

    Args:
        path: The zip file; one that is there is not overwritten.
        settings: This installation's.
        sections: More to put in, by name: each a value of JSON, asked for when its turn comes.
        filesystem: The facade all writing goes through.

    Returns:
        Names of what is in it.

    Raises:
        ConflictError: There is a file of that name.
        BridgeError: It cannot be written.
    """
    if os.path.lexists(path):
        raise ConflictError(
            f"{path} is there already and is not overwritten. Choose another name with -o.",
            reason=Reason.REQUEST_ID_REUSED,
            metadata={"path": str(path)},
        )
    redactor = _redactor(settings)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("README.txt", _README)
        for name, section in (_own_sections(settings) | dict(sections)).items():
            value = redactor.value({"schema": SCHEMA, name: _asked(section)})
            bundle.writestr(f"{name}.json", json.dumps(value, indent=1, ensure_ascii=False))
        for log in _logs(settings.state_dir):
            lines = "\n".join(_log_lines(log, redactor))
            bundle.writestr(f"logs/{log.name}.txt", lines)
        names = tuple(bundle.namelist())
    filesystem.write_atomic(path, content.getvalue(), private=True)
    return names


def _own_sections(settings: Settings) -> dict[str, Section]:
    return {
        "versions": _versions,
        "settings": lambda: _settings(settings),
        "state": lambda: _state(settings.state_dir),
        "jobs": lambda: _jobs(settings.state_dir),
    }


def _asked(section: Section) -> object:
    try:
        return section()
    except Exception as error:  # noqa: BLE001 - a section that fails says so, and stops no other
        return {"failed": type(error).__name__, "why": str(error)}


def _redactor(settings: Settings) -> Redactor:
    here = Path(__file__).resolve().parents[2]
    return Redactor(
        state_dir=settings.state_dir,
        roots=(*settings.media_roots, *settings.output_roots),
        code=(here, *(Path(folder) for folder in (sys.prefix, sys.base_prefix))),
        secrets=_secrets(settings.state_dir),
        prompts=_prompts(settings.state_dir),
    )


def _secrets(state_dir: Path) -> Iterator[str]:
    try:
        yield (state_dir / "token").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return


def _prompts(state_dir: Path) -> Iterator[str]:
    try:
        rows = query(state_dir, "SELECT request, shot FROM job")
    except (sqlite3.Error, OSError):
        return
    for text, shot in rows:
        yield shot
        try:
            yield from _told(json.loads(text))
        except (TypeError, ValueError, RecursionError):
            continue  # a damaged row; the next one may be sound


def _told(value: object) -> Iterator[str]:
    """What a stored request says of the work, at any depth: how the store wraps it is the store's business."""
    match value:
        case dict():
            for key, item in value.items():
                if key in _TOLD and isinstance(item, str):
                    yield item
                else:
                    yield from _told(item)
        case list():
            for item in value:
                yield from _told(item)


def _versions() -> object:
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "packages": packages,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "sqlite": sqlite3.sqlite_version,
        "system": sys.platform,
        "release": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def _settings(settings: Settings) -> object:
    shown: dict[str, object] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in _NEVER_NAMED:
            shown[field.name] = "set" if value else "not set"
        elif isinstance(value, str | int | Path) or value is None:
            shown[field.name] = value
        elif isinstance(value, tuple):
            shown[field.name] = [item if isinstance(item, Path) else "set" for item in value]
        else:
            shown[field.name] = str(value)
    return shown


def _state(state_dir: Path) -> object:
    """Names, sizes and modes of our own files; of what is in folders, how much."""
    entries = []
    for entry in sorted(state_dir.iterdir()):
        status = entry.lstat()
        shown = {"name": entry, "mode": stat.filemode(status.st_mode), "bytes": status.st_size}
        if stat.S_ISDIR(status.st_mode):
            shown["entries"] = sum(1 for _ in entry.iterdir())
        entries.append(shown)
    return entries


def _jobs(state_dir: Path) -> object:
    [(version,)] = query(state_dir, "SELECT version FROM schema")
    counts = query(state_dir, "SELECT state, count(*) FROM job GROUP BY state")
    newest = query(
        state_dir,
        "SELECT job_id, state, lane, attempts, revision, created, started, ended, error FROM job "
        "ORDER BY sequence DESC LIMIT 200",
    )
    return {
        "schema_version": version,
        "integrity": [row[0] for row in query(state_dir, "PRAGMA quick_check(5)")],
        "counts": {str(state): count for state, count in counts},
        "newest": [
            {
                "job_id": job_id,
                "state": state,
                "engine": lane,
                "attempts": attempts,
                "revision": revision,
                "created": created,
                "started": started,
                "ended": ended,
                "reason": _reason(error),
            }
            for job_id, state, lane, attempts, revision, created, started, ended, error in newest
        ],
    }


def _reason(error: str | None) -> str | None:
    if error is None:
        return None
    try:
        reason = json.loads(error)["reason"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "unreadable"
    return reason if reason in set(Reason) else "unknown"


def _logs(state_dir: Path) -> Sequence[Path]:
    folder = state_dir / "logs"
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return ()
    return [entry for entry in entries if ".log" in entry.name and not entry.is_symlink()]


def _log_lines(log: Path, redactor: Redactor) -> Iterator[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
            tail = file.read(_LOG_TAIL_BYTES)
    except OSError as error:
        yield f"cannot be read: {type(error).__name__}"
        return
    for line in tail.decode("utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            yield "a line that is not ours"
            continue
        # At DEBUG, and only there, a log says what the work is about.
        if isinstance(entry, dict) and entry.get("level") != "DEBUG":
            yield json.dumps(redactor.value(entry), ensure_ascii=False)
