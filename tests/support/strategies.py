"""Hypothesis strategies for time and directives, and a writer that is the parser's counterpart."""

from fractions import Fraction

from hypothesis import strategies as st

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
from interchange.timebase import FrameRate

EDITORIAL_RATES = tuple(
    FrameRate.parse(text)
    for text in ["23.976", "24", "25", "29.97", "30", "48", "50", "59.94", "60", "119.88", "120"]
)
DROP_FRAME_RATES = tuple(rate for rate in EDITORIAL_RATES if rate.drop_frame_capable)

rates = st.sampled_from(EDITORIAL_RATES)
speeds = st.sampled_from(
    [
        Fraction(part)
        for part in ("1", "1/2", "2", "1/4", "4", "3/10", "1001/1000", "-1", "-1/2", "-3")
    ]
)

QUOTES = (
    '""',
    "\u201c\u201d",
    "\u201e\u201c",
    "\u00ab\u00bb",
    "''",
    "\u2018\u2019",
    "\u300c\u300d",
)
SPACES = (" ", "  ", "\n", "\t", "\u00a0", "\u202f", ", ", "; ")

prose = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), include_characters="\n\t"), max_size=60
).map(str.strip)
paths = st.sampled_from(
    ["/stills/a.png", r"C:\stills\new\a b.png", r"\\server\share\x.png", "it's.wav"]
)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,20}", fullmatch=True)
frames = st.integers(min_value=1, max_value=1_000_000)

_FIELDS = {
    "prompt": ("prompt", prose),
    "negative": ("negative", prose),
    "len": ("length", frames),
    "seed": ("seed", st.integers(min_value=0, max_value=2**63 - 1)),
    "takes": ("takes", st.integers(min_value=1, max_value=16)),
    "engine": ("engine", names.map(str.lower)),
    "preset": ("preset", names),
    "quality": ("quality", st.sampled_from(Quality)),
    "audio": ("audio", st.sampled_from(AudioPolicy)),
    "from": ("start_from", st.sampled_from(StartFrom)),
    "strength": ("strength", st.integers(0, 1000).map(lambda number: number / 1000)),
    "edge": ("edge", st.sampled_from(Edge)),
    "image": ("image", paths),
    "audio_file": ("audio_file", paths),
    "matte": ("matte", paths),
    "box": (
        "box",
        st.builds(Box, *[st.integers(0, 9999)] * 2, *[st.integers(1, 9999)] * 2),
    ),
    "aspect": ("aspect", st.builds(Aspect, st.integers(1, 99), st.integers(1, 99))),
    "context": ("context_sequence", st.just(value=True)),
    "clips": (
        "clips",
        st.builds(
            ClipSelector, st.sampled_from(["colour", "name"]), st.sampled_from(["Red", "A0?_*"])
        ),
    ),
}
_EVERYWHERE = (
    "prompt",
    "negative",
    "seed",
    "takes",
    "engine",
    "preset",
    "quality",
    "context",
    "clips",
)
KEYS_OF_VERB = {
    JobKind.RETAKE: (*_EVERYWHERE, "len", "audio", "matte", "box"),
    JobKind.REGENERATE: (*_EVERYWHERE, "audio", "from", "strength"),
    JobKind.BRIDGE: (*_EVERYWHERE, "len"),
    JobKind.EXTEND: (*_EVERYWHERE, "len", "audio", "edge"),
    JobKind.GENERATE: (*_EVERYWHERE, "len", "image", "audio_file"),
    JobKind.RESTYLE: (*_EVERYWHERE, "matte", "box"),
    JobKind.REFRAME: (*_EVERYWHERE, "aspect"),
}
"""The table of the design, written out a second time on purpose."""


@st.composite
def directives(draw) -> Directive:
    """A directive as the parser returns it, but for `text`."""
    verb = draw(st.sampled_from(JobKind))
    keys = draw(st.sets(st.sampled_from(KEYS_OF_VERB[verb])))
    values = {_FIELDS[key][0]: draw(_FIELDS[key][1]) for key in sorted(keys)}
    return Directive(verb=verb, text="", keys=frozenset(keys), **values)


@st.composite
def written(draw, directive: Directive) -> tuple[str, ...]:
    """Write a directive as some editor might: any order, case, quotes and gaps, in one text or two."""
    pairs = []
    for key in draw(st.permutations(sorted(directive.keys))):
        value = _value_text(getattr(directive, _FIELDS[key][0]))
        if _bare(value) and draw(st.booleans()):
            quoted = value
        else:
            quoted = quote(value, draw(st.sampled_from(QUOTES)))
        spelling = draw(st.sampled_from([str.lower, str.upper, str.title]))(key)
        pairs.append(f"{spelling}={quoted}")
    split = draw(st.integers(0, len(pairs)))
    space = draw(st.sampled_from(SPACES))
    verb = draw(st.sampled_from([str.lower, str.upper, str.title]))(directive.verb.value)
    head = draw(st.sampled_from(["LTX: ", "ltx:", "Sc 3 - LTX : ", "LTX\uff1a\u00a0"])) + verb
    return space.join([head, *pairs[:split]]), space.join(pairs[split:])


def quote(value: str, marks: str) -> str:
    """Put a value into quotes, escaped as the convention says."""
    opening, closing = marks
    everything = "".join(other for other in _KINDS if opening in other)
    text, backslashes = opening, 0
    for character in value:
        if character == "\\":
            backslashes += 1
            continue
        doubled = 2 * backslashes + 1 if character in everything else backslashes
        text += "\\" * doubled + character
        backslashes = 0
    return text + "\\" * (2 * backslashes) + closing


_KINDS = (
    '"\u201c\u201d\u201e\u201f\u2033\uff02',
    "\u00ab\u00bb",
    "'\u2018\u2019\u201a\u201b\u2032",
    "\u300c\u300d",
)


def _bare(value: str) -> bool:
    return bool(value) and all(c.isalnum() or c in "/.:,*?_+-" for c in value) and value[-1] != ","


def _value_text(value: object) -> str:
    match value:
        case True:
            return "sequence"
        case Box(x, y, width, height):
            return f"{x},{y},{width},{height}"
        case Aspect(width, height):
            return f"{width}:{height}"
        case ClipSelector(by, pattern):
            return f"{by}:{pattern}"
        case _:
            return str(value)
