from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.model_examples import JOB_ID, example_geometry, example_request
from support.model_strategies import shots

from interchange.errors import InvalidInputError
from sidecar.jobs.work import (
    WorkOrder,
    check_shot_name,
    highest_version,
    highest_version_in,
    parts_of,
    take_name,
)


def _order(attempt):
    request = example_request()
    return WorkOrder(JOB_ID, attempt, "A001_010_LTX_v001", request, example_geometry(request))


@pytest.mark.parametrize(
    ("names", "highest"),
    [
        ([], 0),
        (["A_LTX_v001.mov"], 1),
        (["A_LTX_v001.mov", "A_LTX_v003.c2pa"], 3),
        (["a_ltx_V012.MOV"], 12),
        (["A_LTX_v1000.mov", "A_LTX_v999.mov"], 1000),
        (["AB_LTX_v004.mov", "A_LTX_v2x.mov", "A_LTX_.mov", ".A_LTX_v009.x-1.mov.part"], 2),
    ],
)
def test_highest_version(names, highest):
    assert highest_version(names, "A") == highest


def test_highest_version_ignores_unicode_form():
    assert highest_version(["Zu\u0308ge_LTX_v004.mov"], "Z\u00fcge") == 4


@given(shots, st.integers(1, 10**6))
def test_highest_version_finds_what_take_name_writes(shot, version):
    assert highest_version([take_name(shot, version) + ".mov"], shot) == version


def test_highest_version_of_a_folder_not_made_yet(tmp_path):
    assert highest_version_in(tmp_path / "none", "A") == 0


@pytest.mark.parametrize(
    "shot",
    ["", ".", "..", "../x", "a/b", "a\\b", "a:b", "a\0b", "a\nb", " a", "a ", "a.", ".a", "CON",
     "con.txt", "LPT1", "a" * 151, "\u00e4" * 76, "\ud800", "a*b", 'a"b'],
)  # fmt: skip
def test_names_that_are_no_file_names_are_refused(shot):
    with pytest.raises(InvalidInputError):
        check_shot_name(shot)


@pytest.mark.parametrize("shot", ["A001_010", "Züge 12", "a.b", "a" * 150, "CONCERT", "日本"])
def test_names_of_files_are_fine(shot):
    check_shot_name(shot)
    assert len(f"..{take_name(shot, 10**6)}.{'0' * 32}-3.unsigned.part.00000000.signing") <= 255


def test_parts_of_finds_the_work_files_of_one_job_only(tmp_path):
    mine = [
        ".A_LTX_v001.0123-1.mov.part",
        ".A_LTX_v001.0123-2.unsigned.part",
        "..A_LTX_v001.0123-1.mov.part.89abcdef.signing",
    ]
    others = ["A_LTX_v001.mov", ".A_LTX_v001.4567-1.mov.part", "A.0123-1.mov.part", ".x.0123-1.mov"]
    for name in mine + others:
        (tmp_path / name).touch()
    assert sorted(part.name for part in parts_of(tmp_path, "0123")) == sorted(mine)
    assert parts_of(tmp_path / "none", "0123") == ()


def test_attempts_never_share_a_work_file():
    names = {
        _order(attempt).part(content)
        for attempt in (1, 2)
        for content in ("unsigned", "mov", "c2pa")
    }
    assert len(names) == 6
    assert all(name.name.startswith(".") for name in names)
