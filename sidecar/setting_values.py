"""How each kind of setting is written, and what is wrong with one that is not."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from interchange.errors import InvalidInputError
from sidecar.media.paths import PathMapping

_LISTEN = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:]+)):(\d{1,5})")
_DEVICE = re.compile(r"(?:cuda(?::\d{1,2})?|mps|cpu)?")
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen.

    Args:
        host: An IP address as text; `0.0.0.0` and `::` stand for all of this machine's.
        port: 0 for any free one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether no other machine can reach it."""
        return ip_address(self.host).is_loopback


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was found, for complaints, and the folder its relative paths start from."""

    name: str
    folder: Path

    def refuse(self, problem: str) -> InvalidInputError:
        """The complaint that a value found here cannot be right."""
        return InvalidInputError(f"{self.name} {problem}.", metadata={"setting": self.name})


def text(value: object, origin: Origin) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise origin.refuse(f"must be text, not {value!r}")
    return value


def path(value: object, origin: Origin) -> Path:
    """A path; a relative one starts at the origin's folder."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise origin.refuse(f"must be a path, not {value!r}")
    try:
        found = Path(os.path.normpath(origin.folder / Path(value).expanduser()))
    except RuntimeError as error:  # ~nobody
        raise origin.refuse(f"names no home folder: {value}") from error
    try:
        found.resolve()
    except (OSError, RuntimeError) as error:
        raise origin.refuse(
            f"cannot be followed to its end, for example a link to itself: {value}"
        ) from error
    return found


def _items(value: object, origin: Origin) -> list[object]:
    if isinstance(value, str):
        return [part for part in value.split(os.pathsep) if part]
    if isinstance(value, list | tuple):
        return list(value)
    raise origin.refuse(f"must be a list, not {value!r}")


def paths(value: object, origin: Origin) -> tuple[Path, ...]:
    """A list of paths."""
    return tuple(path(item, origin) for item in _items(value, origin))


def mappings(value: object, origin: Origin) -> tuple[PathMapping, ...]:
    """A list of `FROM=TO`."""
    return tuple(
        item if isinstance(item, PathMapping) else PathMapping.parse(text(item, origin))
        for item in _items(value, origin)
    )


def listen_address(value: object, origin: Origin) -> ListenAddress:
    """`ADDRESS:PORT`; names are not taken, as what they stand for can change under us."""
    if isinstance(value, ListenAddress):
        return value
    match = _LISTEN.fullmatch(text(value, origin))
    if match is None or int(match[3]) > 65535:
        raise origin.refuse(f"must look like 127.0.0.1:50051 or [::1]:50051, not {value!r}")
    host = "127.0.0.1" if match[2] == "localhost" else match[1] or match[2]
    try:
        address = ListenAddress(str(ip_address(host)), int(match[3]))
    except ValueError as error:
        raise origin.refuse(
            f"must be an address, not the name {host}: a name can come to mean another address than this "
            "machine's own"
        ) from error
    if not address.loopback and address.port == 0:
        raise origin.refuse(
            f"must name a port, not {value}: enrolled machines look for the same one every day"
        )
    return address


def flag(value: object, origin: Origin) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise origin.refuse(f"must be yes or no, not {value!r}")


def seconds(value: object, origin: Origin) -> int:
    """Whole seconds."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 3600:
        raise origin.refuse(f"must be whole seconds from 0 to 3600, not {value!r}")
    return number


def gigabytes(value: object, origin: Origin) -> int:
    """Whole gigabytes, 0 for no limit."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 10**6:
        raise origin.refuse(f"must be whole gigabytes from 0 to 1000000, not {value!r}")
    return number


def device(value: object, origin: Origin) -> str:
    """What to compute on, as torch names it; empty for the best there is."""
    if not isinstance(value, str) or not _DEVICE.fullmatch(value.lower()):
        raise origin.refuse(f"must be cuda, cuda:1, mps or cpu, not {value!r}")
    return value.lower()


def metrics_address(value: object, origin: Origin) -> ListenAddress:
    """`127.0.0.1:PORT`: numbers about work are for this machine's own Prometheus."""
    if isinstance(value, ListenAddress):
        return value
    match = _LISTEN.fullmatch(text(value, origin))
    host = "" if match is None else match[1] or match[2]
    host = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if match is None or not loopback or int(match[3]) > 65535:
        raise origin.refuse(
            f"must be a port of this machine such as 127.0.0.1:9464, not {value!r}; metrics are shown to "
            "no other machine"
        )
    return ListenAddress(host, int(match[3]))


def command(value: object, origin: Origin) -> tuple[str, ...]:
    """A program and its arguments: a list, or one text that is split at spaces and quotes; never a shell's."""
    if isinstance(value, str):
        try:
            parts: list[object] = list(shlex.split(value))
        except ValueError as error:
            raise origin.refuse(f"has a quote that is not closed: {value!r}") from error
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        raise origin.refuse(f"must be a list of a program and its arguments, not {value!r}")
    words = tuple(part for part in parts if isinstance(part, str) and "\0" not in part)
    if len(words) != len(parts) or not words or not words[0]:
        raise origin.refuse(f"must name a program and its arguments, not {value!r}")
    return words


def choice(*choices: str) -> Callable[[object, Origin], str]:
    """One of a few words."""

    def parse(value: object, origin: Origin) -> str:
        if not isinstance(value, str) or value.lower() not in choices:
            raise origin.refuse(f"must be one of {', '.join(choices)}, not {value!r}")
        return value.lower()

    return parse
