"""The report as values; how it looks is `page`'s business, how it is filed is `record`'s."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from interchange.errors import BridgeError
from interchange.model.segment import SequenceFacts
from interchange.model.take import Take
from interchange.timebase import TimeRange


class RequestState(StrEnum):
    """How a request ended."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StillRole(StrEnum):
    """What a picture on the contact sheet shows."""

    ORIGINAL = "original"
    TAKE = "take"
    HANDLE = "handle"


@dataclass(frozen=True, slots=True)
class Still:
    """One picture of a contact sheet.

    Args:
        png: The picture as a PNG file; empty where the timeline shows nothing, as in a gap.
        label: Record timecode, for example.
        role: What it shows.
    """

    png: bytes
    label: str
    role: StillRole


@dataclass(frozen=True, slots=True)
class SourceUse:
    """The frames of an original that the take replaces or starts from.

    Args:
        name: The file's name.
        source_range: Those frames in the file's own timecode count, at the file's rate.
        drop_frame: How that timecode counts.
        role: What the file is to the take in words: `original`, `outgoing`, `incoming`.
    """

    name: str
    source_range: TimeRange
    drop_frame: bool
    role: str = "original"


@dataclass(frozen=True, slots=True)
class CredentialState:
    """Whether the take's Content Credentials hold, in words.

    Args:
        valid: They are there and match the file.
        summary: One or two sentences: what they state, and what the signature is worth.
    """

    valid: bool
    summary: str


@dataclass(frozen=True, slots=True)
class RequestReport:
    """What became of one mark, or of one take of a mark that asked for several.

    Args:
        shot: Shot name.
        kind: The verb, empty where the mark could not be read.
        directive: The mark as the editor wrote it.
        where: Clip and record timecode, and how the mark was made.
        state: How it ended.
        sequence: The sequence it is in, None where the mark could not be read.
        record_range: Record frames covered or asked for.
        sources: Original frames it stands on.
        take: The delivered media; set exactly when delivered.
        error: Why there is none, and what to do; set exactly when not delivered.
        notes: What was snapped, padded, held or assumed, one sentence each.
        credentials: State of the take's credentials.
        before: The original's frames.
        after: The take's frames, handles included.
        elapsed: Wall time from the first attempt to publication.
    """

    shot: str
    kind: str
    directive: str
    where: str
    state: RequestState
    sequence: SequenceFacts | None = None
    record_range: TimeRange | None = None
    sources: tuple[SourceUse, ...] = ()
    take: Take | None = None
    error: BridgeError | None = None
    notes: tuple[str, ...] = ()
    credentials: CredentialState | None = None
    before: tuple[Still, ...] = ()
    after: tuple[Still, ...] = ()
    elapsed: timedelta | None = None

    def __post_init__(self) -> None:
        delivered = self.state is RequestState.DELIVERED
        if delivered != (self.take is not None) or delivered != (self.error is None):
            raise ValueError(f"A {self.state} request has a take or an error, never both or none.")


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """A timeline document.

    Args:
        path: Absolute path.
        sha256: Digest of its bytes, in hexadecimal.
        size_bytes: Length.
    """

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class OriginalFacts:
    """An original media file, before and after.

    Args:
        path: Absolute path.
        sha256_before: Digest before work started.
        sha256_after: Digest after the delivery.
    """

    path: str
    sha256_before: str
    sha256_after: str

    @property
    def unchanged(self) -> bool:
        """Whether not a byte of it has changed."""
        return self.sha256_before == self.sha256_after


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Everything about one delivery.

    Args:
        title: Name of the timeline.
        product_version: Version of ltxbridge.
        created: When the delivery was finished, with its time zone.
        source: The timeline that came in.
        delivered: The timeline that went out, None where nothing was delivered.
        requests: In timeline order.
        originals: Every original that was read.
        changes: What was changed on the timeline beside the takes put in, or could not be carried over, one
            sentence each.
        checks: What the gate proved about the delivered timeline, one sentence each.
        signer: Who signed the takes and what that is worth, in words.
    """

    title: str
    product_version: str
    created: datetime
    source: DocumentFacts
    delivered: DocumentFacts | None
    requests: tuple[RequestReport, ...]
    originals: tuple[OriginalFacts, ...] = ()
    changes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    signer: str = ""

    def count(self, state: RequestState) -> int:
        """Number of requests that ended so."""
        return sum(request.state is state for request in self.requests)
