"""Takes are found in timelines however their names are written there."""

from __future__ import annotations

import gzip
import json
import os
import unicodedata
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.lifecycle.links import TimelineLinks, documents_in, folded, recognisable

STEM = "Sc 12 & é_LTX_v003"


def _spellings():
    name = f"{STEM}.mov"
    yield "url.fcpxml", f'<a src="file:///x/{quote(name)}"/>'.encode()
    yield "lower.fcpxml", f'<a src="file:///x/{quote(name).lower()}"/>'.encode()
    yield "escaped.xml", f"<a src={quoteattr('/x/' + name)}/>".encode()
    yield "decomposed.xml", unicodedata.normalize("NFD", quoteattr(name)).encode()
    yield "wide.xml", f"<a>{name}</a>".encode("utf-16")
    yield "json.otio", json.dumps({"target_url": f"/x/{name}"}).encode()
    yield "list.edl", f"* FROM CLIP NAME: {name.upper()}\n".encode()
    yield "avid.aaf", b"\x07" + f"/x/{name}".encode("utf-16-le") + b"\x00\x00"
    yield "premiere.prproj", gzip.compress(f"<a>{name.replace('&', '&amp;')}</a>".encode(), mtime=0)


@pytest.mark.parametrize(("name", "content"), list(_spellings()))
def test_a_take_is_found_in_every_spelling(tmp_path, name, content):
    document = tmp_path / name
    document.write_bytes(content)
    links = TimelineLinks(documents_in(tmp_path), [STEM, "Sc 12_LTX_v004"])
    found = links.newest(STEM)
    assert found is not None
    assert found[1] == document
    assert links.newest("Sc 12_LTX_v004") is None


def test_versions_and_shots_that_only_begin_alike_are_others(tmp_path):
    (tmp_path / "a.fcpxml").write_text("A_LTX_v0012.mov BA_LTX_v002.mov A_LTX_v02.mov")
    links = TimelineLinks(documents_in(tmp_path), ["A_LTX_v001", "A_LTX_v0012", "A_LTX_v003"])
    assert links.newest("A_LTX_v001") is None
    assert links.newest("A_LTX_v003") is None
    assert links.newest("A_LTX_v0012") is not None


def test_a_shot_named_like_a_take_is_found(tmp_path):
    (tmp_path / "a.fcpxml").write_text("x_LTX_v001_LTX_v002.mov")
    assert TimelineLinks(documents_in(tmp_path), ["x_LTX_v001_LTX_v002"]).newest(
        "x_LTX_v001_LTX_v002"
    )


def test_the_newest_of_several_is_named(tmp_path):
    for name, changed in (("old.fcpxml", 10**9), ("new.xml", 2 * 10**9)):
        (tmp_path / name).write_text("A_LTX_v001.mov")
        os.utime(tmp_path / name, (changed, changed))
    moment, path = TimelineLinks(documents_in(tmp_path), ["A_LTX_v001"]).newest("A_LTX_v001")
    assert path.name == "new.xml"
    assert moment.timestamp() == 2 * 10**9


@pytest.mark.parametrize(
    "content", [gzip.compress(b"A" * 500, mtime=0)[:-9], b"\x1f\x8bgarbage"], ids=["cut", "garbage"]
)
def test_a_document_that_cannot_be_read_holds_every_take(tmp_path, content):
    (tmp_path / "a.prproj").write_bytes(content)
    assert TimelineLinks(documents_in(tmp_path), ["A_LTX_v001"]).newest("A_LTX_v001") is not None


def test_a_document_of_absurd_size_holds_every_take(tmp_path):
    with (tmp_path / "a.xml").open("wb") as file:
        file.truncate((1 << 28) + 1)
    assert TimelineLinks(documents_in(tmp_path), ["A_LTX_v001"]).newest("A_LTX_v001") is not None


def test_bundles_are_looked_into_and_other_folders_only_when_asked(tmp_path):
    places = ("a.fcpxml", "b.fcpxmld/Info.fcpxml", "c/d.fcpxml", "c/e.fcpxmld/Info.fcpxml")
    for place in places:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "clip.mov").write_text("x")
    shallow = {path.relative_to(tmp_path).as_posix() for path in documents_in(tmp_path)}
    assert shallow == {"a.fcpxml", "b.fcpxmld/Info.fcpxml"}
    deep = {path.relative_to(tmp_path).as_posix() for path in documents_in(tmp_path, deep=True)}
    assert deep == set(places)
    assert list(documents_in(tmp_path / "missing")) == []


@given(st.text(min_size=1, max_size=20), st.integers(1, 99999))
def test_every_take_name_is_recognisable(shot, version):
    assert recognisable(f"{shot}_LTX_v{version:03}")
    assert folded(folded(shot)) == folded(shot)


@pytest.mark.parametrize("stem", ["A001", "A_LTX_v001_graded", ""])
def test_other_names_are_not(stem):
    assert not recognisable(stem)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_pipe_called_like_a_timeline_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "cut.fcpxml")
    assert TimelineLinks(documents_in(tmp_path), [STEM]).newest(STEM) is None
