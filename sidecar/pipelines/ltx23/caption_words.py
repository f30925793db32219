"""What is asked of the model that looks at pictures, and what of its answer may become a prompt. Torch-free."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from interchange.model.directive import JobKind

MOST_CHARACTERS: Final = 900
"""Longest proposal; a long paragraph, as the model was trained on."""

_RULES: Final = (
    "You help a film editor who has marked a place in a cut where new pictures are to be made. Look closely, then "
    "write what a video model should be told. Answer with one paragraph of 60 to 120 words in the present tense and "
    "nothing else: no heading, no list, no quotation marks, no remark about the task. Name what can be seen: who or "
    "what is in the picture, where, in which light and colours, how it is framed. Then say in the order in which it "
    "happens what moves, and what the camera does. Invent no people, no words on screen, no cut and no effect."
)

_TASKS: Final = {
    JobKind.BRIDGE: (
        "The first picture is the last frame of a shot, the second picture the first frame of the shot after it. "
        "Describe one unbroken shot that begins as the first picture and ends as the second, and how the one turns "
        "into the other."
    ),
    JobKind.RETAKE: "The picture is where a passage of a shot begins that is to be made again. Describe that passage.",
    JobKind.REGENERATE: "The picture is the first frame of a shot that is to be made again. Describe the whole shot.",
    JobKind.EXTEND: (
        "The picture is the frame at which a shot is to go on beyond its end, or to begin earlier. Describe how it "
        "goes on without a break."
    ),
    JobKind.GENERATE: "The picture is a still from which a shot is to be made. Describe the shot.",
    JobKind.RESTYLE: (
        "The picture is the first frame of a shot that is to get another look. Describe what stays, the place, the "
        "framing and the movement, and then the new look."
    ),
    JobKind.REFRAME: (
        "The picture is the first frame of a shot that is to get a wider or taller frame. Describe the place, and "
        "what is most likely to be found beyond the edges of the picture."
    ),
}

_ANSWER_LABEL: Final = re.compile(
    r"^(?:\W*(?:prompt|description|shot|answer)\W*:)+\s*", re.IGNORECASE
)
# What would end the value of `prompt="..."`, and marks of Markdown, which mean nothing to a video model.
_DOUBLE_QUOTES: Final = frozenset('"\u201c\u201d\u201e\u201f\u2033\uff02\u00ab\u00bb')
_MARKUP: Final = frozenset("*#`\\<>")
_NO_CHARACTER: Final = "\ufffd"  # half of one, where an answer was cut off
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)")


def instructions(kind: JobKind, words: str) -> tuple[str, str]:
    """What to tell the model: its rules, and what this mark is about.

    Args:
        kind: What the prompt is for.
        words: What the editor wrote so far; may be empty.
    """
    # Angle brackets could spell the tokens that begin a picture or another turn of the talk.
    wish = " ".join(words.replace("<", " ").replace(">", " ").split())
    said = f" The editor wants this to happen: {wish}" if wish else ""
    return _RULES, _TASKS[kind] + said


def proposal(answer: str) -> str:
    """An answer as one paragraph that can stand in `prompt="..."` as it is.

    Control characters, markup and double quotes are gone, white space is single, and what is too long ends at a
    sentence or a word; nothing may be left.
    """
    kept = "".join(
        " " if sign.isspace() or sign in _MARKUP else "'" if sign in _DOUBLE_QUOTES else sign
        for sign in unicodedata.normalize("NFC", answer)
        if sign.isspace() or (unicodedata.category(sign)[0] not in "CZ" and sign != _NO_CHARACTER)
    )
    paragraph = _ANSWER_LABEL.sub("", " ".join(kept.split())).strip("' ")
    if len(paragraph) <= MOST_CHARACTERS:
        return paragraph
    short = paragraph[:MOST_CHARACTERS]
    ends = [match.end() for match in _SENTENCE_END.finditer(short)]
    return short[: ends[-1]] if ends else short.rpartition(" ")[0] or short
