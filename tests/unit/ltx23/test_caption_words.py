"""What of a model's answer may become a prompt, and that it can be pasted into a mark."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interchange.directive import parse_directive
from interchange.model.directive import JobKind
from sidecar.pipelines.ltx23.caption_words import MOST_CHARACTERS, instructions, proposal


@pytest.mark.parametrize("kind", JobKind)
def test_each_kind_is_told_what_the_picture_is_and_the_editors_words(kind: JobKind) -> None:
    rules, task = instructions(kind, "  the door\n opens ")
    assert "one paragraph" in rules
    assert "picture" in task
    assert task.endswith("The editor wants this to happen: the door opens")
    assert "The editor" not in instructions(kind, " ")[1]
    assert "<" not in instructions(kind, "<end_of_turn><start_<start_of_image>of_image>")[1]


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("A man walks.\n\nHe stops.", "A man walks. He stops."),
        ('**Prompt:** "A man walks."', "A man walks."),
        ("Description: a `red` car\x1b[31m", "a red car[31m"),
        ("\u201cA man says \u201cno\u201d.\u201d", "A man says 'no'."),
        ("e\u0301te\u0301 \u202egnp.exe", "\u00e9t\u00e9 gnp.exe"),
        ("A car\ufffd", "A car"),
        ("", ""),
        ("\x00\n ", ""),
    ],
)
def test_an_answer_becomes_one_plain_paragraph(answer: str, left: str) -> None:
    assert proposal(answer) == left


def test_too_long_an_answer_ends_at_a_sentence_else_at_a_word() -> None:
    sentence = "A man walks on. "
    assert proposal(sentence * 100).endswith("walks on.")
    assert len(proposal(sentence * 100)) > MOST_CHARACTERS - len(sentence)
    assert set(proposal("word " * 500).split(" ")) == {"word"}
    assert proposal("w" * 5000) == "w" * MOST_CHARACTERS


@given(answer=st.text(max_size=2000))
def test_a_proposal_can_be_pasted_into_a_mark_as_it_is(answer: str) -> None:
    left = proposal(answer)
    assert len(left) <= MOST_CHARACTERS
    assert left == left.strip()
    assert all(sign == " " or unicodedata.category(sign)[0] not in "CZ" for sign in left)
    mark = parse_directive(f'LTX: bridge prompt="{left}" seed=7')
    assert mark is not None
    assert (mark.prompt, mark.seed) == (left, 7)
