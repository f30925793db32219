"""The box: a child process that opens what strangers made, so that a flaw there takes nothing else along.

Its answers are untrusted: a reader that was taken over can lie about the file it was given, and nothing more.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from interchange.errors import (
    BridgeError,
    InternalError,
    InvalidInputError,
    Reason,
    StoppedError,
)
from interchange.formats.base import Patch
from interchange.formats.xml_splice import Splice, apply_splices
from interchange.model.media import MediaFacts
from interchange.model.segment import Reading
from interchange.model.take import Placement
from sidecar.credentials.statement import CredentialReport
from sidecar.readers.calls import (
    Call,
    Changes,
    Digest,
    FileDigest,
    FrameLayout,
    MediaOpens,
    OneFrame,
    PlaceTakes,
    ProbeMedia,
    ReadTimeline,
    Refusals,
    RefusedTakes,
    SoundLayout,
    SoundRange,
    StillImage,
    StillLayout,
    StillPicture,
    Verdict,
    VerifyCredentials,
)
from sidecar.readers.limits import ReaderLimits
from sidecar.readers.pipe import ANSWER, CALL, MOST_BYTES, Message
from sidecar.readers.process import (
    PROGRAM,
    CrashedError,
    KilledError,
    LimitError,
    ReaderProcess,
)
from sidecar.readers.refusals import crash, nonsense, over_limit, tame
from sidecar.serialise import dump, load

_LOG = logging.getLogger(__name__)
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_BYTES_A_PIXEL = 6  # three planes of 16 bits

T = TypeVar("T")


class ReaderBox:
    """Asks a reader, one call at a time; starts it when it is needed, and anew after its end. Thread-safe.

    Every method raises, besides what it says, the reader's own `BridgeError` about the file, and:

    - `InvalidInputError` READER_LIMIT: the file used up memory or time; the message names it.
    - `InvalidInputError` MEDIA_DAMAGED, DOCUMENT_UNSAFE or CREDENTIALS_INVALID: the file crashed its reader.
    - `UnavailableError` WORKER_DIED: no reader can be started.

    Args:
        limits: What one call may use.
        program: The command line of the reader, without its arguments.
        first: A reader that was started already, as `ltxbridge plan` does before it imports this module.
    """

    def __init__(
        self,
        limits: ReaderLimits | None = None,
        *,
        program: Sequence[str] = PROGRAM,
        first: ReaderProcess | None = None,
    ) -> None:
        self._limits = limits or ReaderLimits()
        self._program = tuple(program)
        self._turn = threading.Lock()
        self._process = first
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the reader. The next call would start another."""
        with self._turn:
            self._discard()

    def abandon(self) -> None:
        """End the reader at once and for good, from any thread: a call that is under way fails, as do later ones."""
        self._abandoned = True
        process = self._process
        if process is not None:
            process.kill()
        self.close()

    def read_timeline(self, path: Path, document: bytes) -> Reading:
        """Find sequences, marks and problems in a timeline.

        Args:
            path: Where the document comes from; only its name is used.
            document: Its bytes.

        Raises:
            InvalidInputError: It is malformed or unsafe.
            UnsupportedError: It is of a form or version that is not read.
        """
        return self._ask(Reading, ReadTimeline(path.name), path, document)

    def refused_takes(
        self, path: Path, document: bytes, placements: Sequence[Placement]
    ) -> Mapping[int, BridgeError]:
        """Which takes cannot be put into a document, by their place among the placements."""
        call = RefusedTakes(path.name, tuple(placements))
        answer = self._ask(Refusals, call, path, document)
        return {
            refused.index: tame(refused.error)
            for refused in answer.takes
            if 0 <= refused.index < len(placements)
        }

    def place_takes(self, path: Path, document: bytes, placements: Sequence[Placement]) -> Patch:
        """Put takes into a document and check the result.

        Only the changed byte ranges come from the reader; all other bytes are the caller's own.

        Raises:
            UnsupportedError: A take cannot be placed.
            InvalidInputError: `DELIVERY_UNFAITHFUL`: more would change than was asked for.
        """
        call = PlaceTakes(path.name, tuple(placements))
        changes, content = self._ask_for_bytes(Changes, call, path, document)
        try:
            return _patch(document, changes, content)
        except InternalError as error:
            raise nonsense(call, path) from error

    def probe_media(self, path: Path) -> MediaFacts:
        """Find out what the planner needs to know about a movie; see `sidecar.media.probe`.

        Args:
            path: Absolute, resolved and inside the roots.
        """
        call = ProbeMedia(str(path))
        facts = self._ask(MediaFacts, call, path)
        if facts.path != str(path):
            raise nonsense(call, path)
        return facts

    def media_opens(self, path: Path) -> bool:
        """Whether a media file can be opened, hence is all there; False means it may still be on its way.

        Args:
            path: Absolute. Folders above it may be links; the file itself may not.

        Raises:
            NotFoundError: It is not there.
        """
        real = Path(os.path.realpath(path.parent)) / path.name
        return self._ask(Verdict, MediaOpens(str(real)), path).holds

    def still_png(self, path: Path, frame_index: int, *, max_width_px: int) -> bytes:
        """One frame of a movie as a PNG.

        Args:
            path: Absolute, resolved and inside the roots.
            frame_index: Counted from the file's first picture.
            max_width_px: Wider pictures are reduced to this.
        """
        call = StillPicture(str(path), frame_index, max_width_px)
        _, png = self._ask_for_bytes(Verdict, call, path)
        if not png.startswith(_PNG):
            raise nonsense(call, path)
        return png

    def still_image(self, path: Path, *, long_side_px: int) -> tuple[StillLayout, bytes]:
        """A still image as pixels, uint8 [H, W, 3], so that nobody else needs to parse it.

        Args:
            path: Absolute, resolved and inside the roots.
            long_side_px: Larger ones are reduced to this.
        """
        call = StillImage(str(path), long_side_px)
        layout, content = self._ask_for_bytes(
            StillLayout, call, path, most_bytes=3 * long_side_px * long_side_px
        )
        width, height = layout.width_px, layout.height_px
        fits = 0 < width <= long_side_px and 0 < height <= long_side_px
        if not fits or len(content) != 3 * width * height:
            raise self._distrusted(call, path)
        return layout, content

    def frame_planes(self, call: OneFrame) -> tuple[FrameLayout, bytes]:
        """One frame of a movie, in uint16 planes of exactly the size that was asked for.

        The movie stays open in the reader: rising numbers are decoded straight on.
        """
        most = _MOST_BYTES_A_PIXEL * call.width_px * call.height_px
        layout, content = self._ask_for_bytes(FrameLayout, call, Path(call.path), most_bytes=most)
        expected = layout.size_bytes(call.width_px, call.height_px)
        if not (expected and len(content) == expected and 8 <= layout.bit_depth <= 16):
            raise self._distrusted(call, Path(call.path))
        return layout, content

    def sound(self, call: SoundRange) -> tuple[SoundLayout, bytes]:
        """A range of a movie's sound, in float32; as many samples as the layout's rate says, rounded."""
        layout, content = self._ask_for_bytes(SoundLayout, call, Path(call.path))
        if len(content) != layout.size_bytes(call.start, call.duration):
            raise self._distrusted(call, Path(call.path))
        return layout, content

    def sha256(self, path: Path) -> str:
        """The digest of a file, which is read from end to end and not parsed.

        Args:
            path: Absolute and resolved.
        """
        return self._ask(Digest, FileDigest(str(path)), path).sha256

    def verify_credentials(
        self, path: Path, *, identity_folder: Path | None = None
    ) -> CredentialReport:
        """Check that a file is what was signed; see `sidecar.credentials.verify`.

        Args:
            path: Absolute and resolved.
            identity_folder: To recognise this installation's own signature.
        """
        folder = None if identity_folder is None else str(identity_folder)
        return self._ask(CredentialReport, VerifyCredentials(str(path), folder), path)

    def _ask(self, kind: type[T], call: Call, path: Path, document: bytes = b"") -> T:
        return self._ask_for_bytes(kind, call, path, document)[0]

    def _ask_for_bytes(
        self,
        kind: type[T],
        call: Call,
        path: Path,
        document: bytes = b"",
        *,
        most_bytes: int = MOST_BYTES,
    ) -> tuple[T, bytes]:
        limits = self._limits
        if isinstance(call, VerifyCredentials | FileDigest):
            limits = limits.with_reading_of(_size_bytes(path))
        message = Message(CALL, dump(call), document, limits.cpu_s)
        try:
            with self._turn:
                answer = self._exchange(message, limits, type(call), most_bytes=most_bytes)
                return self._understood(kind, answer, call, path)
        except LimitError as error:
            raise over_limit(path, str(error)) from error
        except CrashedError as error:
            _LOG.warning("the reader of %s %s", path.suffix or "a file", error)
            raise crash(call, path) from error

    def _exchange(
        self, message: Message, limits: ReaderLimits, call: type[Call], *, most_bytes: int
    ) -> Message:
        """Ask, in a fresh process where there is none, and once more where an old one crashed."""
        process = self._process
        if process is None or not process.alive:
            self._discard()
            process = self._start(call)
        was_used = process.used
        try:
            return process.exchange(message, wall_s=limits.wall_s, most_bytes=most_bytes)
        except (CrashedError, KilledError):
            self._discard()
            if not was_used:
                raise
            # What the file before did to its memory, or who killed it meanwhile, is not this file's fault.
            return self._start(call).exchange(message, wall_s=limits.wall_s, most_bytes=most_bytes)
        finally:
            if self._process is not None and not self._process.alive:
                self._discard()

    def _understood(
        self, kind: type[T], answer: Message, call: Call, path: Path
    ) -> tuple[T, bytes]:
        try:
            if answer.kind == ANSWER:
                return load(kind, answer.text), answer.content
            # Anything that is neither an answer nor a refusal fails to be read as one.
            refusal: BridgeError = load(BridgeError, answer.text)
        except InternalError as error:
            self._discard()
            raise nonsense(call, path) from error
        if refusal.reason is Reason.READER_LIMIT:
            self._discard()  # what it could not allocate, somebody else holds
            raise LimitError("more memory than a reader may use")
        raise tame(refusal)

    def _start(self, call: type[Call]) -> ReaderProcess:
        self._process = ReaderProcess(self._program, limits=self._limits, warm=(call.__name__,))
        if (
            self._abandoned
        ):  # looked at after it can be seen: whoever abandons the box either sees or is seen
            self._discard()
            raise StoppedError("The reading of files was stopped.")
        return self._process

    def _distrusted(self, call: Call, path: Path) -> InvalidInputError:
        with self._turn:
            self._discard()
        return nonsense(call, path)

    def _discard(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


def _patch(document: bytes, changes: Changes, content: bytes) -> Patch:
    splices: list[Splice] = []
    taken = 0
    for changed in changes.ranges:
        if not (0 <= changed.start <= changed.end <= len(document) and changed.length >= 0):
            raise InternalError("A change lies outside the document.")
        splices.append(Splice(changed.start, changed.end, content[taken : taken + changed.length]))
        taken += changed.length
    if taken != len(content):
        raise InternalError("The changes and their bytes do not belong together.")
    return Patch(
        data=apply_splices(document, splices),
        splices=tuple(splices),
        lane_changes=changes.lane_changes,
        notes=changes.notes,
    )


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # the reader says what is wrong with it
