"""The checks. Each looks at one thing, changes nothing and always comes back with a finding."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from interchange.errors import BridgeError, NotFoundError
from interchange.model.job import EngineStatus
from ltxbridge.doctor.findings import CheckState, Finding
from ltxbridge.doctor.subject import Subject

_PYTHON = (3, 11)
_LIBRARIES = {"av": "av", "cv2": "opencv-python-headless", "c2pa": "c2pa-python"}
_LIBRARY_TIMEOUT_S = 60
_SQLITE_SOUND = (3, 51, 3)
_SCARCE_BYTES = 10 * 2**30
_TOO_LITTLE_BYTES = 2**30


def run_checks(subject: Subject) -> tuple[Finding, ...]:
    """Examine an installation; nothing is started, created or loaded into this process.

    Returns:
        Findings in the order a person would mend them.
    """
    return tuple(_findings(subject))


def _findings(subject: Subject) -> Iterator[Finding]:
    yield check_python(sys.version_info[:3])
    for module, distribution in _LIBRARIES.items():
        yield check_library(module, distribution=distribution)
    yield check_sqlite(sqlite3.sqlite_version_info)
    yield check_private_folder("state folder", subject.state_dir)
    yield check_private_folder("runtime folder", subject.runtime_dir)
    yield check_disk("disk of the output", subject.output_dir)
    yield check_disk("disk of the state folder", subject.state_dir)
    yield check_quota(subject)
    for root in subject.media_roots:
        yield check_media_root(root)
    for hot_folder in subject.hot_folders:
        yield check_hot_folder(hot_folder)
    for written, here in subject.path_maps:
        yield check_path_map(written, here=here)
    yield check_identity(subject)
    yield check_enrolments(subject)
    yield check_models()
    yield check_checkpoint(subject)
    yield check_sidecar(subject)


def check_python(running: tuple[int, ...]) -> Finding:
    """Whether the interpreter is new enough."""
    text = f"{platform.python_implementation()} {'.'.join(map(str, running))}"
    if running[:2] < _PYTHON:
        return Finding(
            "Python", CheckState.FAIL, text, "Install ltxbridge under Python 3.11 or later."
        )
    return Finding("Python", CheckState.OK, text)


def check_library(module: str, *, distribution: str) -> Finding:
    """Whether a native library loads; in a process of its own, since a broken one may take it down."""
    try:
        found = version(distribution)
    except PackageNotFoundError:
        return Finding(
            distribution, CheckState.FAIL, "not installed", "Run `pip install ltxbridge` again."
        )
    try:
        tried = subprocess.run(  # noqa: S603 - our own interpreter and a fixed name
            [sys.executable, "-P", "-c", f"import {module}"],
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=_LIBRARY_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return Finding(
            distribution,
            CheckState.FAIL,
            f"{found}, but it does not finish loading",
            "Check the disk and any virus scanner, then try again.",
        )
    if tried.returncode:
        last_line = (tried.stderr.strip().splitlines() or ["it crashed"])[-1]
        return Finding(
            distribution,
            CheckState.FAIL,
            f"{found}, but it does not load: {last_line}",
            f"Reinstall it: pip install --force-reinstall {distribution}",
        )
    return Finding(distribution, CheckState.OK, found)


def check_sqlite(running: tuple[int, ...]) -> Finding:
    """Whether SQLite has the WAL-reset fix of 3.51.3."""
    text = ".".join(map(str, running))
    if running < _SQLITE_SOUND:
        return Finding(
            "SQLite",
            CheckState.WARN,
            f"{text} can damage a job table that two programs write at once",
            "Harmless while only the sidecar opens it; never open it with another program, and move to a "
            "Python with SQLite 3.51.3 or later when you can.",
        )
    return Finding("SQLite", CheckState.OK, text)


def check_private_folder(name: str, folder: Path) -> Finding:
    """Whether only the user can look into a folder; a missing one is made on first use."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return Finding(name, CheckState.OK, f"{folder} will be made on first use")
    except OSError as error:
        return Finding(
            name,
            CheckState.FAIL,
            f"{folder} cannot be read: {error.strerror}",
            "Give yourself access to it, or name another one in the settings.",
        )
    if not stat.S_ISDIR(found.st_mode):
        return Finding(
            name,
            CheckState.FAIL,
            f"{folder} is not a folder",
            "Move the file that is in its place.",
        )
    if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
        return Finding(
            name,
            CheckState.FAIL,
            f"{folder} is open to other users (mode {stat.S_IMODE(found.st_mode):04o})",
            f"chmod 700 {folder}",
        )
    if not os.access(folder, os.W_OK):
        return Finding(
            name,
            CheckState.FAIL,
            f"{folder} cannot be written",
            "Give yourself access to it, or name another one in the settings.",
        )
    return Finding(name, CheckState.OK, str(folder))


def check_disk(name: str, folder: Path) -> Finding:
    """Whether there is room for takes where they would go."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        free_bytes = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding(
            name,
            CheckState.FAIL,
            f"{existing} cannot be measured: {error.strerror}",
            "Check that the volume is mounted.",
        )
    text = f"{free_bytes // 10**9} GB free at {existing}"
    if free_bytes < _TOO_LITTLE_BYTES:
        return Finding(name, CheckState.FAIL, text, "Free some space; takes would fail.")
    if free_bytes < _SCARCE_BYTES:
        return Finding(
            name, CheckState.WARN, text, "A minute of ProRes 422 HQ in HD takes 1.6 GB; free some."
        )
    return Finding(name, CheckState.OK, text)


def check_quota(subject: Subject) -> Finding:
    """Whether there is room under the disk quota: takes, uploads, spool and caches count."""
    try:
        used_bytes = subject.used_bytes()
    except BridgeError as error:
        return Finding("disk quota", CheckState.WARN, error.message, "Look at the job table first.")
    used = f"takes, uploads, spool and caches use {used_bytes / 10**9:.1f} GB"
    if not subject.quota_bytes:
        return Finding("disk quota", CheckState.OK, f"no limit; {used}")
    text = f"{subject.quota_bytes / 10**9:.0f} GB; {used}"
    if used_bytes > subject.quota_bytes * 9 // 10:
        return Finding(
            "disk quota",
            CheckState.WARN,
            text,
            "`ltxbridge gc` shows what can go; or raise `quota_gb` in the settings.",
        )
    return Finding("disk quota", CheckState.OK, text)


def check_media_root(root: Path) -> Finding:
    """Whether a media root is there and readable."""
    if not root.is_dir():
        return Finding(
            "media root",
            CheckState.WARN,
            f"{root} is not there",
            "Mount the volume, or take the root out of the settings.",
        )
    if not os.access(root, os.R_OK | os.X_OK):
        return Finding(
            "media root", CheckState.FAIL, f"{root} cannot be read", "Give yourself access to it."
        )
    return Finding("media root", CheckState.OK, str(root))


def check_hot_folder(root: Path) -> Finding:
    """Whether a hot folder is there and can be written, and what lies in it."""
    name = "hot folder"
    if not (root / ".ltxbridge").is_dir():
        return Finding(
            name,
            CheckState.FAIL,
            f"{root} is not one, or its disk is not mounted",
            "Mount its disk; `ltxbridge watch` makes a new one.",
        )
    counts = {}
    for place in ("in", "done", "failed"):
        folder = root / place
        try:
            counts[place] = sum(
                not (entry.name.startswith(".") or entry.name.endswith(".error.json"))
                for entry in folder.iterdir()
            )
        except OSError as error:
            return Finding(
                name,
                CheckState.FAIL,
                f"{folder} cannot be read: {error.strerror}",
                "Give yourself access to it; `ltxbridge watch` makes what is missing.",
            )
        if not os.access(folder, os.W_OK):
            return Finding(
                name, CheckState.FAIL, f"{folder} cannot be written", "Give yourself access to it."
            )
    text = f"{root}: {counts['in']} in, {counts['done']} done, {counts['failed']} failed"
    if counts["failed"]:
        return Finding(
            name,
            CheckState.WARN,
            text,
            "Beside each in `failed` lies NAME.error.json that says why; drop it again once that is mended.",
        )
    return Finding(name, CheckState.OK, text)


def check_path_map(written: str, *, here: str) -> Finding:
    """Whether a path map leads anywhere on this machine."""
    text = f"{written} -> {here}"
    if not Path(here).is_dir():
        return Finding(
            "path map",
            CheckState.WARN,
            f"{text}, which is not there",
            "Mount the volume, or correct the map: --map FROM=TO.",
        )
    return Finding("path map", CheckState.OK, text)


def check_identity(subject: Subject) -> Finding:
    """Whether takes can be signed, and what the signature is worth."""
    try:
        return Finding("signing key", CheckState.OK, subject.describe_identity())
    except BridgeError as error:
        return Finding(
            "signing key", CheckState.WARN, error.message, "The first take makes a local key."
        )


def check_enrolments(subject: Subject) -> Finding:
    """Whether the certificates for other machines, and for this one elsewhere, hold."""
    name = "other machines"
    try:
        warnings = subject.enrolment_warnings()
    except BridgeError as error:
        return Finding(
            name, CheckState.FAIL, error.message, "`ltxbridge pki --help` says how they are made."
        )
    if warnings:
        return Finding(
            name, CheckState.WARN, " ".join(warnings), "Nobody is shut out before that day."
        )
    return Finding(name, CheckState.OK, "no certificate ends within 30 days")


def check_models() -> Finding:
    """Whether the model engines' packages are there; found by name, since loading torch takes seconds."""
    if find_spec("torch") is None:
        return Finding(
            "model engines",
            CheckState.OK,
            "not installed; the embedded animatic engine needs none "
            "(pip install 'ltxbridge[ltx]' adds them)",
        )
    missing = [
        name for name in ("diffusers", "transformers", "accelerate") if find_spec(name) is None
    ]
    if missing:
        return Finding(
            "model engines",
            CheckState.WARN,
            f"torch is there, but not {', '.join(missing)}",
            "pip install 'ltxbridge[ltx]'",
        )
    device = "an NVIDIA driver" if shutil.which("nvidia-smi") else "no NVIDIA driver"
    return Finding("model engines", CheckState.OK, f"torch {version('torch')}, {device}")


def check_checkpoint(subject: Subject) -> Finding:
    """Which weights the model engine uses, and whether their files are there."""
    try:
        return Finding("checkpoint", CheckState.OK, subject.describe_checkpoint())
    except NotFoundError:
        return Finding(
            "checkpoint",
            CheckState.OK,
            "none installed; only the model engines need one (`ltxbridge models list` says what there is)",
        )
    except BridgeError as error:
        return Finding(
            "checkpoint",
            CheckState.FAIL,
            error.message,
            "`ltxbridge models verify` names every file.",
        )


def check_sidecar(subject: Subject) -> Finding:
    """Whether a sidecar answers, and with which engines."""
    try:
        engines = subject.list_engines()
    except BridgeError as error:
        return Finding(
            "sidecar",
            CheckState.WARN,
            error.message,
            "Start one with `ltxbridge serve`; `ltxbridge process` starts its own where none runs.",
        )
    named = ", ".join(map(_engine, engines))
    return Finding("sidecar", CheckState.OK, named or "answers, but has no engine")


def _engine(status: EngineStatus) -> str:
    memory = f" ({status.device_memory_bytes / 10**9:.0f} GB)" if status.device_memory_bytes else ""
    device = f" on {status.device}{memory}" if status.device else ""
    return f"{status.limits.engine} {status.state}{device}"
