"""Opens what was dropped, to see whether it is whole; in the reader box, as all that strangers made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from interchange.errors import BridgeError, InvalidInputError, Reason
from interchange.formats.registry import format_for
from interchange.model.segment import Reading
from ltxbridge.hotfolder.layout import HotFolder
from sidecar.media.paths import PathMapping, PathPolicy, file_name
from sidecar.readers.box import ReaderBox


class BoxProbe:
    """The intake's probe.

    Args:
        hot: The hot folder.
        roots: Folders media may lie in besides.
        mappings: Where media of other machines lie here.
        box: Opens the files.
    """

    def __init__(
        self,
        hot: HotFolder,
        *,
        roots: Sequence[Path],
        mappings: Sequence[PathMapping],
        box: ReaderBox,
    ) -> None:
        self._incoming = hot.incoming
        self._policy = PathPolicy((hot.incoming, *roots), mappings)
        self._box = box

    def document(self, path: Path) -> frozenset[str]:
        """Read a timeline to its end.

        Returns:
            Names of the media that its marks need and that are not outside of `in/`: those that lie in it,
            or are still on their way there.

        Raises:
            BridgeError: It cannot be read, or not yet.
        """
        reading = self._box.read_timeline(path, format_for(path).load(path))
        return frozenset(file_name(text) for text in _links(reading) if self._is_beside(text))

    def media(self, path: Path) -> None:
        """Open a media file.

        Raises:
            BridgeError: It cannot be opened, or not yet.
        """
        if not self._box.media_opens(path):
            raise InvalidInputError(
                f"{path} is damaged or not all there. Copy it again.",
                reason=Reason.MEDIA_DAMAGED,
                metadata={"path": str(path)},
            )

    def _is_beside(self, path_text: str) -> bool:
        try:
            return self._policy.source(path_text).is_relative_to(self._incoming)
        except BridgeError:
            return bool(file_name(path_text))


def _links(reading: Reading) -> Iterator[str]:
    for segment in reading.segments:
        for clip in (segment.clip, segment.previous, segment.following):
            if clip is not None and clip.media is not None:
                yield clip.media.url
        directive = segment.directive
        yield from filter(None, (directive.image, directive.audio_file, directive.matte))
