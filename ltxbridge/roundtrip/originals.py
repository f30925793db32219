"""The original media of one timeline: found inside the roots, probed once, proven untouched."""

from __future__ import annotations

from pathlib import Path

from interchange.errors import BridgeError
from interchange.model.media import MediaFacts
from interchange.model.segment import MediaLink
from ltxbridge.report.values import OriginalFacts
from sidecar.filesystem import FileSystem
from sidecar.media.paths import PathPolicy
from sidecar.readers.box import ReaderBox


class Originals:
    """Resolves a document's media links and remembers what was read.

    Args:
        policy: Allowed roots and path mappings.
        filesystem: For the digests.
        box: Opens the media.
    """

    def __init__(self, policy: PathPolicy, *, filesystem: FileSystem, box: ReaderBox) -> None:
        self._policy = policy
        self._filesystem = filesystem
        self._box = box
        self._facts: dict[str, MediaFacts] = {}
        self._digests: dict[str, str] = {}

    def facts_of(self, link: MediaLink) -> MediaFacts:
        """Probe the file a document links to; the second time, remember.

        Raises:
            NotAllowedError: It is outside the roots.
            NotFoundError: It is not there.
            UnsupportedError: Variable rate, interlaced or otherwise not served.
            InvalidInputError: It is damaged.
        """
        if link.url not in self._facts:
            self._facts[link.url] = self._box.probe_media(self._policy.source(link.url))
        return self._facts[link.url]

    def path_of(self, path_text: str) -> str:
        """The file that `image=`, `audio_file=` or `matte=` names.

        Raises:
            NotAllowedError: It is outside the roots.
            NotFoundError: It is not there.
        """
        return str(self._policy.source(path_text))

    def facts_by_path(self, path: str) -> MediaFacts:
        """The facts of a file that was probed before, by its resolved path."""
        return next(facts for facts in self._facts.values() if facts.path == path)

    def note_digests(self, paths: set[str]) -> None:
        """Take the digests of files before anything is made from them."""
        for path in sorted(paths):
            self._digests[path] = self._filesystem.sha256(Path(path))

    def proof(self) -> tuple[OriginalFacts, ...]:
        """Digests before and now, for every file noted; none where a file cannot be read any more."""
        return tuple(
            OriginalFacts(path, before, self._digest_now(path))
            for path, before in self._digests.items()
        )

    def _digest_now(self, path: str) -> str:
        try:
            return self._filesystem.sha256(Path(path))
        except BridgeError:
            # Reported as changed. A disk that was unplugged meanwhile must not cost the whole report.
            return ""
