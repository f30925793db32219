"""What an editor asked for in a mark, parsed; see `interchange.directive` for the parser."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class JobKind(StrEnum):
    """The verbs of the marker convention."""

    RETAKE = "retake"
    REGENERATE = "regenerate"
    BRIDGE = "bridge"
    EXTEND = "extend"
    GENERATE = "generate"
    RESTYLE = "restyle"
    REFRAME = "reframe"


class AudioPolicy(StrEnum):
    """What happens to the sound of the window."""

    KEEP = "keep"
    NEW = "new"
    ONLY = "only"


class Edge(StrEnum):
    """Which end of a clip is extended."""

    HEAD = "head"
    TAIL = "tail"


class Quality(StrEnum):
    """How much work the engine puts in; a draft and its final are the same shot."""

    DRAFT = "draft"
    FINAL = "final"


class StartFrom(StrEnum):
    """What a regenerated shot starts from."""

    FIRST = "first"
    CLIP = "clip"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Box:
    """Part of the picture in pixels, origin top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Aspect:
    """Width to height, for example 9:16."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ClipSelector:
    """`clips=` on a sequence mark: one mark for many clips.

    Args:
        by: `colour` or `name`.
        pattern: Colour name, or a shell glob over clip names.
    """

    by: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Directive:
    """One parsed mark. None means the editor did not say; the planner then takes the default.

    Args:
        verb: What to do.
        text: The directive as the editor wrote it.
        keys: Names of the keys the editor gave, for checking against an engine's abilities.
        length: Frames (`len=`), where the mark has no duration.
        takes: How many takes; seeds count up from `seed`.
    """

    verb: JobKind
    text: str
    keys: frozenset[str] = frozenset()
    prompt: str = ""
    negative: str = ""
    length: int | None = None
    seed: int | None = None
    takes: int = 1
    engine: str | None = None
    preset: str | None = None
    quality: Quality | None = None
    audio: AudioPolicy | None = None
    start_from: StartFrom | None = None
    strength: float | None = None
    edge: Edge | None = None
    image: str | None = None
    audio_file: str | None = None
    matte: str | None = None
    box: Box | None = None
    aspect: Aspect | None = None
    context_sequence: bool = False
    clips: ClipSelector | None = None
