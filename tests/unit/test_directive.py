import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import KEYS_OF_VERB, directives, written

from interchange.directive import KEYS, parse_directive
from interchange.errors import InvalidInputError, Reason
from interchange.model.directive import (
    Aspect,
    AudioPolicy,
    Box,
    ClipSelector,
    Edge,
    JobKind,
    Quality,
    StartFrom,
)


def refused(*texts):
    with pytest.raises(InvalidInputError) as caught:
        parse_directive(*texts)
    assert caught.value.reason is Reason.DIRECTIVE_INVALID
    return caught.value.message


@given(st.data())
def test_directive_written_any_way_parses_back(data):
    directive = data.draw(directives())
    parsed = parse_directive(*data.draw(written(directive)))
    assert parsed is not None
    expected = {name: getattr(directive, name) for name in directive.__slots__ if name != "text"}
    assert {name: getattr(parsed, name) for name in expected} == expected


_TOKENS = st.sampled_from(
    [
        "LTX:", "ltx", ":", "retake", "bridge", "=", "prompt", "seed=", "len=24", '"', "'", "\u201c", "\u00ab",
        "\\", "\\\\", " ", "\n", "\u00a0", "\u200b", ",", ";", "clips=", "box=1,2", "\x00", "\ud800",
        "99999999999999999999", "\u0661", "-1", "nan", "1e9", "context=",
    ]
)  # fmt: skip


@given(st.lists(st.text() | st.lists(_TOKENS).map("".join), max_size=4))
def test_any_text_raises_nothing_but_invalid_input(texts):
    with contextlib.suppress(InvalidInputError):
        parse_directive(*texts)


@given(st.lists(_TOKENS).map("".join))
def test_any_text_after_the_mark_raises_nothing_but_invalid_input(text):
    with contextlib.suppress(InvalidInputError):
        assert parse_directive(f"LTX: retake {text}") is not None


@pytest.mark.timeout(20)
def test_long_hostile_text_is_read_in_linear_time():
    """Takes milliseconds; a quadratic search for quotes took 75 seconds."""
    for part in ("\\", "'", "a ", "LTX", "=", "a", " ", '\\"'):
        refused(f'LTX: retake prompt="{part * 100_000}')


def test_verb_and_keys_may_stand_in_different_texts():
    directive = parse_directive("LTX: retake", 'prompt="wider" seed=7')
    assert (directive.verb, directive.prompt, directive.seed) == (JobKind.RETAKE, "wider", 7)
    assert directive.keys == {"prompt", "seed"}
    assert directive.text == 'LTX: retake prompt="wider" seed=7'


def test_texts_without_a_directive_are_none():
    assert parse_directive() is None
    assert parse_directive("", "Marker 1", "seed=7", "LTX retake", "ALTX: retake") is None


@pytest.mark.parametrize("remark", ["a=b is fine", "see mail", "", "(seed=3)", "= 3"])
def test_remark_beside_a_directive_is_ignored(remark):
    directive = parse_directive("LTX: retake", remark)
    assert directive.keys == frozenset()
    assert directive.text == "LTX: retake"


def test_text_that_starts_with_a_key_must_be_keys_all_through():
    assert "'please'" in refused("LTX: retake", "seed=7 please")
    assert "never closes" in refused("LTX: retake", 'prompt="wider')


def test_text_of_nothing_but_pairs_is_taken_at_its_word():
    assert "There is no key 'sead'. Did you mean seed?" in refused("LTX: retake", "sead=7")


def test_same_text_twice_counts_once():
    assert parse_directive("LTX: retake seed=7", "LTX: retake seed=7").seed == 7


def test_second_directive_adds_keys_if_its_verb_is_the_same():
    assert parse_directive("LTX: retake seed=7", "LTX: retake len=3").length == 3
    assert "both retake and bridge" in refused("LTX: retake", "LTX: bridge")
    assert "twice" in refused("LTX: retake LTX: bridge")


def test_words_before_the_mark_are_the_editors_own():
    assert parse_directive("Scene 3 (ok = yes) LTX: bridge len=8").length == 8


@pytest.mark.parametrize(
    ("written_verb", "meant"),
    [
        ("regen", "regenerate"), ("inpaint", "retake"), ("retakes", "retake"), ("brigde", "bridge"),
        ("outpaint", "reframe"), ("interpolate", "bridge"), ("retake.mov", "retake"), ("RETAKE:", "retake"),
    ],
)  # fmt: skip
def test_unknown_verb_names_the_nearest(written_verb, meant):
    assert f"Did you mean {meant}?" in refused(f"LTX: {written_verb}")


def test_verb_that_resembles_nothing_gets_the_list():
    assert "Use one of retake, regenerate" in refused("LTX: xyzzy")


@pytest.mark.parametrize("text", ["LTX:", "LTX:  ", "LTX: =3", "LTX: seed=3", "LTX: ,"])
def test_missing_verb_is_said(text):
    assert "no verb" in refused(text)


@pytest.mark.parametrize(
    ("written_key", "meant"),
    [
        ("lenght", "len"),
        ("duration", "len"),
        ("promt", "prompt"),
        ("model", "engine"),
        ("sedd", "seed"),
    ],
)
def test_unknown_key_names_the_nearest(written_key, meant):
    assert f"Did you mean {meant}?" in refused(f"LTX: retake {written_key}=3")


def test_nearest_key_is_one_that_the_verb_takes():
    assert "edge" not in refused("LTX: retake egde=3")


@pytest.mark.parametrize("verb", JobKind)
@pytest.mark.parametrize("key", KEYS)
def test_key_that_is_not_for_the_verb_says_which_it_is_for(verb, key):
    if key in KEYS_OF_VERB[verb]:
        return
    message = refused(f"LTX: {verb} {key}=1")
    owners = [other for other, keys in KEYS_OF_VERB.items() if key in keys]
    assert f"not for {verb}" in message
    assert all(owner.value in message for owner in owners)


def test_key_given_twice_is_refused():
    assert "given twice" in refused("LTX: retake seed=1 seed=1")
    assert "given twice" in refused("LTX: retake seed=1", "SEED=2")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ('prompt="a b"', "a b"),
        ("prompt=\u201ca b\u201d", "a b"),
        ("prompt=\u201ea b\u201c", "a b"),
        ("prompt=\u201da b\u201d", "a b"),
        ("prompt=\u00ab\u00a0a b\u00a0\u00bb", "a b"),
        ("prompt=\u00bba b\u00ab", "a b"),
        ("prompt=\u2039a b\u203a", "a b"),
        ("prompt='a b'", "a b"),
        ("prompt=\u2018a b\u2019", "a b"),
        ("prompt=\u300ca b\u300d", "a b"),
        ("prompt=\u300ea b\u300f", "a b"),
        ("prompt='it's raining' seed=1", "it's raining"),
        ("prompt=\u2018it\u2019s raining\u2019, seed=1", "it\u2019s raining"),
        ('prompt="it\u2019s 5\u2032 long"', "it\u2019s 5\u2032 long"),
        (r'prompt="say \"hi\""', 'say "hi"'),
        (r"prompt='dogs\' tails'", "dogs' tails"),
        ('prompt="ends in \\\\"', "ends in \\"),
        (r'prompt="C:\new"', r"C:\new"),
        (r"prompt=C:\new", r"C:\new"),
        ('prompt = "a"seed=1', "a"),
        ('prompt="a\r\nb"', "a\r\nb"),
        ('prompt=""', ""),
        ("prompt=a, seed=1", "a"),
        ("\u200bprompt=a\ufeff", "a"),
    ],
)
def test_ways_to_quote(text, prompt):
    assert parse_directive(f"LTX: retake {text}").prompt == prompt


def test_every_key_is_read():
    retake = parse_directive(
        "LTX: retake negative=rain len=24 takes=3 engine=Animatic preset=Soft quality=DRAFT audio=new "
        "matte=m.png box=0,10,640,360 context=Sequence clips=color:Red"
    )
    assert (retake.negative, retake.length, retake.takes) == ("rain", 24, 3)
    assert (retake.engine, retake.preset) == ("animatic", "Soft")
    assert (retake.quality, retake.audio) == (Quality.DRAFT, AudioPolicy.NEW)
    assert (retake.matte, retake.box) == ("m.png", Box(0, 10, 640, 360))
    assert retake.context_sequence
    assert retake.clips == ClipSelector("colour", "Red")
    regenerate = parse_directive("LTX: regenerate from=clip strength=.5")
    assert (regenerate.start_from, regenerate.strength) == (StartFrom.CLIP, 0.5)
    assert parse_directive("LTX: extend edge=head").edge is Edge.HEAD
    generate = parse_directive("LTX: generate image=a.png audio-file=b.wav")
    assert (generate.image, generate.audio_file) == ("a.png", "b.wav")
    assert parse_directive("LTX: reframe aspect=9:16").aspect == Aspect(9, 16)


def test_what_the_editor_did_not_say_stays_open():
    directive = parse_directive("LTX: retake")
    assert directive.takes == 1
    assert (directive.length, directive.seed, directive.engine, directive.audio) == (None,) * 4
    assert not directive.context_sequence


@pytest.mark.parametrize(
    "text",
    [
        "retake len=0", "retake len=1000001", "retake len=24f", "retake len=-1", "retake len=\u0661",
        "retake len=1_0", "retake len=99999999999999999999999", "retake takes=0", "retake takes=17",
        "retake seed=-1", f"retake seed={2**63}", "retake seed=1.5",
        "regenerate strength=1.01", "regenerate strength=nan", "regenerate strength=0,5",
        "regenerate strength=1e-3", "regenerate strength=-0",
        "retake quality=best", "retake audio=mute", "regenerate from=last", "extend edge=top",
        "retake box=1,2,3", "retake box=0,0,0,5", "retake box=0,0,5,0", "retake box=-1,0,5,5",
        "retake box=0,0,65000,1000000", "retake box=65000,0,1000,1", "retake box=a,b,c,d",
        "reframe aspect=9", "reframe aspect=0:9", "reframe aspect=9:0", "reframe aspect=2.39:1",
        "retake context=shot", "retake clips=Red", "retake clips=lane:2", 'retake clips="name: "',
        "retake engine=../x", 'retake preset="a/b"', 'retake engine=""', 'generate image=" "',
        "retake prompt=", "retake prompt= seed=7", "retake prompt=a b", "retake prompt=,", 'retake prompt="',
        'retake prompt="a\x00b"', 'retake prompt="a\ud800"', "retake prompt='dogs' tails'",
        'generate image="C:\\stills\\"', f"retake prompt={'a' * 10_001}", f"generate image={'a' * 4097}",
        f"retake clips=name:{'a' * 256}", f"retake engine={'a' * 65}",
    ],
)  # fmt: skip
def test_bad_value_is_refused_with_advice(text):
    message = refused(f"LTX: {text}")
    assert message.endswith((".", "?"))
    assert len(message) < 300


def test_limits_themselves_are_allowed():
    text = f"LTX: retake len=1000000 takes=16 seed={2**63 - 1} prompt={'a' * 10_000} box=65534,0,1,65535"
    directive = parse_directive(text)
    assert directive.seed == 2**63 - 1
    assert len(directive.prompt) == 10_000
    assert parse_directive("LTX: regenerate strength=1.0").strength == 1
