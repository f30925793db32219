"""Strict reading and writing of single protobuf fields; every complaint names the field's path."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Generic, TypeVar

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from interchange.errors import BridgeError, InvalidInputError, Reason

Member = TypeVar("Member", bound=StrEnum)


def invalid(
    field: str, problem: str, *, reason: Reason = Reason.INVALID_ARGUMENT
) -> InvalidInputError:
    """Make the error for a field that cannot be right."""
    return InvalidInputError(f"{field} {problem}.", reason=reason, metadata={"field": field})


@contextmanager
def sending(what: str) -> Iterator[None]:
    """Turn protobuf's refusals (a number too large, text that is not Unicode) into ours.

    Raises:
        InvalidInputError: A value does not fit into its field.
    """
    try:
        yield
    except BridgeError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInputError(
            f"The {what} holds a value that cannot be sent: {error}", metadata={"field": what}
        ) from error


def require(message: Message, name: str, *, at: str) -> None:
    """Insist that a message field is set."""
    if not message.HasField(name):
        raise invalid(f"{at}.{name}", "is missing")


def at_least(value: int, least: int, *, at: str) -> int:
    """Insist on a lower bound."""
    if value < least:
        raise invalid(at, f"must be at least {least}, not {value}")
    return value


def share(value: float, *, at: str) -> float:
    """Insist on a number from 0 to 1."""
    if not (math.isfinite(value) and 0.0 <= value <= 1.0):
        raise invalid(at, f"must be between 0 and 1, not {value}")
    return value


def content(value: bytes, *, at: str, longest: int) -> bytes:
    """Insist on content of a sane length."""
    if len(value) > longest:
        raise invalid(at, f"has {len(value)} bytes; at most {longest} are taken")
    return value


def text(value: str, *, at: str, longest: int = 4096, required: bool = False) -> str:
    """Insist on text of a sane length, without NUL."""
    if required and not value:
        raise invalid(at, "is missing")
    if len(value) > longest:
        raise invalid(at, f"has {len(value)} characters; at most {longest} are taken")
    if "\0" in value:
        raise invalid(at, "contains a NUL character")
    return value


class EnumTable(Generic[Member]):
    """One model enum against its protobuf twin, by name: `EDGE_` + `HEAD` is `Edge.HEAD`.

    Args:
        members: The model's enum.
        wrapper: The generated enum.
        prefix: What protobuf puts before each name.
        default: What an unspecified value stands for; None where it is an error.

    Raises:
        ValueError: A member has no twin, or the other way round; found at import, not in production.
    """

    def __init__(
        self,
        members: type[Member],
        wrapper: EnumTypeWrapper,
        *,
        prefix: str,
        default: Member | None = None,
    ) -> None:
        names = {prefix + member.name for member in members}
        if names != set(wrapper.keys()) - {f"{prefix}UNSPECIFIED"}:
            raise ValueError(f"{members.__name__} and its protobuf twin differ")
        self._number = {member: wrapper.Value(prefix + member.name) for member in members}
        self._member = {number: member for member, number in self._number.items()}
        self._default = default

    def to_proto(self, member: Member) -> Any:
        """The number of a member. `Any`, as each generated enum is a type of its own."""
        return self._number[member]

    def from_proto(self, number: int, *, at: str) -> Member:
        """The member of a number.

        Raises:
            InvalidInputError: Unknown number, or unspecified where nothing is the default.
        """
        if number == 0 and self._default is not None:
            return self._default
        if number not in self._member:
            raise invalid(at, "is missing" if number == 0 else f"has the unknown value {number}")
        return self._member[number]


class NameTable(Generic[Member]):
    """A model enum that travels as plain text, such as the kinds of an engine."""

    def __init__(self, members: type[Member]) -> None:
        self._members = members

    def to_proto(self, members: frozenset[Member]) -> list[str]:
        """The names in a fixed order."""
        return sorted(member.value for member in members)

    def from_proto(self, names: Iterable[str]) -> frozenset[Member]:
        """The members among the names. Those of a newer version, which this one could not use, are left out."""
        known = {member.value: member for member in self._members}
        return frozenset(known[name] for name in names if name in known)
