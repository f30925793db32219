r"""The marker convention: the one parser of `LTX: VERB key=value ...`, for every format and door.

    LTX: retake len=24 prompt="she looks up" seed=7

Where it may stand: in any text of a mark (name, note, comment, a clip's name). The first text with `LTX:`
gives the verb; words before it in that text are the editor's own and are left alone, all after it must be
keys. Another text of the same mark counts

- when it holds `LTX:` too, and then with the same verb;
- when it starts with one of our keys (`seed=7 ...`), or is nothing but `key=value` pairs.

Anything else, `a=b is fine` included, is a remark and is ignored. The same text twice counts once.

How values are written: bare, up to the next space, or in straight or curly quotes or guillemets of any kind.
Pairs are parted by white space (no-break spaces and line ends included), commas or semicolons; verb, keys
and fixed words may be in any case. A backslash is an ordinary character (paths) except before a quote mark:
there `\"` is a quote mark inside the value, and `\\"` a backslash that ends it. A single quote only closes
before a space or the end, so `prompt='it's raining'` works.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from interchange.errors import InvalidInputError, Reason
from interchange.model.directive import (
    Aspect,
    AudioPolicy,
    Box,
    ClipSelector,
    Directive,
    Edge,
    JobKind,
    Quality,
    StartFrom,
)

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MAX_PROSE_CHARACTERS = 10_000
"""Longest prompt; far above what any text encoder reads."""
MAX_PATH_CHARACTERS = 4_096
MAX_NAME_CHARACTERS = 255
MAX_LENGTH_FRAMES = 1_000_000
"""Largest `len=`: over two hours at 119.88, so certainly a slip of the finger above it."""
MAX_TAKES = 16
MAX_SEED = 2**63 - 1
MAX_PICTURE_PX = 65_535

_ALL = frozenset(JobKind)
_VERBS_OF_KEY: Mapping[str, frozenset[JobKind]] = {
    "prompt": _ALL,
    "negative": _ALL,
    "len": frozenset({JobKind.RETAKE, JobKind.BRIDGE, JobKind.EXTEND, JobKind.GENERATE}),
    "seed": _ALL,
    "takes": _ALL,
    "engine": _ALL,
    "preset": _ALL,
    "quality": _ALL,
    "audio": frozenset({JobKind.RETAKE, JobKind.REGENERATE, JobKind.EXTEND}),
    "from": frozenset({JobKind.REGENERATE}),
    "strength": frozenset({JobKind.REGENERATE}),
    "edge": frozenset({JobKind.EXTEND}),
    "image": frozenset({JobKind.GENERATE}),
    "audio_file": frozenset({JobKind.GENERATE}),
    "matte": frozenset({JobKind.RETAKE, JobKind.RESTYLE}),
    "box": frozenset({JobKind.RETAKE, JobKind.RESTYLE}),
    "aspect": frozenset({JobKind.REFRAME}),
    "context": _ALL,
    "clips": _ALL,
}
KEYS = tuple(_VERBS_OF_KEY)
"""Every key of the convention, by the name that `Directive.keys` and `EngineLimits.keys` use."""

_MEANT = {
    "regen": "regenerate", "redo": "retake", "inpaint": "retake", "replace": "retake",
    "interpolate": "bridge", "morph": "bridge", "fill": "bridge", "lengthen": "extend",
    "create": "generate", "make": "generate", "style": "restyle", "outpaint": "reframe",
    "length": "len", "frames": "len", "duration": "len", "take": "takes", "count": "takes",
    "model": "engine", "text": "prompt", "negative_prompt": "negative", "start": "from",
    "sound": "audio", "still": "image", "mask": "matte", "ratio": "aspect", "side": "edge",
}  # fmt: skip
"""Words of other tools that spelling alone would not lead to the right one."""

_SPACE = r"[\s\u200b\u2060\ufeff]"
_HEAD = re.compile(rf"(?<![^\W_])LTX{_SPACE}*[:\uff1a]{_SPACE}*", re.IGNORECASE)
_VERB = re.compile(rf"([^\s\u200b\u2060\ufeff=,;]+)(?!{_SPACE}*=)(?=[,;]|{_SPACE}|$)")
_KEY = re.compile(rf"([^\W\d_][\w-]*){_SPACE}*={_SPACE}*")
_BARE = re.compile(r"[^\s\u200b\u2060\ufeff]+")
_BETWEEN = re.compile(r"[\s\u200b\u2060\ufeff,;]*")
_SINGLE_QUOTES = "'\u2018\u2019\u201a\u201b\u2032"
_GUILLEMETS = "\u00ab\u00bb"
_QUOTES = (
    '"\u201c\u201d\u201e\u201f\u2033\uff02',
    _GUILLEMETS,
    "\u2039\u203a",
    _SINGLE_QUOTES,
    "\u300c\u300d",
    "\u300e\u300f",
)
"""Kinds of quotes; any mark of a kind closes what another of it opened, as countries differ in which is which."""

_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,9})?|\.[0-9]{1,9}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


def parse_directive(*texts: str) -> Directive | None:
    """Read what an editor asked for from the texts of one mark.

    Args:
        texts: The mark's texts in order of weight: name, note, comment. Empty ones are fine.

    Returns:
        The directive, or None where no text holds `LTX:`.

    Raises:
        InvalidInputError: There is a directive, but not one that can be understood: `DIRECTIVE_INVALID`,
            with the nearest right word where one is wrong.
    """
    verb: JobKind | None = None
    values: dict[str, str] = {}
    written: list[str] = []
    continuations: list[str] = []
    for text in dict.fromkeys(texts):
        head = _HEAD.search(text)
        if head is None:
            continuations.append(text)
            continue
        own_verb, position = _read_verb(text, head.end())
        if verb is not None and own_verb is not verb:
            raise _invalid(f"One mark asks for both {verb} and {own_verb}. Use one mark for each.")
        verb = own_verb
        _merge(values, _read_pairs(text, position), verb=verb)
        written.append(text[head.start() :].strip())
    if verb is None:
        return None
    for text in continuations:
        pairs = _read_continuation(text)
        if pairs:
            _merge(values, pairs, verb=verb)
            written.append(text.strip())
    return _build(verb, text=" ".join(written), values=values)


def _read_verb(text: str, position: int) -> tuple[JobKind, int]:
    match = _VERB.match(text, position)
    if match is None:
        raise _invalid(f"{_shown(text)} has no verb. After LTX: write one of {_listed(JobKind)}.")
    word = match[1].lower()
    if word not in set(JobKind):
        raise _invalid(
            f"{_shown(word)} is not something LTX: can do. {_nearest(word, tuple(JobKind))}"
        )
    return JobKind(word), match.end()


def _read_continuation(text: str) -> list[tuple[str, str]]:
    """The pairs of a text without `LTX:`; none where it is only a remark."""
    start = _BETWEEN.match(text)
    position = start.end() if start else 0
    first = _KEY.match(text, position)
    if first is None:
        return []
    try:
        return _read_pairs(text, position)
    except InvalidInputError:
        if _key_name(first[1]) in _VERBS_OF_KEY:
            raise
        return []


def _read_pairs(text: str, position: int) -> list[tuple[str, str]]:
    """Read `key=value` pairs to the end of the text."""
    pairs: list[tuple[str, str]] = []
    while True:
        between = _BETWEEN.match(text, position)
        position = between.end() if between else position
        if position == len(text):
            return pairs
        match = _KEY.match(text, position)
        if match is None:
            if _HEAD.match(text, position):
                raise _invalid(f"{_shown(text)} holds LTX: twice. Use one mark for each.")
            raise _invalid(
                f"{_shown(text[position:])} is not key=value. "
                'Put quotes round a value with spaces, as in prompt="she looks up".'
            )
        key = _key_name(match[1])
        value, position = _read_value(text, match.end(), key=key)
        pairs.append((key, value))


def _read_value(text: str, position: int, *, key: str) -> tuple[str, int]:
    for kind in _QUOTES:
        if text[position : position + 1] in kind and position < len(text):
            return _read_quoted(text, position + 1, kind=kind, key=key)
    match = _BARE.match(text, position)
    value = match[0].rstrip(",;") if match else ""
    if match is None or not value:
        raise _invalid(f'{key}= has no value. Write {key}="" if it should be empty.')
    if "=" in value:
        raise _invalid(
            f"{key}= is followed by {_shown(value)}. Put quotes round the value, or a space before the next key."
        )
    return value, match.end()


def _read_quoted(text: str, position: int, *, kind: str, key: str) -> tuple[str, int]:
    """Read up to the closing quote mark; `position` is just behind the opening one."""
    value: list[str] = []
    # The look-behind keeps a long run of backslashes from being tried from each of its members.
    mark = re.compile(rf"(?<!\\)(\\*)([{re.escape(kind)}])")
    copied = position
    for match in mark.finditer(text, position):
        value.append(text[copied : match.start()])
        backslashes = len(match[1])
        value.append("\\" * (backslashes // 2))
        copied = match.end()
        inside = kind == _SINGLE_QUOTES and _BETWEEN.fullmatch(text[copied : copied + 1]) is None
        if backslashes % 2 or inside:
            value.append(match[2])
            continue
        whole = "".join(value)
        # French typography sets guillemets off with no-break spaces that belong to the marks.
        return (whole.strip() if kind == _GUILLEMETS else whole), copied
    raise _invalid(
        f"The value of {key}= in {_shown(text)} opens with a quote mark that never closes."
    )


def _merge(values: dict[str, str], pairs: Iterable[tuple[str, str]], *, verb: JobKind) -> None:
    for key, value in pairs:
        if key not in _VERBS_OF_KEY:
            allowed = tuple(name for name in KEYS if verb in _VERBS_OF_KEY[name])
            raise _invalid(f"There is no key {_shown(key)}. {_nearest(key, allowed)}")
        if verb not in _VERBS_OF_KEY[key]:
            verbs = [kind for kind in JobKind if kind in _VERBS_OF_KEY[key]]
            raise _invalid(f"{key}= is for {_listed(verbs)}, not for {verb}. Leave it out here.")
        if key in values:
            raise _invalid(f"{key}= is given twice. Keep the one you mean.")
        if any(_unprintable(character) for character in value):
            raise _invalid(f"{key}= holds characters that cannot be printed. Type it again.")
        values[key] = value


def _build(verb: JobKind, *, text: str, values: Mapping[str, str]) -> Directive:
    def read(key: str, convert: Callable[[str, str], T]) -> T | None:
        return convert(key, values[key]) if key in values else None

    read("context", _sequence)
    return Directive(
        verb=verb,
        text=text,
        keys=frozenset(values),
        prompt=read("prompt", _prose) or "",
        negative=read("negative", _prose) or "",
        length=read("len", _whole_number(1, MAX_LENGTH_FRAMES, "frames")),
        seed=read("seed", _whole_number(0, MAX_SEED, "")),
        takes=read("takes", _whole_number(1, MAX_TAKES, "takes")) or 1,
        engine=read("engine", _engine),
        preset=read("preset", _name),
        quality=read("quality", _word(Quality)),
        audio=read("audio", _word(AudioPolicy)),
        start_from=read("from", _word(StartFrom)),
        strength=read("strength", _share),
        edge=read("edge", _word(Edge)),
        image=read("image", _path),
        audio_file=read("audio_file", _path),
        matte=read("matte", _path),
        box=read("box", _box),
        aspect=read("aspect", _aspect),
        context_sequence="context" in values,
        clips=read("clips", _clips),
    )


def _prose(key: str, value: str) -> str:
    return _bounded(key, value.strip(), MAX_PROSE_CHARACTERS)


def _path(key: str, value: str) -> str:
    if not value.strip():
        raise _invalid(f"{key}= names no file. Write the file's path, or leave the key out.")
    return _bounded(key, value.strip(), MAX_PATH_CHARACTERS)


def _whole_number(lowest: int, highest: int, unit: str) -> Callable[[str, str], int]:
    def convert(key: str, value: str) -> int:
        if _WHOLE_NUMBER.fullmatch(value) and lowest <= int(value) <= highest:
            return int(value)
        of_unit = f" of {unit}" if unit else ""
        raise _invalid(
            f"{key}= takes a whole number{of_unit} from {lowest} to {highest}, not {_shown(value)}."
        )

    return convert


def _share(key: str, value: str) -> float:
    if _NUMBER.fullmatch(value) and float(value) <= 1:
        return float(value)
    raise _invalid(f"{key}= takes a number from 0 to 1 such as 0.6, not {_shown(value)}.")


def _name(key: str, value: str) -> str:
    if _NAME.fullmatch(value):
        return value
    raise _invalid(f"{key}= takes a name of letters, digits, dots and dashes, not {_shown(value)}.")


def _engine(key: str, value: str) -> str:
    return _name(key, value).lower()


def _word(kind: type[E]) -> Callable[[str, str], E]:
    def convert(key: str, value: str) -> E:
        word = value.strip().lower()
        if word in set(kind):
            return kind(word)
        raise _invalid(f"{key}= cannot be {_shown(value)}. {_nearest(word, tuple(kind))}")

    return convert


def _sequence(key: str, value: str) -> None:
    if value.strip().lower() != "sequence":
        raise _invalid(f"{key}= can only be sequence, not {_shown(value)}.")


def _box(key: str, value: str) -> Box:
    parts = [part.strip() for part in value.split(",")]
    if len(parts) == 4 and all(_WHOLE_NUMBER.fullmatch(part) for part in parts):
        x, y, width, height = (int(part) for part in parts)
        if width and height and max(x + width, y + height) <= MAX_PICTURE_PX:
            return Box(x, y, width, height)
    raise _invalid(f"{key}= takes x,y,w,h in pixels such as 0,0,640,360, not {_shown(value)}.")


def _aspect(key: str, value: str) -> Aspect:
    parts = [part.strip() for part in value.split(":")]
    if len(parts) == 2 and all(_WHOLE_NUMBER.fullmatch(part) for part in parts):
        width, height = (int(part) for part in parts)
        if 1 <= width <= MAX_PICTURE_PX and 1 <= height <= MAX_PICTURE_PX:
            return Aspect(width, height)
    raise _invalid(f"{key}= takes width:height such as 9:16, not {_shown(value)}.")


def _clips(key: str, value: str) -> ClipSelector:
    by, colon, pattern = value.partition(":")
    by = by.strip().lower().replace("color", "colour")
    if not colon or by not in {"colour", "name"} or not pattern.strip():
        raise _invalid(f"{key}= takes colour:NAME or name:GLOB, not {_shown(value)}.")
    return ClipSelector(by, _bounded(key, pattern.strip(), MAX_NAME_CHARACTERS))


def _bounded(key: str, value: str, most: int) -> str:
    if len(value) > most:
        raise _invalid(f"{key}= has {len(value)} characters; {most} are the most. Shorten it.")
    return value


def _key_name(written: str) -> str:
    return written.lower().replace("-", "_")


def _unprintable(character: str) -> bool:
    """Control characters, and half characters that no file can hold."""
    return unicodedata.category(character) in {"Cc", "Cs"} and character not in "\t\r\n"


def _nearest(word: str, right: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, right, n=1, cutoff=0.5)
    meant = _MEANT.get(word)
    best = meant if meant in right else (close[0] if close else None)
    if best is not None:
        return f"Did you mean {best}?"
    return f"Use one of {_listed(right)}."


def _listed(words: Iterable[str]) -> str:
    *first, last = [str(word) for word in words]
    return f"{', '.join(first)} or {last}" if first else last


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else f"{line[:57]}...")


def _invalid(message: str) -> InvalidInputError:
    return InvalidInputError(message, reason=Reason.DIRECTIVE_INVALID)
