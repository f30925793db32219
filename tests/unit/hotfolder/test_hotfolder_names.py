"""Names as people and programs write them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ltxbridge.hotfolder.names import (
    MAX_NAME_BYTES,
    document_name,
    error_name,
    is_delivery_name,
    is_unfinished,
    name_flaw,
    name_key,
    numbered,
    printable,
)

ANY_NAME = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=255)
SUFFIXES = st.sampled_from(["", ".fcpxml", ".fcpxmld", ".FCPXML"])


@given(ANY_NAME, SUFFIXES)
@example("CON", ".fcpxml")
@example("nul .x", ".fcpxml")
@example("..", "")
@example("\udce9", ".fcpxml")
@example("\ud800", "")
@example("é" * 127, ".fcpxml")
@example("x" * 248, ".fcpxml")
@example("👩‍👩‍👧" * 14, ".fcpxml")
def test_a_document_name_fits_every_disk_with_all_that_is_derived_from_it(
    stem: str, suffix: str
) -> None:
    name = document_name(stem + suffix)
    stem_now, _, suffix_now = name.rpartition(".")
    derived = [
        numbered(name, 999),
        error_name(numbered(name, 999)),
        f".{stem_now}_LTX_v002.{suffix_now}.4194304.part",
        f"{stem_now}_report_v002.html",
    ]
    assert all(len(one.encode()) <= MAX_NAME_BYTES for one in derived)
    assert name_flaw(name) is None
    assert name == unicodedata.normalize("NFC", name)
    assert not set(name) & set('<>:"/\\|?*')
    assert name not in {"", ".", ".."}
    assert not name.endswith((".", " "))
    assert name.partition(".")[0].strip().casefold() not in {"con", "nul", "aux", "prn", "lpt1"}
    assert document_name(name) == name


@pytest.mark.parametrize("name", ["cut.fcpxml", "Schnitt Übung v2.fcpxml", "a.b.c.fcpxmld"])
def test_a_name_that_is_fine_stays(name: str) -> None:
    assert document_name(name) == name
    assert numbered(name, 1) == name


def test_numbers_go_before_the_ending() -> None:
    assert numbered("a.b.fcpxml", 2) == "a.b_2.fcpxml"
    assert numbered("plain", 3) == "plain_3"


@given(ANY_NAME)
def test_names_that_some_disk_takes_for_the_same_have_one_key(name: str) -> None:
    for form in ("NFC", "NFD"):
        assert name_key(unicodedata.normalize(form, name)) == name_key(name)
    assert name_key(name_key(name)) == name_key(name)
    assert name_key("STRASSE.MOV") == name_key("strasse.mov")


@given(ANY_NAME)
def test_what_is_printed_can_be_printed_and_encoded(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    assert shown.encode()


@given(ANY_NAME)
def test_every_name_has_an_answer(name: str) -> None:
    flaw = name_flaw(name)
    assert flaw is None or flaw.isprintable()
    assert isinstance(is_unfinished(name), bool)


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "._A001.mov", "Thumbs.db", "desktop.ini", "Icon\r", "@eaDir", "$RECYCLE.BIN", "#recycle",
     "~$cut.fcpxml", "lost+found", "__MACOSX", "A.MOV.PART", "x.partial"],
)  # fmt: skip
def test_housekeeping_is_no_drop(name: str) -> None:
    assert is_unfinished(name)


@pytest.mark.parametrize("name", ["cut.fcpxml", "part.fcpxml", "tmp", "A001.mov", "download.mov"])
def test_ordinary_names_are_drops(name: str) -> None:
    assert not is_unfinished(name)


@pytest.mark.parametrize("stem", ["cut_LTX", "cut_LTX_v002", "a\nb_LTX", "cut_LTX_v1000"])
def test_names_of_deliveries(stem: str) -> None:
    assert is_delivery_name(stem)


@pytest.mark.parametrize("stem", ["_LTX", "cut", "cut_LTX_2", "cut_LTX_v2", "cut_ltx"])
def test_names_of_no_deliveries(stem: str) -> None:
    assert not is_delivery_name(stem)
