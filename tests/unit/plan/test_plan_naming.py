import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.marked import clip, plan, segment, sequence

from interchange.model.segment import MediaLink
from interchange.plan.naming import MAX_SHOT_BYTES, MAX_SHOT_CHARACTERS, safe_name, unique_names
from interchange.timebase import FrameRate
from sidecar.jobs.work import check_shot_name


def shot(text, on=None, **keywords):
    return plan(segment(text, on, **keywords))[0].request.shot


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("shot A", "shot_A"),
        ("A001_C002.mov", "A001_C002"),
        ("A001_C002.MXF", "A001_C002"),
        ("v1.2 final.mp4", "v1.2_final"),
        ("dr. movie", "dr._movie"),
        ("../../etc/passwd", "etc_passwd"),
        (r"C:\takes\x", "C_takes_x"),
        ("a\x00b\n", "a_b"),
        ("Größe e\u0301", "Größe_é"),
        ("東京 1", "東京_1"),
        ("हिन्दी", "हिन्दी"),
        ("ที่นี่", "ที่นี่"),
        ("\U00020bb7野家 \U0001f3ac", "野家"),
        ("a _ b", "a___b"),
        ("con", "con_"),
        ("COM1.old", "COM1.old_"),
        ("console", "console"),
        ("...", ""),
        ("  ", ""),
        ("-rf", "rf"),
    ],
)
def test_name_is_safe_on_every_file_system(name, safe):
    assert safe_name(name) == safe


@given(st.text())
def test_any_name_becomes_safe(text):
    name = safe_name(text)
    assert len(name) <= MAX_SHOT_CHARACTERS + 1
    assert len(name.encode()) <= MAX_SHOT_BYTES + 1
    if name:
        check_shot_name(name)
    assert unicodedata.is_normalized("NFC", name)
    assert (
        all(character.isalnum() or character in "_.-" for character in name) or not name.isascii()
    )
    assert not set(name) & set('/\\:*?"<>| \0\n')
    assert not name.startswith((".", "-"))
    assert safe_name(name) == name or name.endswith("_")


def test_shot_is_named_after_its_clip():
    assert shot("LTX: retake", clip("A001 take 3.mov")) == "A001_take_3"


def test_clip_whose_name_is_the_directive_is_named_after_its_media():
    named = clip("LTX: retake seed=7", media=MediaLink("file:///x", "A001.mov", 0, None))
    assert shot("LTX: retake", named) == "A001"


def test_clip_named_before_the_directive_keeps_that_name():
    assert shot("LTX: retake", clip("VIADUCT_030 LTX: regenerate seed=5")) == "VIADUCT_030"


def test_clip_without_a_usable_name_is_named_after_its_media_or_is_a_shot():
    assert shot("LTX: retake", clip("///", media=MediaLink("u", "B.mov", 0, None))) == "B"
    assert shot("LTX: retake", clip("///", media=MediaLink("u", "", 0, None))) == "shot"


def test_bridge_is_named_after_both_and_stays_short():
    left, right = clip("shot A.mov"), clip("shot B", start=1100)
    assert shot("LTX: bridge len=4", left, at=1090, following=right) == "shot_A_to_shot_B"
    left, right = clip("a" * 100), clip("ü" * 100, start=1100)
    name = shot("LTX: bridge len=4", left, at=1090, following=right)
    assert name.startswith("aaaa")
    assert "_to_ü" in name
    assert len(name) <= MAX_SHOT_CHARACTERS
    assert len(name.encode()) <= MAX_SHOT_BYTES


def test_name_fits_a_file_system_that_counts_bytes():
    assert safe_name("東" * 100) == "東" * 48


def test_generated_shot_is_named_after_its_place():
    assert shot("LTX: generate len=4", at=90061) == "Reel_1_01000211"
    ntsc = FrameRate.parse("29.97")
    place = sequence(rate=ntsc, drop_frame=True)
    assert shot("LTX: generate len=4", at=1800, sequence=place) == "Reel_1_00010002"


def test_names_are_unique_whatever_their_case():
    unique = unique_names()
    names = [unique(name) for name in ("shot", "Shot", "SHOT", "shot_02", "straße", "STRASSE")]
    assert names == ["shot", "Shot_02", "SHOT_03", "shot_02_02", "straße", "STRASSE_02"]


@given(st.lists(st.sampled_from(["a", "A", "a_02", "b" * 80, "B" * 80, "é" * 80]), max_size=30))
def test_unique_names_stay_safe(names):
    unique = unique_names()
    made = [unique(safe_name(name)) for name in names]
    assert len({name.casefold() for name in made}) == len(names)
    for name in made:
        assert len(name) <= MAX_SHOT_CHARACTERS
        assert len(name.encode()) <= MAX_SHOT_BYTES
