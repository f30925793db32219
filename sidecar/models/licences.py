"""The licences of the weights: shown once, accepted once, and on record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from interchange.errors import BridgeError, InvalidInputError, NotAllowedError, Reason
from sidecar.filesystem import FileSystem
from sidecar.serialise import dump, load


@dataclass(frozen=True, slots=True)
class Licence:
    """What a person has to agree to before weights are downloaded.

    Args:
        name: What it is called.
        version: Its date or edition; a new one is asked for again.
        where: The repository whose own text counts.
        terms: The key terms in our words, one a line.
    """

    name: str
    version: str
    where: str
    terms: str

    @property
    def digest(self) -> str:
        """Of what was shown, so that the record says exactly what was agreed to."""
        shown = f"{self.name}\n{self.version}\n{self.where}\n{self.terms}"
        return hashlib.sha256(shown.encode()).hexdigest()


LTX_2: Final = Licence(
    "LTX-2 Community License",
    "January 5, 2026",
    "Lightricks/LTX-2.3",
    (
        "Free of charge while you and your affiliates together earn less than 10 million US dollars a year; from there "
        "on you need a paid licence from Lightricks.\n"
        "The use restrictions of its Attachment A hold for you and for everybody you pass the weights on to; pass them "
        "on with the weights.\n"
        "You must tell people that what was made with it was made by AI (Attachment A, 5). ltxbridge writes Content "
        "Credentials that say so; leave them on.\n"
        "Without a separate licence it may not be used in a product, service or application that competes directly "
        "with commercial products of Lightricks, nor commercially to train other models, nor to get around its "
        "safeguards (Attachment A, 18 to 20).\n"
        "A breach may cost damages set in advance. Lightricks claims no rights in what you make."
    ),
)

GEMMA: Final = Licence(
    "Gemma Terms of Use",
    "as shown by the repository",
    "google/gemma-3-12b-it-qat-q4_0-unquantized",
    (
        "The text encoder is Gemma 3, by Google. Its prohibited uses hold for you and for everybody you pass it on "
        "to.\n"
        "Pass the terms on with the weights, and say where you changed them.\n"
        "Google claims no rights in what you make."
    ),
)

ALL: Final = (LTX_2, GEMMA)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That somebody agreed.

    Args:
        name: The licence's name.
        version: Its version.
        digest: Of what was shown.
        time: When.
    """

    name: str
    version: str
    digest: str
    time: datetime


@dataclass(frozen=True, slots=True)
class _Record:
    acceptances: tuple[Acceptance, ...] = ()


class LicenceRecord:
    """What this user has agreed to.

    Args:
        folder: The folder of the registry; the record is `licences.json` in it.
        filesystem: Writes it.
    """

    def __init__(self, folder: Path, filesystem: FileSystem) -> None:
        self._path = folder / "licences.json"
        self._filesystem = filesystem

    def acceptances(self) -> tuple[Acceptance, ...]:
        """All of them; none where the record cannot be read, so that it is asked again."""
        try:
            return load(_Record, self._path.read_text(encoding="utf-8")).acceptances
        except (OSError, ValueError, BridgeError):
            return ()

    def missing(self) -> tuple[Licence, ...]:
        """What has yet to be agreed to, as it is worded now."""
        agreed = {acceptance.digest for acceptance in self.acceptances()}
        return tuple(licence for licence in ALL if licence.digest not in agreed)

    def accept(self, licences: tuple[Licence, ...]) -> None:
        """Put on record that this user agreed.

        Raises:
            BridgeError: The record cannot be written.
        """
        now = datetime.now(UTC)
        new = tuple(Acceptance(each.name, each.version, each.digest, now) for each in licences)
        folder = self._path.parent
        if not folder.parent.exists():  # the state folder, which nobody else may enter
            self._filesystem.make_folder(folder.parent, private=True)
        self._filesystem.make_folder(folder, private=True)
        record = _Record((*self.acceptances(), *new))
        self._filesystem.write_atomic(self._path, dump(record).encode(), private=True)

    def require(self, ask: Callable[[Licence], bool]) -> None:
        """Have what is missing accepted; nothing is downloaded before.

        Args:
            ask: Shows a licence and says whether the person agrees.

        Raises:
            NotAllowedError: One was not accepted.
        """
        for licence in self.missing():
            if not ask(licence):
                raise NotAllowedError(
                    f"The {licence.name} was not accepted, so nothing was downloaded. Read it in {licence.where}, and "
                    "run the command again.",
                    reason=Reason.NOT_PERMITTED,
                    metadata={"licence": licence.name},
                )
            self.accept((licence,))


def read_token(path: Path | None) -> str | None:
    """The access token of a file; None where none is named.

    Raises:
        InvalidInputError: The file cannot be read, or holds no token.
    """
    if path is None:
        return None
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"The token file {path} cannot be read: {error}.", metadata={"path": str(path)}
        ) from error
    if not token or not token.isprintable() or len(token.split()) != 1:
        raise InvalidInputError(
            f"The token file {path} holds no access token on a line of its own.",
            metadata={"path": str(path)},
        )
    return token
