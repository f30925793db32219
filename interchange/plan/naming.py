"""What a shot is called: a name that is safe as a file name everywhere, and unique within a plan."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from interchange.model.segment import ClipUse, SequenceFacts
from interchange.timebase import format_timecode

MAX_SHOT_CHARACTERS = 64
"""A shot's name is its take's reel name too, and no more of that is read back from a file."""
MAX_SHOT_BYTES = 144
"""Leaves room for version, job id and suffixes in the 255 bytes a file name may have; the sidecar takes 150."""

_EXTENSION = re.compile(
    r"\.(mov|mp4|m4v|mxf|avi|mkv|mts|m2ts|mpg|mpeg|webm|r3d|braw|ari|crm|dng|exr|dpx|tiff?|png|jpe?g)",
    re.IGNORECASE,
)
_DIRECTIVE = re.compile(r"(?<![^\W_])LTX\s*[:\uff1a]", re.IGNORECASE)
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names Windows keeps for devices, whatever their extension."""


def clip_shot_name(clip: ClipUse) -> str:
    """A safe shot name from a clip's name up to a directive in it, or its media's where nothing is left."""
    own = safe_name(_DIRECTIVE.split(clip.name, maxsplit=1)[0])
    media = "" if clip.media is None else safe_name(clip.media.name)
    return own or media or "shot"


def pair_shot_name(outgoing: ClipUse, incoming: ClipUse) -> str:
    """A safe shot name for what joins two clips: `A_to_B`."""
    half = (MAX_SHOT_CHARACTERS - len("_to_")) // 2
    first, second = (_cut(clip_shot_name(clip), half) for clip in (outgoing, incoming))
    return safe_name(f"{first}_to_{second}")


def place_shot_name(sequence: SequenceFacts, record_frame: int) -> str:
    """A safe shot name for a place without a clip: the sequence and the digits of its record timecode."""
    timecode = format_timecode(record_frame, sequence.frame_rate, drop_frame=sequence.drop_frame)
    digits = re.sub(r"\D", "", timecode)
    name = _cut(safe_name(sequence.name) or "sequence", MAX_SHOT_CHARACTERS - len(digits) - 1)
    return f"{name}_{digits}"


def safe_name(text: str) -> str:
    """Make a name that every file system takes: word characters, dots, dashes and underscores.

    Returns:
        At most `MAX_SHOT_CHARACTERS` of NFC text; empty where nothing of the name can be kept.
    """
    normal = unicodedata.normalize("NFC", text).strip()
    extension = _EXTENSION.search(normal)
    if extension and extension.end() == len(normal):
        normal = normal[: extension.start()]
    kept = "".join(character if _kept(character) else " " for character in normal)
    name = _cut("_".join(kept.split()), MAX_SHOT_CHARACTERS)
    return f"{name}_" if _RESERVED.fullmatch(name) else name


def unique_names() -> Callable[[str], str]:
    """Make a namer that gives every name once, whatever its case: `shot`, `Shot_02`, `shot_03`."""
    taken: set[str] = set()

    def unique(name: str) -> str:
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            ending = f"_{number:02}"
            candidate = _cut(name, MAX_SHOT_CHARACTERS - len(ending)) + ending
        taken.add(candidate.casefold())
        return candidate

    return unique


def _kept(character: str) -> bool:
    """Whether a character may stand in a name: letters, digits and the marks that belong to them.

    Those beyond U+FFFF are left out: reel names lose them on the way through QuickTime.
    """
    if character > "\uffff":
        return False
    return (
        character.isalnum() or character in "._-" or unicodedata.category(character) in {"Mn", "Mc"}
    )


def _cut(name: str, characters: int) -> str:
    """Shorten a name; no dots, dashes or underscores are left at its ends."""
    name = name[:characters]
    while len(name.encode()) > MAX_SHOT_BYTES * characters // MAX_SHOT_CHARACTERS:
        name = name[:-1]
    return name.strip("._-")
