from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.doctor_subject import a_subject
from support.model_examples import example_engine

from interchange.errors import InvalidInputError, NotFoundError, Reason, UnavailableError
from ltxbridge.doctor import CheckState, Finding, render_json, render_text, run_checks, worst
from ltxbridge.doctor.checks import (
    check_checkpoint,
    check_disk,
    check_hot_folder,
    check_identity,
    check_library,
    check_media_root,
    check_path_map,
    check_private_folder,
    check_python,
    check_quota,
    check_sidecar,
    check_sqlite,
)
from ltxbridge.hotfolder.layout import HotFolder
from sidecar.filesystem import FileSystem
from sidecar.lifecycle.glance import used_bytes


def test_whole_examination_of_a_sound_installation_has_no_failure(tmp_path: Path) -> None:
    findings = run_checks(a_subject(tmp_path))
    assert worst(findings) is not CheckState.FAIL
    assert {"Python", "av", "SQLite", "signing key", "sidecar"} <= {f.name for f in findings}
    assert not any(f.remedy for f in findings if f.state is CheckState.OK)
    assert all(f.remedy for f in findings if f.state is not CheckState.OK)


def test_examination_loads_no_model_code(tmp_path: Path) -> None:
    before = set(sys.modules)  # other tests of this process may have loaded it
    run_checks(a_subject(tmp_path))
    loaded = {name.split(".")[0] for name in set(sys.modules) - before}
    assert not loaded & {"diffusers", "torch", "transformers"}


@pytest.mark.parametrize(
    ("running", "state"), [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((4, 0, 0), "ok")]
)
def test_python_older_than_3_11_fails(running: tuple[int, ...], state: str) -> None:
    assert check_python(running).state == state


@pytest.mark.parametrize(
    ("running", "state"), [((3, 40, 1), "warn"), ((3, 51, 3), "ok"), ((3, 53, 0), "ok")]
)
def test_sqlite_without_the_wal_fix_warns(running: tuple[int, ...], state: str) -> None:
    assert check_sqlite(running).state == state


def test_library_that_is_not_installed_fails() -> None:
    finding = check_library("nonesuch", distribution="nonesuch")
    assert (finding.state, finding.detail) == (CheckState.FAIL, "not installed")


def test_library_that_does_not_load_fails_with_its_own_last_words() -> None:
    finding = check_library("no_such_module", distribution="rich")
    assert finding.state is CheckState.FAIL
    assert "No module named 'no_such_module'" in finding.detail


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")
@pytest.mark.parametrize(("mode", "state"), [(0o700, "ok"), (0o750, "fail"), (0o701, "fail")])
def test_private_folder_open_to_others_fails(tmp_path: Path, mode: int, state: str) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    finding = check_private_folder("state folder", folder)
    assert finding.state == state
    assert state == "ok" or finding.remedy == f"chmod 700 {folder}"


def test_private_folder_not_yet_made_is_fine_and_stays_unmade(tmp_path: Path) -> None:
    assert check_private_folder("state folder", tmp_path / "state").state is CheckState.OK
    assert not (tmp_path / "state").exists()


def test_file_in_place_of_a_private_folder_fails(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    assert check_private_folder("state folder", tmp_path / "state").state is CheckState.FAIL


def test_disk_of_a_folder_not_yet_made_is_that_of_its_parent(tmp_path: Path) -> None:
    finding = check_disk("disk", tmp_path / "a" / "b")
    assert str(tmp_path) in finding.detail
    assert "/b" not in finding.detail.removeprefix(str(tmp_path))


def test_missing_media_root_warns(tmp_path: Path) -> None:
    assert check_media_root(tmp_path / "gone").state is CheckState.WARN
    assert check_media_root(tmp_path).state is CheckState.OK


def test_path_map_to_nowhere_warns(tmp_path: Path) -> None:
    assert check_path_map("/Volumes/A", here=str(tmp_path / "gone")).state is CheckState.WARN
    assert check_path_map("/Volumes/A", here=str(tmp_path)).state is CheckState.OK


def test_engines_are_shown_with_what_they_compute_on(tmp_path: Path) -> None:
    idle = replace(example_engine(), device="")
    loaded = replace(idle, device="cuda:0 NVIDIA H200", device_memory_bytes=150 * 10**9)
    subject = replace(a_subject(tmp_path), list_engines=lambda: (idle, loaded))
    assert check_sidecar(subject).detail == (
        "animatic idle, animatic idle on cuda:0 NVIDIA H200 (150 GB)"
    )


def test_no_sidecar_is_a_warning_with_what_to_do(tmp_path: Path) -> None:
    error = UnavailableError("No sidecar answers.", reason=Reason.SIDECAR_UNREACHABLE)
    finding = check_sidecar(a_subject(tmp_path, sidecar=error))
    assert (finding.state, finding.detail) == (CheckState.WARN, "No sidecar answers.")
    assert "ltxbridge serve" in finding.remedy


def test_missing_key_is_a_warning(tmp_path: Path) -> None:
    error = NotFoundError("There is no signing key yet.")
    finding = check_identity(a_subject(tmp_path, identity=error))
    assert (finding.state, finding.detail) == (CheckState.WARN, "There is no signing key yet.")


def test_worst_of_several_findings_wins() -> None:
    found = [Finding("a", state, "") for state in (CheckState.OK, CheckState.FAIL, CheckState.WARN)]
    assert worst(found) is CheckState.FAIL
    assert worst([]) is CheckState.OK


def test_findings_as_text_have_the_remedy_below() -> None:
    text = render_text([Finding("disk", CheckState.WARN, "2 GB free", "Free some.")])
    assert text == "warn  disk  2 GB free\n            -> Free some.\n"


def test_findings_as_json_state_the_worst() -> None:
    record = json.loads(render_json([Finding("disk", CheckState.WARN, "2 GB free", "Free some.")]))
    assert record == {
        "schema": "ltxbridge.Doctor.1",
        "state": "warn",
        "findings": [
            {"name": "disk", "state": "warn", "detail": "2 GB free", "remedy": "Free some."}
        ],
    }


@pytest.mark.parametrize(
    ("limit", "held", "state"),
    [
        (0, 10**12, "ok"),
        (10**9, 9 * 10**8, "ok"),
        (10**9, 9 * 10**8 + 1, "warn"),
        (10**9, 2 * 10**9, "warn"),
    ],
)
def test_a_quota_that_is_nearly_used_up_is_told(tmp_path, limit, held, state):
    subject = replace(a_subject(tmp_path), quota_bytes=limit, used_bytes=lambda: held)
    finding = check_quota(subject)
    assert finding.state == state
    assert ("ltxbridge gc" in finding.remedy) == (state == "warn")


def test_a_job_table_nobody_can_read_is_told_where_the_quota_is(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "jobs.sqlite3").write_bytes(b"no table" * 100)
    subject = replace(a_subject(tmp_path), used_bytes=lambda: used_bytes(tmp_path / "state"))
    finding = check_quota(subject)
    assert finding.state is CheckState.WARN
    assert "cannot be read" in finding.detail


def test_the_disks_of_output_and_state_are_both_measured(tmp_path):
    names = {finding.name for finding in run_checks(a_subject(tmp_path))}
    assert {"disk of the output", "disk of the state folder"} <= names


def test_a_hot_folder_says_what_lies_in_it(tmp_path):
    hot = tmp_path / "hot"
    hot.mkdir()
    HotFolder(hot).create(FileSystem())
    assert check_hot_folder(hot).state is CheckState.OK
    (hot / "in" / "A.fcpxml").write_text("")
    (hot / "failed" / "B.fcpxml").write_text("")
    (hot / "failed" / "B.fcpxml.error.json").write_text("")
    [finding] = [
        found
        for found in run_checks(replace(a_subject(tmp_path), hot_folders=(hot,)))
        if found.name == "hot folder"
    ]
    assert (finding.state, finding.detail) == (
        CheckState.WARN,
        f"{hot}: 1 in, 0 done, 1 failed",
    )


def test_a_hot_folder_whose_disk_is_not_mounted_fails(tmp_path):
    assert check_hot_folder(tmp_path / "gone").state is CheckState.FAIL
    assert check_hot_folder(tmp_path).state is CheckState.FAIL  # an empty mount point


def test_a_hot_folder_without_one_of_its_folders_fails(tmp_path):
    HotFolder(tmp_path).create(FileSystem())
    shutil.rmtree(tmp_path / "done")
    finding = check_hot_folder(tmp_path)
    assert (finding.state, "cannot be read" in finding.detail) == (CheckState.FAIL, True)


def test_checkpoint_is_named_and_none_is_no_fault(tmp_path: Path) -> None:
    def absent() -> str:
        raise NotFoundError("none")

    def damaged() -> str:
        raise InvalidInputError("vae/config.json should be 9 bytes")

    subject = a_subject(tmp_path)
    assert check_checkpoint(replace(subject, describe_checkpoint=lambda: "it")).state == "ok"
    found = check_checkpoint(replace(subject, describe_checkpoint=absent))
    assert (found.state, found.detail[:14]) == ("ok", "none installed")
    found = check_checkpoint(replace(subject, describe_checkpoint=damaged))
    assert (found.state, found.detail) == ("fail", "vae/config.json should be 9 bytes")
