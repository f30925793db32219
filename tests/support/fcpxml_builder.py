"""Writes small FCPXML documents for tests: exact rates, start timecodes, clips, gaps, marks, lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from xml.sax.saxutils import quoteattr

from interchange.timebase import FrameRate


def seconds(frames: int, rate: FrameRate) -> str:
    """A number of frames as FCPXML writes it: not always reduced."""
    exact = Fraction(frames) * rate.frame_duration
    return f"{exact.numerator}/{exact.denominator}s" if exact.denominator != 1 else f"{exact}s"


@dataclass(frozen=True)
class Mark:
    """A marker, chapter marker or keyword range.

    Args:
        at: Frames after the clip's first frame.
        value: Its name.
        note: Its note.
        length: Frames.
        tag: Element.
    """

    at: int
    value: str
    note: str = ""
    length: int = 1
    tag: str = "marker"

    def xml(self, local_start: int, rate: FrameRate) -> str:
        note = f" note={quoteattr(self.note)}" if self.note else ""
        return (
            f'<{self.tag} start="{seconds(local_start + self.at, rate)}" '
            f'duration="{seconds(self.length, rate)}" value={quoteattr(self.value)}{note}/>'
        )


@dataclass(frozen=True)
class Clip:
    """A clip of one of the document's assets.

    Args:
        length: Frames.
        source_in: Frames after the asset's first frame.
        name: Clip name.
        marks: Markers and keywords.
        note: Text of its note.
        lane: Where it is connected; 0 in a storyline.
        at: For a connected clip, frames after its host's first frame.
        inside: Elements before anything connected (conform, adjustments), as written.
        after: Elements after the marks (filters, metadata), as written.
        connected: Clips on it.
        attributes: More attributes, as written.
        asset: Id of its asset.
    """

    length: int
    source_in: int = 0
    name: str = "A"
    marks: tuple[Mark, ...] = ()
    note: str = ""
    lane: int = 0
    at: int = 0
    inside: str = ""
    after: str = ""
    connected: tuple[Clip | Storyline, ...] = ()
    attributes: str = ""
    asset: str = "r2"


@dataclass(frozen=True)
class Gap:
    """A gap in a storyline."""

    length: int
    marks: tuple[Mark, ...] = ()
    connected: tuple[Clip | Storyline, ...] = ()


@dataclass(frozen=True)
class Storyline:
    """A secondary storyline, connected to a clip."""

    lane: int
    items: tuple[Clip | Gap, ...]
    at: int = 0


@dataclass(frozen=True)
class Raw:
    """Anything else in a storyline, as written; takes up no time."""

    xml: str


@dataclass(frozen=True)
class Document:
    """A document with one project.

    Args:
        rate: The sequence's rate, also the media's.
        spine: The primary storyline.
        version: Its FCPXML version.
        start: Start timecode in frames.
        drop_frame: How timecode counts.
        asset_start: The media's start timecode in frames.
        asset_length: The media's length in frames.
        size: Picture size.
        offsets: Whether storyline items state their offset.
        line_end: Line end.
        encoding: How it is encoded.
        note: The sequence's note.
        more: More resources, as written.
    """

    rate: FrameRate
    spine: Sequence[Clip | Gap | Raw]
    version: str = "1.10"
    start: int = 0
    drop_frame: bool = False
    asset_start: int = 0
    asset_length: int = 10_000
    size: tuple[int, int] = (384, 216)
    offsets: bool = True
    line_end: str = "\n"
    encoding: str = "UTF-8"
    note: str = ""
    more: str = ""
    url: str = "file:///media/A.mov"

    def xml(self) -> bytes:
        """The document."""
        rate = self.rate
        tc = "DF" if self.drop_frame else "NDF"
        total = sum(item.length for item in self.spine if not isinstance(item, Raw))
        source = f'src="{self.url}" ' if self.version == "1.8" else ""
        tail = (
            "/>"
            if self.version == "1.8"
            else (f'><media-rep kind="original-media" src="{self.url}"/></asset>')
        )
        lines = [
            f'<?xml version="1.0" encoding="{self.encoding}"?>',
            "<!DOCTYPE fcpxml>",
            "",
            f'<fcpxml version="{self.version}">',
            "    <resources>",
            (
                f'        <format id="r1" frameDuration="{seconds(1, rate)}" width="{self.size[0]}" '
                f'height="{self.size[1]}" colorSpace="1-1-1 (Rec. 709)"/>'
            ),
            (
                f'        <asset id="r2" name="A.mov" {source}start="{seconds(self.asset_start, rate)}" '
                f'duration="{seconds(self.asset_length, rate)}" hasVideo="1" format="r1"{tail}'
            ),
            *([f"        {self.more}"] if self.more else []),
            "    </resources>",
            '    <library><event name="E"><project name="P">',
            (
                f'        <sequence format="r1" duration="{seconds(total, rate)}" '
                f'tcStart="{seconds(self.start, rate)}" tcFormat="{tc}">'
            ),
            *([f"            <note>{self.note}</note>"] if self.note else []),
            "            <spine>",
            *self._storyline(self.spine, self.start, 16),
            "            </spine>",
            "        </sequence>",
            "    </project></event></library>",
            "</fcpxml>",
            "",
        ]
        return self.line_end.join(lines).encode(self.encoding)

    def _storyline(self, items: Sequence[Clip | Gap | Raw], cursor: int, indent: int) -> list[str]:
        lines: list[str] = []
        for item in items:
            if isinstance(item, Raw):
                lines.append(" " * indent + item.xml)
                continue
            offset = f' offset="{seconds(cursor, self.rate)}"' if self.offsets else ""
            lines += self._item(item, offset, indent)
            cursor += item.length
        return lines

    def _item(self, item: Clip | Gap | Storyline, offset: str, indent: int) -> list[str]:
        pad = " " * indent
        if isinstance(item, Storyline):
            return [
                f'{pad}<spine lane="{item.lane}"{offset}>',
                *self._storyline(item.items, 0, indent + 4),
                f"{pad}</spine>",
            ]
        if isinstance(item, Gap):
            local = 0
            opening = (
                f'<gap name="Gap"{offset} start="0s" duration="{seconds(item.length, self.rate)}"'
            )
            inner: list[str] = []
        else:
            local = self.asset_start + item.source_in
            lane = f' lane="{item.lane}"' if item.lane else ""
            opening = (
                f'<asset-clip ref="{item.asset}"{lane}{offset} name={quoteattr(item.name)} '
                f'start="{seconds(local, self.rate)}" duration="{seconds(item.length, self.rate)}" '
                f'format="r1"{" " + item.attributes if item.attributes else ""}'
            )
            inner = [f"<note>{item.note}</note>"] if item.note else []
            inner += [item.inside] if item.inside else []
        lines = [f"{pad}    {line}" for line in inner]
        for child in item.connected:
            at = f' offset="{seconds(local + child.at, self.rate)}"'
            lines += self._item(child, at, indent + 4)
        lines += [f"{pad}    {mark.xml(local, self.rate)}" for mark in item.marks]
        if isinstance(item, Clip) and item.after:
            lines.append(f"{pad}    {item.after}")
        if not lines:
            return [f"{pad}{opening}/>"]
        tag = "gap" if isinstance(item, Gap) else "asset-clip"
        return [f"{pad}{opening}>", *lines, f"{pad}</{tag}>"]
