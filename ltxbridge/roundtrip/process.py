"""The whole round trip for one timeline, in the order a person would tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from interchange.model.engine import EngineLimits
from interchange.plan import Plan, PlanOptions
from ltxbridge.client import BridgeClient
from ltxbridge.report import DeliveryReport, render_html, render_json
from ltxbridge.roundtrip.accounts import delivery_report
from ltxbridge.roundtrip.delivery import DeliveredTimeline, deliver_timeline
from ltxbridge.roundtrip.making import JobObserver, Outcome, make_takes
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.timeline import Timeline, open_timeline, plan_timeline
from sidecar.filesystem import FileSystem
from sidecar.media.paths import PathMapping


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
        identity_folder: This installation's signing identity, to tell its own takes.
        product_version: For the report.
    """

    originals: Originals
    engines: Mapping[str, EngineLimits]
    options: PlanOptions
    mappings: Sequence[PathMapping]
    filesystem: FileSystem
    identity_folder: Path
    product_version: str


def process_timeline(
    path: Path,
    *,
    desk: Desk,
    client: BridgeClient,
    folder: Path,
    observer: JobObserver,
) -> Delivery:
    """Make the takes a timeline asks for and deliver it with them.

    Args:
        path: The timeline; only read.
        desk: Shared tools and settings.
        client: The sidecar.
        folder: Where the delivery goes.
        observer: Told of every job snapshot.

    Raises:
        BridgeError: The document cannot be read, the sidecar is gone, or the folder cannot be written. What
            concerns a single mark never raises; it is in the report.
    """
    timeline = open_timeline(path)
    plan = plan_timeline(
        timeline, originals=desk.originals, engines=desk.engines, options=desk.options
    )
    desk.filesystem.make_folder(folder)
    desk.originals.note_digests({path for take in plan.takes for path in take.request.files_read})
    outcomes = make_takes(
        plan.takes,
        client=client,
        document_digest=timeline.sha256,
        observer=observer,
        filesystem=desk.filesystem,
    )
    delivered = deliver_timeline(
        timeline, outcomes, folder=folder, mappings=desk.mappings, filesystem=desk.filesystem
    )
    return _file_report(timeline, plan, outcomes, delivered, desk=desk, folder=folder)


def report_stem(source: Path, delivered: Path | None) -> str:
    """File name of a report without suffix: `NAME_report`, and `NAME_report_v002` for a second delivery.

    The version comes last, so that no other timeline's report can have the name: editors call timelines
    `NAME_v002` and `NAME_LTX` too.
    """
    version = "" if delivered is None else delivered.stem.removeprefix(f"{source.stem}_LTX")
    return f"{source.stem}_report{version}"


def _file_report(
    timeline: Timeline,
    plan: Plan,
    outcomes: Sequence[Outcome],
    delivered: DeliveredTimeline | None,
    *,
    desk: Desk,
    folder: Path,
) -> Delivery:
    report = delivery_report(
        timeline,
        plan,
        outcomes,
        delivered,
        originals=desk.originals,
        identity_folder=desk.identity_folder,
        product_version=desk.product_version,
        created=datetime.now(UTC),
    )
    stem = report_stem(timeline.path, None if delivered is None else Path(delivered.facts.path))
    html, json = folder / f"{stem}.html", folder / f"{stem}.json"
    desk.filesystem.write_atomic(html, render_html(report).encode())
    desk.filesystem.write_atomic(json, render_json(report).encode())
    return Delivery(report, delivered, html, json)
