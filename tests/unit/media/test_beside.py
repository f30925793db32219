"""Media beside a document: which file a path of another machine means, and every way around the rules."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interchange.errors import (
    BridgeError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
)
from sidecar.media.beside import Neighbours
from sidecar.media.paths import PathMapping, PathPolicy


@pytest.fixture
def drop(tmp_path):
    folder = tmp_path / "in"
    for name in ("A001.mov", "day1/B002.mov", "day2/B002.mov", "day2/C é.mov", ".hidden/H.mov"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "secret.mov").write_bytes(b"secret")
    return folder.resolve()


def policy(drop, **options):
    return PathPolicy([drop], beside=drop, **options)


@pytest.mark.parametrize(
    "text",
    [
        "file:///Volumes/SAN/show/A001.mov",
        "/Volumes/SAN/show/A001.mov",
        "file://server/share/A001.mov",
        r"\\server\share\A001.mov",
        "D:/media/A001.mov",
        "file:///D:/media/A001.mov",
        "./A001.mov",
        "A001.mov",
        "/elsewhere/a001.MOV",
    ],
)
def test_a_foreign_path_means_the_file_of_its_name(drop, text):
    assert policy(drop).source(text) == drop / "A001.mov"


def test_the_longest_common_end_wins(drop):
    assert policy(drop).source("/Volumes/SAN/day2/B002.mov") == drop / "day2" / "B002.mov"


def test_two_equally_good_ones_are_an_error_that_names_both(drop):
    with pytest.raises(InvalidInputError) as caught:
        policy(drop).source("/Volumes/SAN/day3/B002.mov")
    assert str(drop / "day1" / "B002.mov") in caught.value.message
    assert str(drop / "day2" / "B002.mov") in caught.value.message


def test_accents_written_apart_are_the_same_name(drop):
    assert policy(drop).source("/x/C e\u0301.mov") == drop / "day2" / "C é.mov"


def test_case_to_the_letter_wins_where_the_disk_tells_it(drop):
    (drop / "a001.mov").write_bytes(b"lower")
    if len(list(drop.glob("[aA]001.mov"))) < 2:
        pytest.skip("this disk does not tell case")
    assert policy(drop).source("/x/a001.mov") == drop / "a001.mov"


def test_the_path_itself_wins_over_a_neighbour(drop):
    assert policy(drop).source(str(drop / "day1" / "B002.mov")) == drop / "day1" / "B002.mov"


def test_a_mapped_path_that_is_there_wins(drop, tmp_path):
    san = tmp_path / "san"
    san.mkdir()
    (san / "A001.mov").write_bytes(b"the real one")
    mapped = PathPolicy([drop, san], [PathMapping.parse(f"/Volumes/SAN={san}")], beside=drop)
    assert mapped.source("/Volumes/SAN/A001.mov") == san / "A001.mov"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("/Volumes/SAN/missing.mov", NotAllowedError),
        ("/Volumes/SAN/H.mov", NotAllowedError),
        ("http://example.com/A001.mov", NotAllowedError),
        ("smb://server/share/A001.mov", NotAllowedError),
        ("/Volumes/SAN/../A001.mov", NotAllowedError),
        ("../A001.mov", InvalidInputError),
        ("file:///Volumes/%2e%2e/A001.mov", NotAllowedError),
        ("", InvalidInputError),
        ("/", NotAllowedError),
        ("/x/A001.mov\0", InvalidInputError),
    ],
)
def test_nothing_else_becomes_a_neighbour(drop, text, error):
    with pytest.raises(error):
        policy(drop).source(text)


def test_without_a_folder_nothing_is_beside(drop):
    with pytest.raises(NotAllowedError):
        PathPolicy([drop]).source("/Volumes/SAN/A001.mov")


def test_missing_inside_the_roots_says_to_put_it_beside(drop):
    with pytest.raises(NotFoundError, match="beside the timeline"):
        policy(drop).source(str(drop / "gone.mov"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_a_link_that_leads_out_is_refused(drop, tmp_path):
    (drop / "secret.mov").symlink_to(tmp_path / "secret.mov")
    with pytest.raises(NotAllowedError) as caught:
        policy(drop).source("/Volumes/SAN/secret.mov")
    assert caught.value.reason is Reason.PATH_OUTSIDE_ROOTS


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_a_folder_link_is_not_followed(drop, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "X.mov").write_bytes(b"x")
    (drop / "inside").symlink_to(outside)
    with pytest.raises(NotAllowedError):
        policy(drop).source("/Volumes/SAN/X.mov")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_refused(drop):
    os.mkfifo(drop / "P.mov")
    with pytest.raises(InvalidInputError):
        policy(drop).source("/Volumes/SAN/P.mov")


def test_a_whole_disk_is_not_searched(drop):
    assert Neighbours(drop, most=2).find("A001.mov") is None
    assert Neighbours(drop, most=5).find("A001.mov") == drop / "A001.mov"


@given(st.text(max_size=60))
def test_whatever_a_document_says_stays_inside(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    try:
        found = PathPolicy([folder], beside=folder).source(text)
    except BridgeError:
        return
    assert found.is_relative_to(folder.resolve())
