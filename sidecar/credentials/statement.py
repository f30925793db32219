"""What intact credentials say, as values. Loads in no time: whoever shows them need not be able to read them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from interchange.timebase import FrameRate


class CredentialState(StrEnum):
    """How far intact credentials can be relied on; changed files have no state, they are an error."""

    SIGNED_HERE = "signed by this installation"
    SIGNED_ELSEWHERE = "intact, signed by an unrecognised signer"


@dataclass(frozen=True, slots=True)
class StatedRun:
    """Frames in a row that have the same origin, as the credentials state it.

    Args:
        synthetic: Made by the engine; else the source's own.
        first_frame: Counted from the file's first picture.
        end_frame: The frame after the last.
        record_in: Record timecode of the first frame.
        record_out: Record timecode of the frame after the last.
        in_part: Synthetic beside pixels of the source's own in one picture.
    """

    synthetic: bool
    first_frame: int
    end_frame: int
    record_in: str
    record_out: str
    in_part: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """Our own assertion, read back. What somebody else signed is only their word.

    Args:
        kind: Job kind.
        frame_rate: None where it is not stated, or makes no sense.
        runs: Every frame of the file.
        sound: `none`, `given` (a file's own), or `synthetic`.
        remarks: What the engine said about it.
    """

    kind: str
    engine: str
    engine_version: str
    model_identity: str
    seed: int | None
    frame_rate: FrameRate | None
    frame_count: int | None
    codec: str
    request_sha256: str
    prompt_sha256: str
    runs: tuple[StatedRun, ...]
    sound: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IngredientReport:
    """Something the file was made from.

    Args:
        title: Its file name.
        relationship: `parentOf`, `componentOf` or `inputTo`.
        has_credentials: Whether it brought credentials of its own.
        is_direct: Named by this file; else by one of its ancestors.
        failures: Validation codes of what is wrong with its own credentials; a merely unrecognised signer
            is not among them.
    """

    title: str
    relationship: str
    has_credentials: bool
    is_direct: bool
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CredentialReport:
    """A file whose credentials are intact, and what they say.

    Args:
        path: The file.
        state: Who signed it, as far as this machine can know.
        summary: The same for people, in sentences.
        signer: The name in the certificate; nobody has checked it.
        found: `embedded`, or the path of the `.c2pa`.
        title: The file's name when it was signed.
        made_with: The program that signed, and its version.
        made: When it says it was made; no time stamp proves it.
        actions: C2PA actions in order.
        source_types: IPTC digital source types of those actions.
        generation: What ltxbridge states beyond the standard, None for other programs' files.
        ingredients: What it was made from, and what is wrong with it.
        warnings: What a person should know, one sentence each.
        codes: All validation codes of the file itself, as the library gave them.
    """

    path: str
    state: CredentialState
    summary: str
    signer: str
    found: str
    title: str
    made_with: str
    made: str
    actions: tuple[str, ...]
    source_types: tuple[str, ...]
    generation: Generation | None
    ingredients: tuple[IngredientReport, ...]
    warnings: tuple[str, ...]
    codes: tuple[str, ...]

    @property
    def signed_here(self) -> bool:
        """Whether this installation's own key signed it."""
        return self.state is CredentialState.SIGNED_HERE

    @property
    def synthetic_runs(self) -> tuple[StatedRun, ...]:
        """The frames an engine made."""
        return (
            tuple(run for run in self.generation.runs if run.synthetic) if self.generation else ()
        )
