"""Hot folders to test with: timelines to drop, and what must hold of a folder at any time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from support.cutting_room import Edit

OURS = ".ltxbridge-output"


@dataclass(frozen=True)
class Hot:
    """A hot folder as its user sees it."""

    root: Path

    @property
    def incoming(self) -> Path:
        return self.root / "in"

    @property
    def work(self) -> Path:
        return self.root / ".ltxbridge" / "work"

    def drop(
        self, edit: Edit, *, name: str = "cut.fcpxml", note: str = "", media: bool = True
    ) -> Path:
        """Copy a timeline into `in/`, its media beside it, its links those of another machine."""
        self.incoming.mkdir(parents=True, exist_ok=True)
        if media:
            folder = self.incoming / "media"
            if not folder.exists():
                shutil.copytree(edit.originals[0].parent, folder)
        here = edit.originals[0].parent.parent.as_uri()
        text = edit.path.read_text(encoding="utf-8").replace(here, "file:///Volumes/SAN/show")
        if note:
            text = text.replace("<library>", f"<library><!-- {note} -->", 1)
        target = self.incoming / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def visible(self, folder: str) -> dict[str, bytes]:
        """Every file in one of the folders that a user sees, by its path inside."""
        return dict(self._visible(self.root / folder))

    def timelines(self) -> list[str]:
        """Where the dropped timelines are, in every folder but `out/`, work included."""
        places = ("in", "done", "failed", ".ltxbridge/work")
        return sorted(
            f"{place}/{path.name}"
            for place in places
            for path in (self.root / place).rglob("*.fcpxml*")
            if path.suffix in {".fcpxml", ".fcpxmld"}
        )

    def check_nothing_is_half(self) -> None:
        """Whatever a user can see is whole."""
        for folder in ("out", "done", "failed"):
            for name, content in self.visible(folder).items():
                match Path(name).suffix:
                    case ".fcpxml" if (
                        content or folder != "failed"
                    ):  # which may be one dropped empty
                        ET.fromstring(content)  # noqa: S314 - ours
                    case ".json":
                        json.loads(content)
                    case ".html":
                        assert content.rstrip().endswith(b"</html>"), name
                    case ".mov":
                        assert (self.root / folder / name).with_suffix(".c2pa").exists(), name

    @staticmethod
    def _visible(folder: Path) -> Iterator[tuple[str, bytes]]:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in inside.parts):
                yield str(inside), path.read_bytes()
