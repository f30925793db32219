"""A SQLite connection whose Nth statement fails, as a full, failing or locked disk would make it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

CAUSES = {
    "SQLITE_BUSY": "database is locked",
    "SQLITE_FULL": "database or disk is full",
    "SQLITE_IOERR_WRITE": "disk I/O error",
}
MANNERS = ("refused", "rolled back")


class DatabaseFault:
    """Fails one statement of the process, or every one from it on.

    Args:
        number: Which statement, from 1; 0 for none.
        cause: One of `CAUSES`.
        manner: What SQLite had done when it failed: nothing, or undone the whole transaction, which it may
            do where the disk is full or ill.
        sticky: Later statements fail too, until `heal`.
    """

    def __init__(
        self,
        *,
        number: int = 0,
        cause: str = "SQLITE_BUSY",
        manner: str = "refused",
        sticky: bool = False,
    ) -> None:
        assert cause in CAUSES
        assert manner in MANNERS
        self.number = number
        self.cause = cause
        self.manner = manner
        self.sticky = sticky
        self.statements: list[str] = []
        self.failed = 0
        self.until_healed = 0

    def heal(self) -> None:
        """Let everything succeed from here on."""
        self.until_healed = self.until_healed or len(self.statements)
        self.number = 0
        self.sticky = False

    def install(self) -> None:
        """Make every connection this process opens from now on one that fails."""
        sqlite3.connect = partial(sqlite3.connect, factory=partial(_Faulty, fault=self))

    def run(self, connection: _Faulty, execute: Callable[[], Any], sql: str) -> Any:
        self.statements.append(sql)
        count = len(self.statements)
        hit = self.number and (count == self.number or (self.sticky and count > self.number))
        if not hit or sql.startswith("ROLLBACK"):  # which has nothing to write
            return execute()
        self.failed += 1
        if self.manner == "rolled back" and connection.in_transaction:
            connection.rollback()
        error = sqlite3.OperationalError(CAUSES[self.cause])
        error.sqlite_errorname = self.cause
        error.sqlite_errorcode = getattr(sqlite3, self.cause)
        raise error


class _Faulty(sqlite3.Connection):
    def __init__(self, *arguments: Any, fault: DatabaseFault, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._fault = fault

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        run = partial(super().execute, sql, parameters)
        return self._fault.run(self, run, " ".join(sql.split()))
