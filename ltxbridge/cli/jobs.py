"""`ltxbridge jobs`: look at the queue of the running sidecar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import click

from interchange.errors import NotFoundError, Reason, UnavailableError
from interchange.model.job import Job, JobState
from interchange.timebase import format_timecode
from ltxbridge.cli.options import as_json, server_option
from ltxbridge.cli.printing import say
from ltxbridge.cli.progress import phase_of
from ltxbridge.client import BridgeClient
from sidecar.launch import running_sidecar
from sidecar.pki.remotes import remote_endpoint
from sidecar.settings import load_settings

_job_id = click.argument("job_id")


@click.group()
@server_option
@click.pass_context
def jobs(context: click.Context, server: str | None) -> None:
    """List, show, watch and cancel jobs of the running sidecar."""
    context.obj = server


@jobs.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([s.value for s in JobState]),
    help="Only these.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@as_json
def list_jobs(states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List jobs, newest first."""
    with _client() as client:
        found = list(islice(client.list_jobs(states=[JobState(state) for state in states]), limit))
    if as_json:
        say(json.dumps([_document(job) for job in found], indent=2))
        return
    for job in found:
        say(_line(job))
    if not found:
        say("No jobs.")


@jobs.command("show")
@_job_id
@as_json
def show_job(job_id: str, as_json: bool) -> None:
    """Show one job whole."""
    with _client() as client:
        job = client.get_job(_bare(job_id))
    if as_json:
        say(json.dumps(_document(job), indent=2))
    else:
        say("\n".join(_lines(job)))


@jobs.command("watch")
@_job_id
@as_json
def watch_job(job_id: str, as_json: bool) -> int:
    """Follow a job to its end; with --json, one snapshot a line."""
    last: Job | None = None
    with _client() as client:
        for last in client.watch_job(_bare(job_id)):
            say(json.dumps(_document(last)) if as_json else _line(last))
    return 0 if last is not None and last.state is JobState.SUCCEEDED else 1


@jobs.command("cancel")
@_job_id
@as_json
def cancel_job(job_id: str, as_json: bool) -> None:
    """Ask a job to stop; one that has ended is left as it is."""
    with _client() as client:
        job = client.cancel_job(_bare(job_id))
    say(json.dumps(_document(job), indent=2) if as_json else _line(job))


@contextmanager
def _client() -> Iterator[BridgeClient]:
    settings = load_settings()
    server: str | None = click.get_current_context().obj
    if server is not None:
        with BridgeClient(remote_endpoint(settings.state_dir, server)) as client:
            yield client
        return
    discovery = running_sidecar(settings)
    if discovery is None:
        raise UnavailableError(
            "No sidecar is running. Start one with `ltxbridge serve`; queued jobs are kept until then.",
            metadata={"state_dir": str(settings.state_dir)},
        )
    with BridgeClient(discovery.endpoint(settings.state_dir)) as client:
        yield client


def _bare(job_id: str) -> str:
    name = job_id.removeprefix("jobs/")
    if not name:
        raise NotFoundError(
            "Name a job; `ltxbridge jobs list` shows them.", reason=Reason.JOB_NOT_FOUND
        )
    return name


def _line(job: Job) -> str:
    request = job.request
    at = format_timecode(
        request.record_range.start, request.frame_rate, drop_frame=request.drop_frame
    )
    share = f"{job.progress.fraction:4.0%} {phase_of(job)}" if not job.state.terminal else ""
    frames = f"{request.record_range.length}f"
    return f"{job.job_id}  {job.state:<10} {request.kind:<11} {request.shot}  {at} {frames}  {share}".rstrip()


def _lines(job: Job) -> Iterator[str]:
    yield _line(job)
    yield f"  engine    {job.request.engine}, seed {job.request.seed}, attempt {job.attempts}"
    yield f"  created   {job.created}"
    yield f"  started   {job.started or 'not yet'}"
    yield f"  ended     {job.ended or 'not yet'}"
    for note in job.geometry.notes:
        yield f"  note      {note}"
    if job.take is not None:
        yield f"  take      {job.take.path}"
        yield f"  sha256    {job.take.sha256}"
    if job.error is not None:
        yield f"  why       {job.error.message}"


def _document(job: Job) -> dict[str, object]:
    return {
        "schema": "ltxbridge.Job.1",
        "name": f"jobs/{job.job_id}",
        "request_id": job.request_id,
        "state": job.state.value,
        "revision": job.revision,
        "kind": job.request.kind.value,
        "shot": job.request.shot,
        "record_range": [job.request.record_range.start, job.request.record_range.end],
        "engine": job.request.engine,
        "seed": job.request.seed,
        "progress": {
            "phase": job.progress.phase,
            "done": job.progress.done,
            "total": job.progress.total,
            "fraction": job.progress.fraction,
        },
        "attempts": job.attempts,
        "created": job.created and job.created.isoformat(),
        "started": job.started and job.started.isoformat(),
        "ended": job.ended and job.ended.isoformat(),
        "take": None if job.take is None else job.take.path,
        "error": None
        if job.error is None
        else {"reason": job.error.reason.value, "message": job.error.message},
    }
