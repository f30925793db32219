"""`ltxbridge process`: make the takes and write the relinked timeline."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from interchange.errors import BridgeError, NotAuthenticatedError, UnavailableError
from ltxbridge.cli.options import (
    TIMELINE,
    TakeChoices,
    as_json,
    place_options,
    policy_for,
    server_option,
    settings_from,
    take_options,
)
from ltxbridge.cli.printing import say
from ltxbridge.cli.progress import JobDisplay
from ltxbridge.client import BridgeClient
from ltxbridge.client.transfers import TransferClient
from ltxbridge.notice import Notice, Notifier
from ltxbridge.report import RequestState
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.process import Delivery, Desk, process_timeline
from ltxbridge.roundtrip.workshop import Workshop
from sidecar.credentials.identity import STATEMENT
from sidecar.filesystem import FileSystem
from sidecar.launch import sidecar_for
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.registry import engine_limits
from sidecar.pki.remotes import remote_endpoint
from sidecar.readers.box import ReaderBox
from sidecar.readers.process import ReaderProcess
from sidecar.settings import Settings

SCHEMA = "ltxbridge.Delivery.1"

# Nobody walks away from less.
_WORTH_A_NOTICE_S = 10.0


@click.command()
@click.argument("timelines", type=TIMELINE, nargs=-1, required=True, metavar="TIMELINE...")
@place_options
@take_options
@server_option
@as_json
@click.pass_obj
def process(
    reader: ReaderProcess,
    /,
    timelines: tuple[Path, ...],
    media_roots: tuple[Path, ...],
    path_maps: tuple[str, ...],
    config_file: Path | None,
    server: str | None,
    as_json: bool,
    **choices: Any,
) -> int:
    """Make the takes each TIMELINE asks for, and write it anew with them in place.

    Uses the running sidecar, or starts one for the duration; with --server, another machine's, which is sent the
    media and sends back the takes. No original is touched. Ends with 1 where a
    mark could not be met; everything else is delivered all the same.
    """
    settings = settings_from(media_roots=media_roots, path_maps=path_maps, config_file=config_file)
    results: list[tuple[Path, Delivery | BridgeError]] = []
    began = time.monotonic()
    lost: UnavailableError | NotAuthenticatedError | None = None
    try:
        # Keeps what was delivered before the sidecar was lost.
        results += process_all(
            timelines,
            settings,
            TakeChoices(**choices),
            quiet=as_json,
            server=server,
            reader=reader,
        )
    except (UnavailableError, NotAuthenticatedError) as error:
        lost = error
        results += [(path, error) for path in timelines[len(results) :]]
    if time.monotonic() - began > _WORTH_A_NOTICE_S:
        Notifier(settings.notify_command, settings.notify_desktop).tell(notice_of(results))
    if as_json:
        say(json.dumps([_document(path, result) for path, result in results], indent=2))
    failed = [(path, result) for path, result in results if isinstance(result, BridgeError)]
    if not as_json:
        for path, refusal in failed:
            say(f"ltxbridge: {path}: {refusal.message}", err=True)
    if lost is not None:
        return 3
    if failed:
        return 2
    return 0 if all(isinstance(r, Delivery) and r.complete for _, r in results) else 1


def notice_of(results: Sequence[tuple[Path, Delivery | BridgeError]]) -> Notice:
    """What a person who walked away is told."""
    requests = [
        r for _, result in results if isinstance(result, Delivery) for r in result.report.requests
    ]
    delivered = sum(request.take is not None for request in requests)
    complete = all(isinstance(result, Delivery) and result.complete for _, result in results)
    paths = [
        Path(result.timeline.facts.path) if result.timeline else result.html
        for _, result in results
        if isinstance(result, Delivery)
    ]
    names = ", ".join(path.name for path, _ in results)
    return Notice(
        title="ltxbridge: delivered" if complete else "ltxbridge: look at the report",
        text=f"{delivered} of {len(requests)} takes delivered for {names}.",
        path=paths[-1] if paths else None,
        complete=complete,
    )


def process_all(
    timelines: Sequence[Path],
    settings: Settings,
    choices: TakeChoices,
    *,
    quiet: bool,
    filesystem: FileSystem | None = None,
    server: str | None = None,
    reader: ReaderProcess | None = None,
) -> Iterator[tuple[Path, Delivery | BridgeError]]:
    """Process timelines one after another; one that cannot be read stops no other.

    Args:
        timelines: Files or bundles.
        settings: This machine's.
        choices: What the command line said about takes.
        quiet: Print nothing.
        filesystem: The facade all writing goes through.
        server: Name of a sidecar on another machine, which is sent the media; None for this machine's.
        reader: One that was started already.

    Yields:
        Each timeline with its delivery, or with why there is none.

    Raises:
        UnavailableError: There is no sidecar.
        NotAuthenticatedError: It does not know our token.
    """
    filesystem = filesystem or FileSystem()
    roots = {path.absolute().parent for path in timelines}
    roots |= {choices.folder_for(path) for path in timelines} | set(settings.media_roots)
    # Requests name this machine's own paths: mapped already, and a sidecar of ours must not do it twice.
    unmapped = replace(settings, path_maps=())
    with ExitStack() as stack:
        if server is None:
            endpoint = stack.enter_context(sidecar_for(unmapped, extra_roots=sorted(roots)))
        else:
            endpoint = remote_endpoint(settings.state_dir, server)
        client = stack.enter_context(BridgeClient(endpoint))
        if server is None:
            shop = Workshop(
                engine_limits(EngineFolders.below(settings.state_dir)), settings.engine, STATEMENT
            )
        else:
            shop = Workshop.of_machine(server, client.list_engines(), settings.engine)
        box = stack.enter_context(ReaderBox(first=reader))
        for path in timelines:
            try:
                with JobDisplay(quiet=quiet) as display, ExitStack() as carrying:
                    transfers = None
                    if server is not None:
                        transfers = carrying.enter_context(
                            TransferClient(endpoint, observer=display.carry)
                        )
                    result = process_timeline(
                        path,
                        desk=_desk(path, settings, choices, filesystem, box, shop),
                        client=client,
                        folder=choices.folder_for(path),
                        observer=display.show,
                        transfers=transfers,
                    )
            except (UnavailableError, NotAuthenticatedError):
                raise
            except BridgeError as error:
                yield path, error
            else:
                if not quiet:
                    say("\n".join(delivery_lines(result)))
                yield path, result


def delivery_lines(delivery: Delivery) -> Iterator[str]:
    """What was delivered, as text: what an editor links to first."""
    for request in delivery.report.requests:
        if request.take is not None:
            yield f"  {request.kind:<11} {request.take.path}"
        elif request.error is not None:
            yield f"  {request.state.upper():<11} {request.where}: {request.error.message}"
    if delivery.timeline is not None:
        yield f"timeline  {delivery.timeline.facts.path}"
    yield f"report    {delivery.html}"
    count = delivery.report.count(RequestState.DELIVERED)
    touched = [original.path for original in delivery.report.originals if not original.unchanged]
    state = f"changed meanwhile: {', '.join(touched)}" if touched else "originals unchanged"
    yield f"{count} of {len(delivery.report.requests)} delivered; {state}."


def _desk(
    timeline: Path,
    settings: Settings,
    choices: TakeChoices,
    filesystem: FileSystem,
    box: ReaderBox,
    shop: Workshop,
) -> Desk:
    here = replace(settings, engine=shop.default_engine)
    return Desk(
        originals=Originals(policy_for(timeline, settings), filesystem=filesystem, box=box),
        engines=shop.engines,
        options=choices.plan_options(timeline, here),
        mappings=settings.path_maps,
        filesystem=filesystem,
        box=box,
        identity_folder=settings.state_dir,
        product_version=version("ltxbridge"),
        signer=shop.signer,
    )


def _document(path: Path, result: Delivery | BridgeError) -> dict[str, object]:
    if isinstance(result, BridgeError):
        return {
            "schema": SCHEMA,
            "source": str(path),
            "error": {"reason": result.reason.value, "message": result.message},
        }
    return {
        "schema": SCHEMA,
        "source": str(path),
        "timeline": result.timeline.facts.path if result.timeline else None,
        "report": str(result.json),
        "page": str(result.html),
        "delivered": [r.take.path for r in result.report.requests if r.take is not None],
        "not_delivered": [
            {
                "where": r.where,
                "mark": r.directive,
                "reason": r.error.reason.value,
                "message": r.error.message,
            }
            for r in result.report.requests
            if r.error is not None
        ],
    }
