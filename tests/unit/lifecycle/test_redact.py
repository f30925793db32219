"""What leaves the machine in a support bundle holds nothing of what the work is about."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.lifecycle.redact import Redactor

REDACTOR = Redactor(
    state_dir=Path("/home/ed/.local/state/ltxbridge"),
    roots=(Path("/Volumes/SAN"),),
    code=(Path("/usr/lib/python3"),),
    secrets=("5" * 64,),
    prompts=("a red door opens", 'say "no"\nnow'),
)
NAME = "Secret Film's cut.mov"


@pytest.mark.parametrize(
    "text",
    [
        f"/Volumes/SAN/{NAME}",
        f"cannot open /Volumes/SAN/Top Secret/{NAME}: no such file",
        f"cannot open '/Volumes/SAN/Top Secret/{NAME}'",
        f'File "/srv/{NAME}", line 3',
        f"(/srv/{NAME})",
        f"path=/srv/{NAME}",
        f"file:///srv/{NAME}",
        f"C:\\Users\\Secret\\{NAME}",
        f"C:/Users/Secret/{NAME}",
        f"\\\\server\\Secret\\{NAME}",
        f"//server/Secret/{NAME}",
        f"~/Secret/{NAME}",
        f"~\\Secret\\{NAME}",
        f"/Volumes/SAN=/mnt/Secret/{NAME}",
        "-----BEGIN PRIVATE KEY-----\nSecret\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nSecret",
        "authorization: Bearer Secret",
    ],
)
def test_no_path_or_secret_is_left(text):
    cleaned = REDACTOR.text(text)
    assert "Secret" not in cleaned
    assert "cut" not in cleaned


def test_tokens_and_prompts_go_wherever_they_stand():
    text = "5" * 64 + ' a red door opens, then say "no"\nnow; escaped: say "no"\\nnow'
    assert REDACTOR.text(text) == ("<secret> <prompt>, then <prompt>; escaped: <prompt>")


def test_our_own_folders_are_named_so_that_somebody_can_help():
    state, code = "/home/ed/.local/state/ltxbridge", "/usr/lib/python3"
    assert REDACTOR.text(f"{state}/logs/sidecar.log is full") == "<state>/logs/sidecar.log is full"
    assert REDACTOR.text(f'File "{code}/asyncio/x.py", line 3, in run') == (
        'File "<code>/asyncio/x.py", line 3, in run'
    )
    assert REDACTOR.text("/ltxbridge.v1.GenerationService/GetJob refused: JOB_NOT_FOUND") == (
        "/ltxbridge.v1.GenerationService/GetJob refused: JOB_NOT_FOUND"
    )


def test_a_pseudonym_is_the_same_wherever_the_path_is_named():
    path = Path("/Volumes/SAN/day 1/A001.MOV")
    first = REDACTOR.path(path)
    assert first.startswith("<root-1>/…/")
    assert first.endswith(".mov")
    assert REDACTOR.text(str(path)) == first
    assert REDACTOR.value({"a": [path]}) == {"a": [first]}
    assert REDACTOR.path(path.with_name("A002.MOV")) != first
    assert REDACTOR.path(PureWindowsPath("D:/x.mov")).startswith("<elsewhere>/…/")


@given(
    before=st.text("abc =('", max_size=5).map(lambda text: text and f"{text} "),
    folder=st.text("abc '\"()[]:,;é", min_size=1, max_size=12),
)
def test_however_a_folder_is_called_its_name_is_gone(before, folder):
    cleaned = REDACTOR.text(f"{before}/srv/{folder}XYZZY/more XYZZY.mov")
    assert "XYZZY" not in cleaned


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_can_be_cleaned_and_once_is_enough(value):
    once = REDACTOR.value(value)
    assert REDACTOR.value(once) == once
