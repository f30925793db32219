"""Where the log goes and what every line carries: the job and the request it was written for."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

_JOB_ID: ContextVar[str] = ContextVar("ltxbridge_job_id", default="")
_REQUEST_ID: ContextVar[str] = ContextVar("ltxbridge_request_id", default="")

_FILE_BYTES = 5_000_000
_FILE_COUNT = 5


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
    formats = {"human": HumanFormatter(), "json": JsonFormatter()}
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
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)


def _add_context(record: logging.LogRecord) -> bool:
    record.job_id = _JOB_ID.get()
    record.request_id = _REQUEST_ID.get()
    return True


class HumanFormatter(logging.Formatter):
    """One readable line; control characters are escaped, so nothing can forge a second line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Append the ids, where there are any."""
        line = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in super().formatMessage(record)
        )
        marks = [
            f"{name}={value}"
            for name in ("job_id", "request_id")
            if (value := getattr(record, name, ""))
        ]
        return f"{line} [{' '.join(marks)}]" if marks else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

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
