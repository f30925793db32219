"""`ltxbridge gc`: what may go from the disk, and only when told, away with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from ltxbridge.cli.options import as_json
from ltxbridge.cli.printing import say
from sidecar.filesystem import FileSystem
from sidecar.lifecycle.collect import Collected, collect, confirm
from sidecar.lifecycle.inventory import cache_items, state_items, take_items, upload_items
from sidecar.lifecycle.leftovers import leftover_items
from sidecar.lifecycle.policy import Choice, Limits, choose
from sidecar.lifecycle.quota import BYTES_PER_GB
from sidecar.lifecycle.table import JobTable, job_table
from sidecar.settings import Settings, load_settings

SCHEMA = "ltxbridge.Collection.1"


@click.command()
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(0, 36_500),
    default=30,
    show_default=True,
    help="Days since the last use after which a thing may go.",
)
@click.option(
    "--max-size",
    "max_size_gb",
    type=click.FloatRange(0, 1e6),
    help="GB that may stay; what was not used for longest goes until no more are left, however old.",
)
@click.option(
    "--keep-used-in",
    "keep_used_in",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder whose timelines hold the takes they show, beside the deliveries; may be repeated.",
)
@click.option("--used", is_flag=True, help="Takes that a timeline shows may go too.")
@click.option("--delete", is_flag=True, help="Do it. Without this, nothing is deleted.")
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="TOML settings file."
)
@as_json
def gc(
    days: int,
    max_size_gb: float | None,
    keep_used_in: tuple[Path, ...],
    used: bool,
    delete: bool,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Show which takes, uploads, caches, leftovers, logs and backups could be deleted; with --delete, delete them.

    An original is never touched, nor a take that a delivered timeline shows. Ends with 1 where something that
    was to go is still there.
    """
    settings = load_settings(config_file=config_file)
    limits = Limits(
        max_age=timedelta(days=days),
        max_total_bytes=None if max_size_gb is None else round(max_size_gb * BYTES_PER_GB),
        include_linked=used,
    )
    filesystem = FileSystem()
    done: list[Collected] = []
    with job_table(settings) as table:
        choices = _choices(settings, table, limits, keep_used_in, filesystem)
        if delete:
            done += collect(choices, filesystem=filesystem, delete_job=table.delete)
    if as_json:
        say(json.dumps(_document(choices, done, deleted=delete), indent=2))
    else:
        say("\n".join(_lines(choices, done, deleted=delete)))
    return 1 if any(outcome.error for outcome in done) else 0


def _choices(
    settings: Settings,
    table: JobTable,
    limits: Limits,
    keep_used_in: Sequence[Path],
    filesystem: FileSystem,
) -> tuple[Choice, ...]:
    jobs = table.jobs()
    items = (
        *take_items(jobs, keep_used_in=keep_used_in),
        *upload_items(settings.state_dir, jobs),
        *state_items(settings.state_dir),
        *cache_items(settings.state_dir),
        *leftover_items(settings.state_dir, jobs),
    )
    return tuple(confirm(choose(items, limits, now=datetime.now(UTC)), filesystem=filesystem))


def _lines(choices: Sequence[Choice], done: Sequence[Collected], *, deleted: bool) -> Iterator[str]:
    for choice in choices:
        item = choice.item
        mark = "goes" if choice.goes else "stays"
        yield f"{mark:<5}  {item.kind:<8} {_size(item.size_bytes):>10}  {_date(item.newest_use)}  {item.name}"
        yield f"       {choice.why}"
    for outcome in done:
        if outcome.error is not None:
            yield f"still there: {outcome.item.name}: {outcome.error.message}"
    going = [choice.item for choice in choices if choice.goes]
    staying = sum(choice.item.size_bytes for choice in choices if not choice.goes)
    if deleted:
        freed = sum(outcome.freed_bytes for outcome in done)
        yield f"Deleted {_size(freed)}; {_size(staying)} stay."
    else:
        total = sum(item.size_bytes for item in going)
        yield (
            f"{len(going)} of {len(choices)} could go: {_size(total)}; {_size(staying)} stay. "
            "Nothing was deleted; add --delete to do it."
        )


def _document(
    choices: Sequence[Choice], done: Sequence[Collected], *, deleted: bool
) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "deleted": deleted,
        "items": [
            {
                "kind": choice.item.kind.value,
                "name": choice.item.name,
                "files": [str(file.path) for file in choice.item.files],
                "size_bytes": choice.item.size_bytes,
                "newest_use": choice.item.newest_use.isoformat(),
                "goes": choice.goes,
                "why": choice.why,
            }
            for choice in choices
        ],
        "going_bytes": sum(choice.item.size_bytes for choice in choices if choice.goes),
        "freed_bytes": sum(outcome.freed_bytes for outcome in done),
        "errors": [
            {
                "name": outcome.item.name,
                "reason": outcome.error.reason,
                "message": outcome.error.message,
            }
            for outcome in done
            if outcome.error is not None
        ],
    }


def _size(count: int) -> str:
    return f"{count / 10**6:,.1f} MB"


def _date(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
