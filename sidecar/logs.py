"""Where the log goes, what every line carries, and what none says.

Every line carries the job and the request it was written for. Above DEBUG no line says what the work is about: an
error is logged as its reason, a path not at all, a traceback without the errors' own words, and what libraries
in a child process print stays at DEBUG. Whoever looks for the words finds them in the job, or sets `log_level`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path, PurePath
from types import TracebackType

from interchange.errors import BridgeError

_JOB_ID: ContextVar[str] = ContextVar("ltxbridge_job_id", default="")
_REQUEST_ID: ContextVar[str] = ContextVar("ltxbridge_request_id", default="")

_FILE_BYTES = 5_000_000
_FILE_COUNT = 5
_OUR_LOGGERS = ("sidecar", "ltxbridge", "interchange")


@contextmanager
def log_context(*, job_id: str | None = None, request_id: str | None = None) -> Iterator[None]:
    """Mark every line logged inside with a job, a request or both; None leaves one as it was."""
    tokens = [
        (variable, variable.set(value))
        for variable, value in ((_JOB_ID, job_id), (_REQUEST_ID, request_id))
        if value is not None
    ]
    try:
        yield
    finally:
        # A stream whose client vanished is closed by the collector, in a task and so a context of its own; the
        # one it was marked in is gone.
        with suppress(ValueError):
            for variable, token in tokens:
                variable.reset(token)


def configure_logging(*, level: str, style: str, folder: Path | None) -> None:
    """Log to standard error, and to `sidecar.log` in a folder.

    Called once, by the composition root of a process.

    Args:
        level: Name of the lowest level that is written.
        style: `human` or `json` on standard error; the file is always JSON lines.
        folder: For the rotating file; None for none.
    """
    discreet = level != "debug"
    formats = {"human": HumanFormatter(discreet=discreet), "json": JsonFormatter(discreet=discreet)}
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(formats[style])
    handlers: list[logging.Handler] = [console]
    if folder is not None:
        file = RotatingFileHandler(
            folder / "sidecar.log",
            maxBytes=_FILE_BYTES,
            backupCount=_FILE_COUNT,
            encoding="utf-8",
            delay=True,
        )
        file.setFormatter(formats["json"])
        handlers.append(file)
    for handler in handlers:
        handler.addFilter(_add_context)
        if discreet:
            handler.addFilter(_without_words)
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)


def configure_child_logging() -> None:
    """Log to standard error, for a parent that reads it with `log_line_of_child`."""
    configure_logging(level="info", style="json", folder=None)


def log_line_of_child(line: bytes, log: logging.Logger) -> None:
    """Log again what a child process wrote: its own lines as they are, all else at DEBUG.

    Args:
        line: One line of its standard error.
        log: Where to.
    """
    text = line.decode(errors="replace").rstrip()
    if not text:
        return
    try:
        entry = json.loads(text)
        level, message = logging.getLevelNamesMapping()[entry["level"]], str(entry["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        log.debug("%s", text)
        return
    details = str(entry.get("traceback", ""))
    log.log(level, "%s", f"{message}\n{details}" if details else message)


def _add_context(record: logging.LogRecord) -> bool:
    record.job_id = _JOB_ID.get()
    record.request_id = _REQUEST_ID.get()
    return True


def _without_words(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_discreet, record.args))
    if isinstance(record.msg, str) and not record.name.startswith(_OUR_LOGGERS):
        record.msg = record.msg.partition("\n")[0]  # asyncio shows a failed task's error below
    return True


def _discreet(value: object) -> object:
    match value:
        case BridgeError():
            return value.reason.value
        case BaseException():
            return type(value).__name__
        case PurePath():
            return "<path>"
        case _:
            return value


def _traceback(error: BaseException) -> Iterator[str]:
    """The traceback of an error and of what caused it, without their words, cause first."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _traceback(cause)
        yield "which led to:"
    yield from "".join(traceback.format_tb(error.__traceback__)).splitlines()
    reason = f" ({error.reason.value})" if isinstance(error, BridgeError) else ""
    yield f"{type(error).__name__}{reason}"


_ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class _DiscreetFormatter(logging.Formatter):
    """Leaves the words of errors out of tracebacks, where told to."""

    def __init__(self, line: str | None = None, date: str | None = None, *, discreet: bool) -> None:
        super().__init__(line, date)
        self._discreet = discreet

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - logging's own name
        """Write a traceback."""
        if self._discreet and ei[1] is not None:
            return "\n".join(_traceback(ei[1]))
        return super().formatException(ei)


class HumanFormatter(_DiscreetFormatter):
    """One readable line; control characters are escaped, so nothing can forge a second line.

    Args:
        discreet: Whether tracebacks leave out what errors say.
    """

    def __init__(self, *, discreet: bool) -> None:
        line = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
        super().__init__(line, "%H:%M:%S", discreet=discreet)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Append the ids, where there are any."""
        marks = [
            f"{name}={value}"
            for name in ("job_id", "request_id")
            if (value := getattr(record, name, ""))
        ]
        line = super().formatMessage(record) + (f" [{' '.join(marks)}]" if marks else "")
        return "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in line
        )


class JsonFormatter(_DiscreetFormatter):
    """One JSON object a line.

    Args:
        discreet: Whether tracebacks leave out what errors say.
    """

    def __init__(self, *, discreet: bool) -> None:
        super().__init__(discreet=discreet)

    def format(self, record: logging.LogRecord) -> str:
        """Write the record with its ids and its traceback."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "job_id": getattr(record, "job_id", ""),
            "request_id": getattr(record, "request_id", ""),
            "process": record.process,
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps({key: value for key, value in entry.items() if value not in {"", None}})
