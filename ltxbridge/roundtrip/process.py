"""The whole round trip for one timeline, in the order a person would tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from interchange.model.engine import EngineLimits
from interchange.plan import Plan, PlanOptions
from ltxbridge.client import BridgeClient
from ltxbridge.client.transfers import TransferClient
from ltxbridge.report import DeliveryReport, render_html, render_json
from ltxbridge.roundtrip.accounts import delivery_report
from ltxbridge.roundtrip.delivery import DeliveredTimeline, deliver_timeline
from ltxbridge.roundtrip.making import JobObserver, Outcome, make_takes, take_is_on_disk
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.remote import make_takes_remotely
from ltxbridge.roundtrip.timeline import Timeline, open_timeline, plan_timeline
from sidecar.credentials.identity import STATEMENT
from sidecar.filesystem import FileSystem
from sidecar.media.paths import PathMapping
from sidecar.readers.box import ReaderBox


@dataclass(frozen=True, slots=True)
class Delivery:
    """Everything one round trip left on disk.

    Args:
        report: What happened, as values.
        timeline: The patched timeline, None where no take was made.
        html: The report page.
        json: The report for scripts.
    """

    report: DeliveryReport
    timeline: DeliveredTimeline | None
    html: Path
    json: Path

    @property
    def complete(self) -> bool:
        """Whether every request was met."""
        return all(request.take is not None for request in self.report.requests)


@dataclass(frozen=True, slots=True)
class Desk:
    """What every round trip on this machine shares.

    Args:
        originals: Media of the timeline at hand.
        engines: Limits of the engines that may be asked.
        options: How to plan where the mark does not say.
        mappings: Path mappings, to write links the editor's machine understands.
        filesystem: The facade all writing goes through.
        box: Opens timelines, media and takes.
        identity_folder: This installation's signing identity, to tell its own takes.
        product_version: For the report.
        signer: For the report: who signs the takes and what that is worth, in words.
    """

    originals: Originals
    engines: Mapping[str, EngineLimits]
    options: PlanOptions
    mappings: Sequence[PathMapping]
    filesystem: FileSystem
    box: ReaderBox
    identity_folder: Path
    product_version: str
    signer: str = STATEMENT


@dataclass(frozen=True, slots=True)
class Planned:
    """A timeline that was read and planned; nothing is started and nothing is written.

    Args:
        timeline: The document.
        plan: What would be made of it.
    """

    timeline: Timeline
    plan: Plan

    @property
    def files_read(self) -> tuple[Path, ...]:
        """Every media file a take would be made from, sorted."""
        paths = {path for take in self.plan.takes for path in take.request.files_read}
        return tuple(Path(path) for path in sorted(paths))


def process_timeline(
    path: Path,
    *,
    desk: Desk,
    client: BridgeClient,
    folder: Path,
    observer: JobObserver,
    transfers: TransferClient | None = None,
) -> Delivery:
    """Make the takes a timeline asks for and deliver it with them.

    Args:
        path: The timeline; only read.
        desk: Shared tools and settings.
        client: The sidecar.
        folder: Where the delivery goes.
        observer: Told of every job snapshot.
        transfers: Carries media to and from a sidecar that shares no folder with this machine.

    Raises:
        BridgeError: The document cannot be read, the sidecar is gone, or the folder cannot be written. What
            concerns a single mark never raises; it is in the report.
    """
    planned = read_and_plan(path, desk=desk)
    desk.filesystem.make_folder(folder)
    outcomes = make_planned(
        planned, desk=desk, client=client, observer=observer, transfers=transfers
    )
    return deliver(planned, outcomes, desk=desk, folder=folder)


def read_and_plan(path: Path, *, desk: Desk) -> Planned:
    """The first third of a round trip: read the timeline and plan its marks.

    Raises:
        BridgeError: The document cannot be read.
    """
    timeline = open_timeline(path, box=desk.box)
    plan = plan_timeline(
        timeline,
        originals=desk.originals,
        engines=desk.engines,
        options=desk.options,
        box=desk.box,
    )
    return Planned(timeline, plan)


def make_planned(
    planned: Planned,
    *,
    desk: Desk,
    client: BridgeClient,
    observer: JobObserver,
    transfers: TransferClient | None = None,
) -> tuple[Outcome, ...]:
    """The second third: have every take made, or found where it was made before.

    Raises:
        BridgeError: The sidecar is gone.
    """
    desk.originals.note_digests({str(path) for path in planned.files_read})
    if transfers is not None:
        return make_takes_remotely(
            planned.plan.takes,
            client=client,
            transfers=transfers,
            document_digest=planned.timeline.sha256,
            observer=observer,
            filesystem=desk.filesystem,
        )
    return make_takes(
        planned.plan.takes,
        client=client,
        document_digest=planned.timeline.sha256,
        observer=observer,
        still_good=partial(take_is_on_disk, filesystem=desk.filesystem),
    )


def deliver(
    planned: Planned,
    outcomes: Sequence[Outcome],
    *,
    desk: Desk,
    folder: Path,
    fallback_folder: Path | None = None,
    source: Path | None = None,
) -> Delivery:
    """The last third: write the relinked timeline and the report.

    Args:
        planned: What was asked for.
        outcomes: What was made of it.
        desk: Shared tools and settings.
        folder: Where the delivery goes.
        fallback_folder: Where the report goes when there is nothing to deliver; `folder` where None.
        source: What the report calls the document, where it was read from a place of its own.

    Raises:
        BridgeError: A folder cannot be written, or the gate refused the patch.
    """
    delivered = deliver_timeline(
        planned.timeline,
        outcomes,
        folder=folder,
        mappings=desk.mappings,
        filesystem=desk.filesystem,
        box=desk.box,
    )
    report = delivery_report(
        planned.timeline,
        planned.plan,
        outcomes,
        delivered,
        originals=desk.originals,
        identity_folder=desk.identity_folder,
        box=desk.box,
        product_version=desk.product_version,
        signer=desk.signer,
        created=datetime.now(UTC),
    )
    if source is not None:
        report = replace(report, source=replace(report.source, path=str(source)))
    stem = report_stem(
        planned.timeline.path, None if delivered is None else Path(delivered.facts.path)
    )
    place = folder if delivered is not None or fallback_folder is None else fallback_folder
    html, json = place / f"{stem}.html", place / f"{stem}.json"
    desk.filesystem.make_folder(place)
    desk.filesystem.write_atomic(html, render_html(report).encode())
    desk.filesystem.write_atomic(json, render_json(report).encode())
    return Delivery(report, delivered, html, json)


def report_stem(source: Path, delivered: Path | None) -> str:
    """File name of a report without suffix: `NAME_report`, and `NAME_report_v002` for a second delivery.

    The version comes last, so that no other timeline's report can have the name: editors call timelines
    `NAME_v002` and `NAME_LTX` too.
    """
    version = "" if delivered is None else delivered.stem.removeprefix(f"{source.stem}_LTX")
    return f"{source.stem}_report{version}"
