"""A hot folder on the real disk whose clock the test moves, and a probe that really opens what is dropped."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from interchange.formats.registry import format_for
from ltxbridge.hotfolder.intake import Arrival, Intake, Refusal
from ltxbridge.hotfolder.layout import HotFolder
from sidecar.filesystem import FileSystem
from sidecar.media.probe import probe_media

WHOLE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
    b'<fcpxml version="1.11"><resources>%s</resources><library/></fcpxml>\n'
)


def timeline(*media: str, note: str = "") -> bytes:
    """A small whole document that names media which are not where it says."""
    assets = "".join(
        f'<asset id="r{number}"><media-rep src="file:///Volumes/SAN/day1/{name}"/></asset>'
        for number, name in enumerate(media, 1)
    )
    return WHOLE % (assets + f"<!-- {note} -->").encode()


class OpeningProbe:
    """Opens in this process; the reader box has tests of its own."""

    def __init__(self) -> None:
        self.opened: list[Path] = []

    def document(self, path: Path) -> frozenset[str]:
        self.opened.append(path)
        form = format_for(path)
        raw = form.load(path)
        form.read(raw)
        sources = re.findall(r'src="(file:[^"]*)"', raw.decode())
        paths = [Path(unquote(urlsplit(source).path)) for source in sources]
        return frozenset(path.name for path in paths if not path.exists())

    def media(self, path: Path) -> None:
        self.opened.append(path)
        probe_media(path)


class Dropping:
    """A hot folder and its intake; `pass_time` polls as a watcher would.

    Args:
        root: An empty folder.
        intake: Passed on to the intake.
    """

    def __init__(self, root: Path, **intake: object) -> None:
        self.now_s = 1_000.0
        self.hot = HotFolder(root)
        self.hot.create(FileSystem())
        self.probe = OpeningProbe()
        self._options = {"settle_s": 3, "probe": self.probe} | intake
        self.restart()

    def restart(self) -> None:
        """A new intake, as of a watcher that was started again."""
        self.intake = Intake(self.hot, clock=lambda: self.now_s, **self._options)

    def put(self, name: str, content: bytes) -> Path:
        """Write a file in `in/` at once."""
        path = self.hot.incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def pass_time(self, seconds: float, *, every_s: float = 1.0) -> list[Arrival | Refusal]:
        """Poll now and every so often, and gather what is handed out."""
        found = list(self.intake.poll())
        for _ in range(int(seconds / every_s)):
            self.now_s += every_s
            found += self.intake.poll()
        return found

    def arrivals(self, seconds: float = 10.0) -> list[str]:
        """What arrives within so many seconds, checked to be still what it was; nothing may be refused."""
        found = self.pass_time(seconds)
        assert all(isinstance(one, Arrival) and self.intake.still(one) for one in found), found
        return [str(one.relative) for one in found]
