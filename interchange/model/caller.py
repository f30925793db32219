"""Who asks: what every door is told about the one at the other side."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LOCAL = "local"
"""Name of everybody on this machine who can read the token file."""


class Role(StrEnum):
    """What a caller may do beyond making takes and looking at its own jobs."""

    EDITOR = "editor"
    """Sees, cancels and deletes its own jobs only."""
    OPERATOR = "operator"
    """Sees, cancels and deletes everybody's."""


class Door(StrEnum):
    """Which program a caller uses; there are few, so that nobody gains turns by inventing some."""

    CLI = "cli"
    WATCH = "watch"
    RESOLVE = "resolve"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Caller:
    """One side of a call that has been authenticated.

    Args:
        name: `local`, or the name in the client's certificate.
        role: What it may do.
        door: Which program of the caller's; shares of the queue are counted by name and door, so that a
            weekend's hot folder does not keep an editor waiting.
    """

    name: str
    role: Role
    door: Door = Door.CLI

    def may_touch(self, owner: str) -> bool:
        """Whether a job or upload of this owner is the caller's to see and to end."""
        return self.role is Role.OPERATOR or self.name == owner

    @property
    def share(self) -> str:
        """Whose turn it is when this caller's job runs."""
        return f"{self.name}/{self.door}"


LOCAL_CALLER = Caller(LOCAL, Role.OPERATOR)
"""Whoever shows this machine's token on this machine's socket."""
