"""What a door may ask of the job service, with real workers over tiny stages."""

from __future__ import annotations

import asyncio
import errno
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.broken_engines import ALL_LIMITS
from support.faulty_filesystem import FaultyFileSystem
from support.job_cases import (
    As,
    ended,
    hidden,
    make_service,
    media_request,
    reached,
    running,
    visible,
)

from interchange.errors import (
    BridgeError,
    ConflictError,
    ExhaustedError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
    UnavailableError,
    UnsupportedError,
)
from interchange.model.job import JobState
from interchange.model.media import Raster
from interchange.model.request import LONGEST_PROMPT, GenerateSpec, OutputSpec
from interchange.timebase import FrameRate, TimeRange
from sidecar.filesystem import FileSystem
from sidecar.jobs.turns import QueueLimits


def in_service(root, scenario, **changes):
    """Run a scenario against a started service."""

    async def run():
        async with running(make_service(root, **changes)) as service:
            return await scenario(service)

    return asyncio.run(run())


def refused(root, request, kind, **keywords):
    """The error a request is refused with; nothing is queued by it."""

    async def scenario(service):
        with pytest.raises(kind) as caught:
            await service.create(request, **keywords)
        assert await service.list() == ((), "")
        return caught.value

    return in_service(root, scenario)


def test_validate_only_plans_and_queues_nothing(tmp_path):
    async def scenario(service):
        job = await service.create(media_request(tmp_path), validate_only=True)
        assert await service.list() == ((), "")
        return job

    job = in_service(tmp_path, scenario)
    assert (job.job_id, job.revision, job.state) == ("", 0, JobState.QUEUED)
    assert job.geometry.deliver_range.length == 10
    assert not (tmp_path / "takes").exists()


@pytest.mark.parametrize("validate_only", [True, False])
def test_a_picture_the_codec_cannot_hold_is_refused_before_it_is_queued(tmp_path, validate_only):
    async def scenario(service):
        request = media_request(tmp_path, raster=Raster(383, 215))
        with pytest.raises(UnsupportedError, match="--codec dnxhrhqx") as caught:
            await service.create(request, validate_only=validate_only)
        assert caught.value.reason is Reason.TARGET_UNSUPPORTED
        assert await service.list() == ((), "")

    in_service(tmp_path, scenario)


def test_a_repeated_create_is_the_same_job_even_after_its_source_is_gone(tmp_path):
    async def scenario(service):
        request = media_request(tmp_path)
        job = await ended(service, await service.create(request, request_id="one"))
        (tmp_path / "A001.mov").unlink()
        again = await service.create(request, request_id="one")
        with pytest.raises(ConflictError) as caught:
            await service.create(replace(request, seed=99), request_id="one")
        assert caught.value.reason is Reason.REQUEST_ID_REUSED
        return job, again

    job, again = in_service(tmp_path, scenario)
    assert again == job


def test_creates_that_race_make_one_job(tmp_path):
    async def scenario(service):
        request = media_request(tmp_path)
        return await asyncio.gather(*(service.create(request, request_id="one") for _ in range(8)))

    assert len({job.job_id for job in in_service(tmp_path, scenario)}) == 1


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ({"engine": "unheard"}, NotFoundError, Reason.ENGINE_NOT_FOUND),
        ({"shot": "../escape"}, InvalidInputError, Reason.INVALID_ARGUMENT),
        ({"shot": "CON"}, InvalidInputError, Reason.INVALID_ARGUMENT),
        ({"output": OutputSpec("/elsewhere")}, NotAllowedError, Reason.PATH_OUTSIDE_ROOTS),
        ({"spec": GenerateSpec(image="/etc/passwd")}, NotAllowedError, Reason.PATH_OUTSIDE_ROOTS),
        ({"spec": GenerateSpec(audio_file="/etc/x")}, NotAllowedError, Reason.PATH_OUTSIDE_ROOTS),
        ({"head_handle_frames": -1}, InvalidInputError, Reason.INVALID_ARGUMENT),
        ({"frame_rate": FrameRate(25)}, InvalidInputError, Reason.RANGE_INVALID),
        (
            {"record_range": TimeRange(5, 5, FrameRate(24000, 1001))},
            InvalidInputError,
            Reason.RANGE_INVALID,
        ),
        ({"prompt": "x" * (LONGEST_PROMPT + 1)}, InvalidInputError, Reason.INVALID_ARGUMENT),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_queued(tmp_path, changes, kind, reason):
    error = refused(tmp_path, media_request(tmp_path, **changes), kind)
    assert error.reason is reason


def test_a_source_or_matte_outside_the_roots_is_refused(tmp_path):
    request = media_request(tmp_path)
    outside = replace(request.spec, source=replace(request.spec.source, path="/etc/passwd"))
    for spec in (outside, replace(request.spec, matte="/etc/passwd")):
        error = refused(tmp_path, replace(request, spec=spec), NotAllowedError)
        assert error.reason is Reason.PATH_OUTSIDE_ROOTS


def test_an_engines_own_limits_are_checked(tmp_path):
    request = media_request(tmp_path)
    long = replace(request, record_range=TimeRange(0, 200_000, request.frame_rate))
    assert refused(tmp_path, long, UnsupportedError).reason is Reason.ENGINE_LIMIT


@pytest.mark.parametrize("request_id", ["x" * 129, "a\nb"])
def test_a_request_id_is_short_printable_text(tmp_path, request_id):
    refused(tmp_path, media_request(tmp_path), InvalidInputError, request_id=request_id)


def test_a_link_put_on_the_way_after_admission_is_not_followed(tmp_path):
    """The path is checked again just before work: what was admitted is what is opened."""

    async def scenario(service):
        blocker = await service.create(media_request(tmp_path, engine="slow", seed=400))
        await reached(service, blocker, lambda job: job.state is JobState.RUNNING)
        job = await service.create(media_request(tmp_path, engine="slow"))
        (tmp_path / "A001.mov").unlink()
        (tmp_path / "A001.mov").symlink_to("/etc/passwd")
        await service.cancel(blocker.job_id)
        return await ended(service, job)

    job = in_service(tmp_path, scenario)
    assert (job.state, job.error.reason) == (JobState.FAILED, Reason.PATH_OUTSIDE_ROOTS)


def test_a_disk_that_cannot_hold_the_take_is_said_before_work(tmp_path):
    class Small(FileSystem):
        def free_bytes(self, folder: Path) -> int:  # noqa: ARG002 - the seam fixes it
            return 1000

    async def scenario(service):
        return await ended(service, await service.create(media_request(tmp_path)))

    job = in_service(tmp_path, scenario, filesystem=Small())
    assert (job.state, job.error.reason) == (JobState.FAILED, Reason.DISK_FULL)
    assert str(tmp_path / "takes") in job.error.message
    assert not (tmp_path / "takes").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(
    ("operation", "number"),
    [("free_bytes", 1), ("fsync_file", 1), ("fsync_file", 2), ("publish_new", 1),
     ("publish_new", 2), ("fsync_folder", 1)],
)  # fmt: skip
def test_a_disk_fault_while_publishing_fails_one_job_and_leaves_nothing(
    tmp_path, operation, number, code
):
    filesystem = FaultyFileSystem(operation, errno=code, number=number)

    async def scenario(service):
        request = media_request(tmp_path)
        failed = await ended(service, await service.create(request))
        left = list((tmp_path / "takes").iterdir()) if (tmp_path / "takes").exists() else []
        return failed, left, await ended(service, await service.create(request))

    failed, left, good = in_service(tmp_path, scenario, filesystem=filesystem)
    assert filesystem.failed == 1
    reason = Reason.DISK_FULL if code == errno.ENOSPC else Reason.OUTPUT_NOT_WRITABLE
    assert (failed.state, failed.error.reason) == (JobState.FAILED, reason)
    assert left == []
    assert good.state is JobState.SUCCEEDED
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]


def test_a_strangers_file_with_the_takes_name_is_never_overwritten(tmp_path):
    async def scenario(service):
        job = await service.create(media_request(tmp_path, engine="slow", seed=20))
        await reached(service, job, lambda job: job.state is JobState.RUNNING)
        (tmp_path / "takes").mkdir(exist_ok=True)
        (tmp_path / "takes" / "A001_010_LTX_v001.mov").write_bytes(b"somebody else's")
        return await ended(service, job)

    job = in_service(tmp_path, scenario)
    assert (job.state, job.error.reason) == (JobState.FAILED, Reason.OUTPUT_NOT_WRITABLE)
    assert visible(tmp_path) == ["A001_010_LTX_v001.mov"]
    assert (tmp_path / "takes" / "A001_010_LTX_v001.mov").read_bytes() == b"somebody else's"
    assert hidden(tmp_path) == []


def test_versions_go_on_from_what_the_folder_holds(tmp_path):
    (tmp_path / "takes").mkdir()
    (tmp_path / "takes" / "a001_010_ltx_v041.MOV").touch()

    async def scenario(service):
        jobs = [await service.create(media_request(tmp_path)) for _ in range(2)]
        return [await ended(service, job) for job in jobs]

    names = [Path(job.take.path).name for job in in_service(tmp_path, scenario)]
    assert names == ["A001_010_LTX_v042.mov", "A001_010_LTX_v043.mov"]


def test_a_watch_starts_with_the_present_rises_and_ends_with_the_terminal_snapshot(tmp_path):
    async def scenario(service):
        job = await service.create(media_request(tmp_path, engine="slow", seed=30))
        seen = [snapshot async for snapshot in service.watch(job.job_id)]
        late = [snapshot async for snapshot in service.watch(job.job_id)]
        rest = [s async for s in service.watch(job.job_id, after_revision=seen[2].revision)]
        none = [s async for s in service.watch(job.job_id, after_revision=seen[-1].revision)]
        replayed = [s async for s in service.watch(job.job_id, replay=True)]
        assert replayed[-len(seen) :] == seen
        assert [s.revision for s in replayed] == list(range(1, len(replayed) + 1))
        beyond = [s async for s in service.watch(job.job_id, after_revision=10**12)]
        return job, seen, late, rest, none, beyond

    job, seen, late, rest, none, beyond = in_service(tmp_path, scenario)
    revisions = [snapshot.revision for snapshot in seen]
    assert revisions == list(range(revisions[0], revisions[-1] + 1)), "none is left out"
    assert revisions[0] >= job.revision
    assert [snapshot.state.terminal for snapshot in seen] == [False] * (len(seen) - 1) + [True]
    assert "generating" in {snapshot.progress.phase for snapshot in seen}
    fractions = [snapshot.progress.fraction for snapshot in seen]
    assert fractions == sorted(fractions)
    assert late == [seen[-1]]
    assert rest == seen[3:]
    assert none == beyond == []


def test_progress_comes_at_most_about_four_times_a_second(tmp_path):
    async def scenario(service):
        job = await service.create(
            media_request(tmp_path, record_range=TimeRange(0, 5000, FrameRate(24000, 1001)))
        )
        start = asyncio.get_running_loop().time()
        seen = [snapshot async for snapshot in service.watch(job.job_id)]
        return len(seen), asyncio.get_running_loop().time() - start

    count, seconds = in_service(tmp_path, scenario)
    assert count <= 6 + seconds * 4


def test_a_watcher_that_does_not_read_holds_nobody_up(tmp_path):
    async def scenario(service):
        job = await service.create(media_request(tmp_path))
        sleepy = service.watch(job.job_id)
        first = await anext(sleepy)
        done = await ended(service, job)
        rest = [snapshot async for snapshot in sleepy]
        return first, done, rest

    first, done, rest = in_service(tmp_path, scenario)
    assert [job.revision for job in rest] == list(range(first.revision + 1, done.revision + 1))
    assert rest[-1] == done


def test_watching_or_touching_an_unknown_job_says_so(tmp_path):
    async def scenario(service):
        for call in (service.get, service.cancel, service.delete):
            with pytest.raises(NotFoundError):
                await call("0" * 32)
        with pytest.raises(NotFoundError):
            await anext(service.watch("0" * 32))

    in_service(tmp_path, scenario)


def test_delete_forgets_the_job_and_leaves_its_media(tmp_path):
    async def scenario(service):
        job = await service.create(media_request(tmp_path, engine="slow", seed=10))
        with pytest.raises(UnsupportedError) as caught:
            await service.delete(job.job_id)
        assert caught.value.reason is Reason.JOB_STATE
        await ended(service, job)
        await service.delete(job.job_id)
        assert await service.list() == ((), "")

    in_service(tmp_path, scenario)
    assert visible(tmp_path) == ["A001_010_LTX_v001.c2pa", "A001_010_LTX_v001.mov"]


def test_lists_come_in_pages(tmp_path):
    async def scenario(service):
        blocker = media_request(tmp_path, engine="slow", seed=400)
        jobs = [await service.create(blocker) for _ in range(5)]
        for job in jobs[1:]:
            await service.cancel(job.job_id)
        ids, token = [], ""
        while True:
            page, token = await service.list(page_size=2, page_token=token)
            ids += [job.job_id for job in page]
            if not token:
                break
        assert ids == [job.job_id for job in reversed(jobs)]
        cancelled, _ = await service.list(states=frozenset({JobState.CANCELLED}))
        assert len(cancelled) == 4
        for hostile in ("x", "-1", "\u0663", "1;DROP TABLE job"):
            with pytest.raises(InvalidInputError):
                await service.list(page_token=hostile)
        with pytest.raises(InvalidInputError):
            await service.list(page_size=-1)
        await service.cancel(jobs[0].job_id)

    in_service(tmp_path, scenario)


def test_a_full_queue_is_said(tmp_path):
    async def scenario(service):
        blocker = await service.create(media_request(tmp_path, engine="slow", seed=400))
        await reached(service, blocker, lambda job: job.state is JobState.RUNNING)
        await service.create(media_request(tmp_path, engine="slow"))
        with pytest.raises(ExhaustedError) as caught:
            await service.create(media_request(tmp_path))
        await service.cancel(blocker.job_id)
        return caught.value

    assert in_service(tmp_path, scenario, queue=QueueLimits(1, 1)).reason is Reason.QUEUE_FULL


def test_a_state_folder_has_one_service(tmp_path):
    async def scenario(service):
        with pytest.raises(ConflictError) as caught:
            await make_service(tmp_path).start()
        assert caught.value.reason is Reason.ALREADY_RUNNING
        return await ended(service, await service.create(media_request(tmp_path)))

    assert in_service(tmp_path, scenario).state is JobState.SUCCEEDED
    # Drained, it lets the folder go.
    assert in_service(tmp_path, lambda service: service.list())[0]


def test_before_start_and_after_drain_it_is_unavailable(tmp_path):
    async def scenario():
        service = As(make_service(tmp_path))
        with pytest.raises(UnavailableError):
            await service.list()
        async with running(service.service):
            pass
        with pytest.raises(UnavailableError):
            await service.list()

    asyncio.run(scenario())


def test_engines_run_side_by_side(tmp_path):
    async def scenario(service):
        slow = await service.create(media_request(tmp_path, engine="slow", seed=400))
        await reached(service, slow, lambda job: job.state is JobState.RUNNING)
        quick = await ended(service, await service.create(media_request(tmp_path)))
        still = await service.get(slow.job_id)
        await service.cancel(slow.job_id)
        return quick, still

    quick, still = in_service(tmp_path, scenario)
    assert (quick.state, still.state) == (JobState.SUCCEEDED, JobState.RUNNING)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_fault_that_passes_in_the_store_delays_an_outcome_only(tmp_path, monkeypatch):
    """The take is published and the database cannot be written for a while: it is written later."""
    monkeypatch.setattr("sidecar.jobs.desk._RETRY_S", 0.05)

    async def scenario(service):
        faults = iter([ExhaustedError("full"), UnavailableError("locked")])
        store = service._desk._store
        succeed = store.succeed

        def stubborn(job_id, take):
            error: BridgeError | None = next(faults, None)
            if error is not None:
                raise error
            return succeed(job_id, take)

        monkeypatch.setattr(store, "succeed", stubborn)
        return await ended(service, await service.create(media_request(tmp_path)))

    assert in_service(tmp_path, scenario).state is JobState.SUCCEEDED


def test_jobs_of_an_engine_that_was_uninstalled_end_with_the_reason(tmp_path):
    async def scenario():
        async with running(make_service(tmp_path)) as service:
            blocker = await service.create(media_request(tmp_path, engine="slow", seed=400))
            await reached(service, blocker, lambda job: job.state is JobState.RUNNING)
            waiting = await service.create(media_request(tmp_path, engine="slow"))
        fewer = {name: limits for name, limits in ALL_LIMITS.items() if name != "slow"}
        async with running(make_service(tmp_path, limits=fewer)) as service:
            return [await service.get(job.job_id) for job in (blocker, waiting)]

    for job in asyncio.run(scenario()):
        assert (job.state, job.error.reason) == (JobState.FAILED, Reason.ENGINE_NOT_FOUND)
