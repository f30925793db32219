"""Where takes are made: which engines are there, which is meant by default, and whose key signs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from interchange.model.engine import EngineLimits
from interchange.model.job import EngineStatus


@dataclass(frozen=True, slots=True)
class Workshop:
    """What planning and the report must know of the sidecar that is asked.

    Args:
        engines: What each of its engines can do, by name.
        default_engine: Used where neither mark nor command says.
        signer: Who signs its takes and what that is worth, in words.
    """

    engines: Mapping[str, EngineLimits]
    default_engine: str
    signer: str

    @classmethod
    def of_machine(cls, name: str, engines: Iterable[EngineStatus], default_engine: str) -> Self:
        """Another machine's: its engines and its default count, not this machine's.

        Args:
            name: What this machine calls it.
            engines: What it says of itself.
            default_engine: This machine's, where it names none.
        """
        found = tuple(engines)
        theirs = (status.limits.engine for status in found if status.is_default)
        return cls(
            engines={status.limits.engine: status.limits for status in found},
            default_engine=next(theirs, default_engine),
            signer=(
                f"signer: the key of the sidecar {name}, which this machine does not recognise and which is no "
                "verified identity; integrity was checked here, take by take; other tools will show "
                "'unrecognised signer'"
            ),
        )
