"""Whose turn it is: which waiting job an engine takes next, and how many may wait.

The highest priority first; within it the share that was served longest ago, so that a weekend's hot folder does
not keep an editor waiting; within the share the oldest job. Jobs that wait before another try are not there
until their time has come.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from interchange.errors import ExhaustedError, Reason
from interchange.model.caller import Caller
from sidecar.jobs.clock import Clock

# The index is partial; its condition must stand in the query word for word. The recursion jumps from share to
# share through it: as many look-ups as shares wait, however many jobs do.
_READY = (
    "FROM job INDEXED BY job_ready "
    "WHERE state = 'queued' AND not_before IS NULL AND lane = :lane AND priority = (SELECT priority FROM top)"
)
_NEXT = f"""
WITH RECURSIVE
    top (priority) AS (
        SELECT priority FROM job INDEXED BY job_ready
        WHERE state = 'queued' AND not_before IS NULL AND lane = :lane
        ORDER BY priority DESC LIMIT 1
    ),
    waiting (share) AS (
        SELECT (SELECT share {_READY} ORDER BY share LIMIT 1)
        UNION ALL
        SELECT (SELECT share {_READY} AND share > waiting.share ORDER BY share LIMIT 1)
        FROM waiting WHERE waiting.share IS NOT NULL
    ),
    oldest (share, sequence) AS (
        SELECT share, (
            SELECT sequence {_READY} AND share = waiting.share ORDER BY sequence LIMIT 1
        ) FROM waiting WHERE share IS NOT NULL
    )
SELECT oldest.share, oldest.sequence FROM oldest
LEFT JOIN turn ON turn.lane = :lane AND turn.share = oldest.share
ORDER BY coalesce(turn.served, 0), oldest.sequence LIMIT 1
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many jobs may wait.

    Args:
        total: Of everybody's.
        share: Of one share's, so that a runaway program fills its own part only.
    """

    total: int = 4000
    share: int = 2000


class Turns:
    """Chooses from the job table.

    Args:
        connection: The job database; transactions are the caller's.
        clock: Waits are measured by its monotonic hand; its wall time counts across a restart only.
        longest_wait_s: No wait is longer, in seconds, whatever the wall clock says after a restart.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, clock: Clock, longest_wait_s: float
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._longest_wait_s = longest_wait_s
        self._due: dict[str, float] = {}

    def next(self, lane: str) -> int | None:
        """The row whose turn it is, by its sequence; noted as served. None where nothing is ready."""
        row = self._connection.execute(_NEXT, {"lane": lane}).fetchone()
        if row is None:
            return None
        self._connection.execute(
            "INSERT INTO turn SELECT :lane, :share, coalesce(max(served), 0) + 1 FROM turn "
            "WHERE lane = :lane ON CONFLICT DO UPDATE SET served = excluded.served",
            {"lane": lane, "share": row["share"]},
        )
        return int(row["sequence"])

    def hold(self, job_id: str, wait_s: float) -> None:
        """Remember when the wait of a job that is put back ends."""
        self._due[job_id] = self._clock.monotonic() + wait_s

    def due(self, lane: str) -> Iterator[str]:
        """Jobs of a lane whose wait is over, by id."""
        held = self._held(lane)  # first: what an earlier boot put back begins its wait here
        now = self._clock.monotonic()
        return (job_id for job_id, due in held if due <= now)

    def wait_s(self, lane: str) -> float | None:
        """Seconds until the next wait of a lane is over, None where nothing waits."""
        first = min((due for _, due in self._held(lane)), default=None)
        return None if first is None else max(0.0, first - self._clock.monotonic())

    def _held(self, lane: str) -> list[tuple[str, float]]:
        rows = self._connection.execute(
            "SELECT job_id, not_before FROM job WHERE not_before IS NOT NULL AND lane = ?", (lane,)
        ).fetchall()
        return [(row["job_id"], self._due_of(row)) for row in rows]

    def _due_of(self, row: sqlite3.Row) -> float:
        known = self._due.get(row["job_id"])
        if known is not None:
            return known
        # An earlier boot put it back. Its monotonic clock is gone; the wall clock may have jumped since.
        left_s = (datetime.fromisoformat(row["not_before"]) - self._clock.now()).total_seconds()
        self.hold(row["job_id"], min(max(left_s, 0.0), self._longest_wait_s))
        return self._due[row["job_id"]]

    def forget(self, job_id: str) -> None:
        """A job waits no more."""
        self._due.pop(job_id, None)

    def check_room(self, caller: Caller, limits: QueueLimits) -> None:
        """Refuse another job where too many wait.

        Raises:
            ExhaustedError: Of everybody's, or of this share's.
        """
        (waiting, theirs) = self._connection.execute(
            "SELECT count(*), coalesce(sum(share = ?), 0) FROM job WHERE state = 'queued'",
            (caller.share,),
        ).fetchone()
        if waiting >= limits.total:
            raise ExhaustedError(
                f"{waiting} jobs wait already. Let some finish or cancel some, then try again.",
                reason=Reason.QUEUE_FULL,
                metadata={"queue_limit": str(limits.total)},
            )
        if theirs >= limits.share:
            raise ExhaustedError(
                f"{theirs} jobs of yours wait already. Let some finish or cancel some, then try again.",
                reason=Reason.QUEUE_FULL,
                metadata={"share_limit": str(limits.share), "share": caller.share},
            )
