"""What ends the pause between two scans early. Only the scan finds anything; this makes it soon."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from ltxbridge.hotfolder.layout import HotFolder

_LOG = logging.getLogger(__name__)

# Not the opening and closing of folders: the scan does that itself, and would wake itself for ever.
_EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent, FileClosedEvent, FileCreatedEvent, FileDeletedEvent,
    FileModifiedEvent, FileMovedEvent,
]  # fmt: skip
_LEAST_S = 0.25
"""A file that grows reports every write; scans come no closer together than this."""
_STOP_S = 2.0


class Wake:
    """Waits between scans, shorter where something happens in `in/`.

    Only the top of `in/` is asked about: one watch, however many folders are dropped. What happens further
    down is seen by the next scan, as is all that the system forgets to tell.

    Args:
        hot: The folder.
        events: Whether to ask the system for changes; a network share has none to tell.
        observer: Makes the observer.
    """

    def __init__(
        self,
        hot: HotFolder,
        *,
        events: bool = True,
        observer: Callable[[], BaseObserver] = Observer,
    ) -> None:
        self._happened = threading.Event()
        self._last_s = -_LEAST_S
        self._observer: BaseObserver | None = None
        if not events:
            return
        try:
            self._observer = observer()
            handler = _Setter(self._happened)
            self._observer.schedule(handler, str(hot.incoming), event_filter=_EVENTS)
            self._observer.start()
        except Exception as error:  # noqa: BLE001 - whatever a backend raises, the scan goes on without it
            self._observer = None
            _LOG.info("The system does not tell of changes (%s); the folder is scanned.", error)

    def set(self) -> None:
        """End the wait that is on, or the next one."""
        self._happened.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait so many seconds, or until something happens.

        Returns:
            Whether something did.
        """
        happened = self._happened.wait(timeout_s)
        early_s = self._last_s + _LEAST_S - time.monotonic()
        if happened and early_s > 0:
            time.sleep(early_s)
        self._last_s = time.monotonic()
        self._happened.clear()  # before the scan: what happens during it wakes the next wait
        return happened

    def close(self) -> None:
        """Stop asking the system."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(_STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Setter(FileSystemEventHandler):
    def __init__(self, happened: threading.Event) -> None:
        self._happened = happened

    def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - that it came is all
        self._happened.set()
