"""File names as people and programs write them.

Which names are of something that is still being written, which cannot be worked with, which mean the same
file, and what a file of ours may be called so that every disk takes it.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_BYTES = 255
"""What ext4, APFS, NTFS (in characters) and network shares take at most."""
MAX_STEM_BYTES = 180
"""Leaves a timeline's stem room for `_LTX_v002`, `_report_v002`, `.error.json` and a temporary ending."""

_UNFINISHED_SUFFIXES = (
    ".part",  # Firefox, wget, curl, many copiers, and our own writing
    ".partial",  # Internet Explorer, Edge, Aspera
    ".partial-download",
    ".tmp",
    ".temp",
    ".crdownload",  # Chrome
    ".download",  # Safari: a folder with the file inside
    ".opdownload",  # Opera
    ".aspx",  # Aspera, resume information
    ".aspera-ckpt",
    ".aspera-inprogress",
    ".filepart",  # WinSCP
    ".fdmdownload",
    ".lock",
    ".lck",
    ".swp",
    ".bak",
    "~",  # editors' backups
)
_UNFINISHED_PREFIXES = (
    ".",  # hidden: ._ (AppleDouble), .DS_Store, .nfs, .fuse_hidden, .goutputstream-, .syncthing., rsync's
    "~",  # ~$ (Office), ~syncthing~
    "@eadir",  # Synology
    "#recycle",
    "$recycle.bin",
)
_SYSTEM_NAMES = frozenset(
    {"thumbs.db", "desktop.ini", "icon\r", "__macosx", "lost+found", "system volume information"}
)
_RSYNC = re.compile(r"\..+\.[A-Za-z0-9]{6}")  # .NAME.x1Y2z3
_SAFE_SAVE = re.compile(r"\.sb-[0-9a-f]{8}-\w{6}$", re.IGNORECASE)  # macOS: NAME.sb-1a2b3c4d-x1Y2z3

# They turn a part of a name around, so that it reads as another. The marks of Hebrew and Arabic names do not.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE
)
_NOT_EVERYWHERE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_DELIVERY = re.compile(r".+_LTX(_v\d{3,})?", re.DOTALL)


def is_unfinished(name: str) -> bool:
    """Whether a name is that of a file or folder still being written, or of a system's own housekeeping."""
    lowered = name.lower()
    return (
        lowered.endswith(_UNFINISHED_SUFFIXES)
        or lowered.startswith(_UNFINISHED_PREFIXES)
        or lowered in _SYSTEM_NAMES
        or _SAFE_SAVE.search(name) is not None
    )


def is_partial(name: str) -> bool:
    """Whether a name inside a bundle is that of a file still being written; housekeeping there is not."""
    return name.lower().endswith(_UNFINISHED_SUFFIXES) or _RSYNC.fullmatch(name) is not None


def name_flaw(name: str) -> str | None:
    """Why a timeline or a folder of this name is not worked with; None where it is.

    Names that only some systems take (`CON.fcpxml`, a trailing dot, `a:b`) are accepted: what is written for
    them gets a name from `document_name`. Refused is what a report cannot print or a person cannot read.

    Returns:
        The rest of the sentence "The name ...".
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "is not text: its bytes are not UTF-8"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "holds a line break or another control character"
    if not _BIDI_CONTROLS.isdisjoint(name):
        return "holds a character that makes it read as another name"
    return None


def printable(text: str) -> str:
    """A name or path for messages, logs and JSON: what cannot be printed or encoded is written as an escape."""
    return "".join(
        character
        if character.isprintable() and character not in _BIDI_CONTROLS
        else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in text
    )


def name_key(name: str) -> str:
    """Equal for names that some file system takes for the same: NFC or NFD, upper or lower case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def document_name(name: str) -> str:
    """The name under which a timeline is worked on, delivered and filed: its own where every disk takes it.

    Args:
        name: Its name in `in/`, any text.

    Returns:
        NFC text with the same suffix: no character Windows refuses, no device name, no trailing dot or space,
        and a stem of at most `MAX_STEM_BYTES`.
    """
    decoded = name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    normal = unicodedata.normalize("NFC", decoded)
    kept = "".join(
        "_"
        if _NOT_EVERYWHERE.match(character)
        or unicodedata.category(character) == "Cc"
        or character in _BIDI_CONTROLS
        else character
        for character in normal
    )
    stem, dot, suffix = kept.rpartition(".")
    if not stem:
        stem, dot, suffix = kept, "", ""
    suffix = _cut(suffix.rstrip(". "), 32)
    stem = _cut(stem, MAX_STEM_BYTES).rstrip(". ") or "timeline"
    # Windows looks for the device before the first dot, past spaces.
    if _RESERVED.fullmatch(stem.partition(".")[0].rstrip()):
        stem = f"_{stem}"
    return f"{stem}{dot}{suffix}" if suffix else stem


def numbered(name: str, number: int) -> str:
    """A name for the second, third, ... file of a name: `cut_2.fcpxml`; the name itself for 1.

    Args:
        name: From `document_name`.
        number: From 1.
    """
    if number == 1:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    return f"{stem}_{number}{dot}{suffix}"


def error_name(name: str) -> str:
    """Name of the file that says why a timeline failed, beside it in `failed/`.

    Args:
        name: From `document_name` or `numbered`.
    """
    return f"{name}.error.json"


def is_delivery_name(stem: str) -> bool:
    """Whether a stem is one that deliveries have: `NAME_LTX` and `NAME_LTX_v002`.

    Alone it proves nothing, because editors call their own timelines so too; the digest of a delivery, which
    the ledger knows, does.
    """
    return _DELIVERY.fullmatch(stem) is not None


def _cut(text: str, most_bytes: int) -> str:
    """Shorten text without cutting a character, nor a letter from the marks that belong to it."""
    if len(text.encode()) <= most_bytes:
        return text
    text = text.encode()[:most_bytes].decode("utf-8", "ignore")
    while text and (unicodedata.combining(text[-1]) or text[-1] in "\u200d\ufe0f"):
        text = text[:-1]
    return text
