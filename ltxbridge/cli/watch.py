"""`ltxbridge watch`: a folder into which timelines are dropped, and out of which they come delivered."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from interchange.errors import BridgeError, UnavailableError
from ltxbridge.cli.options import (
    TakeChoices,
    as_json,
    making_options,
    place_options,
    settings_from,
)
from ltxbridge.cli.printing import say
from ltxbridge.hotfolder.claims import Claim, Claims, CrashPoint, Ending, no_crash
from ltxbridge.hotfolder.drop import Drops
from ltxbridge.hotfolder.intake import Intake
from ltxbridge.hotfolder.layout import HotFolder
from ltxbridge.hotfolder.ledger import Ledger
from ltxbridge.hotfolder.probe import BoxProbe
from ltxbridge.hotfolder.sidecars import KeptSidecar
from ltxbridge.hotfolder.status import Event, StatusFile
from ltxbridge.hotfolder.volumes import pace_of
from ltxbridge.hotfolder.wake import Wake
from ltxbridge.hotfolder.watcher import Rhythm, Watcher
from ltxbridge.notice import Notifier
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.process import Desk
from sidecar.filesystem import FileSystem
from sidecar.jobs.lock import FolderLock
from sidecar.launch import running_sidecar, sidecar_for
from sidecar.media.paths import PathPolicy
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.registry import engine_limits
from sidecar.readers.box import ReaderBox
from sidecar.settings import Settings

_ONCE_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class WatchChoices:
    """How to watch.

    Args:
        once: End when all that is there was handled.
        workers: Timelines handled at the same time.
        settle_s: Seconds without change until a timeline is taken in; None for the folder's own pace.
        patience_s: Seconds without change until one that cannot be read is given up; None for the usual.
        retry_s: Seconds until what waits is tried again the first time.
    """

    once: bool = False
    workers: int = 2
    settle_s: float | None = None
    patience_s: float | None = None
    retry_s: float = 2.0


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@place_options
@making_options
@click.option("--once", is_flag=True, help="Handle what is there and end, for scripts and cron.")
@click.option(
    "--workers",
    type=click.IntRange(1, 32),
    default=2,
    show_default=True,
    help="Timelines handled at the same time.",
)
@click.option(
    "--settle",
    "settle_s",
    type=click.FloatRange(0, 3600),
    help="Seconds without change until a timeline is taken in; default 3, on a network share 10.",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0, 86_400),
    help="Seconds without change until one that cannot be read is given up; default 600, with --once 10.",
)
@as_json
def watch(
    folder: Path,
    media_roots: tuple[Path, ...],
    path_maps: tuple[str, ...],
    config_file: Path | None,
    once: bool,
    workers: int,
    settle_s: float | None,
    patience_s: float | None,
    as_json: bool,
    **choices: Any,
) -> int:
    """Watch DIR: timelines dropped into DIR/in come back relinked in DIR/out.

    The dropped timeline moves to DIR/done, or to DIR/failed with the reason beside it; media beside it stay
    where they are. Ctrl-C ends the watch; what it was at goes on with the next start.
    """
    settings = settings_from(media_roots=media_roots, path_maps=path_maps, config_file=config_file)

    def announce(event: Event) -> None:
        say(event.as_json() if as_json else event.as_text())

    with _stopped_by_sigterm():
        watcher = watch_folder(
            folder,
            settings,
            TakeChoices(**choices),
            WatchChoices(once, workers, settle_s, patience_s),
            announce=announce,
        )
    return _exit_code(watcher) if once else 0


def watch_folder(
    folder: Path,
    settings: Settings,
    choices: TakeChoices,
    how: WatchChoices,
    *,
    announce: Callable[[Event], None],
    filesystem: FileSystem | None = None,
    crash_point: CrashPoint = no_crash,
) -> Watcher:
    """Watch a folder until `KeyboardInterrupt`, or until it is empty.

    Args:
        folder: The hot folder; its own folders are made.
        settings: This machine's.
        choices: What the command line said about takes.
        how: And about watching.
        announce: Told of every event.
        filesystem: The facade all writing goes through.
        crash_point: See `ltxbridge.hotfolder.claims.CrashPoint`.

    Returns:
        The watcher, with its counts.

    Raises:
        ConflictError: Another watch has the folder.
        BridgeError: The folder cannot be used, or the running sidecar may not use it.
    """
    filesystem = filesystem or FileSystem()
    hot = HotFolder(folder.absolute())
    hot.create(filesystem)
    pace = pace_of(hot.root)
    settle_s = pace.settle_s if how.settle_s is None else how.settle_s
    interval_s = min(pace.interval_s, max(settle_s / 2, 0.1))
    roots = sorted({hot.root, *settings.media_roots})
    # Requests name this machine's own paths: mapped already, and a sidecar of ours must not do it twice.
    unmapped = replace(settings, path_maps=())
    sidecar = KeptSidecar(lambda: sidecar_for(unmapped, extra_roots=roots))
    status = StatusFile(hot, filesystem=filesystem)
    stopping = False

    with ExitStack() as open_things:
        lock = FolderLock(hot.state, name=hot.lock_file.name, holder="watch")
        open_things.callback(lock.release)
        status.refuse_another()
        open_things.callback(sidecar.close)
        box = open_things.enter_context(ReaderBox())
        wake = open_things.enter_context(Wake(hot, events=pace.events))
        if running_sidecar(unmapped) is not None:
            sidecar.client()  # whether it may use the folder is better known now
        claims = Claims(hot, filesystem=filesystem, crash_point=crash_point)
        drops = Drops(
            hot,
            claims=claims,
            ledger=Ledger(hot, filesystem=filesystem),
            desk_for=lambda origin, out: _desk(
                origin,
                out,
                hot=hot,
                settings=settings,
                choices=choices,
                filesystem=filesystem,
                box=box,
            ),
            client=sidecar.client,
            filesystem=filesystem,
            stopping=lambda: stopping,
            crash_point=crash_point,
        )

        def handle(claim: Claim) -> Ending:
            try:
                return drops.handle(claim, observer=lambda _planned, _job: None)
            except BridgeError:
                sidecar.doubt()
                raise

        watcher = Watcher(
            intake=_intake(hot, how, settle_s=settle_s, settings=settings, box=box),
            wake=wake,
            claims=claims,
            handle=handle,
            status=status,
            announce=announce,
            tell=Notifier(settings.notify_command, settings.notify_desktop).tell,
            rhythm=Rhythm(
                workers=how.workers,
                poll_s=interval_s,
                retry_s=how.retry_s,
                once_after_s=settle_s + 2 * interval_s if how.once else None,
                once_patience_s=2 * (settle_s + _patience_s(how) + 2 * interval_s),
            ),
        )
        announce(
            Event(
                "watching", f"Drop timelines into {hot.incoming}; they come back in {hot.outgoing}."
            )
        )
        try:
            watcher.run()
        finally:
            stopping = True
            sidecar.hang_up()
            watcher.leave()
    return watcher


def _intake(
    hot: HotFolder, how: WatchChoices, *, settle_s: float, settings: Settings, box: ReaderBox
) -> Intake:
    patience_s = _patience_s(how)
    return Intake(
        hot,
        settle_s=settle_s,
        clock=time.monotonic,
        probe=BoxProbe(hot, roots=settings.media_roots, mappings=settings.path_maps, box=box),
        patience_s=patience_s,
        companions_s=min(60.0, patience_s),
    )


def _patience_s(how: WatchChoices) -> float:
    if how.patience_s is not None:
        return how.patience_s
    return _ONCE_PATIENCE_S if how.once else 600.0


def _desk(
    origin: Path,
    out: Path,
    *,
    hot: HotFolder,
    settings: Settings,
    choices: TakeChoices,
    filesystem: FileSystem,
    box: ReaderBox,
) -> Desk:
    policy = PathPolicy(
        (hot.incoming, *settings.media_roots), settings.path_maps, beside=origin.parent
    )
    return Desk(
        originals=Originals(policy, filesystem=filesystem, box=box),
        engines=engine_limits(EngineFolders.below(settings.state_dir)),
        options=replace(choices, out=out).plan_options(origin, settings),
        mappings=settings.path_maps,
        filesystem=filesystem,
        box=box,
        identity_folder=settings.state_dir,
        product_version=version("ltxbridge"),
    )


def _exit_code(watcher: Watcher) -> int:
    if any(isinstance(error, UnavailableError) for error in watcher.given_up):
        return 3
    counts = watcher.counts
    return 1 if counts["failed"] or counts["incomplete"] or watcher.given_up else 0


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the watch as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
