"""One life of a reader's process: started, asked, killed when it takes too long."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final, cast

from interchange.errors import BridgeError, InternalError, Reason, UnavailableError
from sidecar.process_group import kill_group, own_group
from sidecar.readers.limits import MEMORY_STATUS, ReaderLimits
from sidecar.readers.pipe import MOST_BYTES, READY, Message, receive, send

_LOG = logging.getLogger(__name__)

# -P: the folder somebody happens to stand in must not be able to replace our modules.
PROGRAM: Final = (sys.executable, "-P", "-m", "sidecar.readers.child")
"""The command line of a reader, without its arguments."""

_LAST_WORDS_BYTES = 4000
_LOG_CHUNK_BYTES = 1 << 16
_END_WITHIN_S = 5.0
_DEATH_WITHIN_S = 1.0
_TOO_MUCH_MEMORY = "more memory than a reader may use"


class LimitError(Exception):
    """The reader used more than it may; the message completes "reading it took ..."."""


class KilledError(LimitError):
    """The system killed it, most likely because memory ran out; it may have been somebody else's."""


class CrashedError(Exception):
    """The reader died, or says what no reader says; the message completes "the reader ..."."""


class ReaderProcess:
    """A running reader. Asked by one thread at a time.

    Args:
        program: Its command line, without arguments.
        limits: Its limits.
        warm: Names of calls whose libraries it loads at once; others load theirs when they come.

    Raises:
        UnavailableError: It cannot be started (WORKER_DIED).
    """

    def __init__(
        self, program: Sequence[str], *, limits: ReaderLimits, warm: Sequence[str]
    ) -> None:
        self.used = False
        self._limits = limits
        self._is_ready = False
        self._words: deque[bytes] = deque()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*program, limits.argument(), *warm],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A buffer has a lock, and who waits for an answer that never comes would keep it.
                bufsize=0,
                # A group of its own, so that whatever it might have started is killed with it.
                **own_group(),
            )
        except OSError as error:
            raise UnavailableError(
                f"The process that reads files could not be started: {error.strerror}. Close other programs "
                "and try again.",
                reason=Reason.WORKER_DIED,
            ) from error
        self._stdin = cast("BinaryIO", self._process.stdin)
        self._stdout = cast("BinaryIO", self._process.stdout)
        self._listener = threading.Thread(target=self._listen, name="reader-log", daemon=True)
        self._listener.start()

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The process."""
        return self._process.pid

    def exchange(self, message: Message, *, wall_s: float, most_bytes: int = MOST_BYTES) -> Message:
        """Ask, and wait for the answer. Where that fails, the process is ended.

        Args:
            message: The call.
            wall_s: Seconds until it is killed.
            most_bytes: The most that may lie beside the answer.

        Raises:
            UnavailableError: It did not even start (WORKER_DIED).
            LimitError: It took too long, or too much.
            CrashedError: It died.
        """
        try:
            if not self._is_ready:
                self._await_start()
            self.used = True
            return self._within(wall_s, lambda: self._ask(message, most_bytes), message.cpu_s)
        except BaseException:
            # Ctrl-C too: an answer that nobody waited for must not be taken for the next one's.
            self.end()
            raise

    def kill(self) -> None:
        """Kill it and whatever it started, and wait for nothing; from any thread, also while it is asked."""
        kill_group(self._process)

    def end(self) -> None:
        """Kill it and whatever it started."""
        # Also where it is dead already: what it started may live, and hold the pipes.
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_WITHIN_S)
        self._listener.join(_END_WITHIN_S)
        for pipe in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def _await_start(self) -> None:
        cause: Exception | None = None
        started: Message | None = None
        try:
            started = self._within(self._limits.start_s, lambda: receive(self._stdout), 0)
        except (LimitError, CrashedError) as error:
            cause = error
        if started is None or started.kind != READY:
            self.end()
            words = b"".join(self._words).decode(errors="replace").strip().splitlines()
            raise UnavailableError(
                f"The process that reads files did not start: {words[-1] if words else cause or 'no reason'}. "
                "`ltxbridge doctor` says what is missing.",
                reason=Reason.WORKER_DIED,
            ) from cause
        self._is_ready = True

    def _ask(self, message: Message, most_bytes: int) -> Message:
        send(self._stdin, message)
        answer = receive(self._stdout, most_bytes=most_bytes)
        if answer is None:
            raise BrokenPipeError
        return answer

    def _within(self, wall_s: float, ask: Callable[[], Message | None], cpu_s: int) -> Message:
        """Do what may block in a thread of its own, so that nothing the child does can hold this one up."""
        outcome: queue.SimpleQueue[Message | OSError | ValueError | BridgeError | None] = (
            queue.SimpleQueue()
        )

        def work() -> None:
            try:
                outcome.put(ask())
            except (OSError, ValueError, BridgeError) as error:  # ValueError: closed meanwhile
                outcome.put(error)

        threading.Thread(target=work, name="reader", daemon=True).start()
        try:
            answer = outcome.get(timeout=wall_s)
        except queue.Empty:
            raise LimitError(f"longer than {wall_s:g} seconds") from None
        if isinstance(answer, Message):
            return answer
        if isinstance(answer, InternalError):
            raise CrashedError("talks nonsense") from answer
        raise self._death(cpu_s)

    def _death(self, cpu_s: int) -> LimitError | CrashedError:
        try:
            status = self._process.wait(_DEATH_WITHIN_S)
        except subprocess.TimeoutExpired:
            return CrashedError("closed its pipe")
        if status == MEMORY_STATUS:
            return LimitError(_TOO_MUCH_MEMORY)
        if sys.platform != "win32" and status == -signal.SIGKILL:
            return KilledError(_TOO_MUCH_MEMORY)
        if sys.platform != "win32" and status == -signal.SIGXCPU:
            return LimitError(f"more than {cpu_s} seconds of processor time")
        how = f"crashed with signal {-status}" if status < 0 else f"ended with code {status}"
        return CrashedError(how)

    def _listen(self) -> None:
        """Log what it prints, and keep the end of it."""
        errors = cast("BinaryIO", self._process.stderr)
        with errors:
            while chunk := os.read(errors.fileno(), _LOG_CHUNK_BYTES):
                self._words.append(chunk[-_LAST_WORDS_BYTES:])
                while len(self._words) > 4:
                    self._words.popleft()
                _LOG.debug("%s", chunk.decode(errors="replace").rstrip())
