"""A sidecar for the duration of one command: the running one, else a child process."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from interchange.errors import (
    ConflictError,
    NotAllowedError,
    NotAuthenticatedError,
    Reason,
    UnavailableError,
)
from ltxbridge.client import BridgeClient, Endpoint
from sidecar.instance import ALREADY_RUNNING_STATUS, Discovery, read_discovery
from sidecar.process_group import own_group
from sidecar.settings import Settings, command_line

_LOG = logging.getLogger(__name__)

_START_WITHIN_S = 10.0
_BUSY_WITHIN_S = 60.0
_POLL_S = 0.05
_PROBE_TIMEOUT_S = 2.0
_TOKEN_ATTEMPTS = 5
_LAST_WORDS_BYTES = 2000


@contextmanager
def sidecar_for(
    settings: Settings,
    *,
    extra_roots: Sequence[Path] = (),
    start_within_s: float = _START_WITHIN_S,
    busy_within_s: float = _BUSY_WITHIN_S,
) -> Iterator[Endpoint]:
    """Yield the running sidecar, else start one and stop it afterwards.

    The child ends by itself when this process does, even when that is killed.

    Args:
        settings: Name the state folder the sidecar belongs to, and all else a child is started with.
        extra_roots: Folders it must be allowed to read and write besides those in the settings.
        start_within_s: How long a child may take until it serves, in seconds.
        busy_within_s: How long to wait for another command's own sidecar to end, in seconds.

    Raises:
        NotAllowedError: The running sidecar may not enter one of the extra roots.
        NotAuthenticatedError: The running sidecar does not know the token in the state folder.
        UnavailableError: The child did not start in time; the message has its last words.
        ConflictError: Another command's sidecar holds the state folder and did not end in time.
    """
    started = time.monotonic()
    while True:
        discovery = running_sidecar(settings)
        if discovery is None:
            try:
                with _child(settings, extra_roots, start_within_s) as endpoint:
                    yield endpoint
            except _LostRaceError:
                # Whoever won is about to say where it listens; if nobody does, the child knows best why.
                if time.monotonic() > started + start_within_s:
                    raise
            else:
                return
        elif not discovery.temporary:
            _check_roots(discovery, extra_roots)
            yield discovery.endpoint(settings.state_dir)
            return
        else:
            _LOG.info("Waiting for the sidecar of another command (process %s)", discovery.pid)
            if time.monotonic() > started + busy_within_s:
                raise ConflictError(
                    f"Another ltxbridge command (process {discovery.pid}) is at work in the same state "
                    "folder. Wait for it, or run `ltxbridge serve` once and let both use that.",
                    reason=Reason.ALREADY_RUNNING,
                    metadata={"state_dir": str(settings.state_dir), "pid": str(discovery.pid)},
                )
        time.sleep(_POLL_S * 4)


def running_sidecar(settings: Settings) -> Discovery | None:
    """The sidecar that serves the settings' state folder now, or None.

    Raises:
        NotAuthenticatedError: One serves there, and the token in the folder is not its own.
    """
    for attempt in range(_TOKEN_ATTEMPTS):
        discovery = read_discovery(settings.state_dir)
        if discovery is None:
            return None
        try:
            return discovery if _answers(discovery.endpoint(settings.state_dir)) else None
        except NotAuthenticatedError:
            # Every start makes a new token; it may have been read just before.
            if attempt + 1 == _TOKEN_ATTEMPTS:
                raise
            time.sleep(_POLL_S * 4)
    return None


def _answers(endpoint: Endpoint) -> bool:
    with BridgeClient(endpoint, timeout_s=_PROBE_TIMEOUT_S) as client:
        try:
            return client.serving()
        except UnavailableError:
            return False  # it is being started or stopped


def _serving(endpoint: Endpoint) -> bool:
    try:
        return _answers(endpoint)
    except NotAuthenticatedError:
        return False  # the child has not written its token yet


class _LostRaceError(ConflictError):
    """Another sidecar was started in the meantime."""


@contextmanager
def _child(
    settings: Settings, extra_roots: Sequence[Path], start_within_s: float
) -> Iterator[Endpoint]:
    settings = replace(
        settings,
        media_roots=(*settings.media_roots, *extra_roots),
        output_roots=(*settings.output_roots, *extra_roots) if settings.output_roots else (),
    )
    command = [sys.executable, "-P", "-m", "sidecar", "serve", "--while-stdin-open"]
    with tempfile.TemporaryFile() as errors:
        # Own session: Ctrl-C reaches this process alone, which then stops the child in order.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, *command_line(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            **own_group(),
        )
        try:
            endpoint = _wait_until_serving(process, settings, errors, start_within_s)
            yield endpoint
        finally:
            _stop(process, settings.drain_grace_s + 15.0)


def _wait_until_serving(
    process: subprocess.Popen[bytes], settings: Settings, errors: IO[bytes], within_s: float
) -> Endpoint:
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        status = process.poll()
        if status == ALREADY_RUNNING_STATUS:
            raise _LostRaceError(_last_words(errors), reason=Reason.ALREADY_RUNNING)
        if status is not None:
            raise UnavailableError(
                f"The sidecar could not start: {_last_words(errors)}",
                metadata={"status": str(status)},
            )
        discovery = read_discovery(settings.state_dir)
        if discovery is not None and discovery.pid == process.pid:
            endpoint = discovery.endpoint(settings.state_dir)
            if _serving(endpoint):
                return endpoint
        time.sleep(_POLL_S)
    raise UnavailableError(
        f"The sidecar did not serve within {within_s:.0f} seconds: {_last_words(errors)}",
        metadata={"log": str(settings.state_dir / "logs" / "sidecar.log")},
    )


def _last_words(errors: IO[bytes]) -> str:
    errors.seek(0, 2)
    errors.seek(max(0, errors.tell() - _LAST_WORDS_BYTES))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing."


def _stop(process: subprocess.Popen[bytes], within_s: float) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    for insist in (process.terminate, process.kill):
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            _LOG.warning("The sidecar did not stop within %s s", within_s)
            insist()
            within_s = 5.0
        else:
            return
    process.wait()


def _check_roots(discovery: Discovery, extra_roots: Sequence[Path]) -> None:
    if discovery.maps_paths:
        return  # what a path means there, only the sidecar knows
    allowed = [Path(root) for root in discovery.media_roots]
    for root in extra_roots:
        if not any(root.resolve().is_relative_to(folder) for folder in allowed):
            raise NotAllowedError(
                f"The running sidecar may not use {root}. Start it again with "
                f"`ltxbridge serve --media-root '{root}'`, or stop it and let this command start its own.",
                reason=Reason.PATH_OUTSIDE_ROOTS,
                metadata={"path": str(root), "roots": ", ".join(discovery.media_roots) or "none"},
            )
