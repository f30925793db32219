"""What a watch says of itself: events for the terminal and for scripts, and a file for everybody else."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from interchange.errors import BridgeError, ConflictError, Reason
from ltxbridge.hotfolder.layout import HotFolder, read_own
from sidecar.filesystem import FileSystem

STATUS_SCHEMA = "ltxbridge.WatchStatus.1"
EVENT_SCHEMA = "ltxbridge.WatchEvent.1"
_LARGEST_BYTES = 1 << 20
_MOST_SAID = 200
BEAT_S = 5.0
"""How often a watch that runs writes its status at least, in seconds."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person may want to know.

    Args:
        kind: `watching`, `claimed`, `delivered`, `incomplete`, `duplicate`, `failed`, `removed`, `waiting`,
            `away`, `back`, `stopped`.
        message: One or two sentences.
        document: The timeline's place inside `in/`, where it is about one.
        path: What to look at.
        reason: The stable cause where something is wrong.
    """

    kind: str
    message: str
    document: str = ""
    path: str = ""
    reason: str = ""

    def as_json(self) -> str:
        """One line for scripts."""
        content = {"schema": EVENT_SCHEMA, "time": _now(), **asdict(self)}
        return json.dumps({name: value for name, value in content.items() if value})

    def as_text(self) -> str:
        """One line for people."""
        what = f"{self.document}  " if self.document else ""
        return f"{self.kind:<10} {what}{self.message}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something waits.

    Args:
        document: Which timeline, empty for the folder itself.
        reason: The stable cause.
        message: What is wrong and what to do.
    """

    document: str
    reason: str
    message: str


class StatusFile:
    """`.ltxbridge/status.json`: for `ltxbridge doctor`, for people, and for a second watch elsewhere.

    Args:
        hot: The folder.
        filesystem: Everything is written through it.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        hot: HotFolder,
        *,
        filesystem: FileSystem,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = hot.state / "status.json"
        self._filesystem = filesystem
        self._clock = clock
        self._beat = 0
        self._last: tuple[object, float] | None = None

    def refuse_another(
        self, *, wait: Callable[[float], object] = time.sleep, host: str | None = None
    ) -> None:
        """Make sure that no watch of another machine is at work, on a share whose locks do not reach it.

        Costs nothing but where the last watch was on another machine and did not stop in order.

        Args:
            wait: Waits for seconds.
            host: This machine.

        Raises:
            ConflictError: Its status changes while one looks (ALREADY_RUNNING).
        """
        before = self._read()
        other = before.get("host")
        if before.get("state") != "watching" or other == (host or socket.gethostname()):
            return
        wait(BEAT_S * 3)
        if self._read().get("beat") != before.get("beat"):
            raise ConflictError(
                f"The computer {other} watches this folder. Stop the watch there, or use a folder of its own "
                "for each.",
                reason=Reason.ALREADY_RUNNING,
                metadata={"host": str(other)},
            )

    def write(
        self,
        state: str,
        *,
        working: tuple[str, ...],
        troubles: tuple[Trouble, ...],
        counts: Mapping[str, int],
    ) -> None:
        """Write what is going on, where it has changed or a beat is due; that it cannot be is no failure.

        Args:
            state: `watching` or `stopped`.
            working: The timelines at hand.
            troubles: What waits, and why; the first few hundred are written, and how many there are.
            counts: How many ended, by verdict.
        """
        now = self._clock()
        content = {
            "working": working,
            "waiting": [asdict(trouble) for trouble in troubles[:_MOST_SAID]],
            "waiting_count": len(troubles),
            "ended": dict(counts),
            "state": state,
        }
        if self._last is not None and self._last[0] == content and now - self._last[1] < BEAT_S:
            return
        self._beat += 1
        document = {
            "schema": STATUS_SCHEMA,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "beat": self._beat,
            "written": _now(),
            **content,
        }
        try:
            self._filesystem.write_atomic(self._path, json.dumps(document, indent=1).encode())
        except BridgeError:
            return  # the events say what is wrong with the disk
        self._last = (content, now)

    def _read(self) -> Mapping[str, object]:
        try:
            content = json.loads(read_own(self._path, _LARGEST_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
