"""Model values to JSON and back: exact, typed and strict, for the job store and the pipes to child processes.

Driven by the dataclasses' own annotations, so that a new field cannot be forgotten. Not pickle: what is read
back can only ever be one of the types asked for. Fractions are `n/d`, datetimes ISO 8601, bytes base64, paths their
text, unions of dataclasses carry their type's name. A missing field takes the dataclass's default, so that rows written
before the field existed stay readable; an unknown field is an error.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from interchange import errors
from interchange.errors import BridgeError, InternalError, Reason

_LEFT_OUT_WHEN_EMPTY = frozenset({("GenerationRequest", "references"), ("Progress", "preview")})
"""Fields that came after values had been stored: a value that does not use them keeps its text, hence its fingerprint.

A client that repeats a request across an upgrade gets its job, and an older sidecar still reads what it could mean.
"""

FORMAT_VERSION = 1
"""Raised when the meaning of stored JSON changes in a way defaults cannot bridge."""

T = TypeVar("T")

_TYPE_KEY = "type"
_ERROR_CLASSES = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, BridgeError)
}


def dump(value: object) -> str:
    """Write a value as canonical JSON: sorted keys, no spaces, so that equal values are equal text."""
    return json.dumps(
        {"version": FORMAT_VERSION, "value": _encoded(value)},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def load(kind: type[T], text: str) -> T:
    """Read what `dump` wrote.

    Args:
        kind: The type expected; a union type is fine.
        text: JSON.

    Raises:
        InternalError: The text is not such a value.
    """
    try:
        envelope = json.loads(text)
        if not isinstance(envelope, dict) or envelope.get("version") != FORMAT_VERSION:
            raise _MismatchError("unknown format version")
        value = _decoded(kind, envelope["value"])
    except (BridgeError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InternalError(
            f"A stored {_name(kind)} cannot be read back: {error}.", reason=Reason.INTERNAL
        ) from error
    return typing.cast("T", value)


def fingerprint(value: object) -> str:
    """SHA-256 over the canonical JSON of a value, in lower-case hexadecimal."""
    return hashlib.sha256(dump(value).encode()).hexdigest()


def used_fields(value: Any) -> dict[str, Any]:
    """A dataclass's fields by name, without those that came after the first release and are empty."""
    kind = type(value).__name__
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {
        name: item
        for name, item in fields.items()
        if item or (kind, name) not in _LEFT_OUT_WHEN_EMPTY
    }


class _MismatchError(ValueError):
    """The JSON does not have the shape of the type."""


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))


def _encoded(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Fraction | datetime | bytes | Path):
        return _as_text(value)
    if isinstance(value, BridgeError):
        return {
            _TYPE_KEY: type(value).__name__,
            "message": value.message,
            "reason": value.reason.value,
            "metadata": value.metadata,
        }
    if isinstance(value, Mapping):
        return {str(key): _encoded(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(_encoded(item) for item in value)
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {name: _encoded(item) for name, item in used_fields(value).items()}
        return {_TYPE_KEY: type(value).__name__, **fields}
    raise InternalError(f"A {type(value).__name__} has no stored form.")


def _as_text(value: Fraction | datetime | bytes | Path) -> str:
    match value:
        case Fraction():
            return f"{value.numerator}/{value.denominator}"
        case datetime():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Path():
            return str(value)


def _decoded(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is not None:
        return _decoded_generic(kind, origin, value)
    if dataclasses.is_dataclass(kind):
        return _decoded_dataclass(typing.cast("type", kind), _expect(dict, value))
    if isinstance(kind, type) and issubclass(kind, BridgeError):
        return _decoded_error(_expect(dict, value))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(_expect(str, value))
    if kind in {Fraction, datetime, bytes, Path}:
        return _from_text(kind, _expect(str, value))
    if kind is float:
        return float(_expect((float, int), value))
    if kind in {str, int, bool}:
        return _expect(kind, value)
    raise _MismatchError(f"no stored form for {_name(kind)}")


def _from_text(kind: Any, text: str) -> Fraction | datetime | bytes | Path:
    if kind is Fraction:
        return _decoded_fraction(text)
    if kind is datetime:
        return datetime.fromisoformat(text)
    return Path(text) if kind is Path else base64.b64decode(text, validate=True)


def _decoded_generic(kind: Any, origin: Any, value: Any) -> Any:
    arguments = typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return _decoded_union(arguments, value)
    if origin is tuple:
        return _decoded_tuple(arguments, value)
    if origin is frozenset:
        return frozenset(_decoded(arguments[0], entry) for entry in _expect(list, value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _decoded(arguments[1], entry) for key, entry in _expect(dict, value).items()}
    raise _MismatchError(f"no stored form for {_name(kind)}")


def _expect(kind: type | tuple[type, ...], value: Any) -> Any:
    # A bool is an int to Python, but never to us.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _MismatchError(f"{type(value).__name__} where {_name(kind)} belongs")
    return value


def _decoded_union(members: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        if types.NoneType not in members:
            raise _MismatchError("nothing where a value belongs")
        return None
    members = tuple(member for member in members if member is not types.NoneType)
    if len(members) == 1:
        return _decoded(members[0], value)
    for member in members:
        if dataclasses.is_dataclass(member) and _expect(dict, value).get(_TYPE_KEY) == _name(
            member
        ):
            return _decoded(member, value)
    raise _MismatchError(f"none of {', '.join(map(_name, members))}")


def _decoded_tuple(members: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    items = _expect(list, value)
    if len(members) == 2 and members[1] is Ellipsis:
        return tuple(_decoded(members[0], item) for item in items)
    if len(items) != len(members):
        raise _MismatchError(f"{len(items)} values where {len(members)} belong")
    return tuple(_decoded(member, item) for member, item in zip(members, items, strict=True))


def _decoded_dataclass(kind: type, value: dict[str, Any]) -> Any:
    if value.get(_TYPE_KEY) != _name(kind):
        raise _MismatchError(f"{value.get(_TYPE_KEY)} where {_name(kind)} belongs")
    hints = _hints(kind)
    unknown = value.keys() - hints.keys() - {_TYPE_KEY}
    if unknown:
        raise _MismatchError(f"{_name(kind)} has no {', '.join(sorted(unknown))}")
    return kind(
        **{name: _decoded(hint, value[name]) for name, hint in hints.items() if name in value}
    )


def _decoded_error(value: dict[str, Any]) -> BridgeError:
    metadata = _expect(dict, value["metadata"])
    return _ERROR_CLASSES[value[_TYPE_KEY]](
        _expect(str, value["message"]),
        reason=Reason(value["reason"]),
        metadata={key: _expect(str, item) for key, item in metadata.items()},
    )


def _decoded_fraction(text: str) -> Fraction:
    numerator, _, denominator = text.partition("/")
    try:
        return Fraction(int(numerator), int(denominator))
    except ZeroDivisionError as error:
        raise _MismatchError("a fraction over zero") from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
