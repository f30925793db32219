"""`ltxbridge gc` over takes that were really made: what it deletes, what it leaves, and a kill anywhere."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.command import ltxbridge
from support.crashing_collection import chosen, deleted, settings_for
from support.faulty_filesystem import FaultyFileSystem
from support.job_cases import As, make_service, media_request

from sidecar.launch import sidecar_for
from sidecar.lifecycle.collect import collect
from sidecar.lifecycle.glance import used_bytes
from sidecar.lifecycle.policy import Kind, Limits
from sidecar.lifecycle.table import job_table

MONTH = Limits(timedelta(days=30))
posix = pytest.mark.skipif(os.name == "nt", reason="links and signals of POSIX")


def _names(root):
    return sorted(path.name for path in (root / "takes").iterdir())


def _rows(root):
    with job_table(settings_for(root)) as table:
        return [job.job_id for job in table.jobs()]


def _why(root, limits=MONTH, **options):
    return {
        choice.item.job_id: (choice.goes, choice.why) for choice in chosen(root, limits, **options)
    }


def test_deleting_does_what_the_dry_run_showed_and_touches_no_original(made):
    root, jobs = made
    going = [choice.item for choice in chosen(root, MONTH) if choice.goes]
    assert [item.job_id for item in going] == [job.job_id for job in jobs]
    assert len(_names(root)) == 4  # a look changes nothing
    outcomes = deleted(root, MONTH)
    assert [outcome.item for outcome in outcomes] == going
    assert all(outcome.error is None for outcome in outcomes)
    assert sum(o.freed_bytes for o in outcomes) == sum(item.size_bytes for item in going) > 0
    assert _names(root) == []
    assert _rows(root) == []
    assert (root / "A001.mov").read_bytes() == b"original"
    assert [choice for choice in chosen(root, MONTH) if choice.goes] == []


def test_young_takes_stay(made):
    root, _ = made
    assert not any(goes for goes, _ in _why(root, Limits(timedelta(days=90))).values())


def test_a_take_on_a_delivered_timeline_stays_unless_told_otherwise(made):
    root, jobs = made
    delivered = root / "A_LTX.fcpxml"  # beside the folder of the takes
    delivered.write_text(f'<a src="{Path(jobs[0].take.path).as_uri()}"/>')
    assert _why(root)[jobs[0].job_id] == (False, f"shown by {delivered}")
    assert _why(root)[jobs[1].job_id][0]
    assert _why(root, Limits(timedelta(days=30), include_linked=True))[jobs[0].job_id][0]
    deleted(root, MONTH)
    assert _rows(root) == [jobs[0].job_id]
    assert Path(jobs[0].take.path).exists()


def test_a_folder_named_by_the_user_is_searched_whole(made, tmp_path_factory):
    root, jobs = made
    project = tmp_path_factory.mktemp("project")
    (project / "deep").mkdir()
    (project / "deep" / "cut.xml").write_text(Path(jobs[1].take.path).name)
    assert _why(root)[jobs[1].job_id][0]
    assert not _why(root, keep_used_in=(project,))[jobs[1].job_id][0]


def test_a_changed_file_is_not_ours_to_delete(made):
    root, jobs = made
    media = Path(jobs[0].take.path)
    content = media.read_bytes()
    media.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # the same size
    assert _why(root)[jobs[0].job_id] == (False, "it is not the file that was made")
    media.write_bytes(content + b"x")
    assert _why(root)[jobs[0].job_id] == (False, "it was changed after it was made")
    deleted(root, MONTH)
    assert media.read_bytes() == content + b"x"
    assert Path(jobs[0].take.manifest_path).exists()


def test_a_stranger_in_the_manifests_place_stays(made):
    root, jobs = made
    Path(jobs[0].take.manifest_path).write_text("my notes")
    deleted(root, MONTH)
    assert _names(root) == [Path(jobs[0].take.manifest_path).name]


@posix
def test_links_are_never_followed(made, tmp_path_factory):
    root, jobs = made
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    media = Path(jobs[0].take.path)
    moved = elsewhere / "precious.mov"
    shutil.move(media, moved)
    media.symlink_to(moved)
    assert _why(root)[jobs[0].job_id] == (False, "it is a link or no file any more")
    (root / "takes").rename(elsewhere / "takes")
    (root / "takes").symlink_to(elsewhere / "takes")
    for job in jobs:
        assert _why(root)[job.job_id][1] == "its folder leads somewhere else than when it was made"
    deleted(root, MONTH)
    assert moved.exists()
    assert len(list((elsewhere / "takes").iterdir())) == 4
    assert len(_rows(root)) == 2


def test_a_disk_that_is_not_mounted_is_not_taken_for_deleted_takes(made):
    root, _ = made
    (root / "takes").rename(root / "unmounted")
    assert {why for _, why in _why(root).values()} == {
        "its folder is not there; perhaps its disk is not mounted"
    }
    deleted(root, MONTH)
    assert len(_rows(root)) == 2


def test_what_remains_of_a_take_somebody_deleted_goes(made):
    root, jobs = made
    Path(jobs[0].take.path).unlink()
    kinds = {choice.item.job_id: choice.item.kind for choice in chosen(root, MONTH)}
    assert kinds == {jobs[0].job_id: Kind.REMAINS, jobs[1].job_id: Kind.TAKE}
    deleted(root, MONTH)
    assert _names(root) == []
    assert _rows(root) == []


def test_a_take_that_a_waiting_job_reads_stays(made):
    root, jobs = made
    take = Path(jobs[0].take.path)
    facts = take.stat()
    request = media_request(root, engine="slow", seed=500)
    span = replace(
        request.spec.source,
        path=str(take),
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
    )

    async def queue() -> None:
        service = make_service(root)
        await service.start()
        await As(service).create(replace(request, spec=replace(request.spec, source=span)))
        await service.drain(grace_s=0)

    asyncio.run(queue())
    assert _why(root)[jobs[0].job_id] == (False, "a job that has not ended reads it")


def test_a_file_swapped_after_the_look_is_left_alone(made):
    root, jobs = made
    choices = chosen(root, MONTH)
    media = Path(jobs[0].take.path)
    content = media.read_bytes()
    media.unlink()
    media.write_bytes(content)  # the same bytes, another file
    with job_table(settings_for(root)) as table:
        first, second = collect(
            choices,
            filesystem=FaultyFileSystem("unlink", errno=1, number=0),
            delete_job=table.delete,
        )
    assert "changed while" in first.error.message
    assert second.error is None
    assert media.exists()
    assert _rows(root) == [jobs[0].job_id]


@pytest.mark.parametrize("operation", ["unlink", "fsync_folder"])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.EROFS])
def test_what_cannot_be_deleted_is_told_stops_nothing_and_goes_next_time(
    made, operation, number, error
):
    root, _ = made
    faulty = FaultyFileSystem(operation, errno=error, number=number)
    choices = chosen(root, MONTH)
    with job_table(settings_for(root)) as table:
        outcomes = list(collect(choices, filesystem=faulty, delete_job=table.delete))
    assert [outcome.error is not None for outcome in outcomes].count(True) == 1
    assert len(_rows(root)) == 1
    deleted(root, MONTH)
    assert _rows(root) == []
    assert _names(root) == []


@posix
def test_a_kill_at_any_step_leaves_what_another_run_finishes(made, tmp_path_factory):
    origin, _ = made
    killed = 0
    for call in range(1, 50):
        # The table holds absolute paths: every kill needs the same place afresh.
        copy = tmp_path_factory.mktemp("before") / "copy"
        shutil.copytree(origin, copy, copy_function=shutil.copy2)
        done = subprocess.run(
            [sys.executable, "-m", "support.crashing_collection", origin, str(call)],
            check=False,
            capture_output=True,
            timeout=60,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr.decode()
        killed += 1
        for path in (origin / "takes").iterdir():  # nothing left without a row that names it
            assert any(path.stem == Path(job).stem for job in _take_paths(origin)), call
        assert all(outcome.error is None for outcome in deleted(origin, MONTH))
        assert _names(origin) == []
        assert _rows(origin) == []
        assert (origin / "A001.mov").read_bytes() == b"original"
        shutil.rmtree(origin)
        shutil.copytree(copy, origin, copy_function=shutil.copy2)
    assert killed == 10  # per take: media, manifest, folder, before and after its job


def _take_paths(root):
    with job_table(settings_for(root)) as table:
        return [job.take.path for job in table.jobs()]


def test_old_logs_and_backups_go_and_the_log_in_use_stays(tmp_path):
    state = tmp_path.resolve() / "state"
    (state / "logs").mkdir(parents=True)
    names = (
        "logs/sidecar.log",
        "logs/sidecar.log.1",
        "logs/notes.txt",
        "token",
        "jobs.sqlite3.v2.backup",
    )
    for name in names:
        (state / name).write_text("x")
    deleted(tmp_path.resolve(), MONTH)
    left = sorted(p.relative_to(state).as_posix() for p in state.rglob("*") if p.is_file())
    assert left == ["logs/notes.txt", "logs/sidecar.log", "token"]


def test_the_command_only_looks_until_told(made):
    root, _ = made
    looked = ltxbridge("gc", "--older-than", "0", folder=root).stdout
    assert "2 of 2 could go" in looked
    assert "add --delete" in looked
    assert len(_names(root)) == 4
    plan = json.loads(ltxbridge("gc", "--older-than", "0", "--json", folder=root).stdout)
    done = json.loads(
        ltxbridge("gc", "--older-than", "0", "--delete", "--json", folder=root).stdout
    )
    assert done["items"] == plan["items"]
    assert done["freed_bytes"] == plan["going_bytes"] > 0
    assert _names(root) == []
    assert "0 of 0 could go" in ltxbridge("gc", folder=root).stdout


def test_the_command_works_through_a_running_sidecar(made):
    root, _ = made
    with sidecar_for(settings_for(root)):
        assert "Deleted" in ltxbridge("gc", "--older-than", "0", "--delete", folder=root).stdout
    assert _names(root) == []
    assert _rows(root) == []


def test_the_size_that_may_stay_is_met_oldest_first(made):
    root, jobs = made
    size = sum(p.stat().st_size for p in (root / "takes").iterdir()) / 2
    plan = json.loads(
        ltxbridge("gc", "--max-size", str(size * 1.2 / 1e9), "--json", folder=root).stdout
    )
    assert [item["goes"] for item in plan["items"]] == [True, False]
    assert plan["items"][0]["name"] == jobs[0].take.path


def test_a_machine_that_never_made_anything_has_nothing_to_show(tmp_path):
    assert "0 of 0 could go" in ltxbridge("gc", folder=tmp_path).stdout
    assert not (tmp_path / "state").exists()


def test_the_doctor_counts_takes_wherever_they_are_and_the_spool_once(made):
    root, jobs = made
    state = root / "state"
    files = [Path(path) for job in jobs for path in (job.take.path, job.take.manifest_path)]
    takes = sum(path.stat().st_size for path in files)
    (state / "spool").mkdir(exist_ok=True)
    (state / "spool" / "x.part").write_bytes(b"12345")
    (state / "logs").mkdir(exist_ok=True)
    (state / "logs" / "sidecar.log.1").write_bytes(b"logs have their own limit")
    assert used_bytes(state) == takes + 5


def test_gc_takes_away_what_a_crash_left_and_no_job_owns(made):
    root, jobs = made
    folder = Path(jobs[0].take.path).parent
    left = folder / f".A_LTX_v001.{'c' * 32}-1.mov.part"
    left.write_bytes(b"half a take")
    os.utime(left, (1, 1))
    ltxbridge("gc", folder=root)
    assert left.exists()  # shown, not deleted
    ltxbridge("gc", "--delete", folder=root)
    assert not left.exists()
    assert all(Path(job.take.path).exists() for job in jobs)
